// Endpoint: addresses made, parsed, printed, compared.
#include <coil/endpoint.hpp>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

using coil::Endpoint;

namespace {

std::string refused(const std::string& text) {
  try {
    return "accepted: " + Endpoint::parse(text).to_string();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

/// The address that the kernel gives for a socket that is bound to `endpoint`.
Endpoint bound(const Endpoint& endpoint) {
  const int fd = ::socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(fd, endpoint.address(), endpoint.size()) == 0);
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) == 0);
  ::close(fd);
  return Endpoint::from_address(reinterpret_cast<sockaddr*>(&storage), size);
}

}  // namespace

TEST_CASE("endpoint: prints what it parses") {
  for (const std::string text :
       {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0", "[2001:db8::ff]:443",
        "[::ffff:10.0.0.1]:1", "/run/a.sock", "/", "unix:relative.sock", "unix:./a", "@abstract", "@", "unix:"}) {
    CAPTURE(text);
    CHECK(Endpoint::parse(text).to_string() == text);
    CHECK(Endpoint::parse(text) == Endpoint::parse(text));
  }
}

TEST_CASE("endpoint: an IPv4 address has a family, a host and a port") {
  const Endpoint endpoint("192.0.2.7", 8080);
  CHECK(endpoint.family() == AF_INET);
  CHECK(endpoint.host() == "192.0.2.7");
  CHECK(endpoint.port() == 8080);
  CHECK(endpoint.size() == sizeof(sockaddr_in));
  const auto& raw = *reinterpret_cast<const sockaddr_in*>(endpoint.address());
  CHECK(ntohl(raw.sin_addr.s_addr) == 0xc0000207);
  CHECK(ntohs(raw.sin_port) == 8080);
}

TEST_CASE("endpoint: an IPv6 address may have a zone, by name or by number") {
  const std::string name = [] {
    char buffer[IF_NAMESIZE] = "";
    REQUIRE(::if_indextoname(1, buffer) != nullptr);
    return std::string(buffer);
  }();
  const Endpoint by_name("fe80::1%" + name, 9);
  const Endpoint by_number("fe80::1%1", 9);
  CHECK(by_name == by_number);
  CHECK(by_name.family() == AF_INET6);
  CHECK(by_name.to_string() == "[fe80::1%" + name + "]:9");
  CHECK(Endpoint::parse(by_name.to_string()) == by_name);
  CHECK(!(by_name == Endpoint("fe80::1", 9)));
  CHECK(Endpoint("fe80::1%4242424", 9).host() == "fe80::1%4242424");
}

TEST_CASE("endpoint: numeric() gives nothing for what is a name or broken") {
  for (const std::string_view host : {"localhost", "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ", " ::1",
                                      ":::", "::1%nosuchzone0", "::1%", "1.2.3.4%1", "[::1]"})
    CHECK_MESSAGE(!Endpoint::numeric(host, 1), host);
  CHECK(!Endpoint::numeric(std::string_view("::1\0x", 5), 1));
  CHECK(Endpoint::numeric("::1", 1) == Endpoint("::1", 1));
}

TEST_CASE("endpoint: what is no endpoint is refused with a sentence") {
  CHECK(refused("localhost:80") == "coil: Endpoint: 'localhost' is not a numeric address");
  CHECK(refused("127.0.0.1") == "coil: Endpoint: '127.0.0.1' has no port");
  CHECK(refused("127.0.0.1:") == "coil: Endpoint: '127.0.0.1:' has no port from 0 to 65535");
  CHECK(refused("127.0.0.1:65536") == "coil: Endpoint: '127.0.0.1:65536' has no port from 0 to 65535");
  CHECK(refused("127.0.0.1:-1") == "coil: Endpoint: '127.0.0.1:-1' has no port from 0 to 65535");
  CHECK(refused("127.0.0.1:+1") == "coil: Endpoint: '127.0.0.1:+1' has no port from 0 to 65535");
  CHECK(refused("127.0.0.1: 1") == "coil: Endpoint: '127.0.0.1: 1' has no port from 0 to 65535");
  CHECK(refused("::1:80") == "coil: Endpoint: '::1:80' is not 'ADDRESS:PORT' or '[IPV6]:PORT'");
  CHECK(refused("[127.0.0.1]:80") == "coil: Endpoint: '[127.0.0.1]:80' is not 'ADDRESS:PORT' or '[IPV6]:PORT'");
  CHECK(refused("[::1:80") == "coil: Endpoint: '[::1:80' is not 'ADDRESS:PORT' or '[IPV6]:PORT'");
  CHECK(refused("") == "coil: Endpoint: '' has no port");
  CHECK_THROWS_AS(Endpoint("localhost", 80), std::invalid_argument);
}

