// RunOptions::shuffle_seed: what is ready runs in a random order, the same for the same seed.
#include <coil/run.hpp>

#include "../support/loop_test.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

using namespace std::chrono_literals;

namespace {

std::string order_with(std::optional<std::uint64_t> seed) {
  std::string order;
  auto main = [&]() -> coil::Coro<void> {
    auto step = [&](char name) -> coil::Coro<void> {
      for (int i = 0; i < 3; ++i) {
        order += name;
        co_await coil::yield();
      }
    };
    co_await coil::gather(step('a'), step('b'), step('c'), step('d'), step('e'));
  };
  coil::run(main, {.clock = coil::Clock::virtual_, .shuffle_seed = seed});
  return order;
}

}  // namespace

TEST_CASE("shuffle: without a seed what is ready runs in the order in which it was queued") {
  CHECK(order_with(std::nullopt) == "abcdeabcdeabcde");
}

TEST_CASE("shuffle: the same seed gives the same order") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) CHECK(order_with(seed) == order_with(seed));
}

TEST_CASE("shuffle: other seeds give other orders, each of them with every step") {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::string order = order_with(seed);
    orders.insert(order);
    std::sort(order.begin(), order.end());
    CHECK(order == "aaabbbcccdddeee");
  }
  CHECK(orders.size() > 10);
}
