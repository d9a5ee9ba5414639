// The SHA-256 sums of all files below a folder: read through the ring, some files at a time, hashed in threads. Prints
// what sha256sum prints for them, in whichever order they are done, and on a terminal how far it is.
//
//   sh examples/run hash_files DIR
//   sh examples/run hash_files DIR | sha256sum --check --quiet
//
// What cannot be read is named on stderr, and the exit status is 1 then. Symbolic links are not followed.
#include <fcntl.h>

#include <thread>

#include "hash_tree.hpp"
#include "sha256.hpp"

namespace {

constexpr std::uint64_t buffer_min = 4 << 10;  // some files do not know their size
constexpr std::uint64_t buffer_max = 256 << 10;
constexpr std::size_t here_max = std::size_t{16} << 10;  // hashed sooner than a thread would have begun

coil::Coro<std::string> hash_file(std::string path) {
  coil::File file = co_await coil::File::open(path, O_RDONLY | O_NOFOLLOW);
  const std::uint64_t file_size = co_await file.size();
  std::vector<std::byte> buffer(std::clamp(file_size + 1, buffer_min, buffer_max));
  example::Sha256 hash;
  std::size_t size = 0;
  // The std::stop_token says that the thread may use what is here: should this task be cancelled, it is waited for.
  const auto update = [&](const std::stop_token&) { hash.update(std::span(buffer).first(size)); };
  while ((size = co_await file.read(buffer)) != 0) {
    if (size <= here_max)
      update({});
    else
      co_await coil::to_thread(update);
  }
  co_return hash.digest();
}

coil::Coro<int> hash_files(std::string folder) {
  const std::ptrdiff_t at_once = 2 * static_cast<std::ptrdiff_t>(std::max(1U, std::thread::hardware_concurrency()));
  return example::hash_tree("hash_files", std::move(folder), at_once, hash_file);
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 1, 1, "hash_files DIR");
  return example::run(hash_files(argv[1]), "hash_files: ");
}
