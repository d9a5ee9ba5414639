// recv, send, send_all, recvmsg, sendmsg, shutdown.
#include <coil/socket_operations.hpp>

#include "../support/net_test.hpp"

#include <signal.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::recv_text;
using coil_test::settle;

namespace {

std::string at(const char* call, int fd) { return std::string(call) + "(fd " + std::to_string(fd) + "): "; }

coil::Coro<std::size_t> send_text(int fd, std::string text, int flags = 0) {
  const GuardedBuffer buffer(text);
  co_return co_await coil::send(fd, std::span<const std::byte>(buffer.bytes()), flags);
}

}  // namespace

// ---- recv, send ------------------------------------------------------------------------------------------

IO_TEST("recv and send: pass bytes over TCP and Unix streams") {
  for (const bool tcp : {true, false}) {
    const Ends pair = tcp ? coil_test::make_tcp_pair() : coil_test::make_socket_pair();
    const std::size_t sent = co_await coil::send(pair.in, "text");
    CHECK(sent == 4);
    const std::string text = co_await recv_text(pair.out);
    CHECK(text == "text");
  }
}

IO_TEST("recv: gives what there is as soon as there is any, and at most what fits") {
  const Ends pair = coil_test::make_socket_pair();
  auto receiving = coil::create_task(recv_text(pair.out, 3));
  co_await settle();
  CHECK(!receiving.done());
  put(pair.in, "abcdef");
  const std::string head = co_await receiving;
  const std::string tail = co_await recv_text(pair.out);
  CHECK(head == "abc");
  CHECK(tail == "def");
}

IO_TEST("recv: the end of a stream is 0, and sending the other way goes on") {
  Ends pair = coil_test::make_tcp_pair();
  ::shutdown(pair.in, SHUT_WR);
  const std::string text = co_await recv_text(pair.out);
  CHECK(text == "");
  co_await coil::send(pair.out, "still");
  CHECK(coil_test::take_all(pair.in) == "still");
}

IO_TEST("recv: zero bytes are there at once, and are no end") {
  const Ends pair = coil_test::make_socket_pair();
  const auto submissions = coil_test::metrics().submissions;
  const std::size_t size = co_await coil::recv(pair.out, {});
  CHECK(size == 0);
  CHECK(coil_test::metrics().submissions == submissions);
}

IO_TEST("recv: MSG_PEEK leaves the bytes there") {
  const Ends pair = coil_test::make_socket_pair();
  put(pair.in, "text");
  const std::string seen = co_await recv_text(pair.out, 64, MSG_PEEK);
  const std::string taken = co_await recv_text(pair.out);
  CHECK(seen == "text");
  CHECK(taken == "text");
}

IO_TEST("recv and send: with MSG_DONTWAIT what would wait is EAGAIN") {
  const Ends pair = coil_test::make_socket_pair();
  CHECK_AWAIT_FAILS_WITH(recv_text(pair.out, 4, MSG_DONTWAIT),
                         at("recv", pair.out) + "Resource temporarily unavailable");
  coil_test::fill_up(pair.in);
  CHECK_AWAIT_FAILS_WITH(send_text(pair.in, "x", MSG_DONTWAIT),
                         at("send", pair.in) + "Resource temporarily unavailable");
}

IO_TEST("recv and send: on a socket that is not blocking they wait all the same") {
  const Ends pair = coil_test::make_socket_pair();
  coil_test::set_nonblocking(pair.out);
  coil_test::set_nonblocking(pair.in);
  auto receiving = coil::create_task(recv_text(pair.out));
  co_await settle();
  CHECK(!receiving.done());
  co_await coil::send(pair.in, "text");
  const std::string text = co_await receiving;
  CHECK(text == "text");
}

IO_TEST("recv: with MSG_WAITALL a cancelled one gives what had come") {
  const Ends pair = coil_test::make_socket_pair();
  auto receiving = coil::create_task(recv_text(pair.out, 10, MSG_WAITALL));
  co_await settle();
  put(pair.in, "abc");
  co_await settle();
  CHECK(!receiving.done());
  receiving.cancel();
  const std::string text = co_await receiving;
  CHECK(text == "abc");
}

