#include "connect_attempts.hpp"

#include <system_error>
#include <utility>

#include <coil/as_result.hpp>
#include <coil/create_task.hpp>
#include <coil/wait.hpp>

namespace coil::detail {

namespace {

/// The first kind first, then the other, in turns; within a kind in the order given (RFC 8305, section 4).
std::vector<Endpoint> interleave(const std::vector<Endpoint>& endpoints) {
  std::vector<Endpoint> kinds[2];
  for (const Endpoint& endpoint : endpoints)
    kinds[endpoint.family() == endpoints.front().family() ? 0 : 1].push_back(endpoint);
  std::vector<Endpoint> mixed;
  for (std::size_t i = 0; mixed.size() < endpoints.size(); ++i)
    for (const auto& kind : kinds)
      if (i < kind.size()) mixed.push_back(kind[i]);
  return mixed;
}

/// The attempts to connect to one host.
class Attempts {
public:
  Attempts(std::string name, std::vector<Endpoint> endpoints, std::optional<Endpoint> local,
           std::chrono::nanoseconds delay)
      : name_(std::move(name)), endpoints_(interleave(endpoints)), local_(local), delay_(delay) {}

  Coro<TcpStream> first_connection();
  /// Stops those that are under way, and waits for them.
  Coro<void> end();

private:
  struct Attempt {
    Task<TcpStream> task;
    Endpoint endpoint;
  };
  void begin_next();
  std::optional<TcpStream> take_done();
  void note_failure(const Attempt& attempt);
  [[noreturn]] void fail() const;

  std::string name_;
  std::vector<Endpoint> endpoints_;
  std::optional<Endpoint> local_;
  std::chrono::nanoseconds delay_;
  std::size_t next_ = 0;
  std::vector<Attempt> running_;
  std::error_code first_error_;
  std::string failures_;
};

Coro<TcpStream> Attempts::first_connection() {
  for (;;) {
    if (next_ < endpoints_.size()) begin_next();
    if (running_.empty()) fail();
    std::vector<Task<TcpStream>> tasks;
    for (const Attempt& attempt : running_) tasks.push_back(attempt.task);
    WaitOptions until{.return_when = ReturnWhen::first_completed};
    if (next_ < endpoints_.size()) until.timeout = delay_;
    co_await wait(tasks, until);
    if (std::optional<TcpStream> connection = take_done()) co_return std::move(*connection);
  }
}

void Attempts::begin_next() {
  const Endpoint endpoint = endpoints_[next_++];
  Coro<TcpStream> connecting = local_ ? TcpStream::connect(endpoint, *local_) : TcpStream::connect(endpoint);
  running_.push_back({create_task(std::move(connecting)), endpoint});
}

/// A connection, if there is one; takes note of those that failed.
std::optional<TcpStream> Attempts::take_done() {
  for (auto attempt = running_.begin(); attempt != running_.end();) {
    if (!attempt->task.done()) {
      ++attempt;
      continue;
    }
    if (!attempt->task.cancelled() && attempt->task.exception() == nullptr) {
      TcpStream connection = std::move(attempt->task.result());
      running_.erase(attempt);
      return connection;
    }
    note_failure(*attempt);
    attempt = running_.erase(attempt);
  }
  return std::nullopt;
}

void Attempts::note_failure(const Attempt& attempt) {
  std::error_code error = std::make_error_code(std::errc::operation_canceled);
  try {
    attempt.task.result();
  } catch (const std::system_error& failure) {
    error = failure.code();
  } catch (const CancelledError&) {
  }
  if (!first_error_) first_error_ = error;
  failures_ += (failures_.empty() ? "" : "; ") + attempt.endpoint.to_string() + ": " + error.message();
}

void Attempts::fail() const { throw std::system_error(first_error_, "connect(" + name_ + ") tried " + failures_); }

Coro<void> Attempts::end() {
  for (const Attempt& attempt : running_) attempt.task.cancel();
  while (!running_.empty()) {
    Task<TcpStream> task = running_.back().task;
    running_.pop_back();
    const auto outcome = co_await as_result(task);
  }
}

}  // namespace

Coro<TcpStream> connect_to_any(std::string name, std::vector<Endpoint> endpoints, std::optional<Endpoint> local,
                               std::chrono::nanoseconds delay) {
  Attempts attempts(std::move(name), std::move(endpoints), local, delay);
  auto outcome = co_await as_result(attempts.first_connection());
  co_await attempts.end();
  co_return std::move(outcome).value();
}

}  // namespace coil::detail
