// Keeps commands running: each argument is a script for the shell. Their lines, each with the number of the command
// before it, go to stdout. Who ends is started again, after a delay that doubles.
//
//   sh examples/run supervisor 'while :; do date; sleep 1; done' 'sleep 3; echo bye; exit 1'
//
// SIGTERM or Ctrl-C ends all that was started: each command is a process group, which gets SIGTERM, and SIGKILL after
// 4 s or a second signal. What has left its group, as daemons do, comes to the supervisor as an orphan, and is killed.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <csignal>

#include <cstdio>
#include <fstream>
#include <vector>

#include "support.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds delay_min = 100ms;
constexpr milliseconds delay_max = 30s;  // who ran for longer begins with `delay_min` again
constexpr milliseconds grace = 4s;
constexpr milliseconds look_again = 20ms;

struct Supervisor {
  coil::Stream output = coil::stdout_stream();
  coil::Event end;           // all are to end
  bool hurry = false;        // at once
  bool output_lost = false;  // nobody reads it any more
};

coil::Coro<void> listen_to_signals(Supervisor& all) {
  coil::SignalSet signals(SIGTERM, SIGINT);
  co_await signals.wait();
  all.end.set();
  co_await signals.wait();
  all.hurry = true;
  co_await signals.wait();
}

coil::Coro<void> copy_lines(Supervisor& all, coil::Stream from, std::string prefix) {
  try {
    for (;;) {
      const std::string_view text = co_await from.peek();
      if (text.empty()) co_return;
      std::string line;
      try {
        line = co_await from.read_line();
      } catch (const coil::LimitOverrunError& error) {
        line = from.buffered().substr(0, error.consumed());  // so long a line is cut in pieces
        from.consume(line.size());
      }
      if (line.back() != '\n') line += '\n';
      all.output.write(prefix + line);
      co_await all.output.drain();
    }
  } catch (const std::system_error&) {
    all.output_lost = true;
    all.end.set();
  }
}

/// Whether processes of the group are left, when its first one was waited for.
bool is_alive(pid_t group) {
  while (::waitpid(-group, nullptr, WNOHANG) > 0) {
    // One that has become ours, and has ended.
  }
  return ::kill(-group, 0) == 0;
}

coil::Coro<void> end_group(const Supervisor& all, coil::Process& process) {
  const pid_t group = process.pid();
  const auto has_ended = [&] { return process.returncode() && !is_alive(group); };
  process.signal_group(SIGTERM);
  for (milliseconds waited = 0ms; !has_ended() && waited < grace && !all.hurry; waited += look_again)
    co_await coil::sleep(look_again);
  process.signal_group(SIGKILL);
  while (!has_ended()) co_await coil::sleep(look_again);
}

/// Runs a command once; gives its exit status.
coil::Coro<int> run_once(Supervisor& all, std::string script, std::string prefix) {
  coil::Command command = coil::Command::shell(std::move(script));
  command.process_group().stdin_(coil::devnull).stdout_(coil::piped).stderr_(coil::to_stdout);
  coil::Process process = co_await coil::create_subprocess_exec(std::move(command));
  const std::vector<coil::Task<void>> copying = {
      coil::create_task(copy_lines, std::ref(all), std::move(process.stdout_()), prefix)};

  const auto wait = [&]() -> coil::Coro<int> { co_return co_await process.wait(); };
  const auto cleanup = [&]() -> coil::Coro<void> {
    co_await end_group(all, process);
    co_await coil::wait(copying, {.timeout = 1s});  // who has left the group may hold the pipe for ever
    coil::Task<void> copier = copying.front();
    copier.cancel();
  };
  co_return co_await coil::try_finally(wait, cleanup);
}

coil::Coro<void> keep_running(Supervisor& all, std::string script, int number) {
  const std::string prefix = "[" + std::to_string(number) + "] ";
  for (milliseconds delay = delay_min;; delay = std::min(2 * delay, delay_max)) {
    const coil::time_point start = coil::get_running_loop().time();
    const int status = co_await run_once(all, script, prefix);
    if (coil::get_running_loop().time() - start > delay_max) delay = delay_min;
    std::fprintf(stderr, "supervisor: %sended with %d, starts again in %.1f s\n", prefix.c_str(), status,
                 std::chrono::duration<double>(delay).count());
    co_await coil::sleep(delay);
  }
}

/// Kills the orphans that have become ours, and theirs.
void kill_orphans() {
  const std::string ours = "/proc/self/task/" + std::to_string(::getpid()) + "/children";
  for (;;) {
    std::ifstream file(ours);
    pid_t child = 0;
    if (!(file >> child)) return;
    for (; file; file >> child) ::kill(child, SIGKILL);
    ::waitpid(-1, nullptr, 0);
  }
}

coil::Coro<int> supervise(std::vector<std::string> scripts) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  Supervisor all;
  const coil::Task<void> listening = coil::create_task(listen_to_signals, std::ref(all));
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    for (std::size_t i = 0; i < scripts.size(); ++i)
      group.create_task(keep_running, std::ref(all), scripts[i], static_cast<int>(i + 1));
    co_await all.end.wait();
    group.cancel();
  };
  co_await coil::task_group(body);
  kill_orphans();
  co_return all.output_lost ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 1, 1000, "supervisor 'COMMAND'...");
  return example::run(supervise({argv + 1, argv + argc}), "supervisor: ");
}
