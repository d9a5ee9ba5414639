#include <coil/fork_process.hpp>

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>

#include <coil/exception_group.hpp>
#include <coil/run.hpp>

#include "child_process.hpp"
#include "fork_child.hpp"

namespace coil::detail {

namespace {

/// Runs a coroutine on a new loop.
class ForkedRun final : public ForkJob {
public:
  ForkedRun(Coro<int>& body, const RunOptions& options) noexcept : body_(body), options_(options) {}

  int run() noexcept override {
    int code = 1;
    try {
      code = coil::run(std::move(body_), options_);
    } catch (const KeyboardInterrupt&) {
      end_by_interrupt();
    } catch (...) {
      print(std::current_exception());
    }
    return code;
  }

private:
  static void print(const std::exception_ptr& exception) {
    const std::string text = "coil: an exception left the body of fork_process() in process " +
                             std::to_string(::getpid()) + "\n  " + format_exception(exception);
    std::fputs(text.c_str(), stderr);
  }
  static void end_by_interrupt() noexcept {
    std::fflush(nullptr);
    ::signal(SIGINT, SIG_DFL);
    ::raise(SIGINT);
  }

  Coro<int>& body_;
  RunOptions options_;
};

/// The parent's copy of what runs in the child.
class Discarded {
public:
  explicit Discarded(Coro<int>& body) noexcept : body_(body) {}
  Discarded(const Discarded&) = delete;
  Discarded& operator=(const Discarded&) = delete;
  ~Discarded() { CoroAccess::discard(body_); }

private:
  Coro<int>& body_;
};

}  // namespace

ForkedProcess fork_off(Coro<int>& body, MessagePipe& theirs, MessagePipe ours) {
  const Discarded discarded(body);
  ours.keep_private();
  ForkedRun job(body, {.debug = this_loop != nullptr && this_loop->debug});
  Process process = ChildAccess::process(fork_child(job, theirs.fd(), ours.fd(), Command::grace_default));
  return ForkedProcess(std::move(process), std::move(ours));
}

}  // namespace coil::detail
