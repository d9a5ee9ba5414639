// The cases of threads, processes and tasks on coil: `coil-models CASE COUNT`.
#include <algorithm>
#include <deque>
#include <span>
#include <thread>
#include <vector>

#include <coil/coil.hpp>

#include "../models.hpp"

namespace {

using models::Message;

coil::Coro<void> to_thread(long count) {
  co_await coil::to_thread([] {});  // starts the thread
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) co_await coil::to_thread([] {});
  watch.print_ns_each("to_thread", count);
}

coil::Coro<void> call_soon_threadsafe(long count) {
  constexpr long threads = 4;
  coil::Loop& loop = coil::get_running_loop();
  auto all = loop.create_future<void>();
  long called = 0;
  const measure::Stopwatch watch;
  std::vector<std::thread> callers;
  for (long t = 0; t < threads; ++t) {
    callers.emplace_back([&] {
      for (long i = 0; i < count / threads; ++i)
        loop.call_soon_threadsafe([&] {
          if (++called == count / threads * threads) all.set_result();
        });
    });
  }
  co_await all;
  watch.print_ns_each("call_soon_threadsafe", count);
  for (std::thread& caller : callers) caller.join();
}

coil::Coro<void> threadsafe_queue(long count) {
  coil::ThreadsafeQueue<long> queue;
  const measure::Stopwatch watch;
  std::thread maker([&] {
    for (long i = 0; i < count; ++i) queue.put_blocking(i);
  });
  long sum = 0;
  for (long i = 0; i < count; ++i) sum += co_await queue.get();
  watch.print_ns_each("threadsafe_queue", count);
  maker.join();
  if (sum != count * (count - 1) / 2) std::abort();
}

coil::Coro<void> subprocess(long count) {
  const coil::Command command("/bin/true");
  const measure::Stopwatch watch;
  for (long i = 0; i < count; ++i) {
    coil::Process child = co_await coil::create_subprocess_exec(command);
    co_await child.wait();
  }
  watch.print_ns_each("subprocess", count);
}

coil::Coro<void> pass_on(coil::Semaphore& mine, coil::Semaphore& next, long& left) {
  for (;;) {
    co_await mine.acquire();
    const bool last = --left <= 0;
    next.release();
    if (last) break;
  }
}

coil::Coro<void> hand_over(long units) {
  const long count = models::hand_overs(units, 1'000'000);
  long left = count;
  std::deque<coil::Semaphore> turns;
  for (long i = 0; i < units; ++i) turns.emplace_back(0);
  std::vector<coil::Task<void>> tasks;
  for (std::size_t i = 0; i < turns.size(); ++i)
    tasks.push_back(coil::create_task(pass_on(turns[i], turns[(i + 1) % turns.size()], left)));
  co_await coil::yield();
  const measure::Stopwatch watch;
  turns[0].release();
  for (const auto& task : tasks) co_await task;
  watch.print_ns_each("switch", count);
}

coil::Coro<void> answer(coil::Queue<Message>& there, coil::Queue<Message>& back, long count) {
  for (long i = 0; i < count; ++i) {
    const Message message = co_await there.get();
    co_await back.put(message);
  }
}

coil::Coro<void> message(long count) {
  coil::Queue<Message> there(1);
  coil::Queue<Message> back(1);
  const auto answering = coil::create_task(answer(there, back, count));
  const measure::Stopwatch watch;
  Message message{};
  for (long i = 0; i < count; ++i) {
    message.number = i;
    co_await there.put(message);
    message = co_await back.get();
  }
  watch.print_ns_each("message", count);
  co_await answering;
}

coil::Coro<void> compute() {
  if (models::compute() == 0) std::abort();
  co_return;
}

coil::Coro<void> cpu_bound(long units) {
  const measure::Stopwatch watch;
  std::vector<coil::Coro<void>> all;
  for (long i = 0; i < units; ++i) all.push_back(compute());
  co_await coil::gather(std::move(all));
  models::print_ms("cpu_bound", watch);
}

coil::Coro<void> answer_bytes(int fd) {
  std::byte byte{};
  const std::span<std::byte> buffer(&byte, 1);
  for (long round = 0; round < models::Peer::rounds; ++round) {
    co_await coil::recv(fd, buffer);
    co_await coil::send(fd, buffer);
  }
}

coil::Coro<void> io_bound(long units) {
  models::Peer peer(units);
  const measure::Stopwatch watch;
  std::vector<coil::Coro<void>> all;
  for (long i = 0; i < units; ++i) all.push_back(answer_bytes(peer.fd(i)));
  peer.start();
  co_await coil::gather(std::move(all));
  peer.join();
  models::print_ms("io_bound", watch);
}

template <coil::Coro<void> (*body)(long)>
void run(long count) {
  coil::run(body(count));
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run_case(argc, argv,
                           {{"to_thread", run<to_thread>},
                            {"call_soon_threadsafe", run<call_soon_threadsafe>},
                            {"threadsafe_queue", run<threadsafe_queue>},
                            {"subprocess", run<subprocess>},
                            {"switch", run<hand_over>},
                            {"message", run<message>},
                            {"cpu_bound", run<cpu_bound>},
                            {"io_bound", run<io_bound>}});
}
