#include "ring_error.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include <coil/error.hpp>

namespace coil::detail {

namespace {

std::string first_line(const char* path, const char* prefix) {
  std::string found;
  if (std::FILE* file = std::fopen(path, "re")) {
    char line[256];
    while (found.empty() && std::fgets(line, sizeof line, file) != nullptr)
      if (std::strncmp(line, prefix, std::strlen(prefix)) == 0) found = line + std::strlen(prefix);
    std::fclose(file);
  }
  while (!found.empty() && std::strchr(" \t\n", found.back()) != nullptr) found.pop_back();
  const std::size_t start = found.find_first_not_of(" \t");
  return start == found.npos ? std::string() : found.substr(start);
}

std::string not_permitted() {
  std::string disabled = first_line("/proc/sys/kernel/io_uring_disabled", "");
  const std::string seccomp = first_line("/proc/self/status", "Seccomp:");
  std::string text = "coil: io_uring is not permitted here (EPERM).\n";
  text += fmt::format("  kernel.io_uring_disabled = {}", disabled.empty() ? "not there" : disabled);
  text += disabled == "0" || disabled.empty() ? "\n" : ": set it to 0 with `sysctl -w kernel.io_uring_disabled=0`\n";
  text += fmt::format("  seccomp: {}\n", seccomp == "0" || seccomp.empty()
                                             ? "no filter on this process"
                                             : "a filter is on, as in a container; docker run needs "
                                               "--security-opt seccomp=unconfined, or a profile with io_uring");
  return text;
}

std::string no_memory() {
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  const std::string kib = limit.rlim_cur == RLIM_INFINITY ? "unlimited" : fmt::format("{} KiB", limit.rlim_cur / 1024);
  return fmt::format(
      "coil: no memory for an io_uring, however small (ENOMEM).\n"
      "  Locked memory counts per user, over all processes; the limit is {} (`ulimit -l`).\n"
      "  Raise it, or close programs of this user that hold rings.\n",
      kib);
}

// ENOSYS: no such call, or one without what 5.11 brought. EINVAL: flags of 5.5 and 5.6 are unknown.
std::string too_old(int error) {
  utsname system{};
  ::uname(&system);
  return fmt::format(
      "coil: this kernel has no io_uring that coil can use ({}).\n"
      "  It is Linux {}; coil needs 5.11 or later with io_uring built in, and recommends 6.1.\n"
      "  Start a newer kernel; in a container it is the host's.\n",
      error == ENOSYS ? "ENOSYS" : "EINVAL: Invalid argument", system.release);
}

std::string text_for(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return not_permitted();
    case ENOMEM:
      return no_memory();
    case ENOSYS:
    case EINVAL:
      return too_old(error);
    default:
      return fmt::format("coil: io_uring_setup failed: {}\n", std::strerror(error));
  }
}

}  // namespace

void throw_ring_unavailable(int error) {
  std::string text = text_for(error);
  text.pop_back();  // the last newline
  throw RingUnavailableError(error, std::move(text));
}

}  // namespace coil::detail
