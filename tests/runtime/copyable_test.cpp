// Results that can only be moved, whatever their type claims.
#include <coil/detail/copyable.hpp>

#include "../support/loop_test.hpp"

#include <array>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using coil::detail::copyable;
using coil_test::virtual_time;

namespace {

using Owned = std::unique_ptr<int>;
using Owners = std::vector<Owned>;

struct Unmovable {
  Unmovable(const Unmovable&) = delete;
};
struct Tree {
  std::vector<Tree> children;
};
/// As some JSON libraries have it: a container of itself.
struct Self {
  using value_type = Self;
  const Self* begin() const { return nullptr; }
};

Owners owners(int count) {
  Owners made;
  for (int i = 0; i < count; ++i) made.push_back(std::make_unique<int>(i));
  return made;
}

coil::Coro<Owners> make_owners(int count) {
  co_await coil::sleep(1s);
  co_return owners(count);
}

coil::Coro<std::pair<std::string, Owners>> make_pair_of_owners() {
  co_await coil::sleep(1s);
  co_return std::pair<std::string, Owners>("two", owners(2));
}

}  // namespace

TEST_CASE("copyable: looks into containers, pairs, tuples, optionals and variants") {
  static_assert(copyable<int> && copyable<std::string> && copyable<std::filesystem::path>);
  static_assert(copyable<std::vector<std::string>> && copyable<std::map<std::string, std::vector<int>>>);
  static_assert(copyable<std::pair<int, std::vector<int>>> && copyable<std::tuple<>> && copyable<std::monostate>);
  static_assert(copyable<std::variant<int, std::vector<int>>> && copyable<std::optional<std::vector<int>>>);
  static_assert(copyable<std::shared_ptr<Owned>> && copyable<Tree> && copyable<Self>);
  static_assert(copyable<coil::Outcome<int>> && copyable<coil::Outcome<void>> && copyable<coil::Task<Owned>>);

  static_assert(!copyable<Owned> && !copyable<Unmovable> && !copyable<std::optional<Owned>>);
  static_assert(std::copy_constructible<Owners> && !copyable<Owners>);  // the former is the trap
  static_assert(!copyable<std::vector<Owners>> && !copyable<std::deque<Owned>> && !copyable<std::array<Owners, 2>>);
  static_assert(!copyable<std::map<int, Owned>> && !copyable<std::unordered_map<std::string, Owners>>);
  static_assert(!copyable<std::pair<int, Owners>> && !copyable<std::pair<const Owners, int>>);
  static_assert(!copyable<std::tuple<int, std::pair<int, Owners>>> && !copyable<std::optional<Owners>>);
  static_assert(!copyable<std::variant<int, Owners>> && !copyable<coil::Outcome<Owners>>);
}

TEST_CASE("copyable: a view of elements that cannot be copied is copied itself") {
  static_assert(copyable<std::span<Owned>> && copyable<Owners::iterator> && copyable<Owned*>);
}

TEST_CASE("run: returns a container of elements that can only be moved") {
  coil_test::LeakCheck leaks;
  const Owners all = coil::run(make_owners(3), virtual_time);
  CHECK(all.size() == 3);
  CHECK(*all.back() == 2);
  CHECK(coil::run(make_pair_of_owners(), virtual_time).second.size() == 2);
  coil::Runner runner(virtual_time);
  CHECK(runner.run([] { return make_owners(2); }).size() == 2);
}

TEST_CASE("run: moves the result out, and copies nothing") {
  struct Counting {
    int copies = 0;
    Counting() = default;
    Counting(Counting&&) = default;
    Counting(const Counting& other) : copies(other.copies + 1) {}
  };
  auto main = []() -> coil::Coro<Counting> {
    Counting made;
    co_return made;
  };
  CHECK(coil::run(main).copies == 0);
}

LOOP_TEST("task: a container of elements that can only be moved goes to the first await") {
  auto task = coil::create_task(make_owners(2));
  const Owners all = co_await task;
  CHECK(all.size() == 2);
  CHECK_AWAIT_THROWS(task, coil::InvalidStateError);
}

LOOP_TEST("future: a container of elements that can only be moved goes to the first await") {
  auto future = coil::get_running_loop().create_future<Owners>();
  future.set_result(owners(2));
  const Owners all = co_await future;
  CHECK(all.size() == 2);
  CHECK_AWAIT_THROWS(future, coil::InvalidStateError);
}

LOOP_TEST("gather, wait_for, timeout and as_result give containers of elements that can only be moved") {
  const auto all = co_await coil::gather(make_owners(1), make_pair_of_owners());
  CHECK(std::get<0>(all).size() == 1);
  CHECK(std::get<1>(all).second.size() == 2);
  std::vector<coil::Coro<Owners>> several;
  for (int i = 0; i < 3; ++i) several.push_back(make_owners(i));
  const auto list = co_await coil::gather(std::move(several));
  CHECK(list.at(2).size() == 2);
  auto outcomes = co_await coil::gather(coil::return_exceptions, make_owners(4));
  CHECK(std::get<0>(outcomes).value().size() == 4);

  const Owners in_time = co_await coil::wait_for(coil::create_task(make_owners(5)), 1h);
  CHECK(in_time.size() == 5);
  const Owners timed = co_await coil::timeout(1h, [] { return make_owners(6); });
  CHECK(timed.size() == 6);
  auto outcome = co_await coil::as_result(make_owners(7));
  CHECK(outcome.value().size() == 7);
  auto task = coil::create_task(coil::as_result(make_owners(8)));
  auto of_task = co_await task;
  CHECK(of_task.value().size() == 8);
}
