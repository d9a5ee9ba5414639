#pragma once
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <coil/coro.hpp>
#include <coil/endpoint.hpp>

namespace coil {

/// The addresses of a host, in the system's order of preference (RFC 6724), each once; at least one.
///
/// A numeric address needs no thread and no name server; names are looked up by getaddrinfo(3) in a thread of the loop's
/// pool. `service` is a port number, a name ("http") or empty for 0. An empty host is that of this machine's sockets
/// that listen: all addresses.
/// Errors: `std::system_error` that names the host; of `resolve_category()` where it is no errno, e.g. EAI_NONAME.
///   `std::invalid_argument` for a name with a NUL byte.
/// Cancellation: ends at once; the look-up goes on unheard in its thread.
[[nodiscard]] Coro<std::vector<Endpoint>> resolve(std::string host, std::string service = {});
[[nodiscard]] Coro<std::vector<Endpoint>> resolve(std::string host, std::uint16_t port);

/// The errors of getaddrinfo(3).
const std::error_category& resolve_category() noexcept;

}  // namespace coil
