#pragma once
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <coil/detail/frame_pool.hpp>

namespace coil::detail {

/// Bytes that are added at the end and taken at the beginning, in one piece. Empty, it has no memory.
/// Errors: `std::bad_alloc`.
class StreamBuffer {
public:
  StreamBuffer() noexcept = default;
  StreamBuffer(const StreamBuffer&) = delete;
  StreamBuffer& operator=(const StreamBuffer&) = delete;
  ~StreamBuffer() { release(); }

  std::size_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }
  std::span<const std::byte> bytes() const noexcept { return {data_ + begin_, size()}; }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_ + begin_), size()}; }

  /// Room for `size` bytes or more behind what there is. What is written there counts after `commit`.
  std::span<std::byte> room(std::size_t size) {
    if (capacity_ - end_ < size) make_room(size);
    return {data_ + end_, capacity_ - end_};
  }
  void commit(std::size_t size) noexcept { end_ += size; }
  /// Room is being written to: until `unpin` it stays where it is.
  void pin() noexcept { pinned_ = true; }
  void unpin() noexcept {
    pinned_ = false;
    if (empty()) release();
  }
  bool is_pinned() const noexcept { return pinned_; }
  void append(std::span<const std::byte> data) {
    std::memcpy(room(data.size()).data(), data.data(), data.size());
    commit(data.size());
  }
  /// Takes `size` bytes away, of those that are there.
  void consume(std::size_t size) noexcept {
    begin_ += size;
    if (empty() && !pinned_) release();
  }
  void clear() noexcept { release(); }
  void swap(StreamBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
  }

private:
  static constexpr std::size_t capacity_min = 1024;

  void make_room(std::size_t size);
  void release() noexcept {
    if (data_ != nullptr) frame_pool.deallocate(data_, capacity_);
    data_ = nullptr;
    capacity_ = begin_ = end_ = 0;
  }

  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool pinned_ = false;
};

}  // namespace coil::detail
