// Every kind of operation, cancelled at some moment around its completion: it was done, or it was cancelled and has done
// nothing, and the kernel has answered once. 200 rounds each, 10,000 with COIL_LONG in the environment.
#include <coil/coil.hpp>

#include "../support/count.hpp"
#include "../support/net_test.hpp"

#include <sys/stat.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <string>

using coil::Coro;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::TemporaryDirectory;

namespace {

std::uint64_t rounds() { return coil_test::few_or_many(200, 10'000); }

/// Cancels what `begin()` gives after some turns and some time, and has `check(done)` look at what came of it.
template <class Begin, class Check>
Coro<void> race_with_cancel(const char* kind, Begin begin, Check check) {
  std::uint64_t done = 0;
  for (std::uint64_t round = 0; round < rounds(); ++round) {
    CAPTURE(round);
    auto task = coil::create_task(begin());
    for (std::uint64_t turn = 0; turn < round % 5; ++turn) co_await coil::yield();
    for (std::uint64_t i = 0; i < round % 61 * 40; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
    task.cancel();
    const auto outcome = co_await coil::as_result(task);
    REQUIRE(outcome.has_value() != outcome.cancelled());
    done += outcome.has_value();
    check(outcome.has_value());
  }
  for (int turn = 0; turn < 8 && coil_test::metrics().operations_in_flight != 0; ++turn) co_await coil::yield();
  // An accept may go on by itself.
  CHECK(coil_test::metrics().submissions - coil_test::metrics().completions <= 1);
  coil_test::count("cancel races", rounds());
  coil_test::count(std::string("cancel races of ") + kind + " that the operation won", done);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::span<const std::byte> bytes_of(const GuardedBuffer& buffer) { return buffer.bytes(); }

}  // namespace

// ---- Files -----------------------------------------------------------------------------------------------

IO_TEST("operation race: openat has made a file and a descriptor, or neither") {
  const TemporaryDirectory directory;
  const std::string path = directory / "f";
  const auto open = [&]() -> Coro<void> {
    const Fd fd(co_await coil::openat(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR, 0600));
  };
  co_await race_with_cancel("openat", open, [&](bool done) {
    REQUIRE(exists(path) == done);
    ::unlink(path.c_str());
  });
}

// In a thread of the kernel, where it waits for the other side of a FIFO.
IO_TEST("operation race: openat of a FIFO is cancelled") {
  const TemporaryDirectory directory;
  coil_test::check_call(::mkfifo((directory / "f").c_str(), 0600), "mkfifo");
  const auto open = [&]() -> Coro<void> { const Fd fd(co_await coil::openat(AT_FDCWD, directory / "f", O_RDONLY)); };
  co_await race_with_cancel("openat of a FIFO", open, [](bool done) { REQUIRE(!done); });
}

IO_TEST("operation race: mkdirat, renameat and unlinkat have done it, or not") {
  const TemporaryDirectory directory;
  const std::string one = directory / "one";
  const std::string other = directory / "other";
  const auto make = [&]() -> Coro<void> { co_await coil::mkdirat(AT_FDCWD, one, 0700); };
  co_await race_with_cancel("mkdirat", make, [&](bool done) {
    REQUIRE(exists(one) == done);
    ::rmdir(one.c_str());
  });
  directory.file("one", "");
  const auto rename = [&]() -> Coro<void> { co_await coil::renameat(AT_FDCWD, one, AT_FDCWD, other); };
  co_await race_with_cancel("renameat", rename, [&](bool done) {
    REQUIRE(exists(other) == done);
    ::rename(other.c_str(), one.c_str());
  });
  const auto unlink = [&]() -> Coro<void> { co_await coil::unlinkat(AT_FDCWD, one, 0); };
  co_await race_with_cancel("unlinkat", unlink, [&](bool done) {
    REQUIRE(exists(one) != done);
    directory.file("one", "");
  });
}

IO_TEST("operation race: statx, fsync and fdatasync") {
  const TemporaryDirectory directory;
  const Fd file = directory.open("f", "text");
  const auto stat = [&]() -> Coro<void> {
    const struct ::statx found = co_await coil::statx(AT_FDCWD, directory / "f", 0, STATX_SIZE);
    REQUIRE(found.stx_size == 4);
  };
  const auto sync = [&]() -> Coro<void> { co_await coil::fsync(file); };
  const auto sync_data = [&]() -> Coro<void> { co_await coil::fdatasync(file); };
  const auto whatever = [](bool) {};
  co_await race_with_cancel("statx", stat, whatever);
  co_await race_with_cancel("fsync", sync, whatever);
  co_await race_with_cancel("fdatasync", sync_data, whatever);
}

IO_TEST("operation race: a file is written, read and truncated as the outcome says") {
  const TemporaryDirectory directory;
  coil::File file = co_await coil::File::open(directory.file("f", ""), O_RDWR);
  const GuardedBuffer data("abcdefgh");
  const auto size_is = [&](off_t size) {
    struct stat found{};
    coil_test::check_call(::fstat(file.fd(), &found), "fstat");
    return found.st_size == size;
  };
  const auto write = [&]() -> Coro<void> { co_await file.write_at(bytes_of(data), 0); };
  co_await race_with_cancel("write of a file", write, [&](bool done) {
    REQUIRE(size_is(done ? 8 : 0));
    coil_test::check_call(::ftruncate(file.fd(), 0), "ftruncate");
  });
  coil_test::check_call(::ftruncate(file.fd(), 8), "ftruncate");
  const auto truncate = [&]() -> Coro<void> { co_await file.truncate(3); };
  co_await race_with_cancel("truncate", truncate, [&](bool done) {
    REQUIRE(size_is(done ? 3 : 8));
    coil_test::check_call(::ftruncate(file.fd(), 8), "ftruncate");
  });
  const auto read = [&]() -> Coro<void> {
    const GuardedBuffer room(8);
    const std::size_t size = co_await file.read_at(room.bytes(), 0);
    REQUIRE(size == 8);
  };
  co_await race_with_cancel("read of a file", read, [](bool) {});
}

IO_TEST("operation race: close gives the descriptor back, whoever wins") {
  const Ends pipe = coil_test::make_pipe();
  int number = -1;
  const auto close = [&]() -> Coro<void> {
    coil::Fd fd(::fcntl(pipe.in, F_DUPFD_CLOEXEC, 0));
    number = fd.number();
    co_await fd.close();
  };
  co_await race_with_cancel("close", close, [&](bool) {
    REQUIRE((number < 0 || ::fcntl(number, F_GETFD) < 0));
    number = -1;
  });
}

// ---- Pipes and sockets -----------------------------------------------------------------------------------

IO_TEST("operation race: vectors, messages and sends have passed on all, or nothing") {
  const Ends pair = coil_test::make_socket_pair();
  const GuardedBuffer data("abcd");
  std::array<iovec, 2> pieces{iovec{data.data(), 1}, iovec{data.data() + 1, 3}};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  const auto arrives = [&](bool done) { REQUIRE(coil_test::take_all(pair.out) == (done ? "abcd" : "")); };
  const auto writev = [&]() -> Coro<void> { co_await coil::writev(pair.in, pieces); };
  const auto send = [&]() -> Coro<void> { co_await coil::send(pair.in, bytes_of(data)); };
  const auto send_all = [&]() -> Coro<void> { co_await coil::send_all(pair.in, bytes_of(data)); };
  const auto write_all = [&]() -> Coro<void> { co_await coil::write_all(pair.in, bytes_of(data)); };
  const auto sendmsg = [&]() -> Coro<void> { co_await coil::sendmsg(pair.in, message); };
  co_await race_with_cancel("writev", writev, arrives);
  co_await race_with_cancel("send", send, arrives);
  co_await race_with_cancel("send_all", send_all, arrives);
  co_await race_with_cancel("write_all", write_all, arrives);
  co_await race_with_cancel("sendmsg", sendmsg, arrives);
  coil_test::put(pair.in, "abcd");
  const GuardedBuffer room(4);
  std::array<iovec, 2> places{iovec{room.data(), 1}, iovec{room.data() + 1, 3}};
  const auto readv = [&]() -> Coro<void> { co_await coil::readv(pair.out, places); };
  co_await race_with_cancel("readv", readv, [&](bool done) {
    REQUIRE(coil_test::take_all(pair.out) == (done ? "" : "abcd"));
    coil_test::put(pair.in, "abcd");
  });
}

IO_TEST("operation race: a splice has moved what it says") {
  const Ends from = coil_test::make_pipe();
  const Ends to = coil_test::make_pipe();
  coil_test::put(from.in, "abcd");
  const auto splice = [&]() -> Coro<void> { co_await coil::splice(from.out, to.in, 4); };
  co_await race_with_cancel("splice", splice, [&](bool done) {
    REQUIRE(coil_test::take_all(from.out) == (done ? "" : "abcd"));
    REQUIRE(coil_test::take_all(to.out) == (done ? "abcd" : ""));
    coil_test::put(from.in, "abcd");
  });
}

IO_TEST("operation race: a datagram is received, or still there") {
  coil::UdpSocket one(coil::Endpoint("127.0.0.1", 0));
  coil::UdpSocket other(coil::Endpoint("127.0.0.1", 0));
  const auto receive = [&]() -> Coro<void> {
    const GuardedBuffer room(8);
    const coil::Datagram datagram = co_await one.recv_from(room.bytes());
    REQUIRE(datagram.size == 4);
  };
  const auto send = [&]() -> Coro<void> { co_await other.send_to("text", one.sock_name()); };
  co_await other.send_to("text", one.sock_name());
  co_await race_with_cancel("recv_from", receive, [&](bool done) {
    std::array<char, 8> room{};
    REQUIRE((::recv(one.fd(), room.data(), room.size(), MSG_DONTWAIT) == 4) != done);
    const coil::Endpoint there = one.sock_name();
    REQUIRE(::sendto(other.fd(), "text", 4, 0, there.address(), there.size()) == 4);
  });
  std::array<char, 8> room{};
  while (::recv(one.fd(), room.data(), room.size(), MSG_DONTWAIT) >= 0) continue;
  co_await race_with_cancel("send_to", send, [&](bool done) {
    REQUIRE((::recv(one.fd(), room.data(), room.size(), MSG_DONTWAIT) == 4) == done);
  });
}

NET_TEST("operation race: each connection is given to one accept, or kept for the next") {
  coil::TcpListener listener(coil::Endpoint("127.0.0.1", 0));
  std::uint64_t accepted = 0;
  std::uint64_t made = 0;
  const auto accept = [&]() -> Coro<void> {
    const Fd client = coil_test::make_socket(listener.endpoint());
    coil_test::check_call(::connect(client, listener.endpoint().address(), listener.endpoint().size()), "connect");
    ++made;
    const linger none{1, 0};  // no port is left waiting
    ::setsockopt(client, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    coil::TcpStream connection = co_await listener.accept();
    ++accepted;
  };
  co_await race_with_cancel("accept", accept, [](bool) {});
  CHECK(accepted <= made);
}

IO_TEST("operation race: shutdown and poll") {
  const Ends pipe = coil_test::make_pipe();
  coil_test::put(pipe.in, "x");
  const auto poll = [&]() -> Coro<void> { co_await coil::readable(pipe.out); };
  co_await race_with_cancel("poll", poll, [](bool) {});
  const auto shutdown = []() -> Coro<void> {
    const Ends pair = coil_test::make_socket_pair();
    co_await coil::shutdown(pair.in, SHUT_WR);
  };
  co_await race_with_cancel("shutdown", shutdown, [](bool) {});
}
