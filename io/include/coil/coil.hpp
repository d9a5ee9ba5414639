#pragma once

// All of coil but the optional parts.

#include <coil/as_result.hpp>
#include <coil/call_graph.hpp>
#include <coil/clock.hpp>
#include <coil/command.hpp>
#include <coil/coro.hpp>
#include <coil/create_task.hpp>
#include <coil/descriptor.hpp>
#include <coil/error.hpp>
#include <coil/exception_group.hpp>
#include <coil/file_operations.hpp>
#include <coil/fork_process.hpp>
#include <coil/future.hpp>
#include <coil/gather.hpp>
#include <coil/loop.hpp>
#include <coil/message_pipe.hpp>
#include <coil/outcome.hpp>
#include <coil/pipe_ends.hpp>
#include <coil/poll.hpp>
#include <coil/process.hpp>
#include <coil/process_pool.hpp>
#include <coil/run.hpp>
#include <coil/scope.hpp>
#include <coil/sleep.hpp>
#include <coil/task.hpp>
#include <coil/task_group.hpp>
#include <coil/timeout.hpp>
#include <coil/to_process.hpp>
