// What a FaultPlan says befalls the operations, and nothing else does.
#include <coil/testing.hpp>

#include "../support/net_test.hpp"

#include <array>
#include <set>

using namespace std::chrono_literals;
using coil::testing::FaultPlan;
using coil::testing::FaultRule;
using coil::testing::Op;
using coil_test::Ends;
using coil_test::GuardedBuffer;

namespace {

// Runs `body` with the plan, as an IO_TEST.
template <class F>
void run_with(FaultPlan& plan, F body, bool multishot = true) {
  const coil_test::LeakCheck leaks;
  coil_test::Reports reports;
  auto main = [&]() -> coil::Coro<void> {
    reports.collect_from(coil::get_running_loop());
    co_await body();
    co_await coil_test::end_operations();
  };
  coil::run(main, {.clock = coil::Clock::virtual_, .multishot = multishot, .faults = &plan});
}

// The errno of what `operation` throws, 0 for nothing.
template <class Operation>
coil::Coro<int> error_of(Operation operation) {
  try {
    static_cast<void>(co_await operation);
  } catch (const std::system_error& error) {
    co_return error.code().value();
  }
  co_return 0;
}

}  // namespace

TEST_CASE("a rule fails the nth operation of its kind, which has done nothing") {
  FaultPlan plan;
  FaultRule& rule = plan.on(Op::read).nth(2).fail(EIO);
  run_with(plan, []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    coil_test::put(pipe.in, "abc");
    GuardedBuffer buffer(1);
    const auto got_1 = co_await error_of(coil::read(pipe.out, buffer.bytes()));
    CHECK(got_1 == 0);
    const auto got_2 = co_await error_of(coil::read(pipe.out, buffer.bytes()));
    CHECK(got_2 == EIO);
    CHECK(buffer.text() == "a");
    const auto got_3 = co_await error_of(coil::read(pipe.out, buffer.bytes()));
    CHECK(got_3 == 0);
    CHECK(buffer.text() == "b");
  });
  CHECK(rule.fired() == 1);
  CHECK(rule.matched() == 3);
  CHECK(plan.seen(Op::read) == 3);
  CHECK(plan.all_fired());
}

TEST_CASE("every, first, after and times choose among the operations; the first rule that is due wins") {
  const auto failing = [](FaultPlan& plan, int count) {
    std::set<int> failed;
    run_with(plan, [&]() -> coil::Coro<void> {
      const Ends pipe = coil_test::make_pipe();
      for (int i = 1; i <= count; ++i) {
        const int error = co_await error_of(coil::write(pipe.in, "x"));
        if (error != 0) failed.insert(i);
      }
    });
    return failed;
  };
  FaultPlan every;
  every.on(Op::write).every(3).times(2).fail(EIO);
  CHECK(failing(every, 12) == std::set<int>{3, 6});
  CHECK(failing(every, 12) == std::set<int>{3, 6});  // anew with each loop
  FaultPlan between;
  between.on(Op::write).after(2).first(4).fail(EIO);
  CHECK(failing(between, 9) == std::set<int>{3, 4});
  FaultPlan two;
  two.on(Op::any).nth(2).delay(1ms);
  const FaultRule& second = two.on(Op::write).first(3).fail(ENOSPC);
  CHECK(failing(two, 5) == std::set<int>{1, 3});
  CHECK(second.fired() == 2);
}

TEST_CASE("a probability with a seed makes the same choice each time, and another seed another") {
  const auto failing = [](std::uint64_t seed) {
    FaultPlan plan;
    plan.on(Op::write).probability(0.25, seed).fail(EIO);
    std::set<int> failed;
    run_with(plan, [&]() -> coil::Coro<void> {
      const Ends pipe = coil_test::make_pipe();
      for (int i = 0; i < 200; ++i) {
        const int error = co_await error_of(coil::write(pipe.in, "x"));
        if (error != 0) failed.insert(i);
      }
    });
    return failed;
  };
  const std::set<int> first = failing(1);
  CHECK(first == failing(1));
  CHECK(first != failing(2));
  CHECK(first.size() > 25);
  CHECK(first.size() < 80);
}

