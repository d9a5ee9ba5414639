// An HTTP/1.1 server of the files in a folder: keep-alive, pipelining, ranges, limits against clients that are slow or
// mean harm. POST /echo answers with the body. What it is made of stands in examples/http/.
//
//   sh examples/run http_server [PORT [DIR]]      port 8080 and the current folder by default
//   curl -i http://127.0.0.1:8080/
#include "http/connection.hpp"
#include "support.hpp"

coil::Coro<int> serve(std::uint16_t port, std::string folder) {
  http::Service service(folder);
  const auto serve_client = [&](coil::Stream stream) { return service.serve(std::move(stream)); };
  coil::Server server = co_await coil::start_server(serve_client, "127.0.0.1", port);
  std::printf("listening on 127.0.0.1:%u\n", unsigned{server.port()});
  std::fflush(stdout);
  co_await server.serve_forever();
  co_return 0;
}

int main(int argc, char** argv) {
  const char* usage = "http_server [PORT [DIR]], PORT from 0 to 65535";
  example::check_arguments(argc, argv, 0, 2, usage);
  const long port = argc > 1 ? example::parse_number(argv[1], 65535, usage) : 8080;
  return example::run(serve(static_cast<std::uint16_t>(port), argc > 2 ? argv[2] : "."), "http_server: ");
}
