// Sends back what it gets, through Stream and start_server. Prints its port; ends when it is killed.
#include <cstdio>

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

int main() { coil::run(serve()); }
