#include <coil/exception_group.hpp>

#include "../support/loop_test.hpp"

#include <optional>
#include <string>
#include <type_traits>

using namespace std::chrono_literals;
using coil_test::fail_after;

namespace {

class DiskError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// Fails with a DiskError and a std::invalid_argument.
coil::Coro<void> fail_twice(coil::TaskGroup& group) {
  auto disk = []() -> coil::Coro<void> {
    co_await coil::yield();
    throw DiskError("disk full");
  };
  auto argument = []() -> coil::Coro<void> {
    co_await coil::yield();
    throw std::invalid_argument("bad argument");
  };
  group.create_task(disk);
  group.create_task(argument);
  co_await coil::sleep(1h);
}

// The group of a task group with the failures of `fail_twice`; with `nested`, a group of that and a DiskError.
coil::Coro<coil::ExceptionGroup> make_group(bool nested) {
  std::optional<coil::ExceptionGroup> made;
  auto inner = [](coil::TaskGroup& group) -> coil::Coro<void> { co_await fail_twice(group); };
  auto outer = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    auto late_disk = []() -> coil::Coro<void> {
      try {
        co_await coil::sleep(1h);
      } catch (const coil::CancelledError&) {
        throw DiskError("disk still full");
      }
    };
    group.create_task(late_disk);
    co_await coil::task_group(inner);
  };
  try {
    if (nested) {
      co_await coil::task_group(outer);
    } else {
      co_await coil::task_group(inner);
    }
  } catch (const coil::ExceptionGroup& group) {
    made = group;
  }
  co_return std::move(made).value();
}

// The structure as text: "[disk full, [bad argument]]".
std::string show(const coil::ExceptionGroup& group) {
  std::string text = "[";
  for (const std::exception_ptr& error : group.exceptions()) {
    if (text.size() > 1) text += ", ";
    try {
      std::rethrow_exception(error);
    } catch (const coil::ExceptionGroup& inner) {
      text += show(inner);
    } catch (const std::exception& leaf) {
      text += leaf.what();
    }
  }
  return text + "]";
}

}  // namespace

LOOP_TEST("exception group: is a std::runtime_error with a text of its own") {
  static_assert(std::is_base_of_v<std::runtime_error, coil::ExceptionGroup>);
  static_assert(std::is_copy_constructible_v<coil::ExceptionGroup>);
  const coil::ExceptionGroup group = co_await make_group(false);
  CHECK(std::string(group.what()) != "");
}

LOOP_TEST("exception group: holds every failure, the first in time first") {
  const coil::ExceptionGroup group = co_await make_group(false);
  REQUIRE(group.exceptions().size() == 2);
  CHECK(show(group) == "[disk full, bad argument]");
}

LOOP_TEST("exception group: split() by type gives those that match and the rest") {
  const coil::ExceptionGroup group = co_await make_group(false);
  const auto [disk, rest] = group.split<DiskError>();
  REQUIRE(disk.has_value());
  REQUIRE(rest.has_value());
  CHECK(show(*disk) == "[disk full]");
  CHECK(show(*rest) == "[bad argument]");
}

LOOP_TEST("exception group: split() matches base classes") {
  const coil::ExceptionGroup group = co_await make_group(false);
  const auto [all, rest] = group.split<std::exception>();
  REQUIRE(all.has_value());
  CHECK(show(*all) == "[disk full, bad argument]");
  CHECK(!rest.has_value());
}

LOOP_TEST("exception group: split() by a type that does not occur gives nothing and everything") {
  const coil::ExceptionGroup group = co_await make_group(false);
  const auto [matching, rest] = group.split<std::out_of_range>();
  CHECK(!matching.has_value());
  REQUIRE(rest.has_value());
  CHECK(show(*rest) == "[disk full, bad argument]");
}

LOOP_TEST("exception group: split() descends into nested groups and keeps the structure") {
  const coil::ExceptionGroup group = co_await make_group(true);
  CHECK(group.exceptions().size() == 2);
  const auto [disk, rest] = group.split<DiskError>();
  REQUIRE(disk.has_value());
  REQUIRE(rest.has_value());
  const std::string disk_text = show(*disk);
  CHECK((disk_text == "[disk still full, [disk full]]" || disk_text == "[[disk full], disk still full]"));
  CHECK(show(*rest) == "[[bad argument]]");
}

LOOP_TEST("exception group: visit() calls for each leaf, in order, also in nested groups") {
  const coil::ExceptionGroup flat = co_await make_group(false);
  const coil::ExceptionGroup nested = co_await make_group(true);
  std::string seen;
  flat.visit([&](const std::exception_ptr& leaf) { seen += coil_test::text_of(leaf) + ";"; });
  CHECK(seen == "disk full;bad argument;");
  int leaves = 0;
  nested.visit([&](const std::exception_ptr&) { ++leaves; });
  CHECK(leaves == 3);
}

LOOP_TEST("exception group: is caught by an everyday handler") {
  bool caught = false;
  try {
    co_await make_group(false);
    co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> { co_await fail_twice(group); });
  } catch (const std::exception&) {
    caught = true;
  }
  CHECK(caught);
}

TEST_CASE("split: by a base class that groups have too descends into nested groups all the same") {
  const coil::ExceptionGroup inner(
      "inner", {std::make_exception_ptr(std::runtime_error("a")), std::make_exception_ptr(std::logic_error("b"))});
  const coil::ExceptionGroup outer("outer", {std::make_exception_ptr(inner)});
  const auto [matching, rest] = outer.split<std::runtime_error>();
  REQUIRE(matching);
  REQUIRE(rest);
  int leaves = 0;
  rest->visit([&](const std::exception_ptr& leaf) {
    ++leaves;
    CHECK(coil_test::text_of(leaf) == "b");
  });
  CHECK(leaves == 1);
  CHECK(outer.split<coil::ExceptionGroup>().first);
  CHECK(!outer.split<coil::ExceptionGroup>().second);
}
