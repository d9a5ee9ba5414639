// A server that sends back what it gets, over TLS.
//
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost
//     -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out certificate.pem
//   sh examples/run tls_echo_server PORT CERTIFICATE KEY     files of PEM; PORT: 0 for any free one
//   openssl s_client -connect 127.0.0.1:PORT -CAfile certificate.pem -quiet
//
// SIGTERM or Ctrl-C: takes no more connections, and ends when the last client has closed its own, after 5 s at the most.
#include <coil/tls.hpp>

#include "server.hpp"

namespace {

constexpr const char* usage_line = "tls_echo_server PORT CERTIFICATE KEY";

coil::Coro<void> echo(coil::TlsContext context, coil::Stream stream) {
  try {
    co_await stream.start_tls(context);
    while (!(co_await stream.peek()).empty()) {
      stream.move_to(stream);
      co_await stream.drain();
    }
    co_await stream.aclose();
  } catch (const coil::TimeoutError&) {
    std::fprintf(stderr, "tls_echo_server: a client did not begin in time\n");
  } catch (const std::system_error& error) {  // also of TLS
    std::fprintf(stderr, "tls_echo_server: %s\n", error.what());
  }
}

coil::Coro<int> serve(std::uint16_t port, std::string certificate, std::string key) {
  const coil::TlsContext context = coil::TlsContext::server(certificate, key);
  auto handler = [&](coil::Stream stream) { return echo(context, std::move(stream)); };
  co_return co_await example::serve(handler, port);
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 3, 3, usage_line);
  const std::uint16_t port = example::parse_port(argc, argv, 0, usage_line);
  return example::run([=] { return serve(port, argv[2], argv[3]); }, "tls_echo_server: ");
}
