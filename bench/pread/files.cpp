// Random reads and a copy by system calls that block, one after the other.
#include <vector>

#include "../files/files.hpp"

namespace {

void read_all(const files::Reading& work) {
  files::Offsets offsets(work.size);
  files::Buffers buffer(files::block);
  for (long i = 0; i < work.count; ++i)
    if (::pread(work.fd, buffer.at(0), files::block, static_cast<off_t>(offsets.next())) != files::block) std::abort();
}

void copy_all(int from, int to) {
  std::vector<char> buffer(files::piece);
  for (;;) {
    const ssize_t size = ::read(from, buffer.data(), buffer.size());
    if (size < 0) files::fail("read");
    if (size == 0) return;
    if (::write(to, buffer.data(), static_cast<std::size_t>(size)) != size) files::fail("write");
  }
}

}  // namespace

int main(int argc, char** argv) { return files::run(argc, argv, read_all, copy_all); }
