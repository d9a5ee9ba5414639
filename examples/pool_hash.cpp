// The SHA-256 sums of all files below a folder, computed by one process for each core: one program, no threads to share
// memory with, and a crash would cost one file. Prints what sha256sum prints for them, in whichever order they are done.
//
//   sh examples/run pool_hash DIR
//   sh examples/run pool_hash DIR | sha256sum --check --quiet
//
// What cannot be read is named on stderr, and the exit status is 1 then. Symbolic links are not followed.
#include <fcntl.h>

#include "hash_tree.hpp"
#include "sha256.hpp"

namespace {

constexpr std::ptrdiff_t jobs_per_worker = 2;  // the next one is there when one is done

/// Runs in a worker process, where blocking costs nobody anything. What it throws arrives as a RemoteError.
std::string hash_file(const std::string& path) {
  const auto checked = [](auto result) {
    if (result < 0) throw std::runtime_error(std::generic_category().message(errno));
    return result;
  };
  const example::Open file(checked(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)));
  std::vector<std::byte> buffer(std::size_t{256} << 10);
  example::Sha256 hash;
  for (;;) {
    const ssize_t size = checked(::read(file.fd, buffer.data(), buffer.size()));
    if (size == 0) return hash.digest();
    hash.update(std::span(buffer).first(static_cast<std::size_t>(size)));
  }
}

coil::Coro<int> pool_hash(std::string folder) {
  coil::ProcessPool pool;
  const auto hash = [&](const std::string& path) { return pool.run(hash_file, path); };
  const std::ptrdiff_t at_once = jobs_per_worker * static_cast<std::ptrdiff_t>(pool.max_workers());
  co_return co_await example::hash_tree("pool_hash", std::move(folder), at_once, hash);
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 1, 1, "pool_hash DIR");
  return example::run(pool_hash(argv[1]), "pool_hash: ");
}
