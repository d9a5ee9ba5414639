#include <coil/context_var.hpp>

#include <coil/scope.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

const coil::ContextVar<std::string> user("user", "nobody");
coil::ContextVar<int> depth("depth");

coil::Coro<std::string> user_here() { co_return user.get(); }

coil::Coro<void> set_user(std::string name) {
  user.set(std::move(name));
  co_return;
}

}  // namespace

// ---- get, set, reset -------------------------------------------------------------------------------------

LOOP_TEST("context var: get() before set() is a logic_error that names the variable") {
  std::string said;
  try {
    depth.get();
  } catch (const std::logic_error& error) {
    said = error.what();
  }
  CHECK(said.find("depth") != std::string::npos);
  co_await coil::yield();
}

LOOP_TEST("context var: get() gives what was set, else the fallback, else the default") {
  CHECK(user.get() == "nobody");
  CHECK(user.get("fallback") == "fallback");
  CHECK(depth.get(7) == 7);
  user.set("ann");
  CHECK(user.get() == "ann");
  CHECK(user.get("fallback") == "ann");
  CHECK(user.name() == "user");
  co_await coil::yield();
}

LOOP_TEST("context var: what get() gave stays as it is after another set()") {
  user.set("ann");
  const std::string& before = user.get();
  user.set("bob");
  CHECK(before == "ann");
  co_await coil::yield();
}

LOOP_TEST("context var: reset() brings back what was before, unset included; tokens say what that was") {
  const auto first = depth.set(1);
  const auto second = depth.set(2);
  CHECK(first.old_value() == std::nullopt);
  CHECK(second.old_value() == 1);
  depth.reset(second);
  CHECK(depth.get() == 1);
  depth.reset(first);
  CHECK_THROWS_AS(depth.get(), std::logic_error);
  co_await coil::yield();
}

LOOP_TEST("context var: tokens may be used in any order") {
  const auto first = depth.set(1);
  auto second = depth.set(2);
  depth.reset(first);
  CHECK(depth.get(0) == 0);
  depth.reset(std::move(second));
  CHECK(depth.get() == 1);
  co_await coil::yield();
}

LOOP_TEST("context var: a token is used once, and not after it was moved from") {
  auto token = depth.set(1);
  auto other = std::move(token);
  CHECK_THROWS_AS(depth.reset(token), std::logic_error);
  depth.reset(other);
  std::string said;
  try {
    depth.reset(other);
  } catch (const std::invalid_argument&) {
    said = "invalid_argument";
  } catch (const std::logic_error& error) {
    said = error.what();
  }
  CHECK(said.find("'depth'") != std::string::npos);
  CHECK(said.find("used") != std::string::npos);
  co_await coil::yield();
}

LOOP_TEST("context var: a token of another variable is an invalid_argument, and stays usable") {
  coil::ContextVar<int> other("other");
  const auto token = depth.set(1);
  CHECK_THROWS_AS(other.reset(token), std::invalid_argument);
  depth.reset(token);
  CHECK(depth.get(0) == 0);
  co_await coil::yield();
}

LOOP_TEST("context var: a token of another context is an invalid_argument: of another task, callback or run()") {
  depth.set(0);
  const auto token = depth.set(1);
  const auto refused = [&] {
    CHECK(depth.get() == 1);  // a copy, which has the value but is not the same context
    CHECK_THROWS_AS(depth.reset(token), std::invalid_argument);
    depth.set(2);
    CHECK_THROWS_AS(depth.reset(token), std::invalid_argument);
  };
  const auto in_task = [&]() -> coil::Coro<void> {
    refused();
    co_return;
  };
  co_await coil::create_task(in_task());
  coil::get_running_loop().call_soon(refused);
  co_await coil::yield();
  coil::Context copy = coil::copy_context();
  copy.run(refused);
  coil::Context assigned;
  assigned = copy;
  CHECK(assigned.run([] { return depth.get(); }) == 2);
  depth.reset(token);
  CHECK(depth.get() == 0);
}

LOOP_TEST("context var: a token of a context that has never been set is refused in one as well") {
  auto token = [] {
    coil::Context other;
    return other.run([] { return depth.set(1); });
  }();
  CHECK_THROWS_AS(depth.reset(token), std::invalid_argument);
  co_await coil::yield();
}

LOOP_TEST("context var: variables of the same name are different variables") {
  coil::ContextVar<int> twin("depth");
  depth.set(1);
  CHECK(twin.get(0) == 0);
  co_await coil::yield();
}

LOOP_TEST("context var: values live as long as a context or a token has them, and no longer") {
  coil::ContextVar<std::shared_ptr<int>> shared("shared");
  auto value = std::make_shared<int>(1);
  {
    const auto token = shared.set(value);
    CHECK(value.use_count() == 2);
    {
      const coil::Context copy = coil::copy_context();
      const auto over = shared.set(nullptr);
      CHECK(value.use_count() == 2);
      shared.reset(over);
    }
    shared.reset(token);
    CHECK(value.use_count() == 1);
    shared.set(value);
  }
  const auto in_task = [&]() -> coil::Coro<void> {
    shared.set(value);
    co_await coil::yield();
  };
  auto task = coil::create_task(in_task());
  CHECK(value.use_count() == 2);
  co_await coil::yield();
  CHECK(value.use_count() == 3);
  co_await task;
  task = {};
  CHECK(value.use_count() == 2);
}

LOOP_TEST("context var: a value may use the variable while it is destroyed") {
  coil::ContextVar<std::shared_ptr<int>> held("held");
  int seen = -1;
  const auto look = [&](int* number) {
    seen = depth.get(0);
    depth.set(*number);
    delete number;
  };
  const auto token = held.set(std::shared_ptr<int>(new int(5), look));
  held.reset(token);
  CHECK(seen == 0);
  CHECK(depth.get() == 5);
  co_await coil::yield();
}

