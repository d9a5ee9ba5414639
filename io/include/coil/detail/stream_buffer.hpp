#pragma once
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <coil/detail/frame_pool.hpp>

namespace coil::detail {

/// Bytes that are added at the end and taken at the beginning, in one piece. Empty, it has no memory, and where they
/// stand is noted in front of them, so that an idle stream is small.
/// Errors: `std::bad_alloc`.
class StreamBuffer {
public:
  /// What stands in front of the bytes: with it a block is allocated.
  static constexpr std::size_t header_size = 64;

  StreamBuffer() noexcept = default;
  StreamBuffer(const StreamBuffer&) = delete;
  StreamBuffer& operator=(const StreamBuffer&) = delete;
  ~StreamBuffer() { release(); }

  std::size_t size() const noexcept { return block_ == nullptr ? 0 : block_->end - block_->begin; }
  bool empty() const noexcept { return size() == 0; }
  std::span<const std::byte> bytes() const noexcept {
    if (block_ == nullptr) return {};
    return {block_->data() + block_->begin, size()};
  }
  std::string_view text() const noexcept {
    const std::span<const std::byte> all = bytes();
    return {reinterpret_cast<const char*>(all.data()), all.size()};
  }

  /// Room for `size` bytes or more behind what there is. What is written there counts after `commit`.
  std::span<std::byte> room(std::size_t size) {
    if (block_ == nullptr || block_->capacity - block_->end < size) make_room(size);
    return {block_->data() + block_->end, block_->capacity - block_->end};
  }
  /// After `room`.
  void commit(std::size_t size) noexcept { block_->end += size; }
  /// After `room`: it is being written to, and until `unpin` it stays where it is.
  void pin() noexcept { block_->pinned = true; }
  void unpin() noexcept {
    if (block_ == nullptr) return;
    block_->pinned = false;
    if (empty()) release();
  }
  bool is_pinned() const noexcept { return block_ != nullptr && block_->pinned; }
  void append(std::span<const std::byte> data) {
    if (data.empty()) return;
    std::memcpy(room(data.size()).data(), data.data(), data.size());
    commit(data.size());
  }
  /// Takes `size` bytes away, of those that are there.
  void consume(std::size_t size) noexcept {
    if (size == 0) return;
    block_->begin += size;
    if (empty() && !block_->pinned) release();
  }
  void clear() noexcept { release(); }
  /// Neither is pinned.
  void swap(StreamBuffer& other) noexcept { std::swap(block_, other.block_); }

private:
  /// Stands in front of the bytes. They begin with a cache line of their own.
  struct alignas(16) Block {
    std::size_t capacity;
    std::size_t begin;
    std::size_t end;
    bool pinned;
    std::byte* data() noexcept { return reinterpret_cast<std::byte*>(this) + header_size; }
  };
  static constexpr std::size_t capacity_min = 1024 - header_size;
  static_assert(sizeof(Block) <= header_size);

  void make_room(std::size_t size);
  void release() noexcept {
    if (block_ == nullptr) return;
    frame_pool.deallocate(block_, header_size + block_->capacity);
    block_ = nullptr;
  }

  Block* block_ = nullptr;
};

}  // namespace coil::detail
