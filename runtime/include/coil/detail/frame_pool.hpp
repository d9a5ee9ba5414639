#pragma once
#include <cstddef>
#include <cstdint>
#include <new>

namespace coil::detail {

/// Memory for coroutine frames and other small objects: one free list per size class and thread.
///
/// Classes are 16 bytes apart up to 1 KiB, then four to each doubling up to 64 KiB; larger blocks come from
/// `operator new`. Blocks are carved from aligned slabs of 256 KiB. A slab all of whose blocks are free is
/// given back to the system by `trim()`: at the end of every `run`, and when a loop goes to sleep for 100 ms or
/// more with over 16 slabs and the number of live blocks below a quarter of its peak.
///
/// Threads: a block may be freed by another thread than the one that made it; it then stays there until
/// `give_back_surplus()`. What a thread leaves behind when it ends is adopted by the next thread that needs a slab.
class FramePool {
public:
  void* allocate(std::size_t size) {
    const std::size_t index = size_class(size);
    if (index < class_count) [[likely]] {
      if (Block* block = free_[index]) [[likely]] {
        free_[index] = block->next;
        ++live_;
        return block;
      }
    }
    return allocate_slowly(size, index);
  }

  void deallocate(void* memory, std::size_t size) noexcept {
    const std::size_t index = size_class(size);
    if (index < class_count && index < classes_in_use_) [[likely]] {
      auto* block = static_cast<Block*>(memory);
      block->next = free_[index];
      free_[index] = block;
      --live_;
      return;
    }
    deallocate_slowly(memory, size, index);
  }

  /// A block that is likely to be freed by another thread, with `deallocate_given`. No thread counts it as alive.
  void* allocate_to_give(std::size_t size) {
    void* memory = allocate(size);
    --live_;
    return memory;
  }
  /// Goes back to the thread whose slab it is of, together with others.
  void deallocate_given(void* memory, std::size_t size) noexcept {
    const std::size_t index = size_class(size);
    if (index < class_count && index < classes_in_use_) [[likely]] {
      given_ = new (memory) Returned{given_, static_cast<std::uint32_t>(index), false};
      if (++given_count_ == given_max) give_back_given();
      return;
    }
    ++live_;
    deallocate_slowly(memory, size, index);
  }

  /// Gives slabs without a live block back to the system.
  void trim() noexcept;
  /// `trim()` if most of what was once needed is free by now. O(1) otherwise.
  void trim_if_idle() noexcept {
    if (slab_count_ > slabs_kept && live_ < peak_ / 4) trim();
  }

  /// For a thread that often frees what others made: once that is more than it keeps, the threads whose slabs those
  /// blocks are of get them back.
  void give_back_surplus() noexcept {
    if (live_ < kept_ - surplus_max) give_back();
  }

  /// Blocks allocated minus blocks freed by this thread, or on its behalf.
  std::int64_t live() const noexcept { return live_; }
  /// Bytes of slabs that this thread holds.
  std::size_t slab_bytes() const noexcept { return slab_count_ * slab_size; }

  static constexpr std::size_t slab_size = std::size_t{256} << 10;
  static constexpr std::size_t slabs_kept = 16;
  static constexpr std::int64_t surplus_max = 1024;  // blocks
  static constexpr std::size_t given_max = 256;      // blocks

private:
  struct Block {
    Block* next;
  };
  struct Returned {
    Returned* next;
    std::uint32_t index;
    bool counted;  // as alive, by the thread whose slab it is of
  };
  struct Slab;
  struct ThreadEnd;

  static constexpr std::size_t granularity = 16;
  static constexpr std::size_t small_max = 1024;
  static constexpr std::size_t pooled_max = 65536;
  static constexpr std::size_t small_classes = small_max / granularity;
  static constexpr std::size_t class_count = small_classes + 6 * 4;

  static constexpr std::size_t size_class(std::size_t size) noexcept {
    if (size <= small_max) return (size + granularity - 1) / granularity - (size != 0);
    if (size > pooled_max) return class_count;
    const auto doubling = static_cast<std::size_t>(63 - __builtin_clzll((size - 1) | 1));  // 10..15
    return small_classes + (doubling - 10) * 4 + (((size - 1) >> (doubling - 2)) & 3);
  }
  static constexpr std::size_t class_size(std::size_t index) noexcept {
    if (index < small_classes) return (index + 1) * granularity;
    const std::size_t step = index - small_classes;
    return (std::size_t{1} << (step / 4 + 8)) * (step % 4 + 5);
  }

  void* allocate_slowly(std::size_t size, std::size_t index);
  void deallocate_slowly(void* memory, std::size_t size, std::size_t index) noexcept;
  void start() noexcept;
  void add_slab();
  void adopt_orphan() noexcept;
  void give_back() noexcept;
  void give_back_given() noexcept;
  FramePool* other_owner(void* block) const noexcept;
  void take_returned() noexcept;
  void drop_blocks_of_free_slabs() noexcept;

  std::size_t classes_in_use_ = 0;  // 0: not started, or a sanitizer wants every block from malloc
  std::int64_t live_ = 0;
  std::int64_t peak_ = 0;
  std::int64_t kept_ = 0;  // live_ when give_back() last looked
  std::size_t slab_count_ = 0;
  char* carve_ = nullptr;  // rest of the newest slab
  char* carve_end_ = nullptr;
  Slab* slabs_ = nullptr;
  Returned* given_ = nullptr;  // to be given back to their threads
  std::size_t given_count_ = 0;
  Returned* returned_ = nullptr;  // under the lock of the orphans: what other threads have freed of these slabs
  Block* free_[class_count] = {};
};

// "initial-exec" spares a call per access where coil is a shared library.
[[gnu::tls_model("initial-exec")]] inline thread_local constinit FramePool frame_pool;

/// Coroutine frames and pooled objects of this thread that are alive.
inline std::int64_t live_frames() noexcept { return frame_pool.live(); }

/// Base for small objects of coil that live in the pool.
struct Pooled {
  static void* operator new(std::size_t size) { return frame_pool.allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept { frame_pool.deallocate(memory, size); }
};

}  // namespace coil::detail
