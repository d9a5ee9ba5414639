#include <coil/resolve.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <stdexcept>

#include <coil/to_thread.hpp>

namespace coil {

namespace {

class ResolveCategory final : public std::error_category {
public:
  const char* name() const noexcept override { return "getaddrinfo"; }
  std::string message(int error) const override { return ::gai_strerror(error); }
};

std::string name_of(const std::string& host, const std::string& service) {
  return "resolve(" + host + (service.empty() ? "" : ":" + service) + ")";
}

/// Runs in a thread.
std::vector<Endpoint> look_up(const std::string& host, const std::string& service) {
  ::addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // else each address comes once for each type
  hints.ai_flags = host.empty() ? AI_PASSIVE : AI_ADDRCONFIG;
  ::addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(host.empty() ? nullptr : host.c_str(), service.empty() ? "0" : service.c_str(), &hints, &found);
  const int system_error = errno;
  if (error == EAI_SYSTEM) throw std::system_error(system_error, std::system_category(), name_of(host, service));
  if (error != 0) throw std::system_error(error, resolve_category(), name_of(host, service));
  const std::unique_ptr<::addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  std::vector<Endpoint> endpoints;
  for (const ::addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const Endpoint endpoint = Endpoint::from_address(entry->ai_addr, entry->ai_addrlen);
    if (std::find(endpoints.begin(), endpoints.end(), endpoint) == endpoints.end()) endpoints.push_back(endpoint);
  }
  return endpoints;
}

/// Nothing for a name. Errors: EAI_SERVICE for a number that is no port; getaddrinfo(3) would take it modulo 65536.
std::optional<std::uint16_t> numeric_port(const std::string& host, const std::string& service) {
  std::uint16_t port = 0;
  const char* const end = service.data() + service.size();
  const auto [stop, error] = std::from_chars(service.data(), end, port);
  if (service.empty() || (error == std::errc() && stop == end)) return port;
  if (error == std::errc::result_out_of_range)
    throw std::system_error(EAI_SERVICE, resolve_category(), name_of(host, service));
  return std::nullopt;
}

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const ResolveCategory category;
  return category;
}

Coro<std::vector<Endpoint>> resolve(std::string host, std::string service) {
  if (host.find('\0') != std::string::npos || service.find('\0') != std::string::npos)
    throw std::invalid_argument("coil: resolve(): a NUL byte in the name of a host or service");
  if (const auto port = numeric_port(host, service)) {
    if (const auto endpoint = Endpoint::numeric(host, *port)) co_return std::vector<Endpoint>{*endpoint};
  }
  // The thread has copies of its own: it may go on when this has ended.
  const auto in_thread = [host, service] { return look_up(host, service); };
  co_return co_await to_thread(in_thread);
}

Coro<std::vector<Endpoint>> resolve(std::string host, std::uint16_t port) {
  return resolve(std::move(host), std::to_string(port));
}

}  // namespace coil
