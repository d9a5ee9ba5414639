#include <algorithm>
#include <cerrno>
#include <system_error>

#include <coil/error.hpp>
#include <coil/gather.hpp>
#include <coil/process.hpp>

namespace coil {

namespace {

/// Adds to a count what was done, however the scope ends.
class Counted {
public:
  explicit Counted(std::size_t& total) noexcept : total_(total) {}
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { total_ += done; }
  std::size_t done = 0;

private:
  std::size_t& total_;
};

/// Sets a flag meanwhile.
class Flagged {
public:
  explicit Flagged(bool& flag) noexcept : flag_(flag) { flag_ = true; }
  Flagged(const Flagged&) = delete;
  Flagged& operator=(const Flagged&) = delete;
  ~Flagged() { flag_ = false; }

private:
  bool& flag_;
};

Coro<void> feed(PipeWriter& pipe, std::string_view input, std::size_t& sent) {
  if (!pipe) co_return;
  try {
    Counted count(sent);
    co_await pipe.write_all(input.substr(std::min(sent, input.size())), &count.done);
  } catch (const std::system_error& error) {
    if (error.code().value() != EPIPE) throw;
  }
  pipe.close();
}

Coro<void> take(PipeReader& pipe, std::string& output, std::size_t output_max) {
  if (!pipe) co_return;
  co_await detail::append_all(pipe.fd(), output, output_max);
  pipe.close();
}

}  // namespace

Coro<Process::Output> Process::communicate(std::string_view input, std::size_t output_max) {
  Communication& state = communication_;
  if (state.running) detail::throw_logic_error("coil: Process::communicate() while another call is under way");
  if (!input.empty() && !stdin_pipe_ && !state.begun)
    detail::throw_logic_error("coil: Process::communicate() with an input, but stdin is not `piped`");
  state.begun = true;
  const Flagged running(state.running);
  co_await gather(feed(stdin_pipe_, input, state.sent), take(stdout_pipe_, state.read.out, output_max),
                  take(stderr_pipe_, state.read.err, output_max));
  co_await wait();
  co_return std::exchange(state.read, Output());
}

}  // namespace coil
