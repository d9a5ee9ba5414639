// Sends back what it gets, on Boost.Asio with coroutines. Prints its port; ends when it is killed.
#include <cstdio>
#include <vector>

#include "asio.hpp"

namespace {

using asio::ip::tcp;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;

constexpr std::size_t buffer_size = 16384;

Awaitable<void> echo(Socket socket) {
  std::vector<char> buffer(buffer_size);
  boost::system::error_code error;
  while (!error) {
    const std::size_t size =
        co_await socket.async_read_some(asio::buffer(buffer), asio::redirect_error(use_awaitable, error));
    if (!error)
      co_await asio::async_write(socket, asio::buffer(buffer, size), asio::redirect_error(use_awaitable, error));
  }
}

Awaitable<void> serve(Acceptor acceptor) {
  for (;;) {
    Socket socket = co_await acceptor.async_accept(use_awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), echo(std::move(socket)), asio::detached);
  }
}

}  // namespace

int main() {
  asio::io_context context(1);
  Acceptor acceptor(context.get_executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  acceptor.listen(1024);
  std::printf("%d\n", static_cast<int>(acceptor.local_endpoint().port()));
  std::fflush(stdout);
  asio::co_spawn(context, serve(std::move(acceptor)), asio::detached);
  context.run();
}
