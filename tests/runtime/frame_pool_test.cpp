// Memory for frames: size classes, reuse, what goes back to the system, what other threads free, what threads leave.
#include <coil/detail/frame_pool.hpp>

#include "../support/child.hpp"
#include "../support/loop_test.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <latch>
#include <set>
#include <thread>
#include <vector>

using coil::detail::frame_pool;
using coil::detail::FramePool;

namespace {

/// With a sanitizer each block comes from malloc: what is counted in slabs is not there then.
const auto needs_slabs = doctest::skip(coil_test::sanitized);

constexpr std::size_t pooled_max = 64 * 1024;

/// Runs `f` in a thread of its own, which has a pool of its own.
template <class F>
void in_new_thread(F f) {
  std::thread(f).join();
}

struct Block {
  void* memory;
  std::size_t size;
};

Block make(std::size_t size) {
  const Block block{frame_pool.allocate(size), size};
  std::memset(block.memory, static_cast<int>(size % 251), size);
  return block;
}

bool is_intact(const Block& block) {
  const auto* bytes = static_cast<const unsigned char*>(block.memory);
  for (std::size_t i = 0; i < block.size; ++i)
    if (bytes[i] != block.size % 251) return false;
  return true;
}

void release(const Block& block) { frame_pool.deallocate(block.memory, block.size); }

void release_all(std::vector<Block>& blocks) {
  for (const Block& block : blocks) release(block);
  blocks.clear();
}

std::vector<Block> make_many(std::size_t count, std::size_t size) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(make(size));
  return blocks;
}

}  // namespace

// ---- Blocks ----------------------------------------------------------------------------------------------

TEST_CASE("pool: blocks of all sizes are aligned and do not overlap") {
  in_new_thread([] {
    std::vector<Block> blocks;
    for (std::size_t size = 0; size <= pooled_max + 5000; size += size < 2000 ? 1 : 149) {
      blocks.push_back(make(size));
      CHECK(reinterpret_cast<std::uintptr_t>(blocks.back().memory) % 16 == 0);
    }
    for (const Block& block : blocks) REQUIRE(is_intact(block));
    CHECK(frame_pool.live() == static_cast<std::int64_t>(blocks.size()));
    release_all(blocks);
    CHECK(frame_pool.live() == 0);
  });
}

TEST_CASE("pool: a block that was freed is the next one of its size" * needs_slabs) {
  in_new_thread([] {
    for (const std::size_t size : {std::size_t{1}, std::size_t{64}, std::size_t{1000}, std::size_t{5000}, pooled_max}) {
      CAPTURE(size);
      const Block first = make(size);
      const Block second = make(size);
      release(first);
      release(second);
      CHECK(make(size).memory == second.memory);
      CHECK(make(size).memory == first.memory);
      release(first);
      release(second);
    }
  });
}

TEST_CASE("pool: sizes of one class share blocks, others do not" * needs_slabs) {
  in_new_thread([] {
    const Block block = make(17);
    release(block);
    const Block larger = make(33);
    const Block smaller = make(16);
    const Block same = make(32);
    CHECK(larger.memory != block.memory);
    CHECK(smaller.memory != block.memory);
    CHECK(same.memory == block.memory);
    for (const Block& each : {larger, smaller, same}) release(each);
  });
}

TEST_CASE("pool: a block is at most a quarter larger than asked for, or 15 bytes" * needs_slabs) {
  in_new_thread([] {
    for (std::size_t size = 1; size <= pooled_max; size += size < 1100 ? 1 : 53) {
      const Block first = make(size);
      const Block second = make(size);
      const auto distance =
          static_cast<std::size_t>(static_cast<char*>(second.memory) - static_cast<char*>(first.memory));
      if (distance < FramePool::slab_size / 2) {  // else the second one began a slab
        CAPTURE(size);
        REQUIRE(distance >= size);
        REQUIRE(distance <= std::max(size + 15, size + size / 4));
      }
      release(second);
      release(first);
      frame_pool.trim();
    }
  });
}

TEST_CASE("pool: larger blocks than 64 KiB come from elsewhere" * needs_slabs) {
  in_new_thread([] {
    std::vector<Block> blocks = make_many(100, pooled_max + 1);
    CHECK(frame_pool.slab_bytes() == 0);
    CHECK(frame_pool.live() == 100);
    release_all(blocks);
    CHECK(frame_pool.live() == 0);
  });
}

// ---- Back to the system ----------------------------------------------------------------------------------

