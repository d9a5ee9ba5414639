// Whole messages between two ends; descriptors with them; what goes wrong.
#include <coil/message_pipe.hpp>

#include "../support/io_test.hpp"

#include <array>
#include <string>
#include <vector>

using coil::MessagePipe;
using coil_test::settle;

namespace {

std::string many(std::size_t size, int seed = 0) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>('a' + (i / 7 + static_cast<std::size_t>(seed)) % 26);
  return text;
}

struct Point {
  int x;
  double y;
  bool operator==(const Point&) const = default;
};

}  // namespace

IO_TEST("message pipe: messages arrive whole and in order, both ways") {
  auto [near, far] = MessagePipe::pair();
  co_await near.send("one");
  co_await near.send("two");
  co_await far.send("back");
  const auto first = co_await far.recv();
  const auto second = co_await far.recv();
  const auto back = co_await near.recv();
  CHECK(first == "one");
  CHECK(second == "two");
  CHECK(back == "back");
}

IO_TEST("message pipe: an empty message is a message") {
  auto [near, far] = MessagePipe::pair();
  co_await near.send("");
  co_await near.send("next");
  const auto empty = co_await far.recv();
  const auto next = co_await far.recv();
  CHECK(empty == "");
  CHECK(next == "next");
}

IO_TEST("message pipe: messages of any size, around the size of a record and beyond that of the socket") {
  auto [near, far] = MessagePipe::pair();
  for (const std::size_t size : {65535U, 65536U, 65537U, 131072U, 5'000'000U}) {
    const std::string sent = many(size);
    auto sending = coil::create_task(near.send(sent));
    const auto received = co_await far.recv();
    co_await sending;
    CHECK((received == sent));
  }
}

IO_TEST("message pipe: bytes of any value") {
  auto [near, far] = MessagePipe::pair();
  std::array<std::byte, 256> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  co_await near.send(std::span<const std::byte>(bytes));
  const auto received = co_await far.recv();
  REQUIRE(received->size() == 256);
  CHECK(std::memcmp(received->data(), bytes.data(), 256) == 0);
}

IO_TEST("message pipe: values come back as they were") {
  auto [near, far] = MessagePipe::pair();
  co_await near.send(42);
  co_await near.send(Point{3, 4.5});
  co_await near.send('c');
  const auto number = co_await far.recv<int>();
  const auto point = co_await far.recv<Point>();
  const auto letter = co_await far.recv<char>();
  CHECK(number == 42);
  CHECK(point == Point{3, 4.5});
  CHECK(letter == 'c');
  near.close();
  const auto end = co_await far.recv<int>();
  CHECK(!end.has_value());
}

IO_TEST("message pipe: a value of another size is an error, and only that message is lost") {
  auto [near, far] = MessagePipe::pair();
  co_await near.send("abc");
  co_await near.send(7);
  CHECK_AWAIT_FAILS_WITH(far.recv<int>(),
                         "coil: MessagePipe::recv(): a message of 3 bytes came where a value of 4 was expected");
  const auto next = co_await far.recv<int>();
  CHECK(next == 7);
}

// ---- Descriptors -----------------------------------------------------------------------------------------

IO_TEST("message pipe: descriptors are passed along, close-on-exec, and stay the sender's") {
  auto [near, far] = MessagePipe::pair();
  const coil_test::Ends pipe = coil_test::make_pipe();
  const std::array<int, 2> sent = {pipe.out, pipe.in};
  co_await near.send("ends", sent);
  const auto message = co_await far.recv_message();
  REQUIRE(message->descriptors.size() == 2);
  CHECK(message->bytes == "ends");
  const int out = message->descriptors[0].get();
  const int in = message->descriptors[1].get();
  CHECK(out != pipe.out);
  CHECK(::fcntl(out, F_GETFD) == FD_CLOEXEC);
  coil_test::put(in, "x");
  CHECK(coil_test::take_all(pipe.out) == "x");
  coil_test::put(pipe.in, "y");
  CHECK(coil_test::take_all(out) == "y");
}

