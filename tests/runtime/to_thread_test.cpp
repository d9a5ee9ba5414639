#include <coil/to_thread.hpp>

#include <coil/context_var.hpp>

#include "../support/loop_test.hpp"

#include <sys/prctl.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

int add(int a, int b) { return a + b; }

struct Account {
  int balance = 0;
  int pay_in(int sum) { return balance += sum; }
};

std::string thread_name() {
  char name[16] = {};
  ::prctl(PR_GET_NAME, name);
  return name;
}

coil::ContextVar<int> variable("variable");

}  // namespace

LOOP_TEST("to_thread: calls the function in another thread and gives what it returns") {
  const auto here = std::this_thread::get_id();
  const auto there = co_await coil::to_thread([] { return std::this_thread::get_id(); });
  CHECK(there != here);
  CHECK(std::this_thread::get_id() == here);
}

LOOP_TEST("to_thread: passes arguments on, copied or moved as by std::thread") {
  const int sum = co_await coil::to_thread(add, 3, 4);
  CHECK(sum == 7);
  std::string kept = "kept";
  const auto append = [](std::string text, const std::string& more) { return text + more; };
  const std::string text = co_await coil::to_thread(append, kept, std::string("!"));
  CHECK(text == "kept!");
  CHECK(kept == "kept");
  auto number = std::make_unique<int>(5);
  const auto take = [](std::unique_ptr<int> owned) { return *owned + 1; };
  const int moved = co_await coil::to_thread(take, std::move(number));
  CHECK(moved == 6);
  int changed = 0;
  const auto change = [](int& target) { target = 8; };
  co_await coil::to_thread(change, std::ref(changed));
  CHECK(changed == 8);
}

LOOP_TEST("to_thread: takes pointers to member functions") {
  Account account;
  const int first = co_await coil::to_thread(&Account::pay_in, &account, 5);
  const int second = co_await coil::to_thread(&Account::pay_in, std::ref(account), 2);
  CHECK(first == 5);
  CHECK(second == 7);
}

LOOP_TEST("to_thread: gives references, values that can only be moved, and nothing") {
  int target = 1;
  int& same = co_await coil::to_thread([&]() -> int& { return target; });
  CHECK(&same == &target);
  int&& moved_from = co_await coil::to_thread([&]() -> int&& { return std::move(target); });
  CHECK(&moved_from == &target);
  const auto number = co_await coil::to_thread([] { return std::make_unique<int>(5); });
  CHECK(*number == 5);
  co_await coil::to_thread([&] { target = 2; });
  CHECK(target == 2);
  static_assert(std::is_void_v<decltype(coil::to_thread([] {}).await_resume())>);
}

LOOP_TEST("to_thread: an exception of the function is thrown at the await") {
  CHECK_AWAIT_FAILS_WITH(coil::to_thread([]() -> int { throw std::runtime_error("there"); }), "there");
}

LOOP_TEST("to_thread: a CancelledError that the function throws arrives as one") {
  std::string message;
  try {
    co_await coil::to_thread([] { throw coil::CancelledError("inside"); });
  } catch (const coil::CancelledError& error) {
    message = error.message();
  }
  CHECK(message == "inside");
  CHECK(coil::current_task().cancelling() == 0);
}

LOOP_TEST("to_thread: function and arguments are destroyed in the thread, before the await ends") {
  const auto here = std::this_thread::get_id();
  struct Witness {
    explicit Witness(std::vector<std::thread::id>& log) : log_(&log) {}
    Witness(Witness&& other) noexcept : log_(std::exchange(other.log_, nullptr)) {}
    ~Witness() {
      if (log_ != nullptr) log_->push_back(std::this_thread::get_id());
    }
    std::vector<std::thread::id>* log_;
  };
  std::vector<std::thread::id> destroyed;
  auto function = [](const Witness&, const Witness&) {};
  auto call = coil::to_thread(function, Witness(destroyed), Witness(destroyed));
  co_await call;
  REQUIRE(destroyed.size() == 2);
  CHECK(destroyed[0] != here);
  CHECK(destroyed[1] == destroyed[0]);
}

LOOP_TEST("to_thread: nothing happens before the await, and a call that is not awaited is just dropped") {
  std::atomic<bool> ran{false};
  auto owned = std::make_shared<int>(1);
  const auto function = [&ran, owned] { ran = true; };
  {
    auto call = coil::to_thread(function);
    CHECK(owned.use_count() == 3);
    co_await coil::yield();
  }
  CHECK(owned.use_count() == 2);
  co_await coil::to_thread([] {});
  CHECK(!ran);
}

LOOP_TEST("to_thread: a call is awaited once") {
  auto call = coil::to_thread(add, 1, 2);
  co_await call;
  CHECK_AWAIT_FAILS_WITH(call, "coil: this call of a function in a thread was awaited or moved from before");
  auto other = coil::to_thread(add, 1, 2);
  auto moved = std::move(other);
  CHECK_AWAIT_FAILS_WITH(other, "coil: this call of a function in a thread was awaited or moved from before");
  const int sum = co_await moved;
  CHECK(sum == 3);
}

