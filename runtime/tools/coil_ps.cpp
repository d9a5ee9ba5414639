// coil-ps PID: what the tasks of a running program wait for.
//
// Prints every task of every loop there, its state, the chain of coroutines it is in, each with function, file and line
// of the `co_await` it stands at, and who awaits it. The program need not be prepared; it stands still for some
// milliseconds. It takes the rights to trace it: those of its owner or root's, see ptrace(2).
// Exit status: 0; 1 if the process cannot be looked into, or has no coil in it; 2 for bad arguments.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "inspect.hpp"
#include "remote.hpp"
#include "symbol.hpp"

namespace coil_ps {

namespace {

using coil::detail::InspectRoot;

constexpr std::size_t depth_max = 10'000;

/// A place in the source, as the compilers keep it: two texts and a line.
struct Place {
  std::string file;
  std::string function;
  unsigned line = 0;
};

/// The tasks of one coil in another process.
class Tasks {
public:
  Tasks(const Remote& remote, Address root) : remote_(remote), root_(remote.read<InspectRoot>(root)) {
    if (std::memcmp(root_.mark, InspectRoot::known_mark, sizeof root_.mark) != 0 || root_.size != sizeof root_)
      throw Failure("its coil is of another version than this coil-ps");
  }

  void print_all() const {
    for (auto loop = reinterpret_cast<Address>(root_.loops); loop != 0; loop = remote_.pointer(loop + root_.loop.next))
      print_loop(loop);
  }

private:
  void print_loop(Address loop) const {
    std::vector<Address> tasks;
    const Address pool = remote_.pointer(loop + root_.loop.states);
    for (Address chunk = remote_.pointer(pool + root_.pool_chunks); chunk != 0;
         chunk = remote_.pointer(chunk + root_.chunk.next)) {
      const auto count = remote_.read<std::size_t>(chunk + root_.chunk.count);
      for (std::size_t i = 0; i < count; ++i)
        if (const Address task = chunk + root_.chunk.first + i * root_.task.size; is_alive(task)) tasks.push_back(task);
    }
    std::printf("loop %llu: %zu %s\n",
                static_cast<unsigned long long>(remote_.read<std::uint64_t>(loop + root_.loop.number)), tasks.size(),
                tasks.size() == 1 ? "task" : "tasks");
    for (const Address task : tasks) print_task(task, task == remote_.pointer(loop + root_.loop.current));
  }

  std::uint8_t phase_of(Address task) const { return remote_.read<std::uint8_t>(task + root_.task.phase); }
  bool is_alive(Address task) const {
    const std::uint8_t phase = phase_of(task);
    return (remote_.read<std::uint8_t>(task + root_.task.flags) & root_.task.is_task) != 0 &&
           phase != root_.phase.free && phase < root_.phase.done;
  }

  void print_task(Address task, bool is_current) const {
    const std::uint8_t phase = phase_of(task);
    const bool is_running = is_current || phase == root_.phase.running;
    const char* state = is_running                     ? "running"
                        : phase == root_.phase.created ? "not started yet"
                        : phase == root_.phase.ready   ? "ready"
                                                       : "waiting";
    std::string line = "task '" + name_of(task) + "' " + state;
    if (const Place made = place(task + root_.task.created_at); made.line != 0)
      line += ", created at " + coil::detail::function_name(made.function) + " (" + made.file + ":" +
              std::to_string(made.line) + ")";
    std::printf("%s\n", line.c_str());
    if (!is_running) print_frames(remote_.pointer(task + root_.task.resume));
    print_waiters(remote_.pointer(task + root_.task.waiters));
  }

  // From the innermost coroutine to the task's own.
  void print_frames(Address frame) const {
    for (std::size_t depth = 0; depth < depth_max; ++depth) {
      const Address promise = frame + root_.frame.promise;
      const Place where = place(promise + root_.frame.where);
      if (where.line != 0 && !coil::detail::only_keeps_a_callable(where.file))
        std::printf("  at %s (%s:%u)\n", coil::detail::function_name(where.function).c_str(), where.file.c_str(),
                    where.line);
      const Address receiver = remote_.pointer(promise + root_.frame.receiver);
      if (receiver == 0 || (receiver & 1) != 0) return;  // the lowest bit: a task
      frame = remote_.pointer(receiver + root_.slot_continuation);
    }
    std::printf("  ...\n");
  }

  // A ring, of which the last one is known.
  void print_waiters(Address last) const {
    if (last == 0) return;
    Address node = last;
    for (std::size_t count = 0; count < depth_max; ++count) {
      node = remote_.pointer(node + root_.suspension.next);
      if (const Address waiter = remote_.pointer(node + root_.suspension.task); waiter != 0)
        std::printf("  awaited by task '%s'\n", name_of(waiter).c_str());
      if (node == last) return;
    }
  }

  std::string name_of(Address task) const {
    const Address extras = remote_.pointer(task + root_.task.extras);
    if ((extras & 1) != 0) return "Task-" + std::to_string(extras >> 1);
    const Address text = remote_.pointer(extras + root_.extras_name);
    const auto size = remote_.read<std::size_t>(extras + root_.extras_name + sizeof(Address));
    std::string name(std::min<std::size_t>(size, 1000), '\0');
    if (!name.empty()) remote_.read(text, name.data(), name.size());
    return name.empty() ? "Task-" + std::to_string(remote_.read<std::uint64_t>(extras)) : name;
  }

  // What a std::source_location points to.
  Place place(Address location) const {
    struct {
      Address file;
      Address function;
      unsigned line;
      unsigned column;
    } parts{};
    const Address address = remote_.pointer(location);
    if (address == 0) return {};
    remote_.read(address, &parts, sizeof parts);
    return {remote_.text(parts.file), remote_.text(parts.function), parts.line};
  }

  const Remote& remote_;
  InspectRoot root_;
};

int print(pid_t pid) {
  const Remote remote(pid);
  const std::vector<Address> roots = remote.sections(".coil_inspect");
  if (roots.empty()) throw Failure("process " + std::to_string(pid) + " has no coil in it");
  for (const Address root : roots) Tasks(remote, root).print_all();
  return 0;
}

}  // namespace

}  // namespace coil_ps

int main(int argc, char** argv) {
  const std::string_view argument = argc == 2 ? argv[1] : "";
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), pid);
  if (argument.empty() || error != std::errc() || end != argument.data() + argument.size() || pid <= 0) {
    std::fputs("usage: coil-ps PID\n", stderr);
    return 2;
  }
  try {
    return coil_ps::print(pid);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "coil-ps: %s\n", failure.what());
    return 1;
  }
}
