// with(resource, body)
#include <coil/scope.hpp>

#include "../support/loop_test.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using coil_test::elapsed;

namespace {

// A resource whose close() takes a second; move-only, as resources are.
class Connection {
public:
  explicit Connection(std::string& log, bool close_fails = false) : log_(&log), close_fails_(close_fails) {}
  Connection(Connection&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), close_fails_(other.close_fails_) {}
  Connection& operator=(Connection&&) = delete;
  ~Connection() {
    if (log_) *log_ += "destroyed;";
  }
  void use() { *log_ += "used;"; }
  coil::Coro<void> close() {
    co_await coil::sleep(1s);
    *log_ += "closed;";
    if (close_fails_) throw std::runtime_error("close failed");
  }

private:
  std::string* log_;
  bool close_fails_;
};

// Has both; aclose() is the one that awaits.
class Generator {
public:
  explicit Generator(std::string& log) : log_(&log) {}
  void close() { *log_ += "close;"; }
  coil::Coro<void> aclose() {
    co_await coil::sleep(1s);
    *log_ += "aclose;";
  }

private:
  std::string* log_;
};

}  // namespace

LOOP_TEST("with: hands the resource to the body, closes it after, then destroys it, and gives what the body returned") {
  std::string log;
  auto body = [&](Connection& connection) -> coil::Coro<int> {
    co_await coil::sleep(1s);
    connection.use();
    co_return 5;
  };
  const int value = co_await coil::with(Connection(log), body);
  CHECK(value == 5);
  CHECK(log == "used;closed;destroyed;");
  CHECK(elapsed() == 2s);
}

LOOP_TEST("with: the body may be a lambda in the call") {
  std::string log;
  co_await coil::with(Connection(log), [&](Connection& connection) -> coil::Coro<void> {
    co_await coil::sleep(1s);
    connection.use();
  });
  CHECK(log == "used;closed;destroyed;");
}

LOOP_TEST("with: takes over a resource that is moved into it") {
  std::string log;
  Connection connection(log);
  auto body = [&](Connection& mine) -> coil::Coro<void> {
    CHECK(&mine != &connection);
    mine.use();
    co_return;
  };
  co_await coil::with(std::move(connection), body);
  CHECK(log == "used;closed;destroyed;");
}

LOOP_TEST("with: a resource in std::ref is only lent, and closed all the same") {
  std::string log;
  Connection connection(log);
  auto body = [&](auto& lent) -> coil::Coro<void> {
    CHECK(&lent == &connection);
    lent.use();
    co_return;
  };
  co_await coil::with(std::ref(connection), body);
  CHECK(log == "used;closed;");
}

LOOP_TEST("with: closes by aclose() where there is one") {
  std::string log;
  auto body = [&](Generator&) -> coil::Coro<void> { co_return; };
  co_await coil::with(Generator(log), body);
  CHECK(log == "aclose;");
}

LOOP_TEST("with: closes when the body throws, then throws that") {
  std::string log;
  auto body = [&](Connection&) -> coil::Coro<void> { co_await coil_test::fail_after(1s, "from the body"); };
  CHECK_AWAIT_FAILS_WITH(coil::with(Connection(log), body), "from the body");
  CHECK(log == "closed;destroyed;");
}

LOOP_TEST("with: closes when the body is cancelled, and the cancellation goes on after it") {
  std::string log;
  auto work = [&]() -> coil::Coro<void> {
    auto body = [&](Connection&) -> coil::Coro<void> { co_await coil_test::park(log, "body"); };
    co_await coil::with(Connection(log), body);
  };
  auto task = coil::create_task(work());
  co_await coil::yield();
  task.cancel();
  CHECK_AWAIT_THROWS(task, coil::CancelledError);
  CHECK(log == "body cancelled;closed;destroyed;");
  CHECK(elapsed() == 1s);
}

LOOP_TEST(
    "with: an exception of close() is thrown, and replaces one of the body, which goes to the exception handler") {
  std::string log;
  auto good = [&](Connection&) -> coil::Coro<void> { co_return; };
  auto bad = [&](Connection&) -> coil::Coro<void> { co_await coil_test::fail_after(1s, "from the body"); };
  CHECK_AWAIT_FAILS_WITH(coil::with(Connection(log, true), good), "close failed");
  CHECK(reports.size() == 0);
  CHECK_AWAIT_FAILS_WITH(coil::with(Connection(log, true), bad), "close failed");
  CHECK(reports.take().error == "from the body");
  CHECK(log == "closed;destroyed;closed;destroyed;");
}

LOOP_TEST("with: nested, the inner resource is closed first") {
  std::string outer_log;
  std::string inner_log;
  auto inner_body = [&](Connection&) -> coil::Coro<void> { co_await coil::sleep(1s); };
  auto outer_body = [&](Connection& outer) -> coil::Coro<void> {
    co_await coil::with(Connection(inner_log), inner_body);
    CHECK(inner_log == "closed;destroyed;");
    outer.use();
  };
  co_await coil::with(Connection(outer_log), outer_body);
  CHECK(outer_log == "used;closed;destroyed;");
}