TEST_CASE("endpoint: Unix paths and abstract names have 107 bytes at the most") {
  const std::string longest(106, 'p');
  CHECK(Endpoint::unix_path("/" + longest).host() == "/" + longest);
  CHECK_THROWS_WITH(
      Endpoint::unix_path("//" + longest),
      ("coil: Endpoint: '//" + longest + "' is longer than the 107 bytes of a Unix socket's path").c_str());
  CHECK(Endpoint::abstract_name("n" + longest).host() == "n" + longest);
  CHECK_THROWS_AS(Endpoint::abstract_name("nn" + longest), std::invalid_argument);
  CHECK_THROWS_AS(Endpoint::unix_path(""), std::invalid_argument);
  CHECK_THROWS_AS(Endpoint::unix_path(std::string_view("a\0b", 3)), std::invalid_argument);
}

TEST_CASE("endpoint: an abstract name may hold any bytes, and control bytes are printed in digits") {
  const std::string name("a\0\n\x7fz", 5);
  const Endpoint endpoint = Endpoint::abstract_name(name);
  CHECK(endpoint.is_abstract());
  CHECK(endpoint.host() == name);
  CHECK(endpoint.to_string() == "@a\\x00\\x0a\\x7fz");
  CHECK(endpoint.port() == 0);
  CHECK(!Endpoint::unix_path("/a").is_abstract());
  CHECK(!Endpoint::parse("unix:").is_abstract());
}

TEST_CASE("endpoint: equals what the kernel gives for it") {
  const std::string name = "coil-endpoint-test-" + std::to_string(::getpid());
  const Endpoint abstract = Endpoint::abstract_name(name);
  CHECK(bound(abstract) == abstract);
  const Endpoint path = Endpoint::unix_path("/tmp/" + name);
  CHECK(bound(path) == path);
  ::unlink(path.host().c_str());
  const Endpoint local = bound(Endpoint("127.0.0.1", 0));
  CHECK(local.port() != 0);
  CHECK(local == Endpoint("127.0.0.1", local.port()));
  CHECK(!(local == Endpoint("127.0.0.1", 0)));
  CHECK(!(local == path));
}

TEST_CASE("endpoint: with_port() changes the port of an address, and nothing of a path") {
  CHECK(Endpoint("::1", 1).with_port(2) == Endpoint("::1", 2));
  CHECK(Endpoint("127.0.0.1", 1).with_port(65535) == Endpoint("127.0.0.1", 65535));
  CHECK(Endpoint::unix_path("/a").with_port(2) == Endpoint::unix_path("/a"));
}

TEST_CASE("endpoint: one that is empty or too long is none, or refused") {
  CHECK(Endpoint().family() == 0);
  CHECK(Endpoint().to_string() == "(no address)");
  CHECK(Endpoint().host() == "");
  CHECK(Endpoint() == Endpoint::from_address(nullptr, 0));
  const sockaddr_storage storage{};
  CHECK_THROWS_AS(Endpoint::from_address(reinterpret_cast<const sockaddr*>(&storage), sizeof storage),
                  std::invalid_argument);
}
