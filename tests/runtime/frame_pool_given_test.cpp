// Memory for what is made in one thread and freed in another: it goes back to its thread, and is counted by neither.
#include <coil/detail/frame_pool.hpp>

#include "../support/loop_test.hpp"

#include <barrier>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

using coil::detail::frame_pool;
using coil::detail::FramePool;

namespace {

/// With a sanitizer each block comes from malloc: what is counted in slabs is not there then.
const auto needs_slabs = doctest::skip(coil_test::sanitized);

}  // namespace

TEST_CASE("pool: blocks that are made to be given away come back, and count as nobody's" * needs_slabs) {
  constexpr std::size_t size = 200;
  constexpr std::size_t count = 5000;
  const std::int64_t before = frame_pool.live();
  std::vector<void*> blocks(count);
  std::barrier meet(2);
  std::size_t slab_bytes = 0;
  std::thread maker([&] {
    for (int round = 0; round < 20; ++round) {
      for (void*& block : blocks) {
        block = frame_pool.allocate_to_give(size);
        std::memset(block, round, size);
      }
      meet.arrive_and_wait();
      meet.arrive_and_wait();
    }
    slab_bytes = frame_pool.slab_bytes();
    CHECK(frame_pool.live() == 0);
  });
  for (int round = 0; round < 20; ++round) {
    meet.arrive_and_wait();
    for (void* block : blocks) {
      REQUIRE(static_cast<char*>(block)[size - 1] == round);
      frame_pool.deallocate_given(block, size);
    }
    meet.arrive_and_wait();
  }
  maker.join();
  CHECK(frame_pool.live() == before);
  CHECK(slab_bytes <= (count * (size + 16) / FramePool::slab_size + 2) * FramePool::slab_size);
}

TEST_CASE("pool: a block that was to be given away may be freed where it was made, and after its thread" *
          needs_slabs) {
  std::vector<void*> blocks;
  std::thread([&] {
    frame_pool.deallocate_given(frame_pool.allocate_to_give(64), 64);
    const std::size_t at_first = frame_pool.slab_bytes();  // more than one if it has adopted others
    for (int i = 0; i < 100'000; ++i) frame_pool.deallocate_given(frame_pool.allocate_to_give(64), 64);
    CHECK(frame_pool.slab_bytes() <= at_first + FramePool::slab_size);
    for (int i = 0; i < 1000; ++i) blocks.push_back(frame_pool.allocate_to_give(64));
  }).join();
  const std::int64_t before = frame_pool.live();
  for (void* block : blocks) frame_pool.deallocate_given(block, 64);
  CHECK(frame_pool.live() == before);
}
