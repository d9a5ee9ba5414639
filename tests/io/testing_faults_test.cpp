// Every kind of fault that there is, again and again, on everything that waits for the kernel: what costs turns and time
// only changes no result, whatever else goes wrong leaves nothing behind.
//
// COIL_LONG in the environment: each kind a thousand times and more, instead of some ten.
#include <coil/testing.hpp>

#include "../support/child.hpp"
#include "../support/count.hpp"
#include "../support/kernel_scenarios.hpp"

#include <functional>
#include <string>

#include "left_over.hpp"
#include "random.hpp"

using namespace std::chrono_literals;
using coil::Coro;
using coil::testing::FaultPlan;
using coil::testing::FaultRule;
using coil::testing::Op;

namespace {

using Program = Coro<void> (*)();

constexpr Program programs[] = {
    coil_test::kernel::pipes,   coil_test::kernel::sockets,       coil_test::kernel::blocked_writers,
    coil_test::kernel::paths,   coil_test::kernel::files,         coil_test::kernel::moving,
    coil_test::kernel::tcp,     coil_test::kernel::unix_sockets,  coil_test::kernel::udp,
    coil_test::kernel::streams, coil_test::kernel::message_pipes, coil_test::kernel::servers,
};

enum class Harm : unsigned char { none, any };

struct Kind {
  std::string name;
  Harm harm;
  std::function<void(FaultRule&)> befall;
  Op op = Op::any;
  bool cancels = false;    // the program is cancelled at some suspension
  bool may_stall = false;  // whoever takes it for the end reads no more, and its peer may wait for ever
};

std::string text_of(const coil::Outcome<void>& outcome) {
  return outcome.cancelled() ? "cancelled" : coil_test::text_of(outcome.exception());
}

// One program under a plan; gives how it ended.
std::string run_program(Program program, FaultPlan& plan, int cancelled_after) {
  const coil::detail::Holdings before = coil::detail::Holdings::take();
  std::string ended;
  std::string left;
  const auto main = [&]() -> Coro<void> {
    coil::get_running_loop().set_exception_handler([](const coil::ErrorContext&) {});
    auto task = coil::create_task(coil::wait_for(program(), 1h));
    if (cancelled_after >= 0) {
      for (int i = 0; i < cancelled_after && !task.done(); ++i) co_await coil::yield();
      task.cancel();
    }
    const auto outcome = co_await coil::as_result(task);
    ended = text_of(outcome);
    task = {};
    for (int turn = 0; turn < 50; ++turn) co_await coil::yield();
    co_await coil::sleep(1s);
    left = coil::detail::left_in_loop();
  };
  coil::run(main, {.clock = coil::Clock::virtual_, .faults = &plan});
  left += coil::detail::Holdings::take().beyond(before);
  CHECK_MESSAGE(left == "", left);
  return ended;
}

void try_kind(const Kind& kind, std::uint64_t wanted) {
  CAPTURE(kind.name);
  std::uint64_t fired = 0;
  const std::uint64_t runs_max = 100 + 40 * wanted;
  std::uint64_t random = 1;
  for (std::uint64_t seed = 1; fired < wanted && seed <= runs_max; ++seed) {
    CAPTURE(seed);
    const std::size_t number = seed % std::size(programs);
    CAPTURE(number);
    FaultPlan plan;
    const double rate = 0.02 + 0.23 * coil::detail::random_fraction(random);
    FaultRule& rule = plan.on(kind.op).probability(rate, seed);
    kind.befall(rule);
    const int cancelled_after = kind.cancels ? static_cast<int>(coil::detail::next_random(random) % 12) : -1;
    const std::string ended = run_program(programs[number], plan, cancelled_after);
    fired += rule.fired();
    CHECK((kind.may_stall || ended != "timed out"));  // else nobody waits for ever
    if (kind.harm == Harm::none && !kind.cancels) CHECK(ended == "");
  }
  coil_test::count("faults: " + kind.name, fired);
  CHECK(fired >= wanted);
}

Kind errno_kind(int error) {
  const bool dealt_with = error == EINTR || error == EAGAIN || error >= 512;
  return {coil_test::name_of_error(error), dealt_with ? Harm::none : Harm::any,
          [error](FaultRule& rule) { rule.fail(error); }};
}

std::uint64_t wanted() { return coil_test::few_or_many(12, 1000); }

}  // namespace

TEST_CASE("every errno that an operation may end with leaves nothing behind") {
  for (const int error :
       {EIO,    ENOMEM,    ENOBUFS,      EMFILE,      ENFILE,   EINVAL,     EBADF,        EACCES,       EPERM,
        ENOENT, EROFS,     EFBIG,        ENOSPC,      EDQUOT,   ECONNRESET, ECONNABORTED, ECONNREFUSED, ENOTCONN,
        EPIPE,  ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ENETRESET,  EADDRNOTAVAIL})
    try_kind(errno_kind(error), wanted());
}

