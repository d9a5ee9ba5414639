#include <coil/simulated_network.hpp>

#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "random.hpp"

namespace coil::testing {

namespace {

using Kind = detail::NetworkModel::Crossing::Kind;

constexpr std::size_t hosts_max = 250;
constexpr std::uint64_t refused = UINT64_MAX;                 // a connection that is none
constexpr auto part_of_rate = std::chrono::milliseconds(10);  // what a slow link gives at a time

/// 127.x.y.0, other ones for each process: tests that run at the same time may want the same ports.
std::uint32_t addresses_of_this_process() noexcept {
  const auto pid = static_cast<std::uint32_t>(::getpid());
  return 127U << 24 | (64 + (pid >> 8) % 128) << 16 | (pid & 255) << 8;
}

std::string text_of(std::uint32_t address) {
  const in_addr raw{htonl(address)};
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &raw, text, sizeof text);
}

/// The end of a TCP connection, as one number: address and port. 0 if it is none.
std::uint64_t end_by(int (*call)(int, ::sockaddr*, ::socklen_t*), int fd) noexcept {
  ::sockaddr_in address{};
  ::socklen_t size = sizeof address;
  if (call(fd, reinterpret_cast<::sockaddr*>(&address), &size) != 0 || address.sin_family != AF_INET) return 0;
  return std::uint64_t{ntohl(address.sin_addr.s_addr)} << 16 | ntohs(address.sin_port);
}

Kind kind_of(const io_uring_sqe& sqe) noexcept {
  switch (sqe.opcode) {
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
    case IORING_OP_READ:
    case IORING_OP_READV:
      return Kind::receives;
    case IORING_OP_POLL_ADD:
      return (sqe.poll32_events & POLLIN) != 0 ? Kind::receives : Kind::none;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV:
      return Kind::sends;
    case IORING_OP_CONNECT:
      return Kind::connects;
    default:
      return Kind::none;
  }
}

std::pair<std::uint32_t, std::uint32_t> in_order(std::uint32_t one, std::uint32_t other) noexcept {
  return {std::min(one, other), std::max(one, other)};
}

}  // namespace

const ContextVar<Host*> Host::current("coil::testing::Host", nullptr);

SimulatedNetwork::SimulatedNetwork(std::uint64_t seed) : random_(seed) {
  hosts_.emplace_back(0U, "outside", "127.0.0.1");
}

SimulatedNetwork::~SimulatedNetwork() = default;

Host& SimulatedNetwork::host(std::string_view name) {
  const auto found = std::ranges::find(hosts_, name, &Host::name);
  if (found != hosts_.end()) return *found;
  if (hosts_.size() > hosts_max) throw std::length_error("coil: a SimulatedNetwork has 250 hosts at the most");
  const auto number = static_cast<std::uint32_t>(hosts_.size());
  return hosts_.emplace_back(number, std::string(name), text_of(addresses_of_this_process() + number));
}

std::uint32_t SimulatedNetwork::host_at(std::uint32_t address) const noexcept {
  const std::uint32_t number = address - addresses_of_this_process();
  return number < hosts_.size() ? number : 0;
}

// ---- What lies between hosts -----------------------------------------------------------------------------

void SimulatedNetwork::set_link(const Host& one, const Host& other, const Link& link) {
  links_[in_order(one.number_, other.number_)] = link;
}

const Link& SimulatedNetwork::link(std::uint32_t one, std::uint32_t other) const noexcept {
  const auto found = links_.find(in_order(one, other));
  return found == links_.end() ? default_ : found->second;
}

void SimulatedNetwork::block(const Host& from, const Host& to) { blocked_.insert({from.number_, to.number_}); }

void SimulatedNetwork::unblock(const Host& from, const Host& to) {
  blocked_.erase({from.number_, to.number_});
  changed();
}

void SimulatedNetwork::partition(const Host& one, const Host& other) {
  block(one, other);
  block(other, one);
}

void SimulatedNetwork::heal(const Host& one, const Host& other) {
  unblock(one, other);
  unblock(other, one);
}

void SimulatedNetwork::isolate(const Host& host) {
  for (const Host& other : hosts_)
    if (&other != &host) partition(host, other);
}

void SimulatedNetwork::heal_all() {
  blocked_.clear();
  changed();
}

void SimulatedNetwork::reset_connections(const Host& one, const Host& other) {
  for (Connection& connection : connections_)
    if (in_order(connection.hosts[0], connection.hosts[1]) == in_order(one.number_, other.number_))
      connection.is_reset = true;
  changed();
}

// ---- What the ring asks ----------------------------------------------------------------------------------

