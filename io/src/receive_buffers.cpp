#include "receive_buffers.hpp"

#include <liburing.h>
#include <sys/mman.h>

#include "multishot.hpp"

namespace coil::detail {

namespace {

void* map_memory(std::size_t size) noexcept {
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

ReceiveBuffers* ReceiveBuffers::of_loop() noexcept {
  LoopParts& parts = parts_of(*this_loop);
  if (parts.receive_buffers == nullptr) {
    if (!can_receive_multishot()) return nullptr;
    parts.receive_buffers.reset(new (std::nothrow) ReceiveBuffers(*parts.ring));
    if (parts.receive_buffers == nullptr) return nullptr;
  }
  auto* buffers = static_cast<ReceiveBuffers*>(parts.receive_buffers.get());
  return buffers->works() ? buffers : nullptr;
}

ReceiveBuffers::ReceiveBuffers(Ring& ring) noexcept : ring_(ring) {
  void* const memory = map_memory(entries * sizeof(io_uring_buf));
  if (memory == nullptr) return;
  if (!ring_.register_buffers(memory, entries, group)) {
    ::munmap(memory, entries * sizeof(io_uring_buf));
    return;
  }
  shared_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_ring_init(shared_);
  grow();
}

ReceiveBuffers::~ReceiveBuffers() {
  if (shared_ == nullptr) return;
  ring_.unregister_buffers(group);
  ::munmap(shared_, entries * sizeof(io_uring_buf));
  for (std::byte* slab : slabs_) ::munmap(slab, slab_buffers * buffer_size);
}

void ReceiveBuffers::grow() noexcept {
  if (slabs_.size() == entries / slab_buffers) return;
  try {
    slabs_.reserve(entries / slab_buffers);
  } catch (...) {
    return;
  }
  void* const memory = map_memory(slab_buffers * buffer_size);
  if (memory == nullptr) return;
  const auto first = static_cast<std::uint16_t>(slabs_.size() * slab_buffers);
  slabs_.push_back(static_cast<std::byte*>(memory));
  for (unsigned i = 0; i < slab_buffers; ++i) give_back(static_cast<std::uint16_t>(first + i));
}

void ReceiveBuffers::give_back(std::uint16_t number) noexcept {
  auto* const memory = const_cast<std::byte*>(buffer(number).data());
  io_uring_buf_ring_add(shared_, memory, buffer_size, number, io_uring_buf_ring_mask(entries), 0);
  io_uring_buf_ring_advance(shared_, 1);
}

}  // namespace coil::detail
