#include <coil/async_generator.hpp>

#include "../support/loop_test.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using coil_test::elapsed;
using Ints = std::vector<int>;

namespace {

coil::AsyncGenerator<int> count_to(int end) {
  for (int i = 0; i < end; ++i) co_yield i;
}

coil::AsyncGenerator<int> tick(int times) {
  for (int i = 0; i < times; ++i) {
    co_await coil::sleep(1s);
    co_yield i;
  }
}

template <class T>
coil::Coro<std::vector<T>> all_of(coil::AsyncGenerator<T> generator) {
  std::vector<T> values;
  while (T* value = co_await generator.next()) values.push_back(std::move(*value));
  co_return values;
}

template <class T>
coil::Coro<int> next_or(coil::AsyncGenerator<T>& generator, int at_end) {
  const int* value = co_await generator.next();
  co_return value == nullptr ? at_end : *value;
}

// Counts how it is passed on.
struct Traveller {
  explicit Traveller(int number) : id(number) {}
  Traveller(const Traveller& other) : id(other.id) { ++copies; }
  Traveller(Traveller&& other) noexcept : id(other.id) { ++moves; }
  int id;
  static inline int copies = 0;
  static inline int moves = 0;
};

}  // namespace

// ---- Values ----------------------------------------------------------------------------------------------

LOOP_TEST("async generator: gives what the body yields, one after the other, then null for ever") {
  auto numbers = count_to(2);
  const int first = co_await next_or(numbers, -1);
  const int second = co_await next_or(numbers, -1);
  CHECK(first == 0);
  CHECK(second == 1);
  for (int i = 0; i < 3; ++i) {
    const int* end = co_await numbers.next();
    CHECK(end == nullptr);
  }
}

LOOP_TEST("async generator: one without values is at its end at once") {
  const Ints values = co_await all_of(count_to(0));
  CHECK(values.empty());
}

LOOP_TEST("async generator: the body may await between values") {
  auto ticks = tick(3);
  Ints seen;
  while (const int* value = co_await ticks.next()) {
    seen.push_back(*value);
    CHECK(elapsed() == *value * 1s + 1s);
  }
  CHECK(seen == Ints{0, 1, 2});
  CHECK(elapsed() == 3s);
}

LOOP_TEST("async generator: the body runs when next() is awaited, not before, and no further than the next value") {
  std::string log;
  auto body = [&]() -> coil::AsyncGenerator<int> {
    log += "begins;";
    co_yield 1;
    log += "goes on;";
    co_yield 2;
    log += "ends;";
  };
  auto generator = body();
  auto next = generator.next();
  co_await coil::yield();
  CHECK(log == "");
  co_await next;
  co_await coil::yield();
  CHECK(log == "begins;");
  co_await generator.next();
  CHECK(log == "begins;goes on;");
  co_await generator.next();
  CHECK(log == "begins;goes on;ends;");
}

LOOP_TEST("async generator: values that are ready come without a trip through the loop") {
  coil_test::TurnCounter turns;
  const Ints values = co_await all_of(count_to(100));
  CHECK(values.size() == 100);
  CHECK(turns.count() == 0);
}

LOOP_TEST("async generator: yielding a variable copies nothing: next() points to it") {
  const Traveller* yielded = nullptr;
  auto body = [&]() -> coil::AsyncGenerator<Traveller> {
    Traveller traveller(1);
    yielded = &traveller;
    co_yield traveller;
    CHECK(traveller.id == 2);  // what the consumer did to it
    co_yield std::move(traveller);
    CHECK(traveller.id == 2);
  };
  Traveller::copies = Traveller::moves = 0;
  auto generator = body();
  Traveller* value = co_await generator.next();
  CHECK(value == yielded);
  value->id = 2;
  value = co_await generator.next();
  CHECK(value == yielded);
  co_await generator.next();
  CHECK(Traveller::copies == 0);
  CHECK(Traveller::moves == 0);
}

