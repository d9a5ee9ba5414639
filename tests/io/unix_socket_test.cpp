// UnixListener and UnixStream: paths, abstract names, descriptors passed along.
#include <coil/unix_socket.hpp>

#include "../support/net_test.hpp"

#include <sys/stat.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Endpoint;
using coil::UnixListener;
using coil::UnixStream;
using coil_test::Fd;
using coil_test::GuardedBuffer;
using coil_test::put;
using coil_test::settle;
using coil_test::take_all;
using coil_test::TemporaryDirectory;

namespace {

std::string text_of(const GuardedBuffer& buffer, const UnixStream::Message& message) {
  return buffer.text(message.size);
}

coil::Coro<std::string> read_some(UnixStream& stream) {
  const GuardedBuffer buffer(64);
  const std::size_t size = co_await stream.read_some(buffer.bytes());
  co_return buffer.text(size);
}

Endpoint own_name(const char* what) {
  return Endpoint::abstract_name("coil-" + std::string(what) + "-" + std::to_string(::getpid()));
}

bool exists(const std::string& path) {
  struct stat found{};
  return ::lstat(path.c_str(), &found) == 0;
}

}  // namespace

// ---- Listening and connecting ----------------------------------------------------------------------------

NET_TEST("unix: a path and an abstract name are listened on, and connected to") {
  const TemporaryDirectory folder;
  for (const Endpoint& where : {Endpoint::unix_path(folder / "socket"), own_name("listen")}) {
    UnixListener listener(where);
    CHECK(listener.endpoint() == where);
    UnixStream client = co_await UnixStream::connect(where);
    UnixStream server = co_await listener.accept();
    CHECK(client.peer_name() == where);
    CHECK(server.peer_name().to_string() == "unix:");
    CHECK(::fcntl(server.fd(), F_GETFD) == FD_CLOEXEC);
    co_await client.write_all("text");
    co_await client.write_eof();
    const std::string text = co_await read_some(server);
    const std::string end = co_await read_some(server);
    CHECK(text == "text");
    CHECK(end == "");
    co_await listener.close();
    CHECK_AWAIT_THROWS(UnixStream::connect(where), std::system_error);
  }
}

IO_TEST("unix: the path is removed when its listener is closed, and when it goes") {
  const TemporaryDirectory folder;
  const std::string path = folder / "socket";
  UnixListener listener(Endpoint::unix_path(path));
  CHECK(exists(path));
  co_await listener.close();
  CHECK(!exists(path));
  {
    UnixListener other(Endpoint::unix_path(path));
    UnixListener moved = std::move(other);
    CHECK(exists(path));
    other = UnixListener();
    CHECK(exists(path));
  }
  CHECK(!exists(path));
}

IO_TEST("unix: a path that is another's by now is left alone") {
  const TemporaryDirectory folder;
  const std::string path = folder / "socket";
  UnixListener listener(Endpoint::unix_path(path));
  std::filesystem::remove(path);
  folder.file("socket", "somebody's file");
  co_await listener.close();
  CHECK(coil_test::content_of(path) == "somebody's file");
}

IO_TEST("unix: a path at which nobody listens any more is taken over, one that is in use is not") {
  const TemporaryDirectory folder;
  const Endpoint where = Endpoint::unix_path(folder / "socket");
  {
    const coil_test::Listener abandoned(where);
  }
  CHECK(exists(folder / "socket"));
  UnixListener listener(where);
  CHECK_THROWS_WITH(UnixListener{where}, ("bind(" + where.to_string() + "): Address already in use").c_str());
  UnixStream client = co_await UnixStream::connect(where);
  const std::string file = folder.file("file", "not a socket");
  CHECK_THROWS_AS(UnixListener(Endpoint::unix_path(file)), std::system_error);
  CHECK(coil_test::content_of(file) == "not a socket");
}

