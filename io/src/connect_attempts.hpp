#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <coil/coro.hpp>
#include <coil/endpoint.hpp>
#include <coil/tcp.hpp>

namespace coil::detail {

/// The first connection to one of `endpoints`, as RFC 8305 has it; `name` stands in errors.
Coro<TcpStream> connect_to_any(std::string name, std::vector<Endpoint> endpoints, std::optional<Endpoint> local,
                               std::chrono::nanoseconds delay);

}  // namespace coil::detail
