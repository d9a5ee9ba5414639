#include <coil/thread_pool.hpp>

#include "workers.hpp"

namespace coil {

using detail::Workers;

unsigned ThreadPool::default_max_workers() noexcept { return Workers::default_max(); }

ThreadPool::ThreadPool(unsigned max_workers, std::string_view name_prefix)
    : max_workers_(max_workers), workers_(new Workers(max_workers, name_prefix)) {}

ThreadPool::~ThreadPool() {
  shutdown();
  workers_->unref();
}

void ThreadPool::check_open() const { workers_->check_open(); }

void ThreadPool::shutdown(bool wait) {
  workers_->shut_down();
  if (wait) workers_->join();
}

}  // namespace coil
