// Sends back what it gets, through Stream and start_server. Prints its port; ends when it is killed. With the argument
// `busy` the loop does not sleep as long as something comes every 200 us.
#include <chrono>
#include <cstdio>
#include <cstring>

#include <coil/coil.hpp>

namespace {

coil::Coro<void> echo(coil::Stream stream) {
  for (;;) {
    const std::string_view text = co_await stream.peek();
    if (text.empty()) break;
    stream.move_to(stream);
    co_await stream.drain();
  }
}

coil::Coro<void> serve() {
  coil::Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  std::printf("%d\n", static_cast<int>(server.port()));
  std::fflush(stdout);
  co_await server.serve_forever();
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_busy = argc == 2 && std::strcmp(argv[1], "busy") == 0;
  coil::run(serve(), {.busy_poll = std::chrono::microseconds(is_busy ? 200 : 0)});
}