LOOP_TEST("context var: many variables keep each their own value in each context") {
  std::vector<std::unique_ptr<coil::ContextVar<std::size_t>>> variables;
  for (std::size_t i = 0; i < 100; ++i) variables.push_back(std::make_unique<coil::ContextVar<std::size_t>>("many"));
  for (std::size_t i = 0; i < 100; ++i) variables[i]->set(i);
  coil::Context copy = coil::copy_context();
  for (std::size_t i = 0; i < 100; ++i) variables[i]->set(2 * i);
  copy.run([&] {
    for (std::size_t i = 0; i < 100; ++i) CHECK(variables[i]->get() == i);
  });
  for (std::size_t i = 0; i < 100; ++i) CHECK(variables[i]->get() == 2 * i);
  co_await coil::yield();
}

// ---- Tasks -----------------------------------------------------------------------------------------------

LOOP_TEST("context var: a task begins with a copy of its maker's context, made by create_task") {
  user.set("maker");
  auto task = coil::create_task(user_here());
  user.set("later");
  const std::string seen = co_await task;
  CHECK(seen == "maker");
}

LOOP_TEST("context var: what a task sets stays in it, from suspension to suspension") {
  user.set("maker");
  std::vector<std::string> seen;
  const auto work = [&](std::string name) -> coil::Coro<void> {
    seen.push_back(user.get());
    user.set(name);
    for (int i = 0; i < 2; ++i) {
      co_await coil::yield();
      seen.push_back(user.get());
    }
  };
  auto a = coil::create_task(work("a"));
  auto b = coil::create_task(work("b"));
  co_await a;
  co_await b;
  CHECK(seen == std::vector<std::string>{"maker", "maker", "a", "b", "a", "b"});
  CHECK(user.get() == "maker");
}

LOOP_TEST("context var: a task that is made where nothing is set may set, and its maker does not see it") {
  auto task = coil::create_task(set_user("task"));
  co_await task;
  CHECK(user.get() == "nobody");
  const auto sets_late = []() -> coil::Coro<std::string> {
    co_await coil::yield();
    user.set("late");
    co_await coil::yield();
    co_return user.get();
  };
  const std::string seen = co_await coil::create_task(sets_late());
  CHECK(seen == "late");
  CHECK(user.get() == "nobody");
}

LOOP_TEST("context var: a coroutine that is awaited directly shares the context, also when it throws") {
  co_await set_user("callee");
  CHECK(user.get() == "callee");
  const auto fails = []() -> coil::Coro<void> {
    user.set("failed");
    co_await coil_test::fail_after(1s, "on purpose");
  };
  CHECK_AWAIT_FAILS_WITH(fails(), "on purpose");
  CHECK(user.get() == "failed");
}

LOOP_TEST("context var: the children of a gather each have a copy") {
  user.set("maker");
  std::vector<std::string> seen;
  const auto child = [&](std::string name) -> coil::Coro<void> {
    seen.push_back(user.get());
    user.set(name);
    co_await coil::yield();
    seen.push_back(user.get());
  };
  co_await coil::gather(child("a"), child("b"));
  CHECK(seen == std::vector<std::string>{"maker", "maker", "a", "b"});
  CHECK(user.get() == "maker");
}

LOOP_TEST("context var: bodies of timeout, task_group, try_finally and wait_for share the context; children copy it") {
  co_await coil::timeout(1s, [&]() -> coil::Coro<void> { co_await set_user("timeout"); });
  CHECK(user.get() == "timeout");
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    user.set("group");
    group.create_task(set_user("child"));
    co_return;
  });
  CHECK(user.get() == "group");
  std::string in_cleanup;
  const auto body = [&]() -> coil::Coro<void> { co_await set_user("body"); };
  const auto cleanup = [&]() -> coil::Coro<void> {
    in_cleanup = user.get();
    co_return;
  };
  co_await coil::try_finally(body, cleanup);
  CHECK(in_cleanup == "body");
  co_await coil::wait_for(set_user("wait_for"), 1s);
  CHECK(user.get() == "wait_for");
}

LOOP_TEST("context var: an eager task has a copy, and its maker goes on in its own") {
  user.set("maker");
  std::vector<std::string> seen;
  const auto work = [&]() -> coil::Coro<void> {
    seen.push_back(user.get());
    user.set("eager");
    co_await coil::yield();
    seen.push_back(user.get());
  };
  auto task = coil::create_task(work(), {.eager = true});
  CHECK(user.get() == "maker");
  co_await task;
  CHECK(seen == std::vector<std::string>{"maker", "eager"});
  const auto first_set = []() -> coil::Coro<void> {
    depth.set(1);
    co_return;
  };
  co_await coil::create_task(first_set(), {.eager = true});
  CHECK(depth.get(0) == 0);
}

LOOP_TEST("context var: a task that is cancelled sees its own values while it cleans up") {
  std::string seen;
  const auto work = [&]() -> coil::Coro<void> {
    user.set("task");
    const auto outcome = co_await coil::as_result(coil::sleep(1h));
    co_await coil::yield();
    seen = user.get();
    outcome.value();
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(seen == "task");
}

LOOP_TEST("context var: a task made in a context and cancelled before its first step leaves no trace of it") {
  user.set("maker");
  auto task = coil::create_task(user_here());
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  auto other = coil::create_task(user_here());
  const std::string seen = co_await other;
  CHECK(seen == "maker");
}
