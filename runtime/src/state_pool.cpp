#include <sys/mman.h>

#include <new>

#include <coil/detail/state.hpp>

#include "map_aligned.hpp"

namespace coil::detail {

// A chunk is aligned to its size, so that a state finds its pool by masking its own address.
void* StatePool::carve() {
  if (chunks_ == nullptr || (chunks_->carved + 1) * sizeof(TaskState) + sizeof(TaskState) > chunk_size) {
    static_assert(sizeof(Chunk) <= sizeof(TaskState));
    chunks_ = ::new (map_aligned(chunk_size)) Chunk{core_, this, chunks_, 0, 0};
  }
  ++chunks_->carved;
  return reinterpret_cast<char*>(chunks_) + chunks_->carved * sizeof(TaskState);
}

void StatePool::orphan() noexcept {
  core_ = nullptr;
  for (Chunk* chunk = chunks_; chunk != nullptr; chunk = chunk->next) chunk->core = nullptr;
  if (live_ == 0) delete this;
}

void StatePool::trim() noexcept {
  const auto chunk_of = [](Ready* state) {
    return reinterpret_cast<Chunk*>(reinterpret_cast<std::uintptr_t>(state) & ~(chunk_size - 1));
  };
  for (Chunk* chunk = chunks_; chunk != nullptr; chunk = chunk->next) chunk->free = 0;
  for (Ready* state = free_; state != nullptr; state = state->next) ++chunk_of(state)->free;
  Ready** link = &free_;
  while (Ready* state = *link) {
    if (chunk_of(state)->free == chunk_of(state)->carved)
      *link = state->next;
    else
      link = &state->next;
  }
  Chunk** chunk_link = &chunks_;
  while (Chunk* chunk = *chunk_link) {
    if (chunk->free != chunk->carved) {
      chunk_link = &chunk->next;
      continue;
    }
    *chunk_link = chunk->next;
    ::munmap(chunk, chunk_size);
  }
}

StatePool::~StatePool() {
  for (Chunk* chunk = chunks_; chunk != nullptr;) {
    Chunk* next = chunk->next;
    ::munmap(chunk, chunk_size);
    chunk = next;
  }
}

}  // namespace coil::detail
