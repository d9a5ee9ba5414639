#pragma once
#include <type_traits>
#include <utility>

#include <coil/process_pool.hpp>

namespace coil {

/// Runs `f(args...)` in a worker process and gives its result: what ProcessPool::run does, in a pool that the loop keeps
/// until the end of `run`. Its workers, as many as there are processors, are started when they are first needed; where
/// there are threads then, see `fork_process`, or use a ProcessPool that was made before them.
template <class F, class... Args>
[[nodiscard]] auto to_process(F&& f, Args&&... args) {
  using Job = detail::ProcessJob<std::decay_t<F>, Args...>;
  return detail::take_job_result<typename Job::Result>(
      detail::run_in_default_pool(Job::request(f, std::forward<Args>(args)...)));
}

}  // namespace coil
