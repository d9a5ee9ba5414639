// What waits for the kernel, in small programs that end by themselves: for tests that cancel them and have them fail. Each
// makes anew what it needs.
#pragma once
#include "net_test.hpp"

#include <sys/uio.h>
#include <coil/coil.hpp>

#include <array>
#include <string>
#include <vector>

namespace coil_test::kernel {

using namespace std::chrono_literals;
using coil::Coro;

// ---- Operations on descriptors ---------------------------------------------------------------------------

inline Coro<void> pipes() {
  const Ends pipe = coil_test::make_pipe();
  const GuardedBuffer room(8);
  const auto reader = [&]() -> Coro<void> {
    co_await coil::read(pipe.out, room.bytes());
    co_await coil::read_exactly(pipe.out, room.bytes());
    co_await coil::readable(pipe.out);
    std::array<iovec, 1> pieces{iovec{room.data(), room.size()}};
    co_await coil::readv(pipe.out, pieces);
  };
  const auto writer = [&]() -> Coro<void> {
    const GuardedBuffer data("eight...");
    co_await coil::write(pipe.in, std::span<const std::byte>(data.bytes()));
    co_await coil::sleep(1ms);
    co_await coil::write_all(pipe.in, std::span<const std::byte>(data.bytes()));
    std::array<iovec, 1> pieces{iovec{data.data(), data.size()}};
    co_await coil::writev(pipe.in, pieces);
  };
  co_await coil::gather(reader(), writer());
}

inline Coro<void> sockets() {
  Ends pair = coil_test::make_socket_pair();
  const GuardedBuffer room(4);
  const auto receiver = [&]() -> Coro<void> {
    co_await coil::recv(pair.out, room.bytes());
    iovec piece{room.data(), room.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    co_await coil::recvmsg(pair.out, message);
    co_await coil::recv(pair.out, room.bytes());
  };
  const auto sender = [&]() -> Coro<void> {
    const GuardedBuffer data("data");
    co_await coil::send(pair.in, std::span<const std::byte>(data.bytes()));
    iovec piece{data.data(), data.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    co_await coil::sendmsg(pair.in, message);
    co_await coil::shutdown(pair.in, SHUT_WR);
  };
  co_await coil::gather(receiver(), sender());
}

inline Coro<void> blocked_writers() {
  Ends pair = coil_test::make_socket_pair();
  coil_test::fill_up(pair.in);
  const auto sender = [&]() -> Coro<void> { co_await coil::send_all(pair.in, std::string_view("more")); };
  const auto emptier = [&]() -> Coro<void> {
    co_await coil::sleep(1ms);
    coil_test::take_all(pair.out);
  };
  co_await coil::gather(sender(), sender(), emptier());
}

inline Coro<void> paths() {
  const TemporaryDirectory directory;
  const int fd = co_await coil::openat(AT_FDCWD, directory / "f", O_CREAT | O_RDWR, 0600);
  const coil_test::Fd kept(fd);
  co_await coil::fsync(fd);
  co_await coil::statx(AT_FDCWD, directory / "f", 0, STATX_SIZE);
  co_await coil::renameat(AT_FDCWD, directory / "f", AT_FDCWD, directory / "g");
  co_await coil::mkdirat(AT_FDCWD, directory / "d", 0700);
  co_await coil::unlinkat(AT_FDCWD, directory / "g", 0);
}

inline Coro<void> files() {
  const TemporaryDirectory directory;
  co_await coil::write_file(directory / "f", "twelve bytes");
  coil::File file = co_await coil::File::open(directory / "f", O_RDWR);
  const GuardedBuffer room(12);
  co_await file.read(room.bytes());
  co_await file.write_at("more", 12);
  co_await file.truncate(3);
  co_await file.size();
  co_await file.fsync();
  co_await file.close();
  co_await coil::read_file(directory / "f");
}

inline Coro<void> moving() {
  const TemporaryDirectory directory;
  const coil_test::Fd file = directory.open("f", std::string(100'000, 'x'));
  const Ends sockets = coil_test::make_socket_pair();
  const auto send = [&]() -> Coro<void> { co_await coil::sendfile(sockets.in, file, 0, 100'000); };
  const auto take = [&]() -> Coro<void> {
    const GuardedBuffer room(4096);
    for (std::size_t left = 100'000; left != 0;) left -= co_await coil::recv(sockets.out, room.bytes());
  };
  co_await coil::gather(send(), take());
}

// ---- Sockets ---------------------------------------------------------------------------------------------

template <class Listener, class Client>
Coro<void> serve_one(Listener& listener) {
  Client connection = co_await listener.accept();
  const GuardedBuffer room(16);
  while (const std::size_t size = co_await connection.read_some(room.bytes()))
    co_await connection.write_all(std::span<const std::byte>(room.bytes().first(size)));
}

inline Coro<void> tcp() {
  coil::TcpListener listener(coil::Endpoint("127.0.0.1", 0));
  const auto client = [&]() -> Coro<void> {
    coil::TcpStream stream = co_await coil::TcpStream::connect(listener.endpoint());
    const GuardedBuffer room(16);
    co_await stream.write_all("hello");
    co_await stream.read_some(room.bytes());
    co_await stream.write_eof();
    co_await stream.read_some(room.bytes());
  };
  co_await coil::gather(serve_one<coil::TcpListener, coil::TcpStream>(listener), client());
  co_await listener.close();
}

inline Coro<void> unix_sockets() {
  const TemporaryDirectory directory;
  coil::UnixListener listener(coil::Endpoint::unix_path(directory / "s"));
  const auto client = [&]() -> Coro<void> {
    coil::UnixStream stream = co_await coil::UnixStream::connect(listener.endpoint());
    const std::array<int, 1> passed{0};
    co_await stream.write_with_fds("hello", passed);
    const GuardedBuffer room(16);
    co_await stream.read_some(room.bytes());
  };
  const auto server = [&]() -> Coro<void> {
    coil::UnixStream stream = co_await listener.accept();
    const GuardedBuffer room(16);
    const auto message = co_await stream.read_with_fds(room.bytes());
    co_await stream.write_all("back");
  };
  co_await coil::gather(server(), client());
}

inline Coro<void> udp() {
  coil::UdpSocket one(coil::Endpoint("127.0.0.1", 0));
  coil::UdpSocket other(coil::Endpoint("127.0.0.1", 0));
  const auto receive = [&]() -> Coro<void> {
    const GuardedBuffer room(16);
    co_await one.recv_from(room.bytes());
    co_await one.recv_from(room.bytes());
  };
  const auto send = [&]() -> Coro<void> {
    co_await other.send_to("hello", one.sock_name());
    co_await coil::sleep(1ms);
    co_await other.send_to("", one.sock_name());
  };
  co_await coil::gather(receive(), send());
}

inline Coro<void> message_pipes() {
  auto ends = coil::MessagePipe::pair();
  const auto send = [&]() -> Coro<void> {
    co_await ends.first.send("message");
    const std::string large(300'000, 'x');
    co_await ends.first.send(large);
  };
  const auto receive = [&]() -> Coro<void> {
    co_await ends.second.recv();
    co_await ends.second.recv();
  };
  co_await coil::gather(send(), receive());
}

// ---- Streams and servers ---------------------------------------------------------------------------------

inline Coro<void> streams() {
  auto pair = coil::Stream::pair();
  const auto writer = [&]() -> Coro<void> {
    pair.first.write("a line\nand ");
    co_await pair.first.drain();
    co_await coil::sleep(1ms);
    co_await pair.first.write_all("the rest");
    co_await pair.first.aclose();
  };
  const auto reader = [&]() -> Coro<void> {
    co_await pair.second.read_line();
    co_await pair.second.read_exactly(4);
    co_await pair.second.read_all();
  };
  co_await coil::gather(writer(), reader());
}

inline Coro<void> servers() {
  const auto echo = [](coil::Stream stream) -> Coro<void> {
    for (;;) {
      const std::string line = co_await stream.read_line();
      if (line.empty()) co_return;
      co_await stream.write_all(line);
    }
  };
  coil::Server server = co_await coil::start_server(echo, coil::Endpoint("127.0.0.1", 0));
  const auto serve = [&]() -> Coro<void> { co_await server.serve_forever(); };
  const auto clients = [&](coil::TaskGroup& group) -> Coro<void> {
    group.create_task(serve);
    coil::Stream stream = co_await coil::open_connection("127.0.0.1", server.port());
    co_await stream.write_all("hello\n");
    co_await stream.read_line();
    co_await stream.aclose();
    server.close();
  };
  co_await coil::task_group(clients);
  co_await server.wait_closed();
}

// ---- Processes -------------------------------------------------------------------------------------------

inline Coro<void> processes() {
  coil::Process cat =
      co_await coil::create_subprocess_exec(coil::Command("cat").stdin_(coil::piped).stdout_(coil::piped));
  const auto output = co_await cat.communicate("text");
  co_await cat.wait();
}

inline Coro<void> forks() {
  const auto child = [](coil::MessagePipe& pipe) -> Coro<int> {
    const auto message = co_await pipe.recv();
    co_await pipe.send(message.value_or("nothing"));
    co_return 0;
  };
  coil::ForkedProcess forked = coil::fork_process(child);
  const auto use = [&](coil::ForkedProcess& process) -> Coro<void> {
    co_await process.pipe().send("ping");
    co_await process.pipe().recv();
    co_await process.process().wait();
  };
  co_await coil::with(std::move(forked), use);
}

}  // namespace coil_test::kernel
