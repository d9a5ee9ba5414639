#include <coil/async_generator.hpp>

#include <memory>

#include <fmt/format.h>

#include <coil/create_task.hpp>

#include "close_generators.hpp"
#include "loop_parts.hpp"
#include "symbol.hpp"

namespace coil::detail {

// ---- Beginning and ending --------------------------------------------------------------------------------

bool GeneratorBase::begin_next(GeneratorBase* generator) {
  if (generator == nullptr || generator->state_ == State::ended) return true;
  if (generator->state_ == State::created) {
    generator->loop_ = &running_loop();
    generator->insert_before(generator->loop_->parts->generators);
  } else {
    generator->check_resumable("next");
  }
  return false;
}

bool GeneratorBase::begin_close(GeneratorBase* generator) {
  if (generator == nullptr) return true;
  if (generator->state_ == State::created) generator->state_ = State::ended;
  if (generator->state_ == State::ended) return true;
  generator->check_resumable("aclose");
  generator->closing_ = true;
  return false;
}

void GeneratorBase::check_resumable(const char* call) const {
  if (state_ == State::running)
    throw std::logic_error(
        fmt::format("coil: AsyncGenerator::{}(): the asynchronous generator is already running", call));
  if (loop_ != &running_loop())
    throw std::logic_error(fmt::format("coil: AsyncGenerator::{}(): this generator belongs to another loop", call));
}

void GeneratorBase::throw_exit() {
  closing_ = false;
  throw GeneratorExit();
}

void GeneratorBase::end() noexcept {
  state_ = State::ended;
  unlink();
}

void GeneratorBase::destroy() noexcept {
  unlink();
  handle().destroy();
}

// ---- Closing ---------------------------------------------------------------------------------------------

void AcloseOperation::await_resume() {
  if (generator_ == nullptr) return;
  const bool goes_on = generator_->state_ == GeneratorBase::State::suspended;
  if (finally_) generator_->state_ = GeneratorBase::State::ended;
  if (generator_->abandoned_) std::exchange(generator_, nullptr)->destroy();
  if (slot_.error && !is_generator_exit(slot_.error)) rethrow();
  if (goes_on) throw_logic_error("coil: the asynchronous generator ignored GeneratorExit: it yielded another value");
}

namespace {

void report_close_failed(std::source_location where, std::exception_ptr error) noexcept {
  this_loop->loop().call_exception_handler(
      {.message = fmt::format("an error occurred during closing of asynchronous generator {}", describe(where)),
       .exception = std::move(error),
       .where = where});
}

struct DestroyGenerator {
  void operator()(GeneratorBase* generator) const noexcept { generator->destroy(); }
};
/// Until it is being closed: the task may be cancelled before it starts.
using UnclosedGenerator = std::unique_ptr<GeneratorBase, DestroyGenerator>;

Coro<void> close_by_loop(UnclosedGenerator generator) {
  const std::source_location where = generator->where_;
  std::exception_ptr error;
  try {
    co_await AcloseOperation(generator.release(), true);
  } catch (const CancelledError&) {
  } catch (...) {
    error = std::current_exception();
  }
  if (error) report_close_failed(where, std::move(error));
}

}  // namespace

// The first step runs at once: what the generator refers to is still there, and where cleaning up need not wait it is
// done when this returns.
void GeneratorBase::close_in_task() noexcept {
  unlink();
  Coro<void> closing = close_by_loop(UnclosedGenerator(this));
  TaskState& task = start_task(*loop_, CoroAccess::release(closing), where_, {.eager = loop_ == this_loop});
  if (!task.done()) task.extras().closes_generator = true;
  task.unref();
}

void GeneratorBase::abandon() noexcept {
  switch (state_) {
    case State::created:
    case State::ended:
      return destroy();
    case State::running:
      abandoned_ = true;
      return;
    case State::suspended:
      abandoned_ = true;
      return close_in_task();
  }
}

bool close_generators(LoopCore& core) noexcept {
  bool any = false;
  GeneratorLink& all = core.parts->generators;
  for (GeneratorLink* link = all.next; link != &all;) {
    auto& generator = static_cast<GeneratorBase&>(*link);
    link = link->next;
    if (generator.state_ != GeneratorBase::State::suspended) continue;
    generator.close_in_task();
    any = true;
    link = all.next;  // closing one may end others
  }
  return any;
}

}  // namespace coil::detail
