#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include <coil/detail/owned_fd.hpp>

namespace coil::detail {

/// What a child process is to be.
struct SpawnPlan {
  /// The child's descriptor `target` is what this process has as `source`. All others but 0 to 2 are closed.
  struct Descriptor {
    int source;
    int target;
  };

  std::vector<std::string> arguments;  // the program first
  std::vector<std::string> environment;
  std::vector<Descriptor> descriptors;
  std::optional<std::string> cwd;
  bool new_session = false;
  std::optional<pid_t> process_group;
};

struct Spawned {
  pid_t pid;
  OwnedFd pidfd;
};

/// Starts the child and waits until its program runs.
/// Errors: `std::system_error` that names what failed. Then there is no child.
Spawned spawn(const SpawnPlan& plan);

}  // namespace coil::detail
