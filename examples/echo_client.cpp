// Sends the lines of the standard input to an echo server, and prints what comes back.
//
//   sh examples/run echo_client [PORT]     PORT: 7007 by default
//   seq 10000 | sh examples/run echo_client | tail -1
//
// Both directions go on at the same time; at the end of the input the server is told so, and its last answers are
// waited for.
#include "server.hpp"

namespace {

constexpr const char* usage_line = "echo_client [PORT]";
constexpr std::uint16_t default_port = 7007;

coil::Coro<int> talk(std::uint16_t port) {
  coil::Stream server = co_await coil::open_connection("127.0.0.1", port);
  coil::Stream input = coil::stdin_stream();
  coil::Stream output = coil::stdout_stream();

  auto copy = [](coil::Stream& from, coil::Stream& to) -> coil::Coro<void> {
    for (;;) {
      const std::string_view text = co_await from.peek();
      if (text.empty()) break;
      from.move_to(to);
      co_await to.drain();
    }
    to.write_eof();
  };
  co_await coil::gather(copy(input, server), copy(server, output));
  co_await output.aclose();
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 1, usage_line);
  const std::uint16_t port = example::parse_port(argc, argv, default_port, usage_line);
  return example::run([port] { return talk(port); }, "echo_client: ");
}