TEST_CASE("interruptions, delays, short transfers and full queues change no result") {
  for (const int error : {EINTR, 512, 513, 514, 515, 516}) {
    Kind kind = errno_kind(error);
    for (const Op op : {Op::read, Op::recv, Op::send, Op::accept}) {
      kind.op = op;
      try_kind(kind, wanted() / 4 + 1);
    }
  }
  const Kind kinds[] = {
      {"a transfer of one byte", Harm::none, [](FaultRule& rule) { rule.short_to(1); }, Op::recv},
      {"a transfer of some bytes less", Harm::none, [](FaultRule& rule) { rule.short_by(3); }, Op::send},
      {"EAGAIN", Harm::none, [](FaultRule& rule) { rule.fail(EAGAIN); }, Op::recv},
      {"delay", Harm::none, [](FaultRule& rule) { rule.delay(3ms); }},
      {"completion held back", Harm::none, [](FaultRule& rule) { rule.hold(3ms); }},
      {"submission queue full", Harm::none, [](FaultRule& rule) { rule.queue_full(2); }},
      {"completion queue overflows", Harm::none, [](FaultRule& rule) { rule.overflow(); }},
      {"more-flag dropped", Harm::none, [](FaultRule& rule) { rule.drop_more(); }},
      {"enter: EINTR", Harm::none, [](FaultRule& rule) { rule.fail(EINTR); }, Op::enter},
      {"enter: EAGAIN", Harm::none, [](FaultRule& rule) { rule.fail(EAGAIN); }, Op::enter},
      {"enter: EBUSY", Harm::none, [](FaultRule& rule) { rule.fail(EBUSY); }, Op::enter},
      {"enter: ENOMEM", Harm::none, [](FaultRule& rule) { rule.fail(ENOMEM); }, Op::enter},
      {"enter: ETIME", Harm::none, [](FaultRule& rule) { rule.fail(ETIME); }, Op::enter},
      {"enter: a part is submitted", Harm::none, [](FaultRule& rule) { rule.short_to(1); }, Op::enter},
  };
  for (const Kind& kind : kinds) try_kind(kind, wanted());
}

TEST_CASE("an end of file before its time leaves nothing behind") {
  try_kind({"end of file", Harm::any, [](FaultRule& rule) { rule.end_of_file(); }, Op::recv, false, true}, wanted());
}

TEST_CASE("whatever a cancellation meets and is answered leaves nothing behind") {
  const Kind kinds[] = {
      {"cancel: not found", Harm::any, [](FaultRule& rule) { rule.fail(ENOENT); }, Op::cancel, true},
      {"cancel: already running", Harm::any, [](FaultRule& rule) { rule.fail(EALREADY); }, Op::cancel, true},
      {"cancel: refused", Harm::any, [](FaultRule& rule) { rule.fail(EINVAL); }, Op::cancel, true},
      {"the cancellation wins", Harm::any, [](FaultRule& rule) { rule.loses_to_cancel(); }, Op::any, true},
      {"the cancellation loses", Harm::any, [](FaultRule& rule) { rule.beats_cancel(); }, Op::any, true},
  };
  for (const Kind& kind : kinds) try_kind(kind, wanted());
}

TEST_CASE("completions in any order change no result") {
  std::uint64_t runs = 0;
  for (std::uint64_t seed = 1; runs < wanted(); ++seed, ++runs) {
    FaultPlan plan;
    plan.reorder_completions(seed);
    const std::string ended = run_program(programs[seed % std::size(programs)], plan, -1);
    CHECK(ended == "");
  }
  coil_test::count("faults: completions reordered", runs);
}

TEST_CASE("a loop whose ring cannot be made says why, and leaves nothing behind; with fewer features it is made") {
  struct Refusal {
    int error;
    std::uint64_t times;  // 0: always
  };
  for (const auto& [error, times] :
       {Refusal{EPERM, 0}, Refusal{ENOSYS, 0}, Refusal{EINVAL, 1}, Refusal{EINVAL, 2}, Refusal{ENOMEM, 2}}) {
    CAPTURE(error);
    std::uint64_t fired = 0;
    while (fired < wanted()) {
      FaultPlan plan;
      FaultRule& rule = plan.on(Op::setup).fail(error);
      if (times != 0) rule.times(times);
      std::string said;
      try {
        const std::string ended = run_program(coil_test::kernel::pipes, plan, -1);
        CHECK(ended == "");
      } catch (const std::system_error& refused) {
        said = refused.what();
        CHECK(refused.code().value() == error);
      }
      CHECK((said == "") == (times != 0));
      fired += rule.fired();
      if (rule.fired() == 0) break;
    }
    coil_test::count("faults: setup: " + coil_test::name_of_error(error), fired);
    CHECK(fired >= wanted());
  }
}

TEST_CASE("completions that the kernel dropped, and such as come twice, end the program with a sentence") {
  const auto end_of = [](auto befall) {
    return coil_test::in_child([befall] {
      FaultPlan plan;
      befall(plan);
      run_program(coil_test::kernel::pipes, plan, -1);
      return 0;
    });
  };
  const auto dropped = end_of([](FaultPlan& plan) { plan.on(Op::enter).nth(3).fail(EBADR); });
  CHECK(dropped.killed_by(SIGABRT));
  CHECK(dropped.said("EBADR"));
#ifndef NDEBUG
  const auto twice = end_of([](FaultPlan& plan) { plan.on(Op::read).nth(1).twice(); });
  CHECK(twice.killed_by(SIGABRT));
  CHECK(twice.said("a completion came for an operation that is over"));
#endif
}

TEST_CASE("who asks for it learns what befell the calls of the ring") {
  FaultPlan plan;
  FaultRule& entering = plan.on(Op::enter).every(2).fail(EINTR);
  FaultRule& cancelling = plan.on(Op::cancel).nth(1).fail(ENOENT);
  int asked_before = 0;
  const auto main = [&]() -> Coro<void> {
    const coil_test::Ends pipe = coil_test::make_pipe();
    auto reading = coil::create_task(coil_test::read_text(pipe.out));
    co_await coil_test::settle();
    reading.cancel();
    const auto outcome = co_await coil::as_result(reading);
    CHECK(outcome.cancelled());
    asked_before = static_cast<int>(plan.seen(Op::cancel));
  };
  coil::run(main, {.clock = coil::Clock::virtual_, .faults = &plan});
  CHECK(entering.fired() > 0);
  CHECK(cancelling.fired() == 1);
  CHECK(asked_before == 2);  // the first time it was overlooked
  CHECK(plan.seen(Op::any) == 1);
}
