// A program that uses an installed coil with TLS.
#include <coil/run.hpp>
#include <coil/tls.hpp>

#include <cstdio>

namespace {

// The handshake of two who trust nobody ends in an error, of OpenSSL.
coil::Coro<int> answer() {
  auto [one, other] = coil::Stream::pair();
  other.write("no TLS at all\n");
  int value = 0;
  try {
    co_await one.start_tls(coil::TlsContext::client(), {.server_hostname = "localhost"});
  } catch (const coil::TlsError&) {
    value = 42;
  }
  co_return value;
}

}  // namespace

int main() { std::printf("%d\n", coil::run(answer)); }