LOOP_TEST("async generator: a temporary lives until the next call and is not copied") {
  auto body = []() -> coil::AsyncGenerator<Traveller> {
    co_yield Traveller(1);
    co_yield Traveller(2);
  };
  Traveller::copies = Traveller::moves = 0;
  auto generator = body();
  const Traveller* value = co_await generator.next();
  co_await coil::sleep(1s);
  CHECK(value->id == 1);
  value = co_await generator.next();
  co_await coil::sleep(1s);
  CHECK(value->id == 2);
  CHECK(Traveller::copies == 0);
  CHECK(Traveller::moves == 0);
}

LOOP_TEST("async generator: a temporary is destroyed when the body goes on, once") {
  auto shared = std::make_shared<int>(1);
  auto body = [&]() -> coil::AsyncGenerator<std::shared_ptr<int>> {
    co_yield std::shared_ptr<int>(shared);
    CHECK(shared.use_count() == 1);
    co_yield nullptr;
  };
  auto generator = body();
  co_await generator.next();
  CHECK(shared.use_count() == 2);
  co_await generator.next();
  CHECK(shared.use_count() == 1);
}

LOOP_TEST("async generator: what is not of its type is converted, and a const variable copied") {
  auto body = []() -> coil::AsyncGenerator<std::string> {
    co_yield "a literal that is too long to fit into a string itself";
    const std::string fixed = "constant";
    co_yield fixed;
    const std::string_view view = "view";
    co_yield std::string(view);
  };
  const auto texts = co_await all_of(body());
  CHECK(texts ==
        std::vector<std::string>{"a literal that is too long to fit into a string itself", "constant", "view"});
  auto widening = []() -> coil::AsyncGenerator<double> {
    co_yield 1;
    co_yield 2.5F;
    const long whole = 3;
    co_yield whole;
  };
  const auto numbers = co_await all_of(widening());
  CHECK(numbers == std::vector<double>{1, 2.5, 3});
}

LOOP_TEST("async generator: values may be move-only") {
  auto body = []() -> coil::AsyncGenerator<std::unique_ptr<int>> {
    co_yield std::make_unique<int>(1);
    auto named = std::make_unique<int>(2);
    co_yield named;
    CHECK(named == nullptr);  // the consumer took it
    co_yield nullptr;
  };
  const auto values = co_await all_of(body());
  REQUIRE(values.size() == 3);
  CHECK(*values[0] == 1);
  CHECK(*values[1] == 2);
  CHECK(values[2] == nullptr);
}

LOOP_TEST("async generator: of references gives pointers to what is yielded") {
  Ints numbers{1, 2, 3};
  auto each = [&]() -> coil::AsyncGenerator<int&> {
    for (int& number : numbers) co_yield number;
  };
  auto generator = each();
  while (int* number = co_await generator.next()) *number *= 2;
  CHECK(numbers == Ints{2, 4, 6});
}

LOOP_TEST("async generator: of const values and const references gives pointers to const") {
  const std::string fixed = "constant";
  auto values = [&]() -> coil::AsyncGenerator<const std::string> {
    co_yield fixed;
    co_yield "converted";
  };
  auto references = [&]() -> coil::AsyncGenerator<const std::string&> {
    co_yield fixed;
    co_yield "converted";
  };
  auto a = values();
  auto b = references();
  const std::string* value = co_await a.next();
  const std::string* reference = co_await b.next();
  CHECK(value == &fixed);
  CHECK(reference == &fixed);
  value = co_await a.next();
  reference = co_await b.next();
  CHECK(*value == "converted");
  CHECK(*reference == "converted");
  static_assert(std::is_same_v<decltype(a.next().await_resume()), const std::string*>);
  static_assert(std::is_same_v<decltype(b.next().await_resume()), const std::string*>);
}

