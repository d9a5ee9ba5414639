// Streams to try things on, and their peers, which are mere descriptors.
#pragma once
#include "net_test.hpp"

#include <coil/stream.hpp>

#include <string>
#include <utility>

namespace coil_test {

/// A stream, and the descriptor of its peer.
struct Peered {
  coil::Stream stream;
  Fd peer;
};

inline Peered over_tcp(const coil::StreamOptions& options = {}) {
  Ends ends = make_tcp_pair();
  coil::TcpStream connection(coil::Fd(ends.out.release()));
  return {coil::Stream(std::move(connection), options), std::move(ends.in)};
}

/// All that comes, as fast as it comes.
inline coil::Coro<std::string> read_to_end(int fd) {
  std::string text;
  std::string part(65536, '\0');
  while (const std::size_t size = co_await coil::recv(fd, std::as_writable_bytes(std::span<char>(part))))
    text.append(part, 0, size);
  co_return text;
}

inline void reset(Fd& peer) {
  const linger none{1, 0};
  ::setsockopt(peer, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  peer.close();
}

}  // namespace coil_test
