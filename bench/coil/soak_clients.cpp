// The clients of bench/soak.py, of all kinds, good and bad:
//
//   soak-clients PORT SEED RATE [victim]     RATE: messages a second, all together
//
// Answers each line `sample` on stdin by a line of JSON, and ends in order after anything else. A `victim` is killed at
// any time; it tells the server that none of its connections is to be relied on.
#include <linux/filter.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <string>

#include <coil/coil.hpp>

#include "soak_load.hpp"

namespace {

using namespace std::chrono_literals;
using soak::EarlyEnd;
using soak::EchoClient;
using soak::Wrong;
using seconds = std::chrono::duration<double>;

constexpr auto hang_time = 60s;  // without an answer, to one that keeps to what is agreed
constexpr std::size_t size_max = std::size_t{64} << 10;
constexpr std::size_t burst_size_max = std::size_t{8} << 10;
constexpr std::uint64_t burst_max = 32;
constexpr std::size_t deaf_size = std::size_t{8} << 20;  // more than the kernel takes of one who does not read
constexpr std::size_t line_size_max = 2000;
constexpr int echo_clients = 6, pipeline_clients = 3, rooms = 2, room_size = 3;

class Clients {
public:
  Clients(std::uint16_t port, std::uint64_t seed, double rate, bool are_victims)
      : port_(port), random_(seed), bytes_(seed, false), letters_(seed, true), rate_(rate), are_victims_(are_victims) {
    if (are_victims) first_room_ = static_cast<unsigned>(rooms + random_.below(1'000'000'000));
  }

  /// All of them, until `stop()`.
  coil::Coro<void> run() {
    const auto start = [this](coil::TaskGroup& group) -> coil::Coro<void> {
      const auto add = [&](int count, bool is_good, seconds pause, auto kind) {
        for (int i = 0; i < count; ++i) group.create_task(connect_again(is_good, pause, std::bind_front(kind, this)));
      };
      add(echo_clients, true, 5ms, &Clients::echo);
      add(pipeline_clients, true, 5ms, &Clients::pipeline);
      add(2, true, 50ms, &Clients::slow);
      add(4, true, 20ms, &Clients::work);
      for (unsigned room = first_room_; room < first_room_ + rooms; ++room) {
        add(room_size, true, 100ms, [room](Clients* self, std::uint64_t id) { return self->subscribe(id, room); });
        group.create_task(publish_again(room));
      }
      add(2, false, 500ms, &Clients::deaf);
      add(1, false, 500ms, &Clients::deaf_subscriber);
      add(3, false, 100ms, &Clients::reset);
      add(2, false, 200ms, &Clients::half_open);
      add(1, false, 1s, &Clients::silent);
      add(1, false, 50ms, &Clients::brief);
      add(1, false, 1s, &Clients::throwing);
      co_return;
    };
    co_await coil::task_group(start);
  }
  void stop() { stop_.set(); }
  std::string sample() { return tally_.sample(); }

private:
  bool stopping() const noexcept { return stop_.is_set(); }

  /// Waits, but not beyond the end.
  coil::Coro<void> rest(std::chrono::nanoseconds duration) {
    if (duration < 100ms) co_return co_await coil::sleep(duration);
    const auto ended = co_await coil::as_result(coil::wait_for(stop_.wait(), duration));
    if (ended.cancelled()) throw coil::CancelledError();
  }

  /// One connection of that kind after the other.
  template <class F>
  coil::Coro<void> connect_again(bool is_good, seconds pause, F kind) {
    while (!stopping()) {
      co_await visit(is_good, kind);
      co_await rest(random_.pause(pause));
    }
  }
  template <class F>
  coil::Coro<void> visit(bool is_good, F& kind) {
    const std::uint64_t id = next_id_++;
    tally_.connected();
    try {
      co_await kind(id);
    } catch (const Wrong& error) {
      tally_.fault("connection " + std::to_string(id) + ": " + error.what());
    } catch (const coil::TimeoutError&) {
      tally_.fault("connection " + std::to_string(id) + " hangs");
    } catch (const std::exception& error) {
      if (is_good) tally_.early(id, error.what());
    }
    tally_.ended();
  }

  coil::Coro<coil::Stream> connect(char kind, std::uint64_t id, bool is_good, unsigned room = 0) {
    coil::Stream stream = co_await coil::open_connection("127.0.0.1", port_);
    stream.write(soak::to_line({.kind = kind, .id = id, .is_good = is_good && !are_victims_, .room = room}));
    co_return stream;
  }

  // ---- Those that keep to what is agreed ----

  /// Messages of all sizes, one after the other.
  coil::Coro<void> echo(std::uint64_t id) {
    coil::Stream stream = co_await connect('e', id, true);
    EchoClient client(stream, bytes_, id);
    for (std::size_t left = random_.size(500); left > 0 && !stopping(); --left) {
      const std::size_t size = random_.size(size_max);
      const coil::time_point start = coil::get_running_loop().time();
      client.write(size);
      co_await coil::wait_for(client.expect(size), hang_time);
      tally_.latency(coil::get_running_loop().time() - start);
      tally_.message(size);
      co_await rest(random_.pause(seconds(echo_clients / (rate_ * 0.4))));
    }
    if (random_.chance(0.5)) co_await coil::wait_for(client.finish(), hang_time);
  }

  /// Many messages at once, and read while they are sent.
  coil::Coro<void> pipeline(std::uint64_t id) {
    coil::Stream stream = co_await connect('e', id, true);
    EchoClient client(stream, bytes_, id);
    for (std::size_t left = random_.size(50); left > 0 && !stopping(); --left) {
      std::size_t total = 0;
      const std::uint64_t messages = 1 + random_.below(burst_max);
      for (std::uint64_t i = 0; i < messages; ++i) {
        const std::size_t size = random_.size(burst_size_max);
        client.write(size);
        total += size;
        if (random_.chance(0.1)) co_await coil::sleep(0ms);
      }
      co_await coil::wait_for(client.expect(total), hang_time);
      for (std::uint64_t i = 0; i < messages; ++i) tally_.message(total / messages);
      co_await rest(random_.pause(seconds(pipeline_clients * (burst_max / 2) / (rate_ * 0.4))));
    }
    client.write(random_.size(burst_size_max));
    co_await coil::wait_for(client.finish(), hang_time);
  }

  /// Sends much, and takes it back in small pieces.
  coil::Coro<void> slow(std::uint64_t id) {
    coil::Stream stream = co_await connect('e', id, true);
    EchoClient client(stream, bytes_, id);
    const std::size_t size = 4 * random_.size(size_max);
    client.write(size);
    for (std::size_t left = size; left > 0;) {
      left -= co_await coil::wait_for(client.expect_some(4096), hang_time);
      co_await coil::sleep(random_.pause(stopping() ? 0ms : 5ms));
    }
    tally_.message(size);
    co_await coil::wait_for(client.finish(), hang_time);
  }

  coil::Coro<void> work(std::uint64_t id) {
    coil::Stream stream = co_await connect('w', id, true);
    for (std::uint64_t number = 0, end = 1 + random_.below(20); number < end && !stopping(); ++number) {
      const std::string asked = std::to_string(number) + " " + std::to_string(random_.below(200)) + " " +
                                std::to_string(random_.below(200)) + "\n";
      stream.write(asked);
      const std::string answer = co_await coil::wait_for(stream.read_line(), hang_time);
      if (answer.empty()) throw EarlyEnd();
      if (answer != std::to_string(number) + " done\n" && answer != std::to_string(number) + " late\n")
        throw Wrong("asked " + asked + " and got " + answer);
      tally_.message(answer.size());
    }
  }

  /// Says line after line into a room, whoever does it: the numbers go on from one connection to the next.
  coil::Coro<void> publish_again(unsigned room) {
    std::uint64_t number = 0;
    const auto kind = [&](std::uint64_t id) { return publish(id, room, number); };
    co_await connect_again(true, 50ms, kind);
  }
  coil::Coro<void> publish(std::uint64_t id, unsigned room, std::uint64_t& number) {
    coil::Stream stream = co_await connect('p', id, true, room);
    for (std::size_t left = random_.size(300); left > 0 && !stopping(); --left) {
      const std::size_t size = random_.size(line_size_max);
      stream.write(std::to_string(id) + " " + std::to_string(number) + " " + std::to_string(size) + " ");
      stream.write(letters_.at(room, number++, size));
      stream.write("\n");
      const std::string answer = co_await coil::wait_for(stream.read_line(), hang_time);
      if (answer.empty()) throw EarlyEnd();
      if (answer != "ok\n") throw Wrong("a publisher got " + answer);
      co_await rest(random_.pause(seconds(rooms * room_size / (rate_ * 0.2))));
    }
  }

  /// Hears what is said in a room. No line is missing, but for one that was not confirmed to its publisher.
  coil::Coro<void> subscribe(std::uint64_t id, unsigned room) {
    coil::Stream stream = co_await connect('s', id, true, room);
    bool is_enough = false;
    const auto leave = [&]() -> coil::Coro<void> {
      co_await rest(random_.pause(3s));
      is_enough = true;
      stream.write_eof();
    };
    const auto both = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(leave);
      co_await listen(stream, room);
      if (!is_enough) throw EarlyEnd();
    };
    try {
      co_await coil::task_group(both);
    } catch (const coil::ExceptionGroup& failed) {
      std::rethrow_exception(failed.exceptions().front());
    }
  }
  coil::Coro<void> listen(coil::Stream& stream, unsigned room) {
    unsigned long publisher = 0;
    unsigned long last = 0;
    for (bool is_first = true;; is_first = false) {
      const std::string line = co_await stream.read_line();
      if (line.empty() || line.back() != '\n') co_return;
      unsigned long from = 0;
      unsigned long number = 0;
      unsigned long size = 0;
      int place = 0;
      if (std::sscanf(line.c_str(), "%lu %lu %lu %n", &from, &number, &size, &place) != 3)
        throw Wrong("a subscriber got " + line);
      const std::string_view text = std::string_view(line).substr(static_cast<std::size_t>(place));
      if (text.size() != size + 1 || text.substr(0, size) != letters_.at(room, number, size))
        throw Wrong("a subscriber got wrong bytes: " + line);
      const bool is_next = number == last + 1 || (from != publisher && number == last + 2);
      if (!is_first && !is_next)
        throw Wrong("a subscriber got line " + std::to_string(number) + " after " + std::to_string(last));
      publisher = from;
      last = number;
      tally_.message(line.size());
    }
  }

  // ---- Those that do not ----

  /// Sends and never reads.
  coil::Coro<void> deaf(std::uint64_t id) {
    coil::Stream stream = co_await connect('e', id, false);
    EchoClient client(stream, bytes_, id);
    client.write(deaf_size);
    const bool is_patient = random_.chance(0.1);  // longer than the server tries to send
    co_await rest(is_patient ? std::chrono::nanoseconds(40s) : random_.pause(1s));
    stream.abort();
  }
  coil::Coro<void> deaf_subscriber(std::uint64_t id) {
    coil::Stream stream = co_await connect('s', id, false, first_room_);
    co_await rest(random_.pause(5s));
  }

  /// Ends by a reset, in the middle of something.
  coil::Coro<void> reset(std::uint64_t id) {
    coil::Stream stream = co_await connect('e', id, false);
    EchoClient client(stream, bytes_, id);
    const std::size_t size = random_.size(size_max);
    client.write(size);
    if (random_.chance(0.7)) co_await client.expect(random_.below(size + 1));
    if (random_.chance(0.5)) client.write(random_.size(size_max));
    if (random_.chance(0.5)) co_await rest(random_.pause(2ms));
    stream.abort();
  }

  /// Its kernel drops all packets from now on, as if the cable were cut: neither answer nor end comes. Where that is
  /// not permitted it only falls silent.
  coil::Coro<void> half_open(std::uint64_t id) {
    coil::Stream stream = co_await connect('e', id, false);
    EchoClient client(stream, bytes_, id);
    client.write(1000);
    co_await client.expect(1000);
    ::sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    const ::sock_fprog program{.len = 1, .filter = &drop};
    if (::setsockopt(stream.fd(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0)
      tally_.cut_off();
    else if (errno != EPERM)
      throw Wrong("SO_ATTACH_FILTER: errno " + std::to_string(errno));
    client.write(random_.size(size_max));
    co_await rest(random_.pause(1s));
    stream.abort();
  }

  /// Does not say what it wants.
  coil::Coro<void> silent(std::uint64_t) {
    coil::Stream stream = co_await coil::open_connection("127.0.0.1", port_);
    if (random_.chance(0.5)) stream.write("e");
    co_await coil::race(stream.read(), rest(random_.pause(6s)));
  }
  coil::Coro<void> brief(std::uint64_t) { coil::Stream stream = co_await coil::open_connection("127.0.0.1", port_); }
  coil::Coro<void> throwing(std::uint64_t id) {
    coil::Stream stream = co_await connect('t', id, false);
    co_await stream.read();
  }

  std::uint16_t port_;
  soak::Random random_;
  soak::Pattern bytes_;
  soak::Pattern letters_;
  double rate_;  // messages a second
  bool are_victims_;
  unsigned first_room_ = 0;
  std::uint64_t next_id_ = 1;
  soak::Tally tally_;
  coil::Event stop_;
};

coil::Coro<void> answer(Clients& clients) {
  coil::Stream commands = coil::stdin_stream();
  coil::Stream answers = coil::stdout_stream();
  for (;;) {
    const std::string command = co_await commands.read_line();
    if (command != "sample\n") break;
    co_await answers.write_all(clients.sample());
  }
  clients.stop();
}

coil::Coro<void> run_clients(std::uint16_t port, std::uint64_t seed, double rate, bool are_victims) {
  Clients clients(port, seed, rate, are_victims);
  co_await coil::gather(clients.run(), answer(clients));
  coil::Stream answers = coil::stdout_stream();
  co_await answers.write_all(clients.sample());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::fputs("usage: soak-clients PORT SEED RATE [victim]\n", stderr);
    return 2;
  }
  coil::run(run_clients(static_cast<std::uint16_t>(std::stoul(argv[1])), std::stoull(argv[2]), std::stod(argv[3]),
                        argc == 5));
}
