#include <coil/process.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <coil/as_result.hpp>
#include <coil/create_task.hpp>
#include <coil/timeout.hpp>

#include "child_process.hpp"
#include "loop_parts.hpp"
#include "spawn.hpp"

namespace coil {

namespace {

using detail::OwnedFd;

OwnedFd owned(int fd, const char* call) {
  if (fd < 0) throw std::system_error(errno, std::system_category(), call);
  return OwnedFd(fd);
}

struct PipePair {
  OwnedFd to_read;
  OwnedFd to_write;
};

PipePair make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
  return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

}  // namespace

// ---- Starting --------------------------------------------------------------------------------------------

Process Process::start(const Command& command) {
  detail::SpawnPlan plan;
  plan.arguments = command.arguments_;
  plan.environment = command.environment();
  plan.cwd = command.cwd_;
  plan.new_session = command.new_session_;
  plan.process_group = command.process_group_;

  OwnedFd ours[3];
  OwnedFd theirs[3];
  for (int number = 0; number < 3; ++number) {
    const Command::Connection& connection = command.streams_[number];
    int source = connection.fd;
    if (source < 0 && connection.kind == piped) {
      PipePair pipe = make_pipe();
      ours[number] = std::move(number == 0 ? pipe.to_write : pipe.to_read);
      theirs[number] = std::move(number == 0 ? pipe.to_read : pipe.to_write);
      source = theirs[number].get();
    } else if (source < 0 && connection.kind == devnull) {
      theirs[number] = owned(::open("/dev/null", O_RDWR | O_CLOEXEC), "open(/dev/null)");
      source = theirs[number].get();
    } else if (source < 0 && connection.kind == to_stdout) {
      source = plan.descriptors.empty() || plan.descriptors.back().target != 1 ? 1 : plan.descriptors.back().source;
    }
    if (source >= 0) plan.descriptors.push_back({source, number});
  }
  for (const Command::Passed& passed : command.passed_) plan.descriptors.push_back({passed.fd, passed.as});

  const detail::ChildRef child(new detail::ChildProcess(command.grace_));
  for (OwnedFd& fd : ours) fd.keep_private();
  detail::Spawned spawned = detail::spawn(plan);
  child->begin(spawned.pid, std::move(spawned.pidfd));
  Process process(child);
  for (int number = 0; number < 3; ++number) process.pipes_[number].fd = std::move(ours[number]);
  return process;
}

Coro<Process> create_subprocess_exec(Command command) { co_return Process::start(command); }

Coro<Process> create_subprocess_shell(std::string script) {
  co_return Process::start(Command::shell(std::move(script)));
}

// ---- Ending ----------------------------------------------------------------------------------------------

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  drop();
  child_ = std::move(other.child_);
  for (int number = 0; number < 3; ++number) pipes_[number] = std::move(other.pipes_[number]);
  communication_ = std::move(other.communication_);
  return *this;
}

Process::~Process() { drop(); }

void Process::close_pipes() noexcept {
  for (PipeEnd& end : pipes_) {
    end.fd.close();
    end.stream.close();
  }
}

// The task runs eagerly up to its first wait: one that is cancelled before it begins, as all are at the end of `run`,
// would do nothing.
void Process::drop() noexcept {
  if (!child_) return;
  close_pipes();
  const detail::ChildRef child = std::move(child_);
  child_ = detail::ChildRef();
  if (child->returncode()) return;
  if (detail::this_loop == nullptr || detail::parts_of(*detail::this_loop).closing) return child->end_blocking();
  try {
    const std::string name = "end of process " + std::to_string(child->pid());
    create_task(detail::end_child(child), TaskOptions{.name = name, .eager = true});
  } catch (const std::bad_alloc&) {
    child->end_blocking();
  }
}

Coro<int> Process::aclose() {
  const detail::ChildRef kept = checked();
  close_pipes();
  kept->signal(SIGTERM);
  auto waiting = wait_for(WaitOperation(kept), kept->grace());
  const Outcome<int> kindly = co_await as_result(std::move(waiting));
  if (kindly.has_value()) co_return kindly.value();
  kept->signal(SIGKILL);
  const int code = co_await WaitOperation(kept);
  co_return kindly.cancelled() ? kindly.value() : code;  // throws CancelledError
}

// ---- While it runs ---------------------------------------------------------------------------------------

const detail::ChildRef& Process::checked() const {
  if (!child_) detail::throw_logic_error("coil: this Process was moved from");
  return child_;
}

pid_t Process::pid() const { return checked()->pid(); }
std::optional<int> Process::returncode() const { return checked()->returncode(); }
Process::WaitOperation Process::wait() { return WaitOperation(checked()); }

Stream& Process::stream_of(int number, const char* call) {
  PipeEnd& end = pipes_[number];
  if (detail::StreamAccess::core(end.stream)) return end.stream;  // closed or not: one waits for its end, asks at_eof()
  if (!end.fd) throw std::logic_error("coil: Process::" + std::string(call) + "(): not `piped`, or closed");
  detail::running_loop();
  Fd fd = detail::to_fd(end.fd);
  end.stream = number == 0 ? Stream(Fd(), std::move(fd)) : Stream(std::move(fd), Fd());
  return end.stream;
}

Stream& Process::stdin_() { return stream_of(0, "stdin_"); }
Stream& Process::stdout_() { return stream_of(1, "stdout_"); }
Stream& Process::stderr_() { return stream_of(2, "stderr_"); }

namespace {

void throw_unless_zero(int error, const char* call, pid_t pid, int signal) {
  if (error == 0) return;
  throw std::system_error(
      error, std::system_category(),
      std::string(call) + "(process " + std::to_string(pid) + ", signal " + std::to_string(signal) + ")");
}

}  // namespace

void Process::send_signal(int signal) { throw_unless_zero(checked()->signal(signal), "send_signal", pid(), signal); }
void Process::terminate() { send_signal(SIGTERM); }
void Process::kill() { send_signal(SIGKILL); }
void Process::signal_group(int signal) {
  throw_unless_zero(checked()->signal_group(signal), "signal_group", pid(), signal);
}

}  // namespace coil