IO_TEST("unix: the path has the mode that is asked for, from its beginning") {
  const TemporaryDirectory folder;
  const std::string path = folder / "socket";
  const UnixListener listener(Endpoint::unix_path(path), {.mode = 0600});
  struct stat found{};
  CHECK(::lstat(path.c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0600);
  co_await coil::yield();
}

IO_TEST("unix: errors name the endpoint") {
  CHECK_THROWS_WITH(UnixListener(Endpoint::unix_path("/nosuchfolder/socket")),
                    "bind(/nosuchfolder/socket): No such file or directory");
  CHECK_AWAIT_FAILS_WITH(UnixStream::connect(Endpoint::unix_path("/nosuchfolder/socket")),
                         "connect(/nosuchfolder/socket): No such file or directory");
}

IO_TEST("unix: a connect waits while the listener's queue is full, and closes its socket when it is cancelled") {
  const Endpoint where = own_name("full");
  UnixListener listener(where, {.backlog = 0});
  UnixStream first = co_await UnixStream::connect(where);
  auto second = coil::create_task(UnixStream::connect(where));
  auto third = coil::create_task(UnixStream::connect(where));
  co_await settle();
  CHECK(!second.done());
  third.cancel();
  CHECK_AWAIT_THROWS(third, coil::CancelledError);
  const UnixStream one = co_await listener.accept();
  const UnixStream client = co_await second;
  const UnixStream two = co_await listener.accept();
  CHECK(client.is_open());
  CHECK_AWAIT_THROWS(coil::wait_for(listener.accept(), 1h), coil::TimeoutError);
}

IO_TEST("unix: a pair is connected, and its sides know who made it") {
  auto [left, right] = UnixStream::pair();
  co_await left.write_all("text");
  const std::string text = co_await read_some(right);
  CHECK(text == "text");
  const UnixStream::Credentials who = right.peer_credentials();
  CHECK(who.pid == ::getpid());
  CHECK(who.uid == ::getuid());
  CHECK(who.gid == ::getgid());
}

// ---- Descriptors passed along ----------------------------------------------------------------------------

IO_TEST("unix: descriptors are passed along, and are close-on-exec") {
  auto [left, right] = UnixStream::pair();
  coil_test::Ends pipe = coil_test::make_pipe();
  const int numbers[] = {pipe.in, pipe.out};
  co_await left.write_with_fds("two", numbers);
  const GuardedBuffer buffer(16);
  UnixStream::Message message = co_await right.read_with_fds(buffer.bytes());
  CHECK(text_of(buffer, message) == "two");
  CHECK(!message.fds_lost);
  REQUIRE(message.fds.size() == 2);
  for (const coil::Fd& fd : message.fds) CHECK(::fcntl(fd.number(), F_GETFD) == FD_CLOEXEC);
  put(message.fds[0].number(), "through");
  CHECK(take_all(message.fds[1].number()) == "through");
}

IO_TEST("unix: bytes without descriptors have none, and the end is 0") {
  auto [left, right] = UnixStream::pair();
  co_await left.write_with_fds("text", {});
  co_await left.write_eof();
  const GuardedBuffer buffer(16);
  const UnixStream::Message message = co_await right.read_with_fds(buffer.bytes());
  CHECK(text_of(buffer, message) == "text");
  CHECK(message.fds.empty());
  const UnixStream::Message end = co_await right.read_with_fds(buffer.bytes());
  CHECK(end.size == 0);
}

IO_TEST("unix: much is written whole, with the descriptors at its beginning") {
  auto [left, right] = UnixStream::pair();
  const coil_test::Ends pipe = coil_test::make_pipe();
  const std::string much(1 << 20, 'm');
  const int numbers[] = {pipe.in};
  auto writing = coil::create_task(left.write_with_fds(much, numbers));
  const GuardedBuffer head(1);
  const UnixStream::Message message = co_await right.read_with_fds(head.bytes());
  CHECK(message.fds.size() == 1);
  const GuardedBuffer rest(much.size() - 1);
  co_await right.read_exactly(rest.bytes());
  co_await writing;
  CHECK(rest.text() == much.substr(1));
}

IO_TEST("unix: no byte, and more descriptors than fit, are refused at the call") {
  auto [left, right] = UnixStream::pair();
  const std::vector<int> many(254, 0);
  CHECK_THROWS_AS(static_cast<void>(left.write_with_fds("", {})), std::invalid_argument);
  CHECK_THROWS_AS(static_cast<void>(left.write_with_fds("x", many)), std::invalid_argument);
  const std::vector<int> most(UnixStream::fds_max, 0);
  co_await left.write_with_fds("x", most);
  const GuardedBuffer buffer(4);
  const UnixStream::Message message = co_await right.read_with_fds(buffer.bytes());
  CHECK(message.fds.size() == UnixStream::fds_max);
}

IO_TEST("unix: descriptors for which there is no room are lost, and none of them stays open") {
  auto [left, right] = UnixStream::pair();
  const std::vector<int> ten(10, 0);
  const GuardedBuffer buffer(4);
  for (int round = 0; round < 20; ++round) {
    co_await left.write_with_fds("x", ten);
    const coil_test::DescriptorLimit few(3);
    const UnixStream::Message message = co_await right.read_with_fds(buffer.bytes());
    CHECK(message.size == 1);
    CHECK(message.fds_lost);
    CHECK(message.fds.size() == 3);
  }
}

IO_TEST("unix: a stream that goes while descriptors are being passed ends that with ECANCELED") {
  auto [left, right] = UnixStream::pair();
  coil_test::fill_up(left.fd());
  auto writing = coil::create_task(left.write_with_fds("x", {}));
  const GuardedBuffer buffer(4);
  auto reading = coil::create_task(left.read_with_fds(buffer.bytes()));
  co_await settle();
  {
    const UnixStream gone = std::move(left);
  }
  CHECK_AWAIT_THROWS(writing, std::system_error);
  CHECK_AWAIT_THROWS(reading, std::system_error);
}
