#include <coil/endpoint.hpp>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>
#include <stdexcept>

namespace coil {

namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);
constexpr std::size_t name_max = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::string_view unix_prefix = "unix:";
static_assert(sizeof(sockaddr_un) <= Endpoint::size_max && sizeof(sockaddr_in6) <= Endpoint::size_max);

[[noreturn]] void refuse(std::string_view text, const char* why) {
  throw std::invalid_argument("coil: Endpoint: '" + std::string(text) + "' " + why);
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::uint32_t> parse_scope(const std::string& zone) noexcept {
  if (const unsigned index = ::if_nametoindex(zone.c_str()); index != 0) return index;
  return parse_number<std::uint32_t>(zone);
}

std::string printable(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f)
      out += c;
    else
      ((out += "\\x") += digits[byte >> 4]) += digits[byte & 15];
  }
  return out;
}

}  // namespace

template <class Address>
Address Endpoint::as() const noexcept {
  Address address{};
  std::memcpy(&address, bytes_, size_ < sizeof address ? size_ : sizeof address);
  return address;
}

template <class Address>
Endpoint Endpoint::from(const Address& address, std::size_t size) noexcept {
  Endpoint endpoint;
  std::memcpy(endpoint.bytes_, &address, size);
  endpoint.size_ = static_cast<unsigned>(size);
  return endpoint;
}

// ---- Making ----------------------------------------------------------------------------------------------

Endpoint::Endpoint(std::string_view host, std::uint16_t port) {
  const std::optional<Endpoint> found = numeric(host, port);
  if (!found) refuse(host, "is not a numeric address");
  *this = *found;
}

std::optional<Endpoint> Endpoint::numeric(std::string_view host, std::uint16_t port) {
  if (host.find('\0') != host.npos) return std::nullopt;
  const std::string address(host.substr(0, host.find('%')));
  sockaddr_in v4{};
  if (address.size() == host.size() && ::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return from(v4);
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (address.size() != host.size()) {
    const std::optional<std::uint32_t> scope = parse_scope(std::string(host.substr(address.size() + 1)));
    if (!scope) return std::nullopt;
    v6.sin6_scope_id = *scope;
  }
  return from(v6);
}

Endpoint Endpoint::parse(std::string_view text) {
  if (text.starts_with(unix_prefix)) {
    if (text.size() != unix_prefix.size()) return unix_path(text.substr(unix_prefix.size()));
    return from(sockaddr_un{AF_UNIX, {}}, path_offset);
  }
  if (text.starts_with('/')) return unix_path(text);
  if (text.starts_with('@')) return abstract_name(text.substr(1));

  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) refuse(text, "has no port");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed != (host.find(':') != host.npos)) refuse(text, "is not 'ADDRESS:PORT' or '[IPV6]:PORT'");
  const std::optional<std::uint16_t> port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) refuse(text, "has no port from 0 to 65535");
  return Endpoint(host, *port);
}

Endpoint Endpoint::unix_path(std::string_view path) {
  if (path.empty()) refuse(path, "is no path");
  if (path.size() > name_max) refuse(path, "is longer than the 107 bytes of a Unix socket's path");
  if (path.find('\0') != path.npos) refuse(path, "has a NUL byte in it");
  sockaddr_un address{AF_UNIX, {}};
  path.copy(address.sun_path, path.size());
  return from(address, path_offset + path.size() + 1);
}

Endpoint Endpoint::abstract_name(std::string_view name) {
  if (name.size() > name_max) refuse(name, "is longer than the 107 bytes of an abstract name");
  sockaddr_un address{AF_UNIX, {}};
  name.copy(address.sun_path + 1, name.size());
  return from(address, path_offset + 1 + name.size());
}

Endpoint Endpoint::from_address(const ::sockaddr* address, std::size_t size) {
  if (size > size_max) throw std::invalid_argument("coil: Endpoint: an address of " + std::to_string(size) + " bytes");
  Endpoint endpoint;
  if (size < sizeof(sa_family_t)) return endpoint;  // as recvfrom(2) gives for a connected socket
  std::memcpy(endpoint.bytes_, address, size);
  endpoint.size_ = static_cast<unsigned>(size);
  return endpoint;
}

// ---- Looking ---------------------------------------------------------------------------------------------

int Endpoint::family() const noexcept { return as<sockaddr>().sa_family; }

std::uint16_t Endpoint::port() const noexcept {
  switch (family()) {
    case AF_INET:
      return ntohs(as<sockaddr_in>().sin_port);
    case AF_INET6:
      return ntohs(as<sockaddr_in6>().sin6_port);
    default:
      return 0;
  }
}

Endpoint Endpoint::with_port(std::uint16_t port) const noexcept {
  if (family() != AF_INET && family() != AF_INET6) return *this;
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  auto address = as<sockaddr_in6>();
  address.sin6_port = htons(port);
  return from(address, size_);
}

bool Endpoint::is_abstract() const noexcept {
  return family() == AF_UNIX && size_ > path_offset && bytes_[path_offset] == std::byte{0};
}

std::string Endpoint::host() const {
  char text[INET6_ADDRSTRLEN];
  switch (family()) {
    case AF_INET: {
      const auto v4 = as<sockaddr_in>();
      return ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    }
    case AF_INET6: {
      const auto v6 = as<sockaddr_in6>();
      std::string host = ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
      if (v6.sin6_scope_id != 0) {
        char zone[IF_NAMESIZE];
        const bool has_name = ::if_indextoname(v6.sin6_scope_id, zone) != nullptr;
        host += '%' + (has_name ? std::string(zone) : std::to_string(v6.sin6_scope_id));
      }
      return host;
    }
    case AF_UNIX: {
      const auto address = as<sockaddr_un>();
      const std::size_t size = size_ - path_offset;
      if (is_abstract()) return {address.sun_path + 1, size - 1};
      return {address.sun_path, ::strnlen(address.sun_path, size)};
    }
    default:
      return {};
  }
}

std::string Endpoint::to_string() const {
  switch (family()) {
    case AF_INET:
      return host() + ':' + std::to_string(port());
    case AF_INET6:
      return '[' + host() + "]:" + std::to_string(port());
    case AF_UNIX: {
      const std::string name = printable(host());
      if (is_abstract()) return '@' + name;
      return name.starts_with('/') ? name : std::string(unix_prefix) + name;
    }
    default:
      return "(no address)";
  }
}

bool operator==(const Endpoint& left, const Endpoint& right) noexcept {
  return left.size_ == right.size_ && std::memcmp(left.bytes_, right.bytes_, left.size_) == 0;
}

}  // namespace coil
