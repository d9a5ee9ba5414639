// Each seed draws a network, what goes wrong in it, the order of what is ready and who gives up when: in no run is a byte,
// an item of a queue, a wake-up, a descriptor or a coroutine lost. COIL_SEEDS=1000000 runs so many.
#include <coil/testing.hpp>

#include <coil/coil.hpp>

#include "../support/count.hpp"
#include "../support/io_test.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "random.hpp"

using namespace std::chrono_literals;
using coil::Coro;
using coil::testing::FaultPlan;
using coil::testing::Op;

namespace {

class Chance {
public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t n) { return coil::detail::next_random(state_) % n; }
  std::uint64_t seed() { return coil::detail::next_random(state_); }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::chrono::microseconds up_to(std::chrono::milliseconds most) {
    return std::chrono::microseconds(below(static_cast<std::uint64_t>(most.count()) * 1000 + 1));
  }

private:
  std::uint64_t state_;
};

void require(bool condition, const char* sentence) {
  if (!condition) throw std::runtime_error(sentence);
}

constexpr int clients = 2;

struct World {
  explicit World(std::uint64_t seed) : chance(seed), network(chance.seed()), loses_connections(chance.one_in(4)) {
    network.set_links({.latency = chance.up_to(20ms),
                       .jitter = chance.up_to(20ms),
                       .bytes_per_second = chance.one_in(4) ? 10'000U : 0U,
                       .refused = loses_connections ? 0.1 : 0.0,
                       .broken = loses_connections ? 0.05 : 0.0});
    for (int i = 0; i < clients; ++i) hosts.push_back(&network.host("client " + std::to_string(i)));
    arm_faults();
  }

  // Each kind in a quarter of the runs, with a probability of its own.
  void arm_faults() {
    const auto rule = [&](Op op) -> coil::FaultRule* {
      const double probability = static_cast<double>(chance.below(25) + 1) / 100;
      const std::uint64_t own_seed = chance.seed();
      return chance.one_in(4) ? &plan.on(op).probability(probability, own_seed) : nullptr;
    };
    const std::size_t few = chance.below(8) + 1;
    const auto while_ = chance.up_to(30ms);
    if (auto* found = rule(Op::recv)) found->short_to(few);
    if (auto* found = rule(Op::send)) found->short_to(few);
    if (auto* found = rule(Op::recv)) found->delay(while_);
    if (auto* found = rule(Op::recv)) found->hold(while_);
    if (auto* found = rule(Op::send)) found->delay(while_);
    if (auto* found = rule(Op::send)) found->hold(while_);
    if (auto* found = rule(Op::recv)) found->fail(EINTR);
    if (auto* found = rule(Op::recv)) found->fail(EAGAIN);
    if (auto* found = rule(Op::send)) found->fail(512);
    if (auto* found = rule(Op::recv)) found->overflow();
    if (auto* found = rule(Op::accept)) found->overflow();
    if (auto* found = rule(Op::accept)) found->fail(ECONNABORTED);
    if (auto* found = rule(Op::accept)) found->fail(EMFILE).times(2);
    if (auto* found = rule(Op::any)) found->queue_full(static_cast<unsigned>(chance.below(3) + 1));
    if (chance.one_in(4)) plan.reorder_completions(chance.seed());
  }

  Chance chance;
  coil::testing::SimulatedNetwork network;
  coil::testing::Host& server_host = network.host("server");
  std::vector<coil::testing::Host*> hosts;
  FaultPlan plan;
  bool loses_connections;

  std::optional<coil::Endpoint> there;
  coil::Semaphore turns{1};
  coil::Queue<std::size_t> heard{2};
  std::size_t bytes_heard = 0;
  std::size_t bytes_taken = 0;  // out of the queue
  int cancelled = 0;
  std::string reported;
};

Coro<void> answer(World& world, coil::Stream stream) {
  try {
    for (;;) {
      const std::string line = co_await stream.read_line();
      if (line.empty() || line.back() != '\n') co_return;
      world.bytes_heard += line.size();
      co_await world.heard.put(line.size());
      co_await stream.write_all(line);
    }
  } catch (const std::system_error&) {
    // The connection was lost, or who asked has given up.
  }
}

Coro<void> take_what_was_heard(World& world) {
  try {
    for (;;) {
      world.bytes_taken += co_await world.heard.get();
      world.heard.task_done();
    }
  } catch (const coil::QueueShutDown&) {
  }
}