bool SimulatedNetwork::draw(double probability) noexcept {
  return probability > 0 && detail::random_fraction(random_) < probability;
}

detail::NetworkModel::Crossing SimulatedNetwork::begin_crossing(io_uring_sqe& submission) {
  Crossing crossing{.kind = kind_of(submission)};
  if (crossing.kind == Kind::none) return crossing;
  if (crossing.kind == Kind::connects) return begin_connecting(submission);
  if (!find_connection(submission.fd, crossing)) return {};
  ++crossings_;
  const Link& between = link(crossing.from, crossing.to);
  if (draw(between.broken)) {
    connections_[crossing.connection - 1].is_reset = true;
    changed();
  }
  const bool is_bytes = submission.opcode == IORING_OP_RECV || submission.opcode == IORING_OP_READ;
  if (between.bytes_per_second != 0 && is_bytes) {
    const std::size_t part =
        std::max<std::size_t>(between.bytes_per_second / (std::chrono::seconds(1) / part_of_rate), 1);
    if (submission.len == 0 || submission.len > part) submission.len = static_cast<unsigned>(part);
  }
  return crossing;
}

detail::NetworkModel::Crossing SimulatedNetwork::begin_connecting(io_uring_sqe& submission) {
  const auto* address = reinterpret_cast<const ::sockaddr_in*>(submission.addr);
  if (address->sin_family != AF_INET) return {};
  const std::uint32_t to = host_at(ntohl(address->sin_addr.s_addr));
  std::uint32_t from = host_at(static_cast<std::uint32_t>(end_by(::getsockname, submission.fd) >> 16));
  const Host* here = Host::current.get();
  if (from == 0 && here != nullptr && here->number_ != 0) {
    // As the kernel does for one that is not bound: any port that is free. Whatever goes wrong shows when it connects.
    ::sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(addresses_of_this_process() + here->number_);
    if (::bind(submission.fd, reinterpret_cast<const ::sockaddr*>(&own), sizeof own) == 0) from = here->number_;
  }
  // Ports are used again, and the new connection is not the old one.
  const std::uint64_t here_end = end_by(::getsockname, submission.fd);
  const std::uint64_t there_end = std::uint64_t{ntohl(address->sin_addr.s_addr)} << 16 | ntohs(address->sin_port);
  by_ends_.erase({std::min(here_end, there_end), std::max(here_end, there_end)});
  ++crossings_;
  return {Kind::connects, from, to, draw(link(from, to).refused) ? refused : 0};
}

bool SimulatedNetwork::find_connection(int fd, Crossing& crossing) {
  const std::uint64_t here = end_by(::getsockname, fd);
  const std::uint64_t there = here == 0 ? 0 : end_by(::getpeername, fd);
  if (there == 0) return false;
  const std::uint32_t own = host_at(static_cast<std::uint32_t>(here >> 16));
  const std::uint32_t others = host_at(static_cast<std::uint32_t>(there >> 16));
  const bool receives = crossing.kind == Kind::receives;
  crossing.from = receives ? others : own;
  crossing.to = receives ? own : others;
  std::uint64_t& number = by_ends_[{std::min(here, there), std::max(here, there)}];
  if (number == 0) {
    connections_.push_back({{own, others}});
    number = connections_.size();
  }
  crossing.connection = number;
  return true;
}

// A connection is made where both ways are open.
bool SimulatedNetwork::is_blocked(const Crossing& crossing) const noexcept {
  if (crossing.kind == Kind::none) return false;
  if (blocked_.contains({crossing.from, crossing.to})) return true;
  return crossing.kind == Kind::connects && blocked_.contains({crossing.to, crossing.from});
}

int SimulatedNetwork::error_of(const Crossing& crossing) noexcept {
  if (crossing.kind == Kind::none || crossing.kind == Kind::connects)
    return crossing.connection == refused ? ECONNREFUSED : 0;
  return connections_[crossing.connection - 1].is_reset ? ECONNRESET : 0;
}

std::chrono::nanoseconds SimulatedNetwork::travel_time(const Crossing& crossing) noexcept {
  const Link& between = link(crossing.from, crossing.to);
  std::chrono::nanoseconds time = between.latency * (crossing.kind == Kind::connects ? 2 : 1);
  if (between.jitter.count() > 0)
    time += std::chrono::nanoseconds(
        static_cast<std::int64_t>(detail::random_fraction(random_) * static_cast<double>(between.jitter.count())));
  if (between.bytes_per_second != 0 && crossing.kind == Kind::receives) time += part_of_rate;
  return time;
}

}  // namespace coil::testing
