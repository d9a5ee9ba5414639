#include <coil/detail/frame_pool.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <new>
#include <utility>

#include "fork.hpp"
#include "map_aligned.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define COIL_PLAIN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COIL_PLAIN_MALLOC 1
#endif
#endif
#ifndef COIL_PLAIN_MALLOC
#define COIL_PLAIN_MALLOC 0
#endif

namespace coil::detail {

/// Stands at the start of each slab; found from any block by masking its address.
struct FramePool::Slab {
  Slab* next;
  std::atomic<FramePool*> owner;  // other threads may ask whether a block is theirs
  unsigned process;               // in which the owner is a thread
  std::size_t carved = 0;         // blocks handed out of this slab so far
  std::size_t free = 0;           // used by trim() only

  static Slab* of(void* block) {
    return reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(block) & ~(slab_size - 1));
  }
};

namespace {

constexpr std::size_t header_size = 64;

std::atomic<unsigned> pools_started = 0;
// Counts forks on the way to this process. Under the lock of the orphans.
unsigned this_process = 0;

// What threads that ended left behind. Leaked on purpose: other threads may still end after main.
struct Orphans {
  std::mutex mutex;
  FramePool* first = nullptr;
};
Orphans& orphans() {
  static auto* instance = new Orphans;
  return *instance;
}

}  // namespace

void lock_frame_orphans() noexcept { orphans().mutex.lock(); }
void unlock_frame_orphans() noexcept { orphans().mutex.unlock(); }
void forget_frame_owners() noexcept { ++this_process; }

void* map_aligned(std::size_t size) {
  void* raw = ::mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<std::uintptr_t>(raw);
  const std::uintptr_t aligned = (start + size - 1) & ~(size - 1);
  if (aligned != start) ::munmap(raw, aligned - start);
  const std::uintptr_t end = start + 2 * size;
  if (end != aligned + size) ::munmap(reinterpret_cast<void*>(aligned + size), end - aligned - size);
  return reinterpret_cast<void*>(aligned);
}

/// Hands the pool of a thread that ends to the orphans, as its blocks may still be in use elsewhere.
struct FramePool::ThreadEnd {
  FramePool* pool = nullptr;
  ~ThreadEnd() {
    if (pool == nullptr) return;
    pool->trim();
    const std::lock_guard lock(orphans().mutex);
    pool->take_returned();
    // One that has only freed what others made has no slab, but blocks.
    const bool has_blocks =
        std::any_of(std::begin(pool->free_), std::end(pool->free_), [](Block* list) { return list != nullptr; });
    if (pool->slabs_ == nullptr && !has_blocks) return;
    for (Slab* slab = pool->slabs_; slab != nullptr; slab = slab->next) slab->owner = nullptr;
    auto* kept = new (std::nothrow) FramePool(*pool);
    *pool = FramePool();
    if (kept == nullptr) return;
    kept->carve_end_ = reinterpret_cast<char*>(orphans().first);  // the rest of the newest slab is given up
    orphans().first = kept;
  }
};

void FramePool::start() noexcept {
  static thread_local ThreadEnd thread_end;
  thread_end.pool = this;
  classes_in_use_ = class_count;
  pools_started.fetch_add(1, std::memory_order_relaxed);
}

void* FramePool::allocate_slowly(std::size_t size, std::size_t index) {
  if (COIL_PLAIN_MALLOC || index >= class_count) {
    void* memory = ::operator new(size);
    ++live_;
    return memory;
  }
  if (classes_in_use_ == 0) start();
  const std::size_t bytes = class_size(index);
  if (bytes % 64 == 0) carve_ += -reinterpret_cast<std::uintptr_t>(carve_) % 64;
  if (static_cast<std::size_t>(carve_end_ - carve_) < bytes) {
    {
      const std::lock_guard lock(orphans().mutex);
      take_returned();
      if (free_[index] == nullptr) adopt_orphan();
    }
    if (Block* block = free_[index]) {
      free_[index] = block->next;
      ++live_;
      return block;
    }
    add_slab();
  }
  void* memory = carve_;
  carve_ += bytes;
  ++Slab::of(memory)->carved;
  peak_ = std::max(peak_, ++live_);
  return memory;
}

void FramePool::deallocate_slowly(void* memory, std::size_t size, std::size_t index) noexcept {
  if (COIL_PLAIN_MALLOC || index >= class_count) {
    --live_;
    ::operator delete(memory);
    return;
  }
  start();
  deallocate(memory, size);
}

