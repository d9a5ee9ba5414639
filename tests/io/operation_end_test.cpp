// The end of a loop with each kind of operation in flight: all are cancelled and waited for, and the kernel does nothing
// for them any more.
#include <coil/coil.hpp>

#include "../support/net_test.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <thread>

using coil::Coro;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::GuardedBuffer;

namespace {

constexpr char untouched = '.';

/// What there is to wait for, kept beyond the loop's end to look at it then.
struct Things {
  coil_test::TemporaryDirectory folder;
  Ends pipe = coil_test::make_pipe();
  Ends other_pipe = coil_test::make_pipe();
  Ends sockets = coil_test::make_socket_pair();
  Ends full_sockets = coil_test::make_socket_pair();
  coil_test::Listener listener{coil::Endpoint("127.0.0.1", 0)};
  coil_test::SilentPeer silent;
  Fd counter = coil_test::make_eventfd();
  Fd connecting{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Fd file = folder.open("file", "");
  std::size_t filled = coil_test::fill_up(full_sockets.in);
  GuardedBuffer read_buffer{16};
  GuardedBuffer receive_buffer{16};
  GuardedBuffer file_buffer{std::size_t{4} << 20};
  coil::ThreadsafeQueue<int> queue;
  pid_t child = -1;

  Things() {
    for (const GuardedBuffer* buffer : {&read_buffer, &receive_buffer, &file_buffer}) buffer->fill(untouched);
    coil_test::check_call(::mkfifo((folder / "fifo").c_str(), 0600), "mkfifo");
    coil_test::check_call(::ftruncate(file, static_cast<off_t>(file_buffer.size())), "ftruncate");
  }
};

Coro<void> wait_for_child(Things& things) {
  coil::Process cat = co_await coil::create_subprocess_exec(coil::Command("cat").stdin_(coil::piped));
  things.child = cat.pid();
  co_await cat.wait();
}

/// Each waits for what does not happen; the read of the file may be done, or not.
std::vector<std::function<Coro<void>()>> kinds(Things& t) {
  return {
      [&t]() -> Coro<void> { co_await coil::read(t.pipe.out, t.read_buffer.bytes()); },
      [&t]() -> Coro<void> { co_await coil::readable(t.pipe.out); },
      [&t]() -> Coro<void> { co_await coil::recv(t.sockets.out, t.receive_buffer.bytes()); },
      [&t]() -> Coro<void> { co_await coil::send_all(t.full_sockets.in, std::string_view("more")); },
      [&t]() -> Coro<void> { const Fd fd(co_await coil::accept(t.listener.fd)); },
      [&t]() -> Coro<void> { co_await coil::connect(t.connecting, t.silent.endpoint()); },
      [&t]() -> Coro<void> { co_await coil::poll(t.counter, POLLIN); },
      [&t]() -> Coro<void> { co_await coil::splice(t.other_pipe.out, t.full_sockets.in, 16); },
      [&t]() -> Coro<void> { const Fd fd(co_await coil::openat(AT_FDCWD, t.folder / "fifo", O_RDONLY)); },
      [&t]() -> Coro<void> { co_await coil::read(t.file, t.file_buffer.bytes(), 0); },
      [&t]() -> Coro<void> { return wait_for_child(t); },
      [&t]() -> Coro<void> { co_await t.queue.get(); },
      []() -> Coro<void> { co_await coil::sleep(coil_test::ages); },
      []() -> Coro<void> {
        co_await coil::to_thread([](std::stop_token asked) {
          while (!asked.stop_requested()) std::this_thread::yield();
        });
      },
  };
}

struct Ended {
  std::size_t cancelled = 0;
  std::size_t done = 0;
};

Coro<void> note_end(std::function<Coro<void>()> begin, Ended& ended) {
  const auto outcome = co_await coil::as_result(begin());
  ++(outcome.cancelled() ? ended.cancelled : ended.done);
}

/// Makes all happen that was waited for, and looks whether anybody has been waiting still.
void check_untouched(Things& things) {
  coil_test::put(things.pipe.in, "one");
  coil_test::put(things.other_pipe.in, "two");
  coil_test::put(things.sockets.in, "three");
  const Fd client = coil_test::make_socket(things.listener.endpoint);
  coil_test::check_call(::connect(client, things.listener.endpoint.address(), things.listener.endpoint.size()),
                        "connect");
  CHECK(coil_test::take_all(things.pipe.out) == "one");
  CHECK(coil_test::take_all(things.other_pipe.out) == "two");
  CHECK(coil_test::take_all(things.sockets.out) == "three");
  CHECK(coil_test::take_all(things.full_sockets.out).size() == things.filled);
  CHECK(Fd(::accept4(things.listener.fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0);
  CHECK(::open((things.folder / "fifo").c_str(), O_WRONLY | O_NONBLOCK) < 0);  // no thread waits in its open
  CHECK(errno == ENXIO);
  CHECK(things.read_buffer.text() == std::string(16, untouched));
  CHECK(things.receive_buffer.text() == std::string(16, untouched));
  CHECK(::kill(things.child, 0) < 0);  // it is reaped
}

/// Starts each kind, has `end` end the loop, and looks.
template <class F>
void end_with_all_in_flight(F end) {
  coil_test::LeakCheck leaks;
  Things things;
  Ended ended;
  std::size_t count = 0;
  const auto begin_all = [&]() -> Coro<void> {
    for (auto& kind : kinds(things)) {
      coil::create_task(note_end(std::move(kind), ended));
      ++count;
    }
    while (things.child < 0) co_await coil::yield();
    co_await coil_test::settle();
    CHECK(coil_test::metrics().operations_in_flight >= 10);
  };
  end(begin_all);
  CHECK(ended.cancelled + ended.done == count);
  CHECK(ended.done <= 1);  // the read of the file
  const std::string content = things.file_buffer.text();
  check_untouched(things);
  CHECK(things.file_buffer.text() == content);
}

}  // namespace

TEST_CASE("operation end: main has returned") {
  end_with_all_in_flight([](auto& begin_all) { coil::run(begin_all); });
}

TEST_CASE("operation end: main has thrown") {
  end_with_all_in_flight([](auto& begin_all) {
    const auto main = [&]() -> Coro<void> {
      co_await begin_all();
      throw std::runtime_error("main failed");
    };
    CHECK_THROWS_WITH(coil::run(main), "main failed");
  });
}

TEST_CASE("operation end: a Runner is closed between two runs") {
  end_with_all_in_flight([](auto& begin_all) {
    coil::Runner runner;
    runner.run(begin_all);
    runner.close();
  });
}

TEST_CASE("operation end: a Runner goes with the exception of its function") {
  end_with_all_in_flight([](auto& begin_all) {
    const auto function = [&] {
      coil::Runner runner;
      runner.run(begin_all);
      throw std::runtime_error("function failed");
    };
    CHECK_THROWS_WITH(function(), "function failed");
  });
}

TEST_CASE("operation end: a ring of one entry, and without what later kernels have") {
  end_with_all_in_flight(
      [](auto& begin_all) { coil::run(begin_all, coil::RunOptions{.ring_entries = 1, .multishot = false}); });
}