TEST_CASE("pool: trim gives back the slabs in which nothing lives" * needs_slabs) {
  in_new_thread([] {
    std::vector<Block> blocks = make_many(10'000, 200);
    std::vector<Block> others = make_many(1'000, 3'000);
    CHECK(frame_pool.slab_bytes() >= 10'000 * 200 + 1'000 * 3'000);
    frame_pool.trim();
    CHECK(frame_pool.slab_bytes() >= 10'000 * 200 + 1'000 * 3'000);  // all of it lives
    release_all(blocks);
    CHECK(frame_pool.slab_bytes() >= 10'000 * 200);
    frame_pool.trim();
    CHECK(frame_pool.slab_bytes() < 10'000 * 200 + 1'000 * 3'000);
    release_all(others);
    frame_pool.trim();
    CHECK(frame_pool.slab_bytes() == 0);
  });
}

TEST_CASE("pool: trim leaves blocks that live alone, and the pool goes on" * needs_slabs) {
  in_new_thread([] {
    std::vector<Block> blocks = make_many(10'000, 300);
    std::vector<Block> kept;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i % 2'000 == 0)
        kept.push_back(blocks[i]);
      else
        release(blocks[i]);
    }
    frame_pool.trim();
    CHECK(frame_pool.slab_bytes() <= kept.size() * FramePool::slab_size);
    CHECK(frame_pool.slab_bytes() > 0);
    for (const Block& block : kept) CHECK(is_intact(block));
    std::set<void*> used;
    for (const Block& block : kept) used.insert(block.memory);
    std::vector<Block> more = make_many(10'000, 300);
    for (const Block& block : more) REQUIRE(used.insert(block.memory).second);  // none twice
    for (const Block& block : kept) CHECK(is_intact(block));
    release_all(more);
    release_all(kept);
    frame_pool.trim();
    CHECK(frame_pool.slab_bytes() == 0);
  });
}

TEST_CASE("pool: trim of an empty pool, and a second one, do nothing") {
  in_new_thread([] {
    frame_pool.trim();
    const Block block = make(100);
    release(block);
    frame_pool.trim();
    frame_pool.trim();
    CHECK(frame_pool.live() == 0);
    release(make(100));
  });
}

TEST_CASE("pool: trim_if_idle waits until three quarters are free, and does not bother with little" * needs_slabs) {
  in_new_thread([] {
    std::vector<Block> few = make_many(1'000, 1'000);
    release_all(few);
    const std::size_t little = frame_pool.slab_bytes();
    frame_pool.trim_if_idle();
    CHECK(frame_pool.slab_bytes() == little);

    std::vector<Block> blocks = make_many(40'000, 1'000);
    const std::size_t much = frame_pool.slab_bytes();
    REQUIRE(much > FramePool::slabs_kept * FramePool::slab_size);
    while (blocks.size() > 11'000) {
      release(blocks.back());
      blocks.pop_back();
    }
    frame_pool.trim_if_idle();
    CHECK(frame_pool.slab_bytes() == much);
    while (blocks.size() > 9'000) {
      release(blocks.back());
      blocks.pop_back();
    }
    frame_pool.trim_if_idle();
    CHECK(frame_pool.slab_bytes() < much / 2);
    release_all(blocks);
    frame_pool.trim();
    CHECK(frame_pool.slab_bytes() == 0);
  });
}

TEST_CASE("pool: the end of a run gives back what it needed" * needs_slabs) {
  in_new_thread([] {
    auto main = []() -> coil::Coro<void> {
      std::vector<coil::Coro<int>> sleepers;
      for (int i = 0; i < 20'000; ++i) sleepers.push_back(coil_test::value_after(std::chrono::seconds(1), i));
      co_await coil::gather(std::move(sleepers));
      CHECK(frame_pool.slab_bytes() > 0);
    };
    coil::run(main, coil_test::virtual_time);
    CHECK(frame_pool.slab_bytes() == 0);
  });
}

// ---- Several threads -------------------------------------------------------------------------------------

TEST_CASE("pool: blocks outlive the thread that made them") {
  std::vector<Block> blocks;
  in_new_thread([&] { blocks = make_many(1'000, 100); });
  for (const Block& block : blocks) CHECK(is_intact(block));
  in_new_thread([&] {
    std::vector<Block> more = make_many(10'000, 100);
    for (const Block& block : blocks) CHECK(is_intact(block));
    release_all(blocks);
    release_all(more);
  });
}

TEST_CASE("pool: what a thread leaves behind serves the next one, which gives it back in the end" * needs_slabs) {
  std::vector<Block> blocks;
  in_new_thread([&] {
    blocks = make_many(10'000, 100);
    for (std::size_t i = 0; i < blocks.size(); ++i)
      if (i % 100 != 0) release(blocks[i]);
  });
  in_new_thread([&] {
    std::set<void*> left;
    for (std::size_t i = 0; i < blocks.size(); ++i)
      if (i % 100 != 0) left.insert(blocks[i].memory);
    std::vector<Block> more = make_many(9'000, 100);
    std::size_t used_again = 0;
    for (const Block& block : more) used_again += left.count(block.memory);
    CHECK(used_again > 8'000);
    for (std::size_t i = 0; i < blocks.size(); i += 100) {
      CHECK(is_intact(blocks[i]));
      release(blocks[i]);
    }
    release_all(more);
    frame_pool.trim();
    CHECK(frame_pool.slab_bytes() == 0);
  });
}

TEST_CASE("pool: blocks may be freed by another thread, which may use them") {
  std::vector<Block> blocks;
  in_new_thread([&] {
    blocks = make_many(1'000, 100);
    in_new_thread([&] {
      for (const Block& block : blocks) CHECK(is_intact(block));
      release_all(blocks);
      CHECK(frame_pool.live() == -1'000);
      blocks = make_many(1'000, 100);
      CHECK(frame_pool.live() == 0);
      release_all(blocks);
    });
    CHECK(frame_pool.live() == 1'000);  // it does not know
  });
}

// The free blocks of a thread that had no slab of its own were forgotten.
TEST_CASE("pool: what a thread has only freed is not lost when it ends" * needs_slabs) {
  in_new_thread([] {
    std::vector<Block> blocks = make_many(10'000, 100);
    std::set<void*> freed;
    for (const Block& block : blocks) freed.insert(block.memory);
    in_new_thread([&] { release_all(blocks); });
    std::vector<Block> more = make_many(20'000, 100);
    std::size_t used_again = 0;
    for (const Block& block : more) used_again += freed.count(block.memory);
    CHECK(used_again == 10'000);
    release_all(more);
    frame_pool.trim();
    CHECK(frame_pool.slab_bytes() == 0);
  });
}

// A block that one thread made and another freed stayed with the second one: as many as one likes, for ever.
TEST_CASE("pool: the memory of callbacks that another thread posts goes back to it" * needs_slabs) {
  in_new_thread([] {
    constexpr int rounds = 40;
    constexpr int posts = 5000;
    auto main = []() -> coil::Coro<void> {
      coil::Loop& loop = coil::get_running_loop();
      std::atomic<int> called = 0;
      std::size_t needed = 0;
      std::int64_t alive = 0;
      std::thread poster([&] {
        for (int round = 1; round <= rounds; ++round) {
          for (int i = 0; i < posts; ++i) loop.call_soon_threadsafe([&] { called.fetch_add(1); });
          while (called != round * posts) std::this_thread::yield();
        }
        needed = frame_pool.slab_bytes();
        alive = frame_pool.live();
      });
      while (called != rounds * posts) co_await coil::yield();
      poster.join();
      CHECK(needed <= 3 * posts * 256);
      CHECK(alive == 0);
    };
    coil::run(main, coil_test::virtual_time);
    CHECK(frame_pool.live() == 0);
  });
}

TEST_CASE("pool: many threads make, pass on and free at once") {
  constexpr std::size_t count = 8;
  std::vector<std::vector<Block>> blocks(count);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        for (const Block& block : blocks[i]) REQUIRE(is_intact(block));
        release_all(blocks[i]);
        blocks[i] = make_many(500, 50 * (i + 1));
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::rotate(blocks.begin(), blocks.begin() + 1, blocks.end());
  }
  in_new_thread([&] {
    for (auto& each : blocks) release_all(each);
  });
}

// A child gave blocks back to threads that only its parent has.
TEST_CASE("pool: a forked child gives nothing back to threads that it does not have" * needs_slabs) {
  const auto result = coil_test::in_child([] {
    coil::run([]() -> coil::Coro<void> { co_return; });
    std::vector<Block> blocks;
    std::latch made(1);
    std::latch end(1);
    std::thread maker([&] {
      blocks = make_many(2 * FramePool::surplus_max, 100);
      made.count_down();
      end.wait();
    });
    made.wait();
    release_all(blocks);
    const std::int64_t before = frame_pool.live();
    const pid_t child = ::fork();
    frame_pool.give_back_surplus();
    if (child == 0) ::_exit(frame_pool.live() == before ? 5 : 6);
    int status = 0;
    ::waitpid(child, &status, 0);
    end.count_down();
    maker.join();
    return (WIFEXITED(status) ? WEXITSTATUS(status) : 0) + (frame_pool.live() > before ? 10 : 0);
  });
  CHECK(result.exited_with(15));
}
