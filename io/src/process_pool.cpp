#include <coil/process_pool.hpp>

#include <sched.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include <coil/detail/loop_core.hpp>
#include <coil/to_process.hpp>

#include "loop_parts.hpp"
#include "pool_worker.hpp"
#include "turn.hpp"

namespace coil {

namespace {

std::string describe_end(int returncode) {
  const std::string who = "coil: the process that was to run a function ";
  if (returncode >= 0) return who + "ended with exit status " + std::to_string(returncode);
  const char* name = ::sigabbrev_np(-returncode);
  const std::string number = std::to_string(-returncode);
  return who + "was killed by signal " + number + (name == nullptr ? "" : " (SIG" + std::string(name) + ")");
}

unsigned processors() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(CPU_COUNT(&set), 1));
}

}  // namespace

ProcessDied::ProcessDied(int returncode) : std::runtime_error(describe_end(returncode)), returncode_(returncode) {}

namespace detail {

/// The workers, and whose turn it is to have one.
class PoolCore {
public:
  enum class Start : unsigned char { at_once, when_needed };
  PoolCore(unsigned max_workers, Start start);

  unsigned max_workers() const noexcept { return max_workers_; }
  std::vector<pid_t> ids() const;

  // Each keeps `self` in its frame.
  static Coro<std::string> run(PoolRef self, std::string request);
  static Coro<void> close(PoolRef self);
  void kill_all() noexcept;

private:
  friend class PoolRef;
  class Lease;
  class Closing;

  std::unique_ptr<PoolWorker> take_worker();
  void replace_worker() noexcept;
  static Coro<std::string> ask(PoolWorker& worker, std::string_view request);
  static Coro<void> end(std::vector<std::unique_ptr<PoolWorker>> workers);

