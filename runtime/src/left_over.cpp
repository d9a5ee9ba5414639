#include "left_over.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <coil/call_graph.hpp>
#include <coil/create_task.hpp>
#include <coil/detail/frame_pool.hpp>

#include "loop_parts.hpp"
#include "symbol.hpp"

namespace coil::detail {

namespace {

std::vector<int> open_descriptors() {
  std::vector<int> found;
  ::DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) throw std::system_error(errno, std::system_category(), "/proc/self/fd");
  while (const ::dirent* entry = ::readdir(folder))
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(folder))
      found.push_back(std::atoi(entry->d_name));
  ::closedir(folder);
  std::ranges::sort(found);
  return found;
}

bool has_children() noexcept {
  ::siginfo_t unused;
  return ::waitid(P_ALL, 0, &unused, WEXITED | WNOHANG | WNOWAIT) == 0;
}

std::string what_is(int fd) {
  char name[256];
  const ssize_t size = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), name, sizeof name);
  return {name, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

void add(std::string& text, const std::string& more) {
  if (!text.empty()) text += ", ";
  text += more;
}

}  // namespace

Holdings Holdings::take() { return {open_descriptors(), live_frames(), has_children()}; }

std::string Holdings::beyond(const Holdings& before) const {
  std::string text;
  for (const int fd : descriptors)
    if (!std::ranges::binary_search(before.descriptors, fd))
      add(text, fmt::format("descriptor {} is open ({})", fd, what_is(fd)));
  if (frames != before.frames)
    add(text,
        fmt::format("{} coroutine frames or other small objects are alive, {} were before", frames, before.frames));
  if (children && !before.children) add(text, "a child process has not been waited for");
  return text;
}

std::string left_in_loop() {
  std::string text;
  for (const TaskRef& task : all_tasks()) {
    if (task == current_task()) continue;
    const CallGraph graph = capture_call_graph(task);
    add(text, fmt::format("task '{}' is not done", task.name()));
    if (!graph.frames.empty()) text += fmt::format(", it is at {}", describe(graph.frames.front().where));
  }
  LoopParts& parts = parts_of(*this_loop);
  const std::size_t operations = parts.ring->in_kernel() - parts.ring->internal();
  if (const std::size_t left = parts.timer_count(); left != 0) add(text, fmt::format("timers are left: {}", left));
  if (operations != 0) add(text, fmt::format("operations are in the kernel: {}", operations));
  if (parts.ring->counters().faults != 0) add(text, "the kernel was given a buffer that was gone (EFAULT)");
  return text;
}

}  // namespace coil::detail