IO_TEST("send: to a stream whose peer is gone is EPIPE, and no signal") {
  Ends pair = coil_test::make_socket_pair();
  pair.out.close();
  ::signal(SIGPIPE, SIG_DFL);
  CHECK_AWAIT_FAILS_WITH(coil::send(pair.in, "text"), at("send", pair.in) + "Broken pipe");
  CHECK_AWAIT_FAILS_WITH(coil::send_all(pair.in, "text"), at("send", pair.in) + "Broken pipe");
  ::signal(SIGPIPE, SIG_IGN);
}

IO_TEST("recv: from a peer that resets is ECONNRESET") {
  Ends pair = coil_test::make_tcp_pair();
  const linger hard{1, 0};
  ::setsockopt(pair.in, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  pair.in.close();
  CHECK_AWAIT_FAILS_WITH(recv_text(pair.out), at("recv", pair.out) + "Connection reset by peer");
}

IO_TEST("recv and send: errors name the call and the descriptor") {
  const Ends pipe = coil_test::make_pipe();
  CHECK_AWAIT_FAILS_WITH(recv_text(pipe.out), at("recv", pipe.out) + "Socket operation on non-socket");
  CHECK_AWAIT_FAILS_WITH(send_text(pipe.in, "x"), at("send", pipe.in) + "Socket operation on non-socket");
  CHECK_AWAIT_FAILS_WITH(recv_text(-1), at("recv", -1) + "Bad file descriptor");
}

// ---- send_all --------------------------------------------------------------------------------------------

IO_TEST("send_all: sends a megabyte, whole") {
  const Ends pair = coil_test::make_tcp_pair();
  const std::string much(1 << 20, 'm');
  std::size_t progress = 0;
  auto sending = coil::create_task(
      [&]() -> coil::Coro<std::size_t> { co_return co_await coil::send_all(pair.in, much, &progress); });
  const GuardedBuffer buffer(much.size());
  co_await coil::read_exactly(pair.out, buffer.bytes());
  const std::size_t sent = co_await sending;
  CHECK(buffer.text() == much);
  CHECK(sent == much.size());
  CHECK(progress == much.size());
}

IO_TEST("send_all: one that is cancelled halfway says how much it sent") {
  const Ends pair = coil_test::make_socket_pair();
  const std::string much(4 << 20, 'm');
  std::size_t progress = 77;
  auto sending = coil::create_task([&]() -> coil::Coro<void> { co_await coil::send_all(pair.in, much, &progress); });
  co_await settle();
  sending.cancel();
  CHECK_AWAIT_THROWS(sending, coil::CancelledError);
  CHECK(progress > 0);
  CHECK(coil_test::take_all(pair.out).size() == progress);
}

IO_TEST("send_all: writers of one Fd take turns, and are never mixed") {
  Ends pair = coil_test::make_socket_pair();
  const coil::Fd in(pair.in.release());
  constexpr std::size_t size = 300'000;
  std::string received;
  auto receiving = coil::create_task([&]() -> coil::Coro<void> {
    for (std::string part; !(part = co_await recv_text(pair.out, 65536)).empty();) received += part;
  });
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (char letter = 'a'; letter < 'e'; ++letter)
      group.create_task(
          [&in, text = std::string(size, letter)]() -> coil::Coro<void> { co_await coil::send_all(in, text); });
    group.create_task([&in]() -> coil::Coro<void> { co_await coil::write_all(in, "-"); });
    group.create_task([&in]() -> coil::Coro<void> { co_await coil::shutdown(in, SHUT_WR); });
    co_return;
  };
  co_await coil::task_group(body);
  co_await receiving;
  CHECK(received ==
        std::string(size, 'a') + std::string(size, 'b') + std::string(size, 'c') + std::string(size, 'd') + "-");
}

IO_TEST("send_all: one that is cancelled while it waits for its turn sends nothing, and the next has its turn") {
  Ends pair = coil_test::make_socket_pair();
  const coil::Fd in(pair.in.release());
  const std::size_t full = coil_test::fill_up(in.number());
  const auto send = [&](std::string text) -> coil::Coro<void> { co_await coil::send_all(in, text); };
  auto first = coil::create_task(send("1"));
  auto second = coil::create_task(send("2"));
  auto third = coil::create_task(send("3"));
  co_await settle();
  CHECK(coil_test::metrics().operations_in_flight == 1);
  second.cancel();
  CHECK_AWAIT_THROWS(second, coil::CancelledError);
  CHECK(coil_test::take_all(pair.out).size() == full);
  co_await first;
  co_await third;
  CHECK(coil_test::take_all(pair.out) == "13");
}

