#pragma once
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace coil {

/// Thrown at the `co_await` of a task that was asked to `cancel()`.
///
/// Not a `std::exception`, so that the everyday `catch (const std::exception&)` never swallows it.
class CancelledError {
public:
  CancelledError() = default;
  explicit CancelledError(std::string message) : message_(std::move(message)) {}

  /// What was given to the `cancel()` that led here, or empty.
  const std::string& message() const noexcept { return message_; }

private:
  std::string message_;
};

/// Thrown by `run` when SIGINT ended the main coroutine. Not a `std::exception`, as in Python.
class KeyboardInterrupt {};

/// Thrown at the `co_yield` of an AsyncGenerator that is closed. Clean up, and let it pass.
///
/// Not a `std::exception`, so that the everyday `catch (const std::exception&)` never swallows it.
class GeneratorExit {};

/// A deadline passed: `timeout`, `timeout_at`, `wait_for`.
class TimeoutError : public std::runtime_error {
public:
  TimeoutError() : std::runtime_error("timed out") {}
  explicit TimeoutError(const std::string& what) : std::runtime_error(what) {}
};

/// A queue has no item: `get_nowait`.
class QueueEmpty : public std::runtime_error {
public:
  QueueEmpty() : std::runtime_error("the queue is empty") {}
  explicit QueueEmpty(const std::string& what) : std::runtime_error(what) {}
};

/// A queue has no room for an item: `put_nowait`.
class QueueFull : public std::runtime_error {
public:
  QueueFull() : std::runtime_error("the queue is full") {}
  explicit QueueFull(const std::string& what) : std::runtime_error(what) {}
};

/// A queue was shut down: it takes no items any more, or has none left.
class QueueShutDown : public std::runtime_error {
public:
  QueueShutDown() : std::runtime_error("the queue is shut down") {}
  explicit QueueShutDown(const std::string& what) : std::runtime_error(what) {}
};

/// A barrier was aborted, or reset while a task waited at it.
class BrokenBarrierError : public std::runtime_error {
public:
  BrokenBarrierError() : std::runtime_error("the barrier is broken") {}
  explicit BrokenBarrierError(const std::string& what) : std::runtime_error(what) {}
};

/// A result was asked for too early, or set twice.
class InvalidStateError : public std::logic_error {
public:
  using std::logic_error::logic_error;
};

/// The kernel or a sandbox refuses io_uring; `code()` holds the errno of io_uring_setup(2).
/// `what()` says in up to eight lines what refused it and what to do.
class RingUnavailableError : public std::system_error {
public:
  RingUnavailableError(int error, std::string text)
      : std::system_error(error, std::system_category()), text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

private:
  std::string text_;
};

namespace detail {

bool is_cancelled_error(const std::exception_ptr& exception) noexcept;
bool is_generator_exit(const std::exception_ptr& exception) noexcept;
[[noreturn]] void throw_logic_error(const char* what);
[[noreturn]] void throw_invalid_argument(const char* what);
[[noreturn]] void throw_invalid_state(const char* what);
[[noreturn]] void throw_timeout();
[[noreturn]] void throw_no_running_loop();

}  // namespace detail
}  // namespace coil
