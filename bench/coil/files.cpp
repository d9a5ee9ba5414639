// Random reads and a copy through File, a task for each read that is under way.
#include <vector>

#include <coil/coil.hpp>

#include "../files/files.hpp"

namespace {

coil::Coro<void> read_blocks(coil::File& file, std::span<std::byte> buffer, files::Offsets& offsets, long& left) {
  while (left > 0) {
    --left;
    const std::size_t size = co_await file.read_at(buffer, offsets.next());
    if (size != files::block) std::abort();
  }
}

coil::Coro<void> read_all(files::Reading work) {
  coil::File file(coil::Fd(work.fd));
  files::Offsets offsets(work.size);
  files::Buffers buffers(files::block * static_cast<std::size_t>(work.depth));
  std::vector<coil::Coro<void>> readers;
  for (std::size_t i = 0; i < static_cast<std::size_t>(work.depth); ++i) {
    auto* const start = reinterpret_cast<std::byte*>(buffers.at(i * files::block));
    readers.push_back(read_blocks(file, {start, files::block}, offsets, work.count));
  }
  co_await coil::gather(std::move(readers));
}

coil::Coro<void> copy_all(int from, int to) {
  files::Buffers memory(files::piece);
  const std::span<std::byte> buffer(reinterpret_cast<std::byte*>(memory.at(0)), files::piece);
  while (const std::size_t size = co_await coil::read(from, buffer))
    co_await coil::write_all(to, std::span<const std::byte>(buffer).first(size));
}

}  // namespace

int main(int argc, char** argv) {
  return files::run(
      argc, argv, [](const files::Reading& work) { coil::run(read_all(work)); },
      [](int from, int to) { coil::run(copy_all(from, to)); });
}
