#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <coil/message_pipe.hpp>
#include <coil/process.hpp>

namespace coil::detail {

/// A worker process of a pool, as its parent has it.
class PoolWorker {
public:
  /// Errors: `std::system_error`.
  static std::unique_ptr<PoolWorker> start();
  PoolWorker(Process process, MessagePipe pipe, std::uint64_t loads) noexcept
      : process_(std::move(process)), pipe_(std::move(pipe)), loads_of_code_(loads) {}

  Process& process() noexcept { return process_; }
  MessagePipe& pipe() noexcept { return pipe_; }
  /// Whether it still runs, and has all the code that it may be asked to run.
  bool is_fit() const;

private:
  Process process_;
  MessagePipe pipe_;
  std::uint64_t loads_of_code_;  // of this process, when it was started
};

/// The result in a worker's answer. Errors: RemoteError, if it is an exception.
std::string take_answer(const std::string& answer);

}  // namespace coil::detail
