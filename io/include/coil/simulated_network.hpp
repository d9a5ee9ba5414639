#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coil/context_var.hpp>
#include <coil/create_task.hpp>
#include <coil/detail/network_model.hpp>

namespace coil::testing {

class SimulatedNetwork;

/// What lies between two hosts.
struct Link {
  std::chrono::nanoseconds latency = std::chrono::milliseconds(1);  ///< One way; a connection takes it twice.
  std::chrono::nanoseconds jitter{0};                               ///< At most so much more, at random.
  std::size_t bytes_per_second = 0;                                 ///< 0: any number.
  double refused = 0;  ///< The probability, from 0 to 1, that a connection is refused.
  double broken = 0;   ///< The probability that a connection is found reset when something is received or sent.
};

/// One host of a SimulatedNetwork. It lives as long as that.
class Host {
public:
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  const std::string& name() const noexcept { return name_; }
  /// For its servers to listen at, and for others to connect to: "127.93.17.2".
  const std::string& address() const noexcept { return address_; }
  /// Makes a task of `f`, as `create_task`, that runs on this host, with all the tasks that it makes: connections are
  /// made from its address.
  template <class F>
  auto run(F&& f, std::source_location where = std::source_location::current()) {
    const auto before = current.set(this);
    auto task = create_task(std::forward<F>(f), where);
    current.reset(before);
    return task;
  }

private:
  friend class SimulatedNetwork;
  friend class std::deque<Host>;
  static const ContextVar<Host*> current;
  std::uint32_t number_ = 0;
  std::string name_;
  std::string address_;

public:
  /// By SimulatedNetwork::host().
  Host(std::uint32_t number, std::string name, std::string address)
      : number_(number), name_(std::move(name)), address_(std::move(address)) {}
};

/// Hosts on one loop, and what lies between them: `run(main, {.clock = Clock::virtual_, .network = &network})`.
///
///   coil::testing::SimulatedNetwork network(seed);
///   Host& server = network.host("server");
///   Host& client = network.host("client");
///   network.set_link(server, client, {.latency = 20ms, .jitter = 5ms});
///   // in main: server.run(…start_server(…, server.address(), 0)…); client.run(…open_connection(…)…);
///   network.partition(server, client);
///
/// The program is the real one, unchanged, and its sockets are those of the kernel, at addresses of the loopback device
/// that stand for the hosts; the ring makes what is received wait. Sending succeeds until the kernel's buffers are full,
/// as it does in a real network where the other side is gone. The same seed gives the same run.
/// What is sent or received without the ring is not held up. Connections from outside of any host are from a host of its
/// own, `outside()`. At most 250 hosts.
/// Lifetime: outlives the loops that use it. Threads: that of the loop; one loop at a time.
class SimulatedNetwork final : public detail::NetworkModel {
public:
  explicit SimulatedNetwork(std::uint64_t seed = 0);
  SimulatedNetwork(const SimulatedNetwork&) = delete;
  SimulatedNetwork& operator=(const SimulatedNetwork&) = delete;
  ~SimulatedNetwork() override;

  /// The host of that name, made when first asked for.
  Host& host(std::string_view name);
  Host& outside() noexcept { return hosts_.front(); }

  /// Between all hosts that have no link of their own.
  void set_links(const Link& link) { default_ = link; }
  /// Between these two, both ways.
  void set_link(const Host& one, const Host& other, const Link& link);

  /// Nothing gets through between these two, until `heal`. Connections are kept, what is under way waits.
  void partition(const Host& one, const Host& other);
  void heal(const Host& one, const Host& other);
  /// Nothing gets through from one to the other: a peer that is half dead.
  void block(const Host& from, const Host& to);
  void unblock(const Host& from, const Host& to);
  /// Nothing gets through to and from it.
  void isolate(const Host& host);
  /// All that was blocked gets through again.
  void heal_all();
  /// All connections between these two that have received or sent something, or wait to, end by ECONNRESET on both sides.
  void reset_connections(const Host& one, const Host& other);

  /// How many receives, sends and connections crossed it.
  std::uint64_t crossings() const noexcept { return crossings_; }

private:
  struct Connection {
    std::uint32_t hosts[2];
    bool is_reset = false;
  };
  Crossing begin_crossing(io_uring_sqe& submission) override;
  bool is_blocked(const Crossing& crossing) const noexcept override;
  int error_of(const Crossing& crossing) noexcept override;
  std::chrono::nanoseconds travel_time(const Crossing& crossing) noexcept override;

  Crossing begin_connecting(io_uring_sqe& submission);
  bool find_connection(int fd, Crossing& crossing);
  std::uint32_t host_at(std::uint32_t address) const noexcept;
  const Link& link(std::uint32_t one, std::uint32_t other) const noexcept;
  bool draw(double probability) noexcept;

  std::deque<Host> hosts_;
  std::uint64_t random_;
  Link default_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Link> links_;  // the smaller number first
  std::set<std::pair<std::uint32_t, std::uint32_t>> blocked_;      // from, to
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> by_ends_;
  std::vector<Connection> connections_;  // by number, from 1
  std::uint64_t crossings_ = 0;
};

}  // namespace coil::testing