// What a thread left behind when it ended. Under the lock of the orphans.
void FramePool::adopt_orphan() noexcept {
  FramePool* orphan = orphans().first;
  if (orphan == nullptr) return;
  orphans().first = reinterpret_cast<FramePool*>(orphan->carve_end_);
  for (std::size_t index = 0; index < class_count; ++index) {
    while (Block* block = orphan->free_[index]) {
      orphan->free_[index] = block->next;
      block->next = free_[index];
      free_[index] = block;
    }
  }
  while (Slab* slab = orphan->slabs_) {
    orphan->slabs_ = slab->next;
    slab->next = slabs_;
    slab->owner = this;
    slab->process = this_process;
    slabs_ = slab;
    ++slab_count_;
  }
  delete orphan;
}

// Looks at the blocks freed last: those of others are among them.
void FramePool::give_back() noexcept {
  const std::lock_guard lock(orphans().mutex);
  for (std::size_t index = 0; index < class_count; ++index) {
    Block** link = &free_[index];
    for (std::int64_t looked_at = 0; *link != nullptr && looked_at < 2 * surplus_max; ++looked_at) {
      Block* block = *link;
      FramePool* owner = other_owner(block);
      if (owner == nullptr) {
        link = &block->next;
        continue;
      }
      *link = block->next;
      owner->returned_ = new (block) Returned{owner->returned_, static_cast<std::uint32_t>(index), true};
      ++live_;
    }
  }
  kept_ = live_;
}

void FramePool::give_back_given() noexcept {
  const std::lock_guard lock(orphans().mutex);
  while (Returned* given = given_) {
    given_ = given->next;
    const std::uint32_t index = given->index;
    if (FramePool* owner = other_owner(given))
      owner->returned_ = new (given) Returned{owner->returned_, index, false};
    else
      free_[index] = new (given) Block{free_[index]};
  }
  given_count_ = 0;
}

// The thread whose block it is, if that is another one and lives. Under the lock of the orphans.
FramePool* FramePool::other_owner(void* block) const noexcept {
  const Slab& slab = *Slab::of(block);
  FramePool* owner = slab.owner.load(std::memory_order_relaxed);
  return owner == this || slab.process != this_process ? nullptr : owner;
}

// Under the lock of the orphans.
void FramePool::take_returned() noexcept {
  while (Returned* returned = returned_) {
    returned_ = returned->next;
    if (returned->counted) --live_;
    const std::uint32_t index = returned->index;
    free_[index] = new (returned) Block{free_[index]};
  }
}

void FramePool::add_slab() {
  void* memory = map_aligned(slab_size);
  const std::lock_guard lock(orphans().mutex);
  auto* slab = new (memory) Slab{slabs_, this, this_process};
  slabs_ = slab;
  ++slab_count_;
  carve_ = reinterpret_cast<char*>(slab) + header_size;
  carve_end_ = reinterpret_cast<char*>(slab) + slab_size;
}

// Looks at every free block, unless this is the only pool that there ever was, and nothing in it lives.
void FramePool::trim() noexcept {
  const bool alone = pools_started.load(std::memory_order_relaxed) == 1;
  if (given_ != nullptr) give_back_given();
  if (!alone) {
    const std::lock_guard lock(orphans().mutex);
    take_returned();
  }
  peak_ = live_;
  if (slabs_ == nullptr) return;
  const bool all_free = alone && live_ == 0;
  if (all_free)
    std::fill(std::begin(free_), std::end(free_), nullptr);
  else
    drop_blocks_of_free_slabs();
  Slab** link = &slabs_;
  while (Slab* slab = *link) {
    if (!all_free && slab->free != slab->carved) {
      link = &slab->next;
      continue;
    }
    *link = slab->next;
    if (carve_end_ == reinterpret_cast<char*>(slab) + slab_size) carve_ = carve_end_ = nullptr;
    --slab_count_;
    ::munmap(slab, slab_size);
  }
}

void FramePool::drop_blocks_of_free_slabs() noexcept {
  const auto is_ours = [&](const Slab* slab) { return slab->owner.load(std::memory_order_relaxed) == this; };
  for (Slab* slab = slabs_; slab != nullptr; slab = slab->next) slab->free = 0;
  for (Block* list : free_)
    for (Block* block = list; block != nullptr; block = block->next)
      if (Slab* slab = Slab::of(block); is_ours(slab)) ++slab->free;
  for (Block*& list : free_) {
    Block** link = &list;
    while (Block* block = *link) {
      const Slab* slab = Slab::of(block);
      if (is_ours(slab) && slab->free == slab->carved)
        *link = block->next;
      else
        link = &block->next;
    }
  }
}

}  // namespace coil::detail