IO_TEST("message pipe: descriptors with an empty message and with a large one") {
  auto [near, far] = MessagePipe::pair();
  const coil_test::Fd event = coil_test::make_eventfd();
  const std::vector<int> sent(MessagePipe::descriptors_max, event);
  const std::string large = many(300'000);
  co_await near.send("", std::span<const int>(sent).first(1));
  const auto small = co_await far.recv_message();
  CHECK(small->descriptors.size() == 1);
  auto sending = coil::create_task(near.send(large, sent));
  const auto message = co_await far.recv_message();
  co_await sending;
  CHECK(message->descriptors.size() == MessagePipe::descriptors_max);
  CHECK((message->bytes == large));
}

IO_TEST("message pipe: recv() closes descriptors that came unasked, and so does a pipe that goes") {
  auto [near, far] = MessagePipe::pair();
  const coil_test::Fd event = coil_test::make_eventfd();
  const std::array<int, 3> sent = {event, event, event};
  co_await near.send("one", sent);
  co_await near.send("never received", sent);
  const auto bytes = co_await far.recv();
  CHECK(bytes == "one");
}

IO_TEST("message pipe: too many descriptors, too large a message") {
  auto [near, far] = MessagePipe::pair();
  const coil_test::Fd event = coil_test::make_eventfd();
  const std::vector<int> too_many(MessagePipe::descriptors_max + 1, event);
  CHECK_AWAIT_THROWS(near.send("x", too_many), std::length_error);
  const std::span<const std::byte> too_large(reinterpret_cast<const std::byte*>("x"),
                                             MessagePipe::message_size_max + 1);
  CHECK_AWAIT_THROWS(near.send(too_large), std::length_error);
  const std::array<int, 1> none = {-1};
  CHECK_AWAIT_THROWS(near.send("x", none), std::system_error);
  co_await near.send("still works");
  const auto message = co_await far.recv();
  CHECK(message == "still works");
}

// ---- The end ---------------------------------------------------------------------------------------------

IO_TEST("message pipe: recv() gives nothing when the other side is gone, after what it sent") {
  auto [near, far] = MessagePipe::pair();
  co_await near.send("last");
  near.close();
  const auto last = co_await far.recv();
  const auto end = co_await far.recv();
  const auto still = co_await far.recv();
  CHECK(last == "last");
  CHECK(!end.has_value());
  CHECK(!still.has_value());
}

IO_TEST("message pipe: a peer that goes with something unread does not take back what it sent") {
  auto [near, far] = MessagePipe::pair();
  co_await far.send("never read");
  co_await near.send("one");
  co_await near.send("two");
  near.close();
  const auto first = co_await far.recv();
  const auto second = co_await far.recv();
  const auto end = co_await far.recv();
  CHECK(first == "one");
  CHECK(second == "two");
  CHECK(!end.has_value());
}

IO_TEST("message pipe: send() to one that is gone is EPIPE, whether it had read everything or not") {
  for (const bool with_unread : {true, false}) {
    auto [near, far] = MessagePipe::pair();
    if (with_unread) co_await near.send("never read");
    far.close();
    bool is_broken = false;
    try {
      co_await near.send("x");
    } catch (const std::system_error& error) {
      is_broken = error.code().value() == EPIPE;
    }
    CHECK(is_broken);
  }
}

IO_TEST("message pipe: after close() recv() gives nothing and send() is a logic_error") {
  auto [near, far] = MessagePipe::pair();
  co_await far.send("unread");
  near.close();
  near.close();
  CHECK(near.fd() == -1);
  const auto nothing = co_await near.recv();
  CHECK(!nothing.has_value());
  CHECK_AWAIT_THROWS(near.send("x"), std::logic_error);
}

IO_TEST("message pipe: close() wakes those who wait") {
  auto [near, far] = MessagePipe::pair();
  auto receiving = coil::create_task(near.recv());
  auto receiving_too = coil::create_task(near.recv());
  const std::string large = many(3'000'000);
  auto sending = coil::create_task(near.send(large));
  auto sending_too = coil::create_task(near.send("x"));
  co_await settle();
  CHECK(!receiving.done());
  CHECK(!sending.done());
  near.close();
  const auto first = co_await receiving;
  const auto second = co_await receiving_too;
  CHECK(!first.has_value());
  CHECK(!second.has_value());
  CHECK_AWAIT_THROWS(sending, std::system_error);
  CHECK_AWAIT_THROWS(sending_too, std::system_error);
  const auto end = co_await far.recv();  // the large one did not come as a whole
  CHECK(!end.has_value());
}

IO_TEST("message pipe: a pipe can be moved while it is in use") {
  auto [near, far] = MessagePipe::pair();
  auto receiving = coil::create_task(far.recv());
  co_await settle();
  MessagePipe moved = std::move(far);
  far = std::move(MessagePipe::pair().first);
  co_await near.send("x");
  const auto message = co_await receiving;
  CHECK(message == "x");
}

IO_TEST("message pipe: what is no message is an error, and the next one arrives") {
  auto [near, far] = MessagePipe::pair();
  co_await near.send("first");
  for (const std::string& garbage : {std::string("x"), std::string(100, 'x'), std::string(16, '\0')}) {
    REQUIRE(::send(near.fd(), garbage.data(), garbage.size(), 0) == static_cast<ssize_t>(garbage.size()));
    if (garbage.size() == 1) {
      const auto first = co_await far.recv();
      CHECK(first == "first");
    }
    CHECK_AWAIT_FAILS_WITH(far.recv(), "coil: what came through a MessagePipe is no message");
  }
  co_await near.send("next");
  const auto next = co_await far.recv();
  CHECK(next == "next");
}

IO_TEST("message pipe: only an end of one can be taken over") {
  auto ends = coil_test::make_socket_pair(SOCK_STREAM);
  const coil_test::Fd file = coil_test::make_eventfd();
  CHECK_THROWS_AS(MessagePipe(coil::detail::OwnedFd(ends.in.release())), std::invalid_argument);
  CHECK_THROWS_AS(MessagePipe(coil::detail::OwnedFd(::dup(file))), std::system_error);
  auto [near, far] = MessagePipe::pair();
  MessagePipe taken{coil::detail::OwnedFd(::fcntl(near.fd(), F_DUPFD_CLOEXEC, 3))};
  near.close();
  co_await taken.send("through a copy");
  const auto message = co_await far.recv();
  CHECK(message == "through a copy");
}
