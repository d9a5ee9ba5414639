// Server: a process that has few descriptors, and many clients of the kernel.
#include <coil/server.hpp>

#include "../support/child.hpp"
#include "../support/net_test.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <time.h>
#include <coil/coil.hpp>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using coil::Coro;
using coil::Stream;

namespace {

constexpr rlim_t descriptors = 64;
constexpr std::size_t clients = 1000;

Coro<void> echo(Stream stream) {
  for (;;) {
    const std::string text = co_await stream.read(64);
    if (text.empty()) co_return;
    co_await stream.write_all(text);
  }
}

/// Serves until its standard input ends; says where on stdout, and is told of what it reports.
int serve() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = descriptors;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 98;
  const auto main = []() -> Coro<void> {
    coil::Stream end = coil::stdin_stream();
    coil::Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
    coil_test::tell_parent(std::to_string(server.port()));
    co_await end.read(1);
  };
  coil::run(main);
  return 0;
}

std::size_t descriptors_of(pid_t process) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd"))
    ++count;
  return count;
}

std::chrono::nanoseconds processor_time_of(pid_t process) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return -1ns;
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

class Clients {
public:
  explicit Clients(const coil::Endpoint& there) {
    for (std::size_t i = 0; i < clients; ++i) {
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      coil_test::check_call(socket, "socket");
      polls_.push_back({socket, POLLIN, 0});
      coil_test::check_call(::connect(socket, there.address(), there.size()), "connect");
      const std::string number = std::to_string(i);
      ::send(socket, number.data(), number.size(), MSG_NOSIGNAL);
    }
  }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;
  ~Clients() {
    for (const pollfd& one : polls_)
      if (one.fd >= 0) ::close(one.fd);
  }

  /// Waits until at least `count` have something, for `limit` at the most; gives how many.
  std::size_t wait_answered(std::size_t count, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    std::size_t answered = 0;
    do {
      answered = static_cast<std::size_t>(::poll(polls_.data(), polls_.size(), 0));
    } while (answered < count && std::chrono::steady_clock::now() < end);
    return answered;
  }
  /// Has up to `count` of those that are answered take it and go; gives how many of them got what they had sent.
  std::size_t take_answers(std::size_t count) {
    std::size_t good = 0;
    ::poll(polls_.data(), polls_.size(), 0);
    for (std::size_t i = 0; i < clients && count != 0; ++i) {
      if (polls_[i].fd < 0 || (polls_[i].revents & POLLIN) == 0) continue;
      char text[64];
      const ssize_t size = ::recv(polls_[i].fd, text, sizeof text, 0);
      good += size > 0 && std::string(text, static_cast<std::size_t>(size)) == std::to_string(i);
      ::close(std::exchange(polls_[i].fd, -1));
      --count;
    }
    return good;
  }

private:
  std::vector<pollfd> polls_;
};

/// What came of it, to be checked where doctest hears it.
struct Seen {
  std::size_t at_first = 0;  // answered before the descriptors were used up
  std::chrono::nanoseconds starved_time{};
  std::size_t with_more = 0;   // answered a second after there were 16 descriptors more
  std::size_t with_fewer = 0;  // answered a second after 20 clients had gone
  std::size_t served = 0;
};

void starve(pid_t server, const coil::Endpoint& there, Seen& seen) {
  Clients all(there);
  while (descriptors_of(server) < descriptors) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(100ms);
  seen.at_first = all.wait_answered(1, 0ms);
  const auto before = processor_time_of(server);
  std::this_thread::sleep_for(1s);
  seen.starved_time = processor_time_of(server) - before;
  rlimit limit{};
  ::prlimit(server, RLIMIT_NOFILE, nullptr, &limit);
  limit.rlim_cur = descriptors + 16;
  ::prlimit(server, RLIMIT_NOFILE, &limit, nullptr);
  seen.with_more = all.wait_answered(seen.at_first + 16, 1s);
  seen.served = all.take_answers(20);
  seen.with_fewer = all.wait_answered(seen.with_more, 1s);
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (seen.served < clients && std::chrono::steady_clock::now() < end) {
    all.wait_answered(1, 100ms);
    seen.served += all.take_answers(clients);
  }
}

bool raise_descriptor_limit(rlim_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min(std::max(limit.rlim_cur, wanted), limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted;
}

}  // namespace

TEST_CASE("server: with 64 descriptors and a thousand clients none is lost, and it idles while it has none left" *
          doctest::skip(coil_test::sanitized)) {  // a sanitizer needs descriptors itself
  if (!raise_descriptor_limit(clients + 100)) {
    MESSAGE("not allowed to have a thousand clients here: ulimit -Hn");
    return;
  }
  Seen seen;
  const coil_test::Ends end = coil_test::make_pipe();
  bool begun = false;
  const auto result = coil_test::in_child(
      [&] {
        ::dup2(end.out, STDIN_FILENO);
        return serve();
      },
      [&](pid_t server, const std::string& output) {
        if (std::exchange(begun, true)) return;
        starve(server, coil::Endpoint("127.0.0.1", static_cast<std::uint16_t>(std::stoi(output))), seen);
        coil_test::put(end.in, "x");
      });
  CAPTURE(result.output);
  CHECK(result.exited_with(0));
  CHECK(result.said("Too many open files"));
  CHECK(seen.at_first >= 40);
  CHECK(seen.at_first < descriptors);
  CHECK(seen.starved_time < 50ms);
  CHECK(seen.with_more == seen.at_first + 16);
  CHECK(seen.with_fewer == seen.with_more);
  CHECK(seen.served == clients);
  MESSAGE("processor time in a second without descriptors: ",
          std::chrono::duration_cast<std::chrono::microseconds>(seen.starved_time).count(), " us");
}
