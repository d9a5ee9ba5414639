// Where coroutine frames live: a free list for each size, fed from slabs that are never given back.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace limit {

class FramePool {
public:
  void* take(std::size_t bytes) {
    const std::size_t list = (bytes - 1) / step;
    if (list >= lists) return ::operator new(bytes);
    Hole* hole = holes_[list];
    if (hole == nullptr) [[unlikely]]
      return carve((list + 1) * step);
    holes_[list] = hole->below;
    return hole;
  }

  void give_back(void* frame, std::size_t bytes) noexcept {
    const std::size_t list = (bytes - 1) / step;
    if (list >= lists) return ::operator delete(frame);
    holes_[list] = ::new (frame) Hole{holes_[list]};
  }

private:
  struct Hole {
    Hole* below;
  };
  static constexpr std::size_t step = 16;
  static constexpr std::size_t lists = 64;  // frames up to 1 KiB
  static constexpr std::size_t slab_bytes = std::size_t{1} << 20;

  [[gnu::noinline]] void* carve(std::size_t bytes) {
    if (room_ < bytes) {
      void* slab = mmap(nullptr, slab_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (slab == MAP_FAILED) throw std::bad_alloc{};
      next_ = static_cast<std::byte*>(slab);
      room_ = slab_bytes;
    }
    room_ -= bytes;
    return next_ += bytes, next_ - bytes;
  }

  Hole* holes_[lists] = {};
  std::byte* next_ = nullptr;  // the unused rest of the newest slab
  std::size_t room_ = 0;
};

inline constinit FramePool frame_pool;

/// A promise that derives from this has its frame in the pool.
struct PooledFrame {
  static void* operator new(std::size_t bytes) { return frame_pool.take(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { frame_pool.give_back(frame, bytes); }
};

}  // namespace limit
