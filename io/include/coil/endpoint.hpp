#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace coil {

/// Where a socket listens or is connected to: an IPv4 or IPv6 address with a port, the path of a Unix socket, or a
/// name in Linux's abstract namespace.
///
/// Printed and parsed: "127.0.0.1:80", "[fe80::1%eth0]:80", "/run/name.sock" ("unix:name.sock" for a relative path),
/// "@name" for an abstract name. A Unix socket without a name is "unix:".
/// Threads: a value, any.
class Endpoint {
public:
  /// None: `family()` is 0.
  Endpoint() noexcept = default;
  /// Errors: `std::invalid_argument` unless `host` is a numeric IPv4 or IPv6 address; for names there is `resolve`.
  Endpoint(std::string_view host, std::uint16_t port);
  /// Errors: `std::invalid_argument` for what is none of the above forms.
  static Endpoint parse(std::string_view text);
  /// Nothing if `host` is no numeric address.
  static std::optional<Endpoint> numeric(std::string_view host, std::uint16_t port);
  /// Errors: `std::invalid_argument` for one that is empty, longer than 107 bytes or has a NUL byte in it.
  static Endpoint unix_path(std::string_view path);
  /// Errors: `std::invalid_argument` for one that is longer than 107 bytes.
  static Endpoint abstract_name(std::string_view name);
  /// From what the system calls give. Errors: `std::invalid_argument` if it is too long.
  static Endpoint from_address(const ::sockaddr* address, std::size_t size);

  /// AF_INET, AF_INET6, AF_UNIX; 0 for none.
  int family() const noexcept;
  /// The address in numbers, the path, or the abstract name.
  std::string host() const;
  /// 0 for a Unix socket.
  std::uint16_t port() const noexcept;
  Endpoint with_port(std::uint16_t port) const noexcept;
  bool is_abstract() const noexcept;
  /// Control bytes are printed as "\x0a".
  std::string to_string() const;

  // For system calls.
  const ::sockaddr* address() const noexcept { return reinterpret_cast<const ::sockaddr*>(bytes_); }
  unsigned size() const noexcept { return size_; }

  /// Whether they are the same place.
  friend bool operator==(const Endpoint& left, const Endpoint& right) noexcept;

  static constexpr std::size_t size_max = 112;

private:
  template <class Address>
  Address as() const noexcept;
  template <class Address>
  static Endpoint from(const Address& address, std::size_t size = sizeof(Address)) noexcept;

  alignas(8) std::byte bytes_[size_max] = {};
  unsigned size_ = 0;
};

}  // namespace coil
