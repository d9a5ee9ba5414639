// The least that does what passes between threads, or starts a process: `limit-models CASE COUNT`.
#include <spawn.h>
#include <sys/wait.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "../models.hpp"

namespace {

/// A mutex, a condition variable, and what they guard.
template <class T>
class Box {
public:
  void put(T item) {
    {
      const std::lock_guard lock(mutex_);
      items_.push_back(std::move(item));
    }
    there_.notify_one();
  }
  T take() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [&] { return !items_.empty(); });
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

private:
  std::mutex mutex_;
  std::condition_variable there_;
  std::deque<T> items_;
};

void to_thread(long count) {
  Box<int> there;
  Box<int> back;
  std::thread other([&] {
    for (long i = 0; i < count; ++i) back.put(there.take());
  });
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) {
    there.put(1);
    static_cast<void>(back.take());
  }
  watch.print_ns_each("to_thread", count);
  other.join();
}

void call_soon_threadsafe(long count) {
  constexpr long threads = 4;
  Box<std::function<void()>> calls;
  long called = 0;
  const measure::Stopwatch watch;
  std::vector<std::thread> callers;
  for (long t = 0; t < threads; ++t) {
    callers.emplace_back([&] {
      for (long i = 0; i < count / threads; ++i) calls.put([&] { ++called; });
    });
  }
  while (called != count / threads * threads) calls.take()();
  watch.print_ns_each("call_soon_threadsafe", count);
  for (std::thread& caller : callers) caller.join();
}

void threadsafe_queue(long count) {
  Box<long> box;
  const measure::Stopwatch watch;
  std::thread maker([&] {
    for (long i = 0; i < count; ++i) box.put(i);
  });
  long sum = 0;
  for (long i = 0; i < count; ++i) sum += box.take();
  watch.print_ns_each("threadsafe_queue", count);
  maker.join();
  if (sum != count * (count - 1) / 2) std::abort();
}

void subprocess(long count) {
  char program[] = "/bin/true";
  char* command[] = {program, nullptr};
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) {
    pid_t child = 0;
    if (posix_spawn(&child, program, nullptr, nullptr, command, environ) != 0) std::exit(3);
    waitpid(child, nullptr, 0);
  }
  watch.print_ns_each("subprocess", count);
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run_case(argc, argv,
                           {{"to_thread", to_thread},
                            {"call_soon_threadsafe", call_soon_threadsafe},
                            {"threadsafe_queue", threadsafe_queue},
                            {"subprocess", subprocess}});
}