LOOP_TEST("to_thread: two functions run at the same time, and the loop beside them") {
  std::latch both(3);
  const auto meet = [&] { both.arrive_and_wait(); };
  auto first = coil::create_task(coil::to_thread(meet));
  auto second = coil::create_task(coil::to_thread(meet));
  co_await coil::yield();
  both.arrive_and_wait();  // the loop itself is the third
  co_await coil::gather(first, second);
}

LOOP_TEST("to_thread: everything that takes something to await takes it") {
  const auto [one, two] = co_await coil::gather(coil::to_thread(add, 1, 0), coil::to_thread(add, 1, 1));
  CHECK(one == 1);
  CHECK(two == 2);
  const int limited = co_await coil::wait_for(coil::to_thread(add, 2, 2), 1h);
  CHECK(limited == 4);
  const auto outcome = co_await coil::as_result(coil::to_thread([]() -> int { throw std::runtime_error("kept"); }));
  CHECK(coil_test::text_of(outcome.exception()) == "kept");
  auto task = coil::create_task(coil::to_thread(add, 5, 5));
  const int sum = co_await task;
  CHECK(sum == 10);
}

LOOP_TEST("to_thread: with a virtual clock time stands still while an awaited function runs") {
  std::latch go(1);
  auto task = coil::create_task(coil::to_thread([&] { go.wait(); }));
  bool timer_fired = false;
  coil::get_running_loop().call_later(1s, [&] { timer_fired = true; });
  co_await coil::yield();
  std::thread other([&] { go.count_down(); });
  co_await task;
  other.join();
  CHECK(!timer_fired);
  CHECK(coil_test::elapsed() == 0s);
}

LOOP_TEST("to_thread: the function runs in a copy of the context of the task that awaits it") {
  variable.set(1);
  const int seen = co_await coil::to_thread([] {
    const int before = variable.get();
    variable.set(2);
    return before * 10 + variable.get();
  });
  CHECK(seen == 12);
  CHECK(variable.get() == 1);
  auto call = coil::to_thread([] { return variable.get(); });
  variable.set(3);
  const int at_the_await = co_await call;
  CHECK(at_the_await == 3);
}

LOOP_TEST("to_thread: the thread forgets the context of the function it called") {
  auto set = []() -> coil::Coro<void> {
    variable.set(1);
    co_await coil::to_thread([] { variable.set(2); });
  };
  auto task = coil::create_task(set());
  co_await task;
  const int seen = co_await coil::to_thread([] { return variable.get(0); });
  CHECK(seen == 0);
}

LOOP_TEST("call_soon_threadsafe: a callback runs in a copy of the context in which it was posted") {
  auto& loop = coil::get_running_loop();
  std::vector<int> seen;
  variable.set(1);
  co_await coil::to_thread([&] {
    variable.set(7);
    loop.call_soon_threadsafe([&] { seen.push_back(variable.get()); });
    variable.set(8);
  });
  auto done = loop.create_future<void>();
  loop.call_soon_threadsafe([&] {
    seen.push_back(variable.get());
    done.set_result();
  });
  co_await done;
  CHECK(seen == std::vector<int>{7, 1});
}

LOOP_TEST("to_thread: threads are named coil-N, and reused") {
  const std::string first = co_await coil::to_thread(thread_name);
  const std::string second = co_await coil::to_thread(thread_name);
  CHECK(first == "coil-0");
  CHECK(second == "coil-0");
}

LOOP_TEST("to_thread: ten thousand calls from a hundred tasks lose nothing") {
  std::atomic<int> ran{0};
  int returned = 0;
  const auto function = [&] { return ++ran; };
  auto work = [&]() -> coil::Coro<void> {
    for (int i = 0; i < 100; ++i) {
      const int number = co_await coil::to_thread(function);
      returned += number > 0;
    }
  };
  co_await coil::task_group([&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (int i = 0; i < 100; ++i) group.create_task(work());
    co_return;
  });
  CHECK(ran == 10'000);
  CHECK(returned == 10'000);
}

// A loop that looked for the end of a function, instead of sleeping, could not be woken afterwards.
LOOP_TEST("to_thread: short functions, one after the other, with long ones and other threads' calls between them") {
  constexpr int rounds = coil_test::sanitized ? 300 : 1'500;
  coil::Loop& loop = coil::get_running_loop();
  int posted = 0;
  int sum = 0;
  for (int i = 0; i < rounds; ++i) {
    sum += co_await coil::to_thread([] { return 1; });
    if (i % 10 != 0) continue;
    const auto post = [&loop, &posted, i] {
      if (i % 20 == 0) std::this_thread::sleep_for(100us);
      loop.call_soon_threadsafe([&posted] { ++posted; });
    };
    co_await coil::to_thread(post);
  }
  CHECK(sum == rounds);
  CHECK(posted == rounds / 10);
}
