// The least that runs coroutines: one thread, a ready list, a wheel of timers, a sleep in the kernel. No results kept,
// no exceptions, no cancellation, no I/O. coil is compared with this, so it has to be as fast as it can be made.
#pragma once
#include <sys/prctl.h>
#include <time.h>

#include <exception>

#include "frames.hpp"
#include "ready.hpp"
#include "wheel.hpp"

namespace limit {

inline constinit Wheel wheel;  // not in the loop: all zeros, so that it takes no memory until it is used

class Loop {
public:
  static std::int64_t now_ns() noexcept {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }

  void make_ready(Waiter& waiter) noexcept { ready_.push(waiter); }
  void arm(Timer& timer) noexcept { wheel.arm(timer); }

  /// Runs until nothing is ready and no timer is set.
  void run() {
    prctl(PR_SET_TIMERSLACK, 1);
    wheel.start_at(now_ns());
    for (;;) {
      run_ready();
      if (wheel.empty()) return;
      wheel.turn_to(sleep_until(wheel.wake_ns()), ready_);
    }
  }

private:
  void run_ready() {
    for (Waiter* waiter = ready_.take_all(); waiter != nullptr; waiter = ready_.take_all()) {
      do {
        Waiter* following = waiter->next;
        waiter->frame.resume();
        waiter = following;
      } while (waiter != nullptr);
    }
  }

  static std::int64_t sleep_until(std::int64_t wake_ns) noexcept {
    const std::int64_t now = now_ns();
    if (now >= wake_ns) return now;
    const timespec wake{wake_ns / 1'000'000'000, wake_ns % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr);
    return now_ns();
  }

  ReadyList ready_;
};

inline constinit Loop loop;

/// A child: starts when it is awaited, hands control straight back to its parent at its end.
template <class T>
class [[nodiscard]] Child {
public:
  struct promise_type : PooledFrame {
    struct Return {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
        return self.promise().parent;
      }
      void await_resume() const noexcept {}
    };
    Child get_return_object() noexcept { return Child{*this}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    Return final_suspend() const noexcept { return {}; }
    void return_value(T result) noexcept { value = result; }
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

    std::coroutine_handle<> parent;
    T value;
  };

  Child(Child&&) = delete;
  ~Child() { self_.destroy(); }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const noexcept {
    self_.promise().parent = parent;
    return self_;
  }
  T await_resume() const noexcept { return self_.promise().value; }

private:
  explicit Child(promise_type& promise) noexcept : self_(std::coroutine_handle<promise_type>::from_promise(promise)) {}
  std::coroutine_handle<promise_type> self_;
};

/// Becomes ready when as many jobs have ended as were started under it.
class Countdown : Waiter {
public:
  bool await_ready() const noexcept { return running_ == 0; }
  void await_suspend(std::coroutine_handle<> self) noexcept { frame = self; }
  void await_resume() const noexcept {}

  void job_started() noexcept { ++running_; }
  void job_ended() noexcept {
    if (--running_ == 0 && frame) loop.make_ready(*this);
  }

private:
  std::size_t running_ = 0;
};

/// A task: runs by itself once started, and frees its frame at its end.
class Job {
public:
  struct promise_type : PooledFrame, Waiter {
    Job get_return_object() noexcept {
      frame = std::coroutine_handle<promise_type>::from_promise(*this);
      return Job{*this};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept {
      if (countdown != nullptr) countdown->job_ended();
      return {};
    }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

    Countdown* countdown = nullptr;
  };

  void start() const noexcept { loop.make_ready(promise_); }
  void start_under(Countdown& countdown) const noexcept {
    promise_.countdown = &countdown;
    countdown.job_started();
    loop.make_ready(promise_);
  }

private:
  explicit Job(promise_type& promise) noexcept : promise_(promise) {}
  promise_type& promise_;
};

/// Lets the others run once.
struct Yield : Waiter {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) noexcept {
    frame = self;
    loop.make_ready(*this);
  }
  void await_resume() const noexcept {}
};

struct SleepUntil : Timer {
  explicit SleepUntil(std::int64_t when_ns) noexcept { due_ns = when_ns; }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) noexcept {
    frame = self;
    loop.arm(*this);
  }
  void await_resume() const noexcept {}
};

}  // namespace limit
