#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <coil/coro.hpp>
#include <coil/stream.hpp>

namespace coil {

/// Options of `open_connection`. What `local_host` points to is copied by the call.
struct ConnectOptions {
  std::chrono::nanoseconds attempt_delay =
      std::chrono::milliseconds(250);  ///< RFC 8305: until another address is tried.
  std::string_view local_host = {};    ///< A numeric address of this machine to connect from; empty: any.
  std::uint16_t local_port = 0;        ///< 0: any.
  StreamOptions stream = {};
};
static_assert(std::is_aggregate_v<ConnectOptions> && std::is_trivially_destructible_v<ConnectOptions>);

/// Connects to a host, by name or by number.
///
/// Of several addresses the kinds are tried in turns, and the next one begins when one has failed or taken longer than
/// `attempt_delay`; the first connection wins, and the other attempts are stopped and closed (RFC 8305, "happy
/// eyeballs").
/// Errors: `std::system_error`: that of `resolve`, or with the errno of the first attempt and a text that says how each
///   address has failed.
/// Cancellation: all attempts are closed.
[[nodiscard]] Coro<Stream> open_connection(std::string host, std::uint16_t port, const ConnectOptions& options = {});
[[nodiscard]] Coro<Stream> open_connection(Endpoint endpoint, const ConnectOptions& options = {});
/// Connects to a Unix socket. Errors: `std::system_error` that names the path; `std::invalid_argument` for one that is
/// too long.
[[nodiscard]] Coro<Stream> open_unix_connection(std::string path, const StreamOptions& options = {});

}  // namespace coil