  std::size_t refs_ = 0;
  unsigned max_workers_;
  Start start_;
  bool closed_ = false;
  bool killed_ = false;
  Turn turns_;  // as many as there may be workers
  std::vector<std::unique_ptr<PoolWorker>> idle_;
  std::vector<PoolWorker*> busy_;
};

/// A worker that does a job. Unless it was given back it is killed at the end of the scope, and replaced.
class PoolCore::Lease {
public:
  explicit Lease(PoolCore& core) : core_(core), worker_(core.take_worker()) { core_.busy_.push_back(worker_.get()); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    core_.busy_.erase(std::find(core_.busy_.begin(), core_.busy_.end(), worker_.get()));
    if (returned_ && !core_.killed_) {
      core_.idle_.push_back(std::move(worker_));
      return;
    }
    worker_->process().kill();
    worker_.reset();
    core_.replace_worker();
  }
  PoolWorker& worker() noexcept { return *worker_; }
  void give_back() noexcept { returned_ = true; }

private:
  PoolCore& core_;
  std::unique_ptr<PoolWorker> worker_;
  bool returned_ = false;
};

PoolCore::PoolCore(unsigned max_workers, Start start)
    : max_workers_(max_workers == 0 ? processors() : max_workers), start_(start), turns_(max_workers_) {
  idle_.reserve(max_workers_);
  busy_.reserve(max_workers_);
  while (start_ == Start::at_once && idle_.size() < max_workers_) idle_.push_back(PoolWorker::start());
}

std::unique_ptr<PoolWorker> PoolCore::take_worker() {
  while (!idle_.empty()) {
    std::unique_ptr<PoolWorker> worker = std::move(idle_.back());
    idle_.pop_back();
    if (worker->is_fit()) return worker;
  }
  return PoolWorker::start();
}

// Where there can be no further process now, the next job that needs one says so.
void PoolCore::replace_worker() noexcept {
  if (start_ != Start::at_once || closed_) return;
  try {
    idle_.insert(idle_.begin(), PoolWorker::start());
  } catch (const std::exception&) {
  }
}

std::vector<pid_t> PoolCore::ids() const {
  std::vector<pid_t> ids;
  for (const auto& worker : idle_)
    if (worker->is_fit()) ids.push_back(worker->process().pid());
  for (PoolWorker* worker : busy_) ids.push_back(worker->process().pid());
  return ids;
}

// ---- Jobs ------------------------------------------------------------------------------------------------

Coro<std::string> PoolCore::run(PoolRef self, std::string request) {
  if (self->closed_) throw_logic_error("coil: ProcessPool::run() after the pool was closed");
  co_await self->turns_.acquire();
  const TurnGuard turn(self->turns_);
  if (self->killed_) throw_logic_error("coil: the ProcessPool went while a job waited for a worker");
  Lease lease(*self.operator->());
  const std::string answer = co_await ask(lease.worker(), request);
  lease.give_back();
  co_return take_answer(answer);
}

Coro<std::string> PoolCore::ask(PoolWorker& worker, std::string_view request) {
  std::optional<std::string> answer;
  try {
    co_await worker.pipe().send(request);
    answer = co_await worker.pipe().recv();
  } catch (const std::system_error& error) {
    if (error.code().value() != EPIPE) throw;  // else it has ended
  }
  if (answer) co_return std::move(*answer);
  worker.process().kill();  // a pipe that is broken while its process runs would be waited for in vain
  const int returncode = co_await worker.process().wait();
  throw ProcessDied(returncode);
}

// ---- The end ---------------------------------------------------------------------------------------------

/// All turns, taken one after the other, behind the jobs that wait for theirs. Kills the workers if it is broken off.
class PoolCore::Closing {
public:
  explicit Closing(PoolCore& core) noexcept : core_(core) {}
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;
  ~Closing() {
    if (taken_ != core_.max_workers_) core_.kill_all();
    while (taken_-- != 0) core_.turns_.release();
  }
  Coro<void> wait() {
    for (; taken_ != core_.max_workers_; ++taken_) co_await core_.turns_.acquire();
  }

private:
  PoolCore& core_;
  unsigned taken_ = 0;
};

Coro<void> PoolCore::close(PoolRef self) {
  self->closed_ = true;
  {
    Closing closing(*self.operator->());
    co_await closing.wait();
  }
  co_await end(std::exchange(self->idle_, {}));
}

Coro<void> PoolCore::end(std::vector<std::unique_ptr<PoolWorker>> workers) {
  for (const auto& worker : workers) worker->pipe().close();
  for (const auto& worker : workers) co_await worker->process().aclose();
}

void PoolCore::kill_all() noexcept {
  closed_ = killed_ = true;
  for (PoolWorker* worker : busy_) worker->process().kill();
  for (const auto& worker : idle_) worker->process().kill();
  idle_.clear();
}

PoolRef::PoolRef(PoolCore* core) noexcept : core_(core) {
  if (core_ != nullptr) ++core_->refs_;
}
PoolRef::~PoolRef() {
  if (core_ != nullptr && --core_->refs_ == 0) delete core_;
}

// ---- The pool of a loop ----------------------------------------------------------------------------------

namespace {

/// Kept by a loop until the end of `run`.
class DefaultPool final : public LoopService {
public:
  DefaultPool() : core_(new PoolCore(0, PoolCore::Start::when_needed)) {}
  Coro<void> aclose() override { return PoolCore::close(core_); }
  const PoolRef& core() const noexcept { return core_; }

private:
  PoolRef core_;
};

}  // namespace

Coro<std::string> run_in_default_pool(std::string request) {
  const PoolRef core = parts_of(running_loop()).services.get<DefaultPool>().core();
  std::string result = co_await PoolCore::run(core, std::move(request));
  co_return result;
}

}  // namespace detail

// ---- ProcessPool -----------------------------------------------------------------------------------------

ProcessPool::ProcessPool(unsigned max_workers)
    : core_(new detail::PoolCore(max_workers, detail::PoolCore::Start::at_once)) {}

ProcessPool& ProcessPool::operator=(ProcessPool&& other) noexcept {
  if (this == &other) return *this;
  if (core_) core_->kill_all();
  core_ = std::move(other.core_);
  return *this;
}

ProcessPool::~ProcessPool() {
  if (core_) core_->kill_all();
}

Coro<std::string> ProcessPool::run_request(std::string request) {
  if (!core_) detail::throw_logic_error("coil: ProcessPool::run() of a pool that was moved from");
  return detail::PoolCore::run(core_, std::move(request));
}

Coro<void> ProcessPool::aclose() {
  if (!core_) detail::throw_logic_error("coil: ProcessPool::aclose() of a pool that was moved from");
  return detail::PoolCore::close(core_);
}

unsigned ProcessPool::max_workers() const noexcept { return core_ ? core_->max_workers() : 0; }
std::vector<pid_t> ProcessPool::workers() const { return core_ ? core_->ids() : std::vector<pid_t>(); }

}  // namespace coil
