// What nearly all sources include, parsed once. Each still includes what it needs: builds without it (-Db_pch=false) work.
#include <coil/gather.hpp>
#include <coil/run.hpp>
#include <coil/task_group.hpp>
#include <coil/timeout.hpp>
