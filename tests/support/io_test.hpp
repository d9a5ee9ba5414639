// IO_TEST("sentence about behaviour") { body }: a LOOP_TEST for operations on descriptors. It also fails if
//   - an operation of the kernel is still in flight after the tasks that the body left were cancelled,
//   - a completion came with EFAULT: the kernel found a buffer gone (guarded_buffer.hpp).
#pragma once
#include "guarded_buffer.hpp"
#include "loop_test.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <coil/coil.hpp>
#include <coil/detail/ring.hpp>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <system_error>

#include "loop_parts.hpp"

namespace coil_test {

/// The ring of the running loop.
inline coil::detail::Ring& running_ring() { return *coil::detail::parts_of(*coil::detail::this_loop).ring; }

inline coil::Metrics metrics() { return coil::get_running_loop().metrics(); }

inline coil::Coro<void> end_operations() {
  for (const coil::TaskRef& task : coil::all_tasks())
    if (task != coil::current_task()) task.cancel();
  while (metrics().tasks > 1) co_await coil::yield();
  // What was closed at the end of a body is let go by the kernel within some turns.
  for (int turn = 0; turn < 8 && metrics().operations_in_flight != 0; ++turn) co_await coil::yield();
  CHECK_MESSAGE(metrics().operations_in_flight == 0, "operations are in flight for no task");
  CHECK_MESSAGE(running_ring().counters().faults == 0, "the kernel was given a buffer that is gone (EFAULT)");
}

inline void run_io_test(coil::Coro<void> (*body)(Reports&), const coil::RunOptions& options = virtual_time) {
  LeakCheck leaks;
  Reports reports;
  auto main = [&]() -> coil::Coro<void> {
    reports.collect_from(coil::get_running_loop());
    auto outcome = co_await coil::as_result(body(reports));
    co_await end_operations();
    outcome.value();
  };
  coil::run(main, options);
}

// ---- Descriptors to try things on ------------------------------------------------------------------------

/// A descriptor that is closed at the end.
class Fd {
public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {
    if (number < 0) throw std::system_error(errno, std::system_category(), "a descriptor for a test");
  }
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Fd() { close(); }

  operator int() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }
  /// Gives the descriptor up: somebody else closes it.
  int release() { return std::exchange(number_, -1); }

private:
  int number_ = -1;
};

/// Two connected ends: what is written to `in` is read from `out`. Of a socket or terminal both do both.
struct Ends {
  Fd out;
  Fd in;
};

inline void check_call(int result, const char* call) {
  if (result < 0) throw std::system_error(errno, std::system_category(), call);
}

inline Ends make_pipe(int flags = 0) {
  int ends[2];
  check_call(::pipe2(ends, flags | O_CLOEXEC), "pipe2");
  return {Fd(ends[0]), Fd(ends[1])};
}

inline Ends make_socket_pair(int type = SOCK_STREAM) {
  int ends[2];
  check_call(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), "socketpair");
  return {Fd(ends[0]), Fd(ends[1])};
}

/// A TCP connection over the loopback device.
inline Ends make_tcp_pair() {
  Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  check_call(::bind(listener, generic, size), "bind");
  check_call(::listen(listener, 1), "listen");
  check_call(::getsockname(listener, generic, &size), "getsockname");
  Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check_call(::connect(client, generic, size), "connect");
  return {Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)), std::move(client)};
}

/// A terminal that passes bytes on as they are: `out` is the program's side, `in` the user's.
inline Ends make_terminal(int flags = 0) {
  Fd user(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | flags));
  char name[128];
  check_call(::grantpt(user), "grantpt");
  check_call(::unlockpt(user), "unlockpt");
  check_call(-::ptsname_r(user, name, sizeof name), "ptsname_r");
  Fd program(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | flags));
  termios settings{};
  check_call(::tcgetattr(program, &settings), "tcgetattr");
  ::cfmakeraw(&settings);
  check_call(::tcsetattr(program, TCSANOW, &settings), "tcsetattr");
  return {std::move(program), std::move(user)};
}

inline Fd make_eventfd(unsigned count = 0, int flags = 0) { return Fd(::eventfd(count, EFD_CLOEXEC | flags)); }

inline void set_nonblocking(int fd) { check_call(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK), "fcntl"); }

/// A new directory, removed at the end with all that is in it.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "coil-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::system_error(errno, std::system_category(), "mkdtemp");
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  /// Makes a file in it; gives its path.
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(*this / name, std::ios::binary) << content;
    return *this / name;
  }
  /// An open file in it, for reading and writing.
  Fd open(const std::string& name, const std::string& content) const {
    return Fd(::open(file(name, content).c_str(), O_RDWR | O_CLOEXEC));
  }

private:
  std::filesystem::path path_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Writes without the loop, to something that has room.
inline void put(int fd, std::string_view text) {
  if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::system_error(errno, std::system_category(), "write");
}

/// What can be read at once, without the loop.
inline std::string take_all(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  std::string taken;
  char part[4096];
  for (ssize_t size = 0; (size = ::read(fd, part, sizeof part)) > 0;)
    taken.append(part, static_cast<std::size_t>(size));
  ::fcntl(fd, F_SETFL, flags);
  return taken;
}

/// Writes as much as fits; gives how much that was.
inline std::size_t fill_up(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  std::size_t total = 0;
  for (std::size_t size = 65536; size != 0; size /= 2) {
    const std::string part(size, 'f');
    for (ssize_t done = 0; (done = ::write(fd, part.data(), size)) > 0;) total += static_cast<std::size_t>(done);
  }
  ::fcntl(fd, F_SETFL, flags);
  return total;
}

/// Segments of a TCP connection that are under way.
inline unsigned unacknowledged(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  check_call(::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size), "getsockopt(TCP_INFO)");
  return info.tcpi_unacked;
}

/// One read into a guarded buffer, as text.
inline coil::Coro<std::string> read_text(int fd, std::size_t max = 64) {
  GuardedBuffer buffer(max);
  const std::size_t size = co_await coil::read(fd, buffer.bytes());
  co_return buffer.text(size);
}

/// One write from a guarded buffer.
inline coil::Coro<std::size_t> write_text(int fd, std::string text) {
  GuardedBuffer buffer(text);
  const std::size_t size = co_await coil::write(fd, std::span<const std::byte>(buffer.bytes()));
  co_return size;
}

/// Text in which every place can be told from the others.
inline std::string numbers(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + ' ';
  text.resize(size);
  return text;
}

/// Reads all there is until the end.
inline coil::Coro<std::string> receive_all(int fd) {
  std::string all;
  for (std::string part; !(part = co_await read_text(fd, 65536)).empty();) all += part;
  co_return all;
}

/// Lets the tasks that are ready run until all of them wait, without letting time pass.
inline coil::Coro<void> settle() {
  for (int i = 0; i < 5; ++i) co_await coil::yield();
}

}  // namespace coil_test

#define COIL_TEST_IO_TEST(body, sentence)                    \
  static coil::Coro<void> body(coil_test::Reports& reports); \
  TEST_CASE(sentence) { coil_test::run_io_test(body); }      \
  static coil::Coro<void> body([[maybe_unused]] coil_test::Reports& reports)
#define IO_TEST(sentence) COIL_TEST_IO_TEST(DOCTEST_ANONYMOUS(io_test_body_), sentence)