LOOP_TEST("async generator: of a base gives a pointer into the derived object") {
  struct Left {
    int left = 1;
  };
  struct Right {
    int right = 2;
  };
  struct Both : Left, Right {};
  Both both;
  auto body = [&]() -> coil::AsyncGenerator<Right> { co_yield both; };
  auto generator = body();
  Right* right = co_await generator.next();
  CHECK(right == &both);
  CHECK(right->right == 2);
}

LOOP_TEST("async generator: an aggregate is yielded by name") {
  struct Row {
    std::string name;
    int number;
  };
  auto body = []() -> coil::AsyncGenerator<Row> {
    for (int i = 0; i < 3; ++i) {
      Row row{"row number " + std::to_string(i) + ", too long to fit", i};
      co_yield row;
    }
  };
  const auto rows = co_await all_of(body());
  REQUIRE(rows.size() == 3);
  CHECK(rows[2].name == "row number 2, too long to fit");
}

// ---- Handles ---------------------------------------------------------------------------------------------

LOOP_TEST("async generator: parameters by value live as long as it does") {
  auto body = [](std::string word, int times) -> coil::AsyncGenerator<std::string> {
    for (int i = 0; i < times; ++i) co_yield word;
  };
  auto generator = body("a word that is too long to fit", 2);
  co_await generator.next();
  const std::string* word = co_await generator.next();
  CHECK(*word == "a word that is too long to fit");
}

LOOP_TEST("async generator: moved from, or made empty, it has no values") {
  auto numbers = count_to(3);
  co_await numbers.next();
  auto moved = std::move(numbers);
  const int* nothing = co_await numbers.next();
  const int* value = co_await moved.next();
  CHECK(nothing == nullptr);
  REQUIRE(value != nullptr);
  CHECK(*value == 1);
  co_await numbers.aclose();
  coil::AsyncGenerator<int> empty;
  nothing = co_await empty.next();
  CHECK(nothing == nullptr);
  empty = std::move(moved);
  value = co_await empty.next();
  REQUIRE(value != nullptr);
  CHECK(*value == 2);
}

LOOP_TEST("async generator: assigned over, the one before is closed") {
  std::string log;
  auto body = [&](std::string name) -> coil::AsyncGenerator<int> {
    struct Farewell {
      std::string& log;
      std::string name;
      ~Farewell() { log += name + " gone;"; }
    };
    Farewell farewell{log, name};
    co_yield 1;
  };
  auto generator = body("a");
  co_await generator.next();
  generator = body("b");
  CHECK(log == "a gone;");
  co_await generator.next();
  generator = {};
  CHECK(log == "a gone;b gone;");
}

LOOP_TEST("async generator: one that is never started just goes, and its parameters with it") {
  auto shared = std::make_shared<int>(1);
  auto body = [](std::shared_ptr<int> held) -> coil::AsyncGenerator<int> { co_yield *held; };
  {
    auto generator = body(shared);
    CHECK(shared.use_count() == 2);
  }
  CHECK(shared.use_count() == 1);
  co_await coil::yield();
}

LOOP_TEST("async generator: may be moved while its next() is awaited") {
  auto ticks = tick(2);
  auto wait = [&]() -> coil::Coro<int> { co_return co_await next_or(ticks, -1); };
  auto task = coil::create_task(wait());
  co_await coil::yield();
  auto moved = std::move(ticks);
  const int first = co_await task;
  const int second = co_await next_or(moved, -1);
  CHECK(first == 0);
  CHECK(second == 1);
}

LOOP_TEST("async generator: many at once keep apart") {
  std::vector<coil::AsyncGenerator<int>> generators;
  for (int i = 0; i < 100; ++i) generators.push_back(count_to(i));
  int sum = 0;
  for (bool any = true; any;) {
    any = false;
    for (auto& generator : generators) {
      const int* value = co_await generator.next();
      if (value == nullptr) continue;
      any = true;
      sum += *value;
    }
  }
  CHECK(sum == 161'700);
}
