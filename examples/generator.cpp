// Asynchronous generators: values that are awaited one by one, a generator that reads another, one that is not read to
// its end, and as_completed, which is a generator of tasks.
//
//   sh examples/run generator
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"

using namespace std::chrono_literals;

// The rows of a table. They arrive page by page; whether all are read or not, the cursor is closed.
coil::AsyncGenerator<std::string> rows(std::string table, int pages) {
  std::printf("%s: open\n", table.c_str());
  std::exception_ptr error;
  try {
    for (int page = 1; page <= pages; ++page) {
      co_await coil::sleep(10ms);  // the next page
      for (const char* name : {"ann", "bob", "eve"}) {
        std::string row = "page " + std::to_string(page) + ", " + name;
        co_yield row;  // copies nothing
      }
    }
  } catch (...) {  // coil::GeneratorExit: nobody wants the rest. A handler cannot await, so that comes below.
    error = std::current_exception();
  }
  co_await coil::sleep(10ms);
  std::printf("%s: closed\n", table.c_str());
  if (error) std::rethrow_exception(error);
}

coil::AsyncGenerator<std::string> matching(coil::AsyncGenerator<std::string> lines, std::string word) {
  while (std::string* line = co_await lines.next())
    if (line->find(word) != std::string::npos) co_yield *line;
}

coil::Coro<int> answer_after(std::chrono::milliseconds delay) {
  co_await coil::sleep(delay);
  co_return static_cast<int>(delay.count());
}

coil::Coro<int> generators() {
  auto matches = matching(rows("people", 2), "eve");
  while (const std::string* row = co_await matches.next()) std::printf("match: %s\n", row->c_str());

  // `with` closes what it is given, and waits for that.
  const auto read_one = [](coil::AsyncGenerator<std::string>& orders) -> coil::Coro<void> {
    const std::string* row = co_await orders.next();
    std::printf("first: %s\n", row->c_str());
  };
  co_await coil::with(rows("orders", 1'000'000), read_one);

  std::vector<coil::Coro<int>> questions;
  for (const auto delay : {90ms, 10ms, 50ms}) questions.push_back(answer_after(delay));
  auto answers = coil::as_completed(std::move(questions));
  while (auto* task = co_await answers.next()) {
    const int answer = co_await *task;
    std::printf("answer after %d ms\n", answer);
  }
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "generator");
  return example::run(generators());
}