TEST_CASE("a rule for a descriptor or a path leaves others alone") {
  const coil_test::TemporaryDirectory directory;
  FaultPlan plan;
  const FaultRule& by_path = plan.on(Op::any).path("/unlucky").fail(EDQUOT);
  run_with(plan, [&]() -> coil::Coro<void> {
    const coil_test::Fd lucky = directory.open("lucky", "");
    const coil_test::Fd unlucky = directory.open("unlucky", "");
    const Ends pipe = coil_test::make_pipe();
    const FaultRule& by_number = plan.on(Op::write).fd(pipe.in).fail(EPIPE);
    const auto got_4 = co_await error_of(coil::write(lucky, "x"));
    CHECK(got_4 == 0);
    const auto got_5 = co_await error_of(coil::write(unlucky, "x"));
    CHECK(got_5 == EDQUOT);
    const auto got_6 = co_await error_of(coil::write(pipe.in, "x"));
    CHECK(got_6 == EPIPE);
    const auto got_7 = co_await error_of(coil::openat(AT_FDCWD, directory / "unlucky", O_RDONLY));
    CHECK(got_7 == EDQUOT);
    CHECK(by_number.fired() == 1);
  });
  CHECK(by_path.fired() == 2);
}

TEST_CASE("read_exactly and write_all go on after short transfers, in vectors and messages, too") {
  FaultPlan plan;
  plan.on(Op::write).short_to(3);
  plan.on(Op::read).short_by(90);
  plan.on(Op::send).short_to(2);
  plan.on(Op::recv).short_to(1);
  run_with(plan, []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    const Ends sockets = coil_test::make_socket_pair();
    const GuardedBuffer data(std::string(100, 'd'));
    const GuardedBuffer room(100);
    const auto got_8 = co_await coil::write_all(pipe.in, std::span<const std::byte>(data.bytes()));
    CHECK(got_8 == 100);
    const auto got_9 = co_await coil::read_exactly(pipe.out, room.bytes());
    CHECK(got_9 == 100);
    CHECK(room.text() == data.text());
    const auto got_10 = co_await coil::send_all(sockets.in, std::span<const std::byte>(data.bytes()));
    CHECK(got_10 == 100);
    const auto got_11 = co_await coil::recv(sockets.out, room.bytes());
    CHECK(got_11 == 1);
    std::array<iovec, 2> pieces{iovec{data.data(), 1}, iovec{data.data() + 1, 5}};
    const auto got_12 = co_await coil::writev(pipe.in, pieces);
    CHECK(got_12 == 3);
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    const auto got_13 = co_await coil::sendmsg(sockets.in, message);
    CHECK(got_13 == 2);
    const Ends datagrams = coil_test::make_socket_pair(SOCK_DGRAM);
    const auto got_14 = co_await coil::send(datagrams.in, std::span<const std::byte>(data.bytes()));
    CHECK(got_14 == 100);
  });
  CHECK(plan.all_fired());
}

TEST_CASE("a delay takes the loop's time, and a cancellation in it wins; what is held has been done all the same") {
  FaultPlan plan;
  plan.on(Op::read).nth(1).delay(5s);
  plan.on(Op::read).nth(2).loses_to_cancel();
  plan.on(Op::read).nth(3).beats_cancel();
  run_with(plan, []() -> coil::Coro<void> {
    const Ends pipe = coil_test::make_pipe();
    coil_test::put(pipe.in, "abc");
    const auto got_15 = co_await coil_test::read_text(pipe.out, 1);
    CHECK(got_15 == "a");
    CHECK(coil_test::elapsed() == 5s);
    for (const char* expected : {"cancelled", "b"}) {
      auto task = coil::create_task(coil_test::read_text(pipe.out, 1));
      co_await coil_test::settle();
      task.cancel();
      const auto outcome = co_await coil::as_result(task);
      CHECK((outcome.cancelled() ? "cancelled" : outcome.value()) == expected);
    }
    CHECK(coil_test::elapsed() == 5s);  // neither of the two took its time
    CHECK(coil_test::take_all(pipe.out) == "c");
  });
}

