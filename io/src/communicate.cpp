#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include <coil/error.hpp>
#include <coil/gather.hpp>
#include <coil/process.hpp>

namespace coil {

namespace {

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

constexpr std::size_t feed_size = std::size_t{64} << 10;  // that much is in the stream beside the input

// What was written to the stream counts as sent: it goes out also if this is cancelled.
Coro<void> feed(Stream* pipe, std::string_view input, std::size_t& sent) {
  if (pipe == nullptr) co_return;
  try {
    while (sent < input.size()) {
      const std::string_view part = input.substr(sent, feed_size);
      pipe->write(part);
      sent += part.size();
      co_await pipe->drain();
    }
    co_await pipe->flush();
  } catch (const std::system_error& error) {
    if (error.code().value() != EPIPE) throw;
  }
  pipe->close();
}

Coro<void> take(Stream* pipe, std::string& output, std::size_t output_max) {
  if (pipe == nullptr) co_return;
  for (;;) {
    const std::string_view text = co_await pipe->peek();
    if (text.empty()) break;
    const std::size_t room = output_max - std::min(output_max, output.size());
    if (text.size() > room) {
      output.append(text.substr(0, room));
      pipe->close();  // a child that goes on writing must not wait for ever for somebody who reads
      throw std::length_error("coil: more than " + std::to_string(output_max) + " bytes came from a pipe");
    }
    output.append(text);
    pipe->consume(text.size());
  }
  pipe->close();
}

}  // namespace

Coro<Process::Output> Process::communicate(std::string_view input, std::size_t output_max) {
  Communication& state = communication_;
  if (state.running) detail::throw_logic_error("coil: Process::communicate() while another call is under way");
  if (!input.empty() && !pipes_[0].is_open() && !state.begun)
    detail::throw_logic_error("coil: Process::communicate() with an input, but stdin is not `piped`");
  state.begun = true;
  const Flagged running(state.running);
  Stream* pipes[3];
  for (int number = 0; number < 3; ++number)
    pipes[number] = pipes_[number].is_open() ? &stream_of(number, "communicate") : nullptr;
  co_await gather(feed(pipes[0], input, state.sent), take(pipes[1], state.read.out, output_max),
                  take(pipes[2], state.read.err, output_max));
  co_await wait();
  co_return std::exchange(state.read, Output());
}

}  // namespace coil
