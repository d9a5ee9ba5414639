// The server that bench/soak.py holds under load for hours: an echo, rooms in which everybody hears what one says, and
// work with a time limit, through Stream and start_server; and a task that cancels its connections at random.
//
//   soak-server SEED CANCELS     CANCELS: how many connections are cancelled a second
//
// Prints its port; then answers each line `sample` on stdin by a line of JSON, and ends in order after `quit`.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <coil/coil.hpp>

#include "soak.hpp"

namespace {

using namespace std::chrono_literals;

constexpr auto hello_time = 5s;      // until the first line is there
constexpr auto patience_good = 60s;  // with one that keeps to what is agreed, and says or reads nothing
constexpr auto patience_bad = 500ms;
constexpr std::size_t lines_max = 4096;  // that wait for one subscriber
constexpr std::size_t errors_max = 20;   // that are told; all are counted
constexpr std::string_view injected = "injected";

struct Injected : std::runtime_error {
  Injected() : runtime_error(std::string(injected)) {}
};

/// What ended connections, as often.
struct Counts {
  std::uint64_t ended = 0;  // in order
  std::uint64_t cancelled = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t reset = 0;   // or ended in the middle of something
  std::uint64_t thrown = 0;  // what the exception handler was told of
  std::uint64_t late = 0;    // work that its limit ended
};

class SoakServer {
public:
  SoakServer(std::uint64_t seed, double cancels) : random_(seed), cancels_(cancels) {}

  coil::Coro<void> serve(coil::Stream stream) {
    Visit visit(*this);
    try {
      co_await talk(stream, visit.hello);
      ++counts_.ended;
    } catch (const coil::CancelledError&) {
      ++counts_.cancelled;
      if (!visit.is_chosen) note_error("cancelled, but not by the one who does that");
      throw;
    } catch (const coil::TimeoutError&) {
      ++counts_.timed_out;
      blame(visit, "took too long");
      if (random_.chance(0.5)) stream.abort();  // else what it has not read yet is still sent
    } catch (const coil::IncompleteReadError&) {
      ++counts_.reset;
      blame(visit, "ended in the middle");
    } catch (const std::system_error& error) {
      ++counts_.reset;
      blame(visit, error.what());
    }
  }

  coil::Coro<void> cancel_at_random() {
    while (cancels_ > 0) {
      co_await coil::sleep(random_.pause(std::chrono::duration<double>(1 / cancels_)));
      std::vector<Visit*> known;  // the others have no number yet that one could tell
      for (Visit* visit : visits_) {
        if (visit->hello.kind != '\0') known.push_back(visit);
      }
      if (known.empty()) continue;
      Visit& visit = *known[random_.below(known.size())];
      visit.is_chosen = true;
      if (visit.hello.is_good) chosen_.push_back(visit.hello.id);
      visit.task.cancel("at random");
    }
  }

  void on_exception(const coil::ErrorContext& context) {
    ++counts_.thrown;
    std::string what = context.message;
    try {
      if (context.exception) std::rethrow_exception(context.exception);
    } catch (const Injected&) {
      return;
    } catch (const std::exception& error) {
      what = what + ": " + error.what();
    } catch (...) {
      what += ": something that is no std::exception";
    }
    note_error(what);
  }

  /// Where it stands, in JSON. The connections that were cancelled, and what was wrong, are told once.
  std::string sample(const coil::Server& server) {
    const struct ::mallinfo2 heap = ::mallinfo2();
    const coil::Metrics metrics = coil::get_running_loop().metrics();
    soak::Report report;
    report.add("tasks", metrics.tasks);
    report.add("timers", metrics.timers);
    report.add("operations", metrics.operations_in_flight);
    report.add("frames", static_cast<std::uint64_t>(coil::detail::frame_pool.live()));
    report.add("heap_kib", (heap.uordblks + heap.hblkhd) / 1024);
    report.add("connections", server.connections());
    report.add("handlers", visits_.size());
    report.add("ended", counts_.ended);
    report.add("cancelled", counts_.cancelled);
    report.add("timed_out", counts_.timed_out);
    report.add("reset", counts_.reset);
    report.add("thrown", counts_.thrown);
    report.add("late", counts_.late);
    report.add("faults", faults_);
    report.add_raw("chosen", soak::json_array(chosen_, [](std::uint64_t id) { return std::to_string(id); }));
    report.add_raw("errors", soak::json_array(errors_, [](const std::string& text) { return soak::quoted(text); }));
    chosen_.clear();
    errors_.clear();
    return report.line();
  }

private:
  using Line = std::shared_ptr<const std::string>;

  /// A connection, from its beginning to its end.
  struct Visit {
    explicit Visit(SoakServer& its_server) : server(its_server), task(coil::current_task()) {
      server.visits_.push_back(this);
    }
    Visit(const Visit&) = delete;
    ~Visit() { std::erase(server.visits_, this); }

    SoakServer& server;
    coil::TaskRef task;
    soak::Hello hello;
    bool is_chosen = false;  // to be cancelled
  };

  /// One who hears what is said in a room, as long as this lives.
  struct Subscriber {
    Subscriber(SoakServer& its_server, const soak::Hello& its_hello) : server(its_server), hello(its_hello) {
      server.subscribers_.push_back(this);
    }
    Subscriber(const Subscriber&) = delete;
    ~Subscriber() { std::erase(server.subscribers_, this); }

    SoakServer& server;
    const soak::Hello& hello;
    coil::Queue<Line> lines{lines_max};
  };

  static std::chrono::nanoseconds patience(const soak::Hello& hello) {
    return hello.is_good ? std::chrono::nanoseconds(patience_good) : std::chrono::nanoseconds(patience_bad);
  }

