// An HTTP/1.1 server of the files in a folder: keep-alive, pipelining, ranges, limits against clients that are slow or
// mean harm. POST /echo answers with the body. What it is made of stands in examples/http/.
//
//   sh examples/run http_server [PORT [DIR]]     PORT: 8080 by default, 0 for any free one; DIR: the current folder
//   curl -i http://127.0.0.1:8080/
//
// SIGTERM or Ctrl-C: takes no more connections, and ends when what was begun is answered, after 5 s at the most.
#include "http/connection.hpp"
#include "server.hpp"

namespace {

constexpr const char* usage_line = "http_server [PORT [DIR]]";
constexpr std::uint16_t default_port = 8080;
constexpr std::size_t connections_max = 16384;

coil::Coro<int> serve(std::uint16_t port, std::string folder) {
  http::Service service(folder);
  const auto serve_client = [&](coil::Stream stream) { return service.serve(std::move(stream)); };
  const auto drain = [&] { service.drain(); };
  const coil::ServerOptions options{.max_connections = connections_max};
  co_return co_await example::serve(serve_client, port, options, drain);
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 2, usage_line);
  const std::uint16_t port = example::parse_port(argc, argv, default_port, usage_line);
  return example::run(serve(port, argc > 2 ? argv[2] : "."), "http_server: ");
}
