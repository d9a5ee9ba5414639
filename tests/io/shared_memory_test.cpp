// Memory that processes share, and a queue in it: also when one of them is killed.
#include <coil/fork_process.hpp>
#include <coil/shared_memory.hpp>

#include "../support/process_test.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using coil::Coro;
using coil::fork_process;
using coil::ForkedProcess;
using coil::MessagePipe;
using coil::SharedMemory;
using coil::SharedQueue;
using coil::detail::OwnedFd;

namespace {

struct Item {
  int number;
  double half;
};

}  // namespace

PROCESS_TEST("SharedMemory: begins with zeros; what a forked child writes is seen here") {
  SharedMemory memory(10'000);
  CHECK(memory.size() == 10'000);
  CHECK(std::accumulate(memory.data(), memory.data() + memory.size(), 0U,
                        [](unsigned sum, std::byte b) { return sum + std::to_integer<unsigned>(b); }) == 0);
  auto body = [&](MessagePipe&) -> Coro<void> {
    memory.bytes().back() = std::byte{42};
    co_await coil::yield();
  };
  ForkedProcess child = fork_process(body);
  const int code = co_await child.process().wait();
  CHECK(code == 0);
  CHECK(memory.bytes().back() == std::byte{42});
  SharedMemory moved = std::move(memory);
  CHECK(memory.data() == nullptr);
  CHECK(moved.size() == 10'000);
}

PROCESS_TEST("SharedMemory: its descriptor goes through a MessagePipe; its size cannot be changed") {
  auto [ours, theirs] = MessagePipe::pair();
  SharedMemory memory(100);
  memory.data()[7] = std::byte{7};
  CHECK(::ftruncate(memory.fd(), 10) != 0);
  CHECK(::fcntl(memory.fd(), F_GETFD) == FD_CLOEXEC);
  const std::array passed{memory.fd()};
  co_await ours.send("memory", passed);
  auto message = co_await theirs.recv_message();
  REQUIRE(message);
  SharedMemory same(std::move(message->descriptors.at(0)));
  CHECK(same.size() == 100);
  CHECK(same.data()[7] == std::byte{7});
  CHECK(same.data() != memory.data());
}

TEST_CASE("SharedMemory: what is no shared memory is refused") {
  coil_test::LeakCheck leaks;
  CHECK_THROWS_AS(SharedMemory(0), std::invalid_argument);
  CHECK_THROWS_AS(SharedMemory(SIZE_MAX), std::system_error);
  CHECK_THROWS_AS(SharedMemory(OwnedFd(::memfd_create("unsealed", MFD_CLOEXEC))), std::invalid_argument);
  CHECK_THROWS_AS(SharedMemory(OwnedFd(::open("/dev/null", O_RDWR | O_CLOEXEC))), std::invalid_argument);
  CHECK_THROWS_AS(SharedMemory(OwnedFd(-1)), std::system_error);
}

PROCESS_TEST("SharedQueue: a forked child puts, the parent takes, in order, and is told when the child has ended") {
  for (const std::size_t maxsize : {1U, 7U, 1000U}) {
    constexpr int items = 500;
    SharedQueue<Item> queue(maxsize);
    auto body = [&](MessagePipe&) -> Coro<void> {
      queue.close_get();
      for (int i = 0; i < items; ++i) co_await queue.put(Item{i, i * 0.5});
    };
    ForkedProcess child = fork_process(body);
    queue.close_put();
    int count = 0;
    bool in_order = true;
    try {
      for (;;) {
        const auto [number, half] = co_await queue.get();
        in_order = in_order && number == count && half == number * 0.5;
        ++count;
      }
    } catch (const coil::QueueShutDown&) {
    }
    CHECK(in_order);
    CHECK(count == items);
    const int code = co_await child.process().wait();
    CHECK(code == 0);
  }
}

PROCESS_TEST("SharedQueue: three children share the work, and answer through another queue") {
  constexpr int jobs = 300;
  SharedQueue<int> work(4);
  SharedQueue<int> answers(4);
  auto worker = [&](MessagePipe&) -> Coro<void> {
    work.close_put();
    answers.close_get();
    try {
      for (;;) {
        const int job = co_await work.get();
        co_await answers.put(job * job);
      }
    } catch (const coil::QueueShutDown&) {
    }
  };
  std::vector<ForkedProcess> children;
  for (int i = 0; i < 3; ++i) children.push_back(fork_process(worker));
  work.close_get();
  answers.close_put();
  auto put_all = [&]() -> Coro<void> {
    for (int i = 1; i <= jobs; ++i) co_await work.put(i);
    work.close_put();
  };
  auto putting = coil::create_task(put_all());
  long sum = 0;
  int count = 0;
  try {
    for (;;) {
      sum += co_await answers.get();
      ++count;
    }
  } catch (const coil::QueueShutDown&) {
  }
  co_await putting;
  CHECK(count == jobs);
  CHECK(sum == jobs * (jobs + 1L) * (2 * jobs + 1L) / 6);
  for (ForkedProcess& child : children) {
    const int code = co_await child.process().wait();
    CHECK(code == 0);
  }
}

PROCESS_TEST("SharedQueue: children that are killed at any moment hang nobody, and leave it intact") {
  for (int round = 0; round < (coil_test::sanitized ? 5 : 20); ++round) {
    SharedQueue<std::array<int, 64>> queue(3);
    auto put_for_ever = [&](MessagePipe&) -> Coro<void> {
      queue.close_get();
      for (int i = 0;; ++i) {
        std::array<int, 64> item;
        item.fill(i);
        co_await queue.put(item);
      }
    };
    ForkedProcess one = fork_process(put_for_ever);
    ForkedProcess two = fork_process(put_for_ever);
    queue.close_put();
    bool whole = true;
    int count = 0;
    try {
      for (;;) {
        const auto item = co_await queue.get();
        for (const int part : item) whole = whole && part == item[0];
        if (++count == 10 + round) one.process().kill();
        if (count == 20 + round) two.process().kill();
      }
    } catch (const coil::QueueShutDown&) {
    }
    CHECK(whole);
    CHECK(count >= 20 + round);
    CHECK(queue.qsize() == 0);
    co_await one.process().wait();
    co_await two.process().wait();
  }
}

PROCESS_TEST("SharedQueue: a process that dies with the lock does not take it along") {
  SharedQueue<int> queue(2);
  auto body = [&](MessagePipe&) -> Coro<void> {
    co_await queue.put(1);
    // As if it were killed in the midst of a call: the mutex is where the header has it.
    auto* header =
        static_cast<std::byte*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, queue.descriptors()[0], 0));
    auto* mutex = reinterpret_cast<pthread_mutex_t*>(header + 64);
    if (::pthread_mutex_lock(mutex) != 0) ::_exit(3);
    ::kill(::getpid(), SIGKILL);
  };
  ForkedProcess child = fork_process(body);
  const int code = co_await child.process().wait();
  CHECK(code == -SIGKILL);
  const int item = co_await queue.get();
  CHECK(item == 1);
  co_await queue.put(2);
  const int next = co_await queue.get();
  CHECK(next == 2);
}

PROCESS_TEST("SharedQueue: put ends when nobody is left that takes, as soon as it would wait") {
  SharedQueue<int> queue(2);
  auto body = [&](MessagePipe& pipe) -> Coro<void> {
    queue.close_put();
    const auto end = co_await pipe.recv();
    static_cast<void>(end);
  };
  ForkedProcess child = fork_process(body);
  queue.close_get();
  co_await queue.put(1);
  co_await queue.put(2);
  CHECK(!queue.try_put_nowait(3));
  auto waiting = coil::create_task(queue.put(3));
  co_await coil::yield();
  CHECK(!waiting.done());
  child.process().kill();
  CHECK_AWAIT_THROWS(waiting, coil::QueueShutDown);
  CHECK_AWAIT_THROWS(queue.get(), std::logic_error);
  co_await child.process().wait();
}

PROCESS_TEST("SharedQueue: a get that is cancelled takes nothing") {
  SharedQueue<int> queue(2);
  auto get = coil::create_task(queue.get());
  co_await coil::yield();
  get.cancel();
  CHECK_AWAIT_THROWS(get, coil::CancelledError);
  co_await queue.put(1);
  CHECK(queue.qsize() == 1);
  CHECK(queue.maxsize() == 2);
}

PROCESS_TEST("SharedQueue: its descriptors make the same queue elsewhere; others are refused") {
  SharedQueue<int> queue(2);
  auto [ours, theirs] = MessagePipe::pair();
  for (int i = 0; i < 2; ++i) {
    const auto passed = queue.descriptors();
    co_await ours.send("queue", passed);
  }
  auto message = co_await theirs.recv_message();
  REQUIRE(message);
  SharedQueue<int> same(message->descriptors);
  co_await queue.put(5);
  const int item = co_await same.get();
  CHECK(item == 5);
  message = co_await theirs.recv_message();
  REQUIRE(message);
  CHECK_THROWS_AS(SharedQueue<double>(message->descriptors), std::invalid_argument);
  CHECK_THROWS_AS(SharedQueue<int>(0), std::invalid_argument);
  CHECK_THROWS_AS(SharedQueue<int>(std::span<OwnedFd>()), std::invalid_argument);
  std::array<OwnedFd, 5> nonsense;
  SharedMemory memory(50);
  nonsense[0] = OwnedFd(::fcntl(memory.fd(), F_DUPFD_CLOEXEC, 0));
  CHECK_THROWS_AS(SharedQueue<int>(std::span<OwnedFd>(nonsense)), std::invalid_argument);
}
