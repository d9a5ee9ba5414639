// Jobs that meet: a gate that opens once, a channel that holds one value, a mutex.
#pragma once
#include "runtime.hpp"

namespace limit {

/// Opens once; lets everyone pass from then on.
class Gate {
public:
  class Passage;
  Passage passage() noexcept;
  void open() noexcept {
    open_ = true;
    while (Waiter* waiter = waiters_.pop()) loop.make_ready(*waiter);
  }

private:
  ReadyList waiters_;
  bool open_ = false;
};

class Gate::Passage : Waiter {
public:
  explicit Passage(Gate& gate) noexcept : gate_(gate) {}
  bool await_ready() const noexcept { return gate_.open_; }
  void await_suspend(std::coroutine_handle<> self) noexcept {
    frame = self;
    gate_.waiters_.push(*this);
  }
  void await_resume() const noexcept {}

private:
  Gate& gate_;
};

inline Gate::Passage Gate::passage() noexcept { return Passage{*this}; }

/// Holds one value; one job at each end.
class Channel {
public:
  class Put;
  class Get;
  Put put(long value) noexcept;
  Get get() noexcept;

private:
  static void wake(Waiter*& waiting) noexcept {
    if (waiting != nullptr) loop.make_ready(*std::exchange(waiting, nullptr));
  }
  Waiter* putter_ = nullptr;
  Waiter* getter_ = nullptr;
  long value_ = 0;
  bool full_ = false;
};

class Channel::Put : Waiter {
public:
  Put(Channel& channel, long value) noexcept : channel_(channel), value_(value) {}
  bool await_ready() const noexcept { return !channel_.full_; }
  void await_suspend(std::coroutine_handle<> self) noexcept {
    frame = self;
    channel_.putter_ = this;
  }
  void await_resume() const noexcept {
    channel_.value_ = value_;
    channel_.full_ = true;
    wake(channel_.getter_);
  }

private:
  Channel& channel_;
  long value_;
};

class Channel::Get : Waiter {
public:
  explicit Get(Channel& channel) noexcept : channel_(channel) {}
  bool await_ready() const noexcept { return channel_.full_; }
  void await_suspend(std::coroutine_handle<> self) noexcept {
    frame = self;
    channel_.getter_ = this;
  }
  long await_resume() const noexcept {
    channel_.full_ = false;
    wake(channel_.putter_);
    return channel_.value_;
  }

private:
  Channel& channel_;
};

inline Channel::Put Channel::put(long value) noexcept { return Put{*this, value}; }
inline Channel::Get Channel::get() noexcept { return Get{*this}; }

/// Handed over to the job that has waited longest.
class Mutex {
public:
  class Lock;
  Lock lock() noexcept;
  void unlock() noexcept {
    if (Waiter* waiter = waiters_.pop()) {
      loop.make_ready(*waiter);
    } else {
      locked_ = false;
    }
  }

private:
  ReadyList waiters_;
  bool locked_ = false;
};

class Mutex::Lock : Waiter {
public:
  explicit Lock(Mutex& mutex) noexcept : mutex_(mutex) {}
  bool await_ready() const noexcept { return !std::exchange(mutex_.locked_, true); }
  void await_suspend(std::coroutine_handle<> self) noexcept {
    frame = self;
    mutex_.waiters_.push(*this);
  }
  void await_resume() const noexcept {}

private:
  Mutex& mutex_;
};

inline Mutex::Lock Mutex::lock() noexcept { return Lock{*this}; }

}  // namespace limit