TEST_CASE("a file's delay lets a virtual clock run; what is delayed when a loop ends is done before") {
  const coil_test::TemporaryDirectory directory;
  FaultPlan plan;
  plan.on(Op::any).delay(1h).hold(1h);
  run_with(plan, [&]() -> coil::Coro<void> {
    const int fd = co_await coil::openat(AT_FDCWD, directory.file("f", "text"), O_RDONLY);
    const auto got_16 = co_await coil_test::read_text(fd);
    CHECK(got_16 == "text");
    const auto got_17 = co_await coil::close(fd);
    CHECK(got_17 == 0);
    CHECK(coil_test::elapsed() == 6h);
  });
}

TEST_CASE("a failed close has closed; interruptions and EAGAIN are dealt with") {
  FaultPlan plan;
  plan.on(Op::close).fail(EIO);
  plan.on(Op::read).nth(1).fail(EINTR);
  plan.on(Op::read).nth(2).fail(512);
  plan.on(Op::read).nth(3).fail(EAGAIN);
  run_with(plan, []() -> coil::Coro<void> {
    Ends pipe = coil_test::make_pipe();
    coil_test::put(pipe.in, "x");
    const auto got_18 = co_await coil_test::read_text(pipe.out);
    CHECK(got_18 == "x");
    const auto got_19 = co_await error_of(coil::close(pipe.out.release()));
    CHECK(got_19 == EIO);
  });
  CHECK(plan.seen(Op::poll) == 1);
  CHECK(plan.fired() == 4);
}

// The number may be another's by then.
TEST_CASE("a close that is interrupted has closed, and is not tried again") {
  const coil_test::TemporaryDirectory directory;
  FaultPlan plan;
  plan.on(Op::close).fail(EINTR).times(1);
  run_with(plan, [&]() -> coil::Coro<void> {
    coil::File file = co_await coil::File::open(directory.file("f", ""), O_RDONLY);
    co_await file.close();
    const auto closed = co_await error_of(file.close());
    CHECK(closed == 0);
  });
  CHECK(plan.fired() == 1);
  CHECK(plan.seen(Op::close) == 1);
}

TEST_CASE("an acceptor survives EMFILE, a full submission queue and overflowing completions") {
  for (const bool multishot : {true, false}) {
    CAPTURE(multishot);
    FaultPlan plan;
    plan.on(Op::accept).nth(3).fail(EMFILE);
    plan.on(Op::accept).nth(4).overflow();
    plan.on(Op::accept).nth(5).fail(ECONNABORTED);
    plan.on(Op::accept).nth(6).queue_full(3);
    run_with(
        plan,
        []() -> coil::Coro<void> {
          const coil::Endpoint any("127.0.0.1", 0);
          coil::TcpListener listener(any);
          std::vector<coil::TcpStream> clients;
          std::vector<coil::TcpStream> accepted;
          for (int i = 0; i < 6; ++i) {
            coil::TcpStream client = co_await coil::TcpStream::connect(listener.endpoint());
            clients.push_back(std::move(client));
          }
          int refused = 0;
          while (accepted.size() < 6) {
            try {
              coil::TcpStream stream = co_await listener.accept();
              accepted.push_back(std::move(stream));
            } catch (const std::system_error& error) {
              CHECK(error.code().value() == EMFILE);
              ++refused;
            }
          }
          CHECK(refused == 1);
        },
        multishot);
    CHECK(plan.fired() == 4);
  }
}

TEST_CASE("completions that come together are told in the order that a seed gives") {
  const auto order_of = [](std::uint64_t seed) {
    FaultPlan plan;
    plan.reorder_completions(seed);
    std::string order;
    run_with(plan, [&]() -> coil::Coro<void> {
      const Ends pipe = coil_test::make_pipe();
      auto write_one = [&](char name) -> coil::Coro<void> {
        co_await coil::write(pipe.in, "x");
        order += name;
      };
      co_await coil::gather(write_one('a'), write_one('b'), write_one('c'), write_one('d'), write_one('e'));
    });
    return order;
  };
  CHECK(order_of(1) == order_of(1));
  CHECK(order_of(1) != order_of(2));
}
