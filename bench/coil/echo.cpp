// Sends back what it gets, through TcpListener and TcpStream. Prints its port; ends when it is killed.
#include <cstdio>
#include <vector>

#include <coil/coil.hpp>

namespace {

constexpr std::size_t buffer_size = 16384;

coil::Coro<void> echo(coil::TcpStream stream) {
  std::vector<std::byte> buffer(buffer_size);
  while (const std::size_t size = co_await stream.read_some(buffer))
    co_await stream.write_all(std::span<const std::byte>(buffer).first(size));
}

coil::Coro<void> serve() {
  coil::TcpListener listener(coil::Endpoint::parse("127.0.0.1:0"));
  std::printf("%d\n", static_cast<int>(listener.port()));
  std::fflush(stdout);
  for (;;) static_cast<void>(coil::create_task(echo(co_await listener.accept())));  // one that fails is reported
}

}  // namespace

int main() { coil::run(serve()); }
