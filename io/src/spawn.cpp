#include "spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>
#include <string_view>
#include <system_error>

#include "child_signals.hpp"
#include "interrupt.hpp"

namespace coil::detail {

namespace {

enum class Stage : unsigned char { none, close_others, session, group, folder, descriptor, program };

/// All that the child needs, made beforehand: it may call nothing that allocates or locks.
struct ChildPlan {
  std::vector<const char*> candidates;  // for the program, ended by null
  std::vector<const char*> arguments;   // ended by null
  std::vector<const char*> environment;
  std::vector<SpawnPlan::Descriptor> descriptors;
  int free_from = 3;  // no target is this or higher
  const char* cwd = nullptr;
  bool new_session = false;
  pid_t process_group = -1;  // -1: that of this process
  unsigned long timer_slack_ns = 0;

  // What the child reports. It is seen here, because memory is shared.
  Stage failed = Stage::none;
  int failed_descriptor = -1;
  int error = 0;
};

COIL_IN_CHILD bool fail_at(ChildPlan& plan, Stage step) noexcept {
  plan.failed = step;
  plan.error = errno;
  return false;
}

COIL_IN_CHILD bool set_surroundings(ChildPlan& plan) noexcept {
  if (plan.timer_slack_ns > 0) ::prctl(PR_SET_TIMERSLACK, plan.timer_slack_ns);
  if (plan.new_session && ::setsid() < 0) return fail_at(plan, Stage::session);
  if (plan.process_group >= 0 && ::setpgid(0, plan.process_group) != 0) return fail_at(plan, Stage::group);
  if (plan.cwd != nullptr && ::chdir(plan.cwd) != 0) return fail_at(plan, Stage::folder);
  return true;
}

// First all sources go out of the way of the targets, then each to its place.
COIL_IN_CHILD bool set_descriptors(ChildPlan& plan) noexcept {
  if (::close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC) != 0) return fail_at(plan, Stage::close_others);
  for (SpawnPlan::Descriptor& descriptor : plan.descriptors) {
    plan.failed_descriptor = descriptor.source;
    descriptor.source = ::fcntl(descriptor.source, F_DUPFD_CLOEXEC, plan.free_from);
    if (descriptor.source < 0) return fail_at(plan, Stage::descriptor);
  }
  for (const SpawnPlan::Descriptor& descriptor : plan.descriptors) {
    plan.failed_descriptor = descriptor.target;
    if (::dup2(descriptor.source, descriptor.target) < 0) return fail_at(plan, Stage::descriptor);
  }
  return true;
}

// As execvp(3), but without its shell for files that are no programs.
COIL_IN_CHILD void execute(ChildPlan& plan) noexcept {
  bool refused = false;
  errno = ENOENT;  // for an empty PATH
  for (const char* const* candidate = plan.candidates.data(); *candidate != nullptr; ++candidate) {
    ::execve(*candidate, const_cast<char* const*>(plan.arguments.data()),
             const_cast<char* const*>(plan.environment.data()));
    refused = refused || errno == EACCES;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES && errno != ESTALE && errno != ENODEV &&
        errno != ETIMEDOUT)
      break;
  }
  if (refused && (errno == ENOENT || errno == ENOTDIR)) errno = EACCES;
  fail_at(plan, Stage::program);
}

COIL_IN_CHILD int run_child(void* argument) noexcept {
  auto& plan = *static_cast<ChildPlan*>(argument);
  reset_signals();
  if (set_surroundings(plan) && set_descriptors(plan)) execute(plan);
  ::_exit(127);
}

// ---- In this process -------------------------------------------------------------------------------------

/// The child's stack until it executes its program.
class ChildStack {
public:
  ChildStack() : start_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (start_ == MAP_FAILED) throw std::bad_alloc();
    ::mprotect(start_, guard, PROT_NONE);
  }
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;
  ~ChildStack() { ::munmap(start_, size); }
  void* top() const noexcept { return static_cast<char*>(start_) + size; }

private:
  static constexpr std::size_t size = std::size_t{128} << 10;
  static constexpr std::size_t guard = std::size_t{64} << 10;  // a whole page, whatever its size
  void* start_;
};

std::string_view path_in(const std::vector<std::string>& environment) {
  for (std::string_view entry : environment)
    if (entry.substr(0, 5) == "PATH=") return entry.substr(5);
  return "/bin:/usr/bin";
}

std::vector<std::string> find_candidates(const std::string& program, const std::vector<std::string>& environment) {
  if (program.empty() || program.find('/') != program.npos) return {program};
  std::vector<std::string> candidates;
  std::string_view rest = path_in(environment);
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (!folder.empty()) candidates.push_back(std::string(folder) + "/" + program);
  }
  return candidates;
}

std::vector<const char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void throw_failed(const SpawnPlan& plan, const ChildPlan& child) {
  const auto text = [&]() -> std::string {
    switch (child.failed) {
      case Stage::folder:
        return "chdir(" + *plan.cwd + ")";
      case Stage::descriptor:
        return "dup2(fd " + std::to_string(child.failed_descriptor) + ")";
      case Stage::close_others:
        return "close_range";
      case Stage::session:
        return "setsid";
      case Stage::group:
        return "setpgid(" + std::to_string(child.process_group) + ")";
      default:
        return "exec(" + plan.arguments.front() + ")";
    }
  };
  throw std::system_error(child.error, std::system_category(), text());
}

}  // namespace

// The child is a copy of nothing: it borrows this process's memory, while this thread waits, until it has executed its
// program. So starting one takes no longer in a large process than in a small one, and no other thread's lock matters.
Spawned spawn(const SpawnPlan& plan) {
  const std::vector<std::string> candidates = find_candidates(plan.arguments.front(), plan.environment);
  ChildPlan child;
  child.candidates = pointers_to(candidates);
  child.arguments = pointers_to(plan.arguments);
  child.environment = pointers_to(plan.environment);
  child.descriptors = plan.descriptors;
  for (const SpawnPlan::Descriptor& descriptor : plan.descriptors)
    child.free_from = std::max(child.free_from, descriptor.target + 1);
  child.cwd = plan.cwd ? plan.cwd->c_str() : nullptr;
  child.new_session = plan.new_session;
  child.process_group = plan.process_group.value_or(-1);
  child.timer_slack_ns = static_cast<unsigned long>(std::max(timer_slack_before_run, 0));

  const ChildStack stack;
  int pidfd = -1;
  pid_t pid = -1;
  {
    const SignalsBlocked blocked;
    pid = ::clone(run_child, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &child, &pidfd);
  }
  if (pid < 0) throw std::system_error(errno, std::system_category(), "clone(" + plan.arguments.front() + ")");
  OwnedFd owned(pidfd);
  if (child.failed == Stage::none) return {pid, std::move(owned)};
  siginfo_t unused{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &unused, WEXITED) != 0 && errno == EINTR) {
  }
  throw_failed(plan, child);
}

}  // namespace coil::detail