  coil::Coro<void> talk(coil::Stream& stream, soak::Hello& hello) {
    const std::string line = co_await coil::wait_for(stream.read_line(), hello_time);
    if (line.empty() || line.back() != '\n') co_return;  // has gone again
    soak::Hello said;
    if (!soak::parse(line, said)) co_return note_error("no first line: " + line);
    hello = said;
    switch (hello.kind) {
      case 'e':
        co_return co_await echo(stream, hello);
      case 's':
        co_return co_await subscribe(stream, hello);
      case 'p':
        co_return co_await publish(stream, hello);
      case 'w':
        co_return co_await work(stream, hello);
      case 't':
        throw Injected();
      default:
        note_error("no such kind: " + line);
    }
  }

  coil::Coro<void> echo(coil::Stream& stream, const soak::Hello& hello) {
    for (;;) {
      const std::string_view text = co_await coil::wait_for(stream.peek(), patience(hello));
      if (text.empty()) co_return;
      stream.move_to(stream);
      co_await coil::wait_for(stream.drain(), patience(hello));
    }
  }

  coil::Coro<void> subscribe(coil::Stream& stream, const soak::Hello& hello) {
    Subscriber subscriber(*this, hello);
    const auto send = [&]() -> coil::Coro<void> {
      for (;;) {
        const Line line = co_await subscriber.lines.get();
        stream.write(*line);
        co_await coil::wait_for(stream.drain(), patience(hello));
      }
    };
    const auto both = [&](coil::TaskGroup& group) -> coil::Coro<void> {
      group.create_task(send);
      const std::string rest = co_await stream.read();
      if (!rest.empty()) note_error("a subscriber says something");
      group.cancel();
    };
    try {
      co_await coil::task_group(both);
    } catch (const coil::ExceptionGroup& failed) {
      std::rethrow_exception(failed.exceptions().front());  // what happened to the connection
    }
  }

  coil::Coro<void> publish(coil::Stream& stream, const soak::Hello& hello) {
    for (;;) {
      const Line line =
          std::make_shared<const std::string>(co_await coil::wait_for(stream.read_line(), patience(hello)));
      if (line->empty()) co_return;
      if (line->back() != '\n') throw coil::IncompleteReadError(*line, line->size() + 1);
      for (Subscriber* subscriber : subscribers_) {
        if (subscriber->hello.room == hello.room) tell(*subscriber, line);
      }
      stream.write("ok\n");
      co_await coil::wait_for(stream.drain(), patience(hello));
    }
  }

  void tell(Subscriber& subscriber, const Line& line) {
    if (!subscriber.lines.full()) return subscriber.lines.put_nowait(line);
    if (subscriber.hello.is_good) note_error("a subscriber that reads has missed a line");
  }

  /// A line `NUMBER MILLISECONDS LIMIT`: waits so long, or up to the limit, and says `NUMBER done` or `NUMBER late`.
  coil::Coro<void> work(coil::Stream& stream, const soak::Hello& hello) {
    for (;;) {
      const std::string line = co_await coil::wait_for(stream.read_line(), patience(hello));
      if (line.empty() || line.back() != '\n') co_return;
      unsigned long number = 0;
      int time = 0;
      int limit = 0;
      if (std::sscanf(line.c_str(), "%lu %d %d", &number, &time, &limit) != 3) co_return note_error("no work: " + line);
      const auto wait = [&]() -> coil::Coro<void> { co_await coil::sleep(std::chrono::milliseconds(time)); };
      bool is_late = false;
      try {
        co_await coil::timeout(std::chrono::milliseconds(limit), wait);
      } catch (const coil::TimeoutError&) {
        is_late = true;
        ++counts_.late;
      }
      stream.write(std::to_string(number) + (is_late ? " late\n" : " done\n"));
      co_await coil::wait_for(stream.drain(), patience(hello));
    }
  }

  /// Something that a connection which keeps to what is agreed does not bring about.
  void blame(const Visit& visit, const std::string& what) {
    if (visit.hello.is_good && !visit.is_chosen)
      note_error(std::string(1, visit.hello.kind) + " " + std::to_string(visit.hello.id) + ": " + what);
  }
  void note_error(const std::string& what) {
    ++faults_;
    if (errors_.size() < errors_max) errors_.push_back(what);
  }

  soak::Random random_;
  double cancels_;  // a second
  Counts counts_;
  std::uint64_t faults_ = 0;
  std::vector<std::string> errors_;
  std::vector<std::uint64_t> chosen_;
  std::vector<Visit*> visits_;
  std::vector<Subscriber*> subscribers_;
};

coil::Coro<void> answer(SoakServer& soak, coil::Server& server) {
  coil::Stream commands = coil::stdin_stream();
  coil::Stream answers = coil::stdout_stream();
  co_await answers.write_all(std::to_string(server.port()) + "\n");
  for (;;) {
    const std::string command = co_await commands.read_line();
    if (command != "sample\n") break;
    co_await answers.write_all(soak.sample(server));
  }
  co_await server.stop(1s);
}

coil::Coro<void> serve(std::uint64_t seed, double cancels) {
  SoakServer soak(seed, cancels);
  coil::get_running_loop().set_exception_handler(
      [&](const coil::ErrorContext& context) { soak.on_exception(context); });
  const auto handle = [&](coil::Stream stream) { return soak.serve(std::move(stream)); };
  coil::Server server = co_await coil::start_server(handle, "127.0.0.1", 0);
  const auto run = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    group.create_task([&] { return soak.cancel_at_random(); });
    co_await answer(soak, server);
    group.cancel();
  };
  co_await coil::task_group(run);
  coil::get_running_loop().set_exception_handler(nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: soak-server SEED CANCELS\n", stderr);
    return 2;
  }
  coil::run(serve(std::stoull(argv[1]), std::stod(argv[2])));
}
