// Cancellation of socket operations against their completion, ten thousand times each: one of them wins, and no byte,
// datagram or connection is lost.
#include <coil/socket_operations.hpp>

#include "../support/net_test.hpp"
#include "../support/race.hpp"

#include <string>

using coil_test::Ends;
using coil_test::Fd;
using coil_test::orders;
using coil_test::race;
using coil_test::recv_text;
using coil_test::rounds;
using coil_test::Tally;

namespace {

coil::Coro<std::string> recvmsg_text(int fd) {
  const coil_test::GuardedBuffer buffer(8);
  iovec piece{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const std::size_t size = co_await coil::recvmsg(fd, message);
  co_return buffer.text(size);
}

/// What `receive` was to take is returned by it, or left for the next one.
template <class Receive>
coil::Coro<void> race_receives(const Ends& ends, Receive receive) {
  Tally tally;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    const std::string byte(1, static_cast<char>('a' + round % 26));
    const auto send = [&] { coil_test::put(ends.in, byte); };
    const auto outcome = co_await race(round % orders, receive(ends.out), send, tally);
    std::string left;
    if (outcome.cancelled()) left = co_await recv_text(ends.out, 10);
    REQUIRE((outcome.cancelled() ? left : outcome.value()) == byte);
  }
}

}  // namespace

IO_TEST("race: recv from a TCP connection") {
  const Ends pair = coil_test::make_tcp_pair();
  co_await race_receives(pair, [](int fd) { return recv_text(fd, 1); });
}

IO_TEST("race: recvmsg of datagrams") {
  const Ends pair = coil_test::make_socket_pair(SOCK_DGRAM);
  co_await race_receives(pair, recvmsg_text);
}

IO_TEST("race: a connection is given by the accept that was cancelled, or by the next one") {
  const auto name = coil::Endpoint::abstract_name("coil-race-" + std::to_string(::getpid()));
  const coil_test::Listener listener(name);
  Tally tally;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    const Fd client = coil_test::make_socket(name);
    const auto connect = [&] { coil_test::check_call(::connect(client, name.address(), name.size()), "connect"); };
    const auto accept = [&]() -> coil::Coro<int> { co_return co_await coil::accept(listener.fd); };
    const auto outcome = co_await race(round % orders, accept(), connect, tally);
    int number = -1;
    if (outcome.cancelled())
      number = co_await coil::accept(listener.fd);
    else
      number = outcome.value();
    const Fd server(number);
    coil_test::put(client, "x");
    REQUIRE(coil_test::take_all(server) == "x");
  }
}

IO_TEST("race: a connect of a Unix socket has connected, or it was cancelled") {
  const auto name = coil::Endpoint::abstract_name("coil-race-" + std::to_string(::getpid()));
  const coil_test::Listener listener(name, 0);
  coil_test::set_nonblocking(listener.fd);
  const auto take = [&] { return ::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC); };
  Tally tally;
  for (int round = 0; round < rounds / 10; ++round) {  // each is tried many times by the kernel
    CAPTURE(round);
    const Fd filler = coil_test::make_socket(name);
    coil_test::check_call(::connect(filler, name.address(), name.size()), "connect");
    const Fd client = coil_test::make_socket(name);
    const auto make_room = [&] {
      if (round % 2 == 0) ::close(take());
    };
    const auto connect = [&]() -> coil::Coro<int> { co_return co_await coil::connect(client, name); };
    const auto outcome = co_await race(round % (orders - 1), connect(), make_room, tally);  // one order never cancels
    if (round % 2 != 0) ::close(take());
    const int server = take();
    REQUIRE((server >= 0) == outcome.has_value());
    ::close(server);
  }
}
