// Several who send and receive at once, and cancellation of each.
#include <coil/message_pipe.hpp>

#include "../support/io_test.hpp"

#include <string>
#include <vector>

using coil::MessagePipe;
using coil_test::settle;

namespace {

/// More than fits into the socket.
const std::string& large() {
  static const std::string text(2'000'000, 'L');
  return text;
}

}  // namespace

IO_TEST("message pipe: large messages of several senders do not mix, and go in arrival order") {
  auto [near, far] = MessagePipe::pair();
  std::vector<std::string> sent;
  for (char name = 'a'; name <= 'e'; ++name) sent.emplace_back(500'000, name);
  std::vector<coil::Task<void>> sending;
  for (const std::string& message : sent) sending.push_back(coil::create_task(near.send(message)));
  for (const std::string& expected : sent) {
    const auto received = co_await far.recv();
    CHECK((received == expected));
  }
  co_await coil::gather(sending);
}

IO_TEST("message pipe: those who receive are served in arrival order") {
  auto [near, far] = MessagePipe::pair();
  std::vector<coil::Task<std::optional<std::string>>> receiving;
  for (int i = 0; i < 4; ++i) receiving.push_back(coil::create_task(far.recv()));
  co_await settle();
  for (const char* text : {"0", "1", "2", "3"}) co_await near.send(text);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto message = co_await receiving[i];
    CHECK(message == std::to_string(i));
  }
}

IO_TEST("message pipe: a cancelled recv() loses nothing") {
  auto [near, far] = MessagePipe::pair();
  auto receiving = coil::create_task(far.recv());
  co_await settle();
  receiving.cancel();
  CHECK_AWAIT_THROWS(receiving, coil::CancelledError);
  co_await near.send("kept");
  const auto message = co_await far.recv();
  CHECK(message == "kept");
}

IO_TEST("message pipe: recv() cancelled in the middle of a message loses nothing") {
  auto [near, far] = MessagePipe::pair();
  auto sending = coil::create_task(near.send(large()));
  auto receiving = coil::create_task(far.recv());
  while (coil_test::metrics().completions < 6) co_await coil::yield();
  receiving.cancel();
  CHECK_AWAIT_THROWS(receiving, coil::CancelledError);
  CHECK(!sending.done());
  const auto message = co_await far.recv();
  CHECK((message == large()));
  co_await sending;
}

IO_TEST("message pipe: recv() cancelled in the turn in which the message came") {
  for (const bool cancel_first : {true, false}) {
    auto [near, far] = MessagePipe::pair();
    auto receiving = coil::create_task(far.recv());
    co_await settle();
    if (cancel_first) receiving.cancel();
    co_await near.send("kept");
    if (!cancel_first) receiving.cancel();
    auto outcome = co_await coil::as_result(receiving);
    std::optional<std::string> message;
    if (outcome.has_value())
      message = outcome.value();
    else
      message = co_await far.recv();
    CHECK(message == "kept");
  }
}

IO_TEST("message pipe: one who waits in line to receive can be cancelled, before and after its turn came") {
  auto [near, far] = MessagePipe::pair();
  std::vector<coil::Task<std::optional<std::string>>> receiving;
  for (int i = 0; i < 4; ++i) receiving.push_back(coil::create_task(far.recv()));
  co_await settle();
  receiving[1].cancel();  // in line
  co_await near.send("0");
  const auto* first = coil::detail::HandleAccess::state(receiving[0]);
  while (!first->done()) co_await coil::yield();
  receiving[2].cancel();  // its turn has just come
  co_await near.send("3");
  const auto last = co_await receiving[3];
  CHECK(last == "3");
  CHECK(receiving[1].cancelled());
  CHECK(receiving[2].cancelled());
}

IO_TEST("message pipe: a cancelled send() is not received, and the next one is") {
  auto [near, far] = MessagePipe::pair();
  auto sending = coil::create_task(near.send(large()));
  auto in_line = coil::create_task(near.send("in line"));
  co_await settle();
  sending.cancel();  // a part of it is under way
  CHECK_AWAIT_THROWS(sending, coil::CancelledError);
  const auto message = co_await far.recv();
  CHECK(message == "in line");
  co_await in_line;
}

IO_TEST("message pipe: descriptors of a message that was broken off are closed") {
  auto [near, far] = MessagePipe::pair();
  const coil_test::Fd event = coil_test::make_eventfd();
  const std::vector<int> descriptors(5, event);
  auto sending = coil::create_task(near.send(large(), descriptors));
  co_await settle();
  sending.cancel();
  CHECK_AWAIT_THROWS(sending, coil::CancelledError);
  auto receiving = coil::create_task(far.recv_message());
  co_await settle();
  co_await near.send("next");
  const auto message = co_await receiving;
  CHECK(message->bytes == "next");
  CHECK(message->descriptors.empty());
}

IO_TEST("message pipe: one who waits in line to send can be cancelled") {
  auto [near, far] = MessagePipe::pair();
  auto sending = coil::create_task(near.send(large()));
  auto cancelled = coil::create_task(near.send("cancelled"));
  auto last = coil::create_task(near.send("last"));
  co_await settle();
  cancelled.cancel();
  const auto first = co_await far.recv();
  const auto second = co_await far.recv();
  CHECK((first == large()));
  CHECK(second == "last");
  CHECK(cancelled.cancelled());
  co_await sending;
  co_await last;
}

IO_TEST("message pipe: cancelled before it begins, and twice") {
  auto [near, far] = MessagePipe::pair();
  auto never = coil::create_task(near.send("never"));
  never.cancel();
  CHECK_AWAIT_THROWS(never, coil::CancelledError);
  auto receiving = coil::create_task(far.recv());
  co_await settle();
  receiving.cancel();
  receiving.cancel();
  CHECK_AWAIT_THROWS(receiving, coil::CancelledError);
  co_await near.send("x");
  const auto message = co_await far.recv();
  CHECK(message == "x");
}

IO_TEST("message pipe: waiting for a peer does not hold a virtual clock") {
  auto [near, far] = MessagePipe::pair();
  CHECK_AWAIT_THROWS(coil::wait_for(far.recv(), std::chrono::hours(1)), coil::TimeoutError);
  CHECK(coil_test::elapsed() == std::chrono::hours(1));
  auto sending = coil::create_task(near.send(large()));
  CHECK_AWAIT_THROWS(coil::wait_for(sending, std::chrono::hours(1)), coil::TimeoutError);
}
