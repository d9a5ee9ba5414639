// Waiting for a child process where the ring's waitid answers oddly.
#include <coil/process.hpp>

#include "../support/process_test.hpp"
#include "../support/ring_shim.hpp"

using coil::create_subprocess_exec;
using coil::Process;
using coil_test::RingShim;
using coil_test::settle;
using coil_test::shell;

namespace {

constexpr unsigned char op_waitid = 50;

bool ring_has_waitid() {
  const bool has = coil_test::running_ring().supports(op_waitid);
  if (!has) MESSAGE("this kernel's ring has no waitid");
  return has;
}

/// Waits for a child, whose first `count` waitids the kernel answers with `error`.
coil::Coro<int> wait_with(std::int32_t error, int count, int& seen) {
  RingShim shim;
  shim.submission = [&](io_uring_sqe& sqe) {
    if (sqe.opcode == op_waitid && seen++ < count) shim.answer(sqe, error);
  };
  Process process = co_await create_subprocess_exec(shell("read line; exit 3"));
  auto waiting = coil::create_task(process.wait());
  co_await settle();
  process.stdin_().close();
  const int code = co_await waiting;
  co_return code;
}

}  // namespace

IO_TEST("process: where waitid fails in the ring, the pidfd is polled") {
  const bool applies = ring_has_waitid();
  if (!applies) co_return;
  for (const std::int32_t error : {-EINVAL, -ECHILD, -EPERM}) {
    int seen = 0;
    const int code = co_await wait_with(error, 1000, seen);
    CHECK(code == 3);
    CHECK(seen == 1);  // not tried again
  }
}

IO_TEST("process: an interrupted waitid is repeated") {
  const bool applies = ring_has_waitid();
  if (!applies) co_return;
  for (const std::int32_t error : {-EINTR, -512}) {
    int seen = 0;
    const int code = co_await wait_with(error, 2, seen);
    CHECK(code == 3);
    CHECK(seen == 3);
  }
}

IO_TEST("process: a cancelled waitid that has ended all the same gives its result") {
  const bool applies = ring_has_waitid();
  if (!applies) co_return;
  Process process = co_await create_subprocess_exec(shell("read line; exit 3"));
  int seen = 0;
  auto body = [&]() -> coil::Coro<void> {
    seen = co_await process.wait();
    co_await coil::sleep(coil_test::ages);
  };
  auto task = coil::create_task(body);
  co_await settle();
  {
    RingShim shim;  // the kernel does not hear of the cancellation
    shim.submission = [&](io_uring_sqe& sqe) {
      if (sqe.opcode == IORING_OP_ASYNC_CANCEL) shim.answer(sqe, -EALREADY);
    };
    task.cancel();
    co_await settle();
    CHECK(!task.done());
    process.stdin_().close();
    CHECK_AWAIT_THROWS(task, coil::CancelledError);
  }
  CHECK(seen == 3);
}

IO_TEST("process: the ring's waitid is used where there is one, else a poll") {
  const bool applies = ring_has_waitid();
  if (!applies) co_return;
  for (const bool with_waitid : {true, false}) {
    coil::detail::ChildProcess::may_use_waitid = with_waitid;
    int seen = 0;
    const int code = co_await wait_with(0, 0, seen);
    CHECK(code == 3);
    CHECK((seen == 1) == with_waitid);
  }
  coil::detail::ChildProcess::may_use_waitid = true;
}
