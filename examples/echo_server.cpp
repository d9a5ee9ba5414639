// A TCP server that sends back what it gets, to any number of clients at once.
//
//   sh examples/run echo_server [PORT]     PORT: 7007 by default, 0 for any free one
//   sh examples/run echo_client [PORT], or: nc 127.0.0.1 7007
//
// SIGTERM or Ctrl-C: takes no more connections, and ends when the last client has closed its own, after 5 s at the most.
#include "server.hpp"

namespace {

constexpr const char* usage_line = "echo_server [PORT]";
constexpr std::uint16_t default_port = 7007;

// `peek` waits until something has come, and `move_to` makes it what is sent, without a copy. A client that does not
// read its answers holds `drain` up, and so is not read from: it costs no more than one buffer in each direction.
coil::Coro<void> echo(coil::Stream stream) {
  try {
    for (;;) {
      const std::string_view text = co_await stream.peek();
      if (text.empty()) break;
      stream.move_to(stream);
      co_await stream.drain();
    }
  } catch (const std::system_error&) {
    // The client has reset its connection.
  }
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 1, usage_line);
  const std::uint16_t port = example::parse_port(argc, argv, default_port, usage_line);
  return example::run([port] { return example::serve(echo, port); }, "echo_server: ");
}