Coro<void> ask(World& world, const std::vector<std::string>& lines, std::size_t& answered) {
  coil::Stream stream = co_await coil::open_connection(*world.there);
  while (answered < lines.size()) {
    const auto turn = co_await world.turns.scoped();
    co_await stream.write_all(lines[answered]);
    const std::string line = co_await stream.read_line();
    require(line == lines[answered] || (world.loses_connections && line.size() < lines[answered].size()),
            "an answer is not what was asked");
    if (line != lines[answered]) co_return;
    ++answered;
  }
  co_await stream.aclose();
}

Coro<void> visit(World& world, std::size_t number) {
  std::vector<std::string> lines;
  for (std::uint64_t i = world.chance.below(3) + 1; i != 0; --i)
    lines.push_back(std::to_string(number) + std::string(world.chance.below(60), static_cast<char>('a' + i)) + '\n');
  for (std::size_t answered = 0; answered < lines.size();) {
    try {
      co_await ask(world, lines, answered);
    } catch (const std::system_error&) {
      if (!world.loses_connections) throw;
    }
  }
}

Coro<void> disturb(World& world, std::vector<coil::Task<void>>& visits) {
  const std::size_t victim = world.chance.below(clients * 2);
  const auto apart = world.chance.up_to(100ms);
  if (world.chance.one_in(4)) world.network.partition(world.server_host, *world.hosts[0]);
  co_await coil::sleep(world.chance.up_to(60ms));
  if (victim < clients) visits[victim].cancel();
  co_await coil::sleep(apart);
  world.network.heal_all();
}

Coro<void> live(World& world) {
  coil::get_running_loop().set_exception_handler([&](const coil::ErrorContext& context) {
    if (coil_test::text_of(context.exception).find("Too many open files") == std::string::npos)
      world.reported += context.message + ": " + coil_test::text_of(context.exception);
  });
  const auto handler = [&](coil::Stream stream) { return answer(world, std::move(stream)); };
  coil::Server server = co_await coil::start_server(handler, coil::Endpoint(world.server_host.address(), 0));
  world.there = coil::Endpoint(world.server_host.address(), server.port());
  std::vector<coil::Task<void>> visits;
  const auto body = [&](coil::TaskGroup& group) -> Coro<void> {
    group.create_task(take_what_was_heard(world));
    for (std::size_t i = 0; i < clients; ++i)
      visits.push_back(world.hosts[i]->run([&world, i] { return visit(world, i); }));
    group.create_task(disturb(world, visits));
    for (coil::Task<void>& visit : visits) {
      auto outcome = co_await coil::as_result(visit);
      world.cancelled += outcome.cancelled();
      if (!outcome.cancelled()) outcome.value();
    }
    server.close();
    co_await server.wait_closed();
    world.heard.shutdown();
  };
  const auto all = [&]() -> Coro<void> { co_await coil::task_group(body); };
  co_await coil::timeout(1h,
                         all);  // by the virtual clock: whoever waits for a wake-up that was lost is found out at once
  require(world.bytes_heard == world.bytes_taken, "an item of a queue was lost");
  require(!world.turns.locked(), "a permit was lost");
  if (!world.reported.empty()) throw std::runtime_error(world.reported);
}

int open_descriptor_count() {
  int count = 0;
  for (int fd = 0; fd < 64; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
  return count;
}

}  // namespace

TEST_CASE("simulated runs: in no seed's network is a byte, item, wake-up, descriptor or coroutine lost") {
  std::uint64_t runs = 0;
  std::uint64_t crossings = 0;
  std::uint64_t faults = 0;
  int cancelled = 0;
  const auto run_seed = [&](std::uint64_t seed) {
    const int descriptors = open_descriptor_count();
    const auto frames = coil::detail::live_frames();
    World world(seed);
    coil::run([&] { return live(world); },
              {.clock = coil::Clock::virtual_, .shuffle_seed = seed, .faults = &world.plan, .network = &world.network});
    require(open_descriptor_count() == descriptors, "a descriptor is left open");
    require(coil::detail::live_frames() == frames, "a coroutine is left");
    ++runs;
    crossings += world.network.crossings();
    faults += world.plan.fired();
    cancelled += world.cancelled;
  };
  coil::testing::for_seeds(1, 200, run_seed);
  coil_test::count("simulated runs", runs);
  coil_test::count("simulated runs: crossings of the network", crossings);
  coil_test::count("simulated runs: faults", faults);
  coil_test::count("simulated runs: clients cancelled", static_cast<std::uint64_t>(cancelled));
  CHECK(crossings > runs);
  CHECK((faults > 0 || runs < 100));
  CHECK((cancelled > 0 || runs < 100));
}