IO_TEST("send_all: one that is cancelled in its turn passes it on") {
  Ends pair = coil_test::make_socket_pair();
  const coil::Fd in(pair.in.release());
  coil_test::fill_up(in.number());
  const auto send = [&](std::string text) -> coil::Coro<void> { co_await coil::send_all(in, text); };
  auto first = coil::create_task(send("1"));
  auto second = coil::create_task(send("2"));
  co_await settle();
  first.cancel();
  CHECK_AWAIT_THROWS(first, coil::CancelledError);
  coil_test::take_all(pair.out);
  co_await second;
  CHECK(coil_test::take_all(pair.out) == "2");
}

IO_TEST("send_all: when the Fd is closed, the one that sends and those that wait for their turn end with ECANCELED") {
  Ends pair = coil_test::make_socket_pair();
  coil::Fd in(pair.in.release());
  const int number = in.number();
  coil_test::fill_up(number);
  const auto send = [&](std::string text) -> coil::Coro<void> { co_await coil::send_all(in, text); };
  std::vector<coil::Task<void>> sending;
  for (const char* text : {"1", "2", "3"}) sending.push_back(coil::create_task(send(text)));
  co_await settle();
  co_await in.close();
  for (const auto& task : sending) CHECK_AWAIT_FAILS_WITH(task, at("send", number) + "Operation canceled");
}

// ---- Datagrams -------------------------------------------------------------------------------------------

IO_TEST("recv and send: keep the bounds of datagrams, an empty one among them") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  for (const char* text : {"abc", "", "def"}) {
    const std::size_t sent = co_await send_text(pair.in, text);
    CHECK(sent == std::string(text).size());
  }
  std::vector<std::string> received;
  for (int i = 0; i < 3; ++i) received.push_back(co_await recv_text(pair.out));
  CHECK(received == std::vector<std::string>{"abc", "", "def"});
}

IO_TEST("recvmsg and sendmsg: pass pieces and descriptors, which are close-on-exec") {
  const Ends pair = coil_test::make_socket_pair();
  Ends passed = coil_test::make_pipe();
  char one[] = "one ";
  char two[] = "two";
  iovec pieces[] = {{one, 4}, {two, 3}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = passed.in;
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  const std::size_t sent = co_await coil::sendmsg(pair.in, message);
  CHECK(sent == 7);

  const GuardedBuffer buffer(16);
  iovec piece{buffer.data(), buffer.size()};
  std::memset(control, 0, sizeof control);
  message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const std::size_t size = co_await coil::recvmsg(pair.out, &message);
  CHECK(buffer.text(size) == "one two");
  header = CMSG_FIRSTHDR(&message);
  REQUIRE(header != nullptr);
  int received = -1;
  std::memcpy(&received, CMSG_DATA(header), sizeof received);
  const Fd owner(received);
  CHECK(::fcntl(owner, F_GETFD) == FD_CLOEXEC);
  put(owner, "through it");
  CHECK(coil_test::take_all(passed.out) == "through it");
}

// ---- shutdown --------------------------------------------------------------------------------------------

IO_TEST("shutdown: SHUT_WR ends what the peer reads, SHUT_RD what we read") {
  const Ends pair = coil_test::make_socket_pair();
  const int done = co_await coil::shutdown(pair.in, SHUT_WR);
  CHECK(done == 0);
  const std::string end = co_await recv_text(pair.out);
  CHECK(end == "");
  auto receiving = coil::create_task(recv_text(pair.in));
  co_await settle();
  co_await coil::shutdown(pair.in, SHUT_RD);
  const std::string own_end = co_await receiving;
  CHECK(own_end == "");
}

IO_TEST("shutdown: of a listener ends an accept with EINVAL") {
  const coil_test::Listener listener(coil::Endpoint("127.0.0.1", 0));
  auto accepting = coil::create_task(coil::accept(listener.fd));
  co_await settle();
  co_await coil::shutdown(listener.fd, SHUT_RDWR);
  CHECK_AWAIT_FAILS_WITH(accepting, at("accept", listener.fd) + "Invalid argument");
}

IO_TEST("shutdown: of what is not connected is ENOTCONN") {
  const Fd client = coil_test::make_socket(coil::Endpoint("127.0.0.1", 0));
  CHECK_AWAIT_FAILS_WITH(coil::shutdown(client, SHUT_WR),
                         at("shutdown", client) + "Transport endpoint is not connected");
}
