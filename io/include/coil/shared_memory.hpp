#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <coil/coro.hpp>
#include <coil/detail/owned_fd.hpp>

namespace coil {

/// Memory that several processes see: an anonymous file, mapped. It begins filled with zeros.
///
/// A child that is forked off has it at the same address. To any other process send `fd()` through a MessagePipe, and
/// make a SharedMemory of what arrives. Its size is sealed: nobody can take it away from under the others.
/// Lifetime: the destructor unmaps it here; it is gone with the last process that has it.
/// Threads: any; who writes what when is the processes' own business.
class SharedMemory {
public:
  /// `size` bytes, from 1 up. Errors: `std::invalid_argument` for 0; `std::system_error`.
  explicit SharedMemory(std::size_t size);
  /// Takes over what came from another process.
  /// Errors: `std::system_error`; `std::invalid_argument` if it is no memory of this kind: then its size could change.
  explicit SharedMemory(detail::OwnedFd fd);
  SharedMemory(SharedMemory&& other) noexcept
      : fd_(std::move(other.fd_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~SharedMemory();

  std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> bytes() const noexcept { return {data(), size_}; }
  int fd() const noexcept { return fd_.get(); }

private:
  void map();

  detail::OwnedFd fd_;
  void* data_ = nullptr;  // null once moved from
  std::size_t size_ = 0;
};

namespace detail {

/// What of a SharedQueue does not depend on its items but for their size.
class SharedQueueBase {
public:
  /// What another process needs to take part; for `MessagePipe::send`. The descriptors stay the queue's.
  std::array<int, 5> descriptors() const noexcept;

  std::size_t maxsize() const noexcept { return capacity_; }
  /// The items that are in the queue now. Other processes may change that at any time.
  std::size_t qsize() const;
  /// This process puts no more. When no process is left that does, those who get are told, once the queue is empty.
  void close_put() noexcept;
  /// This process takes no more. When no process is left that does, those who wait in `put` are told.
  void close_get() noexcept;

protected:
  SharedQueueBase(std::size_t item_size, std::size_t capacity);
  SharedQueueBase(std::size_t item_size, std::span<OwnedFd> descriptors);
  SharedQueueBase(SharedQueueBase&&) noexcept = default;
  SharedQueueBase& operator=(SharedQueueBase&&) noexcept = default;
  ~SharedQueueBase() = default;

  Coro<void> put_bytes(const void* item);
  Coro<void> get_bytes(void* item);
  bool try_put(const void* item);
  bool try_get(void* item);

private:
  struct Header;
  class Locked;
  Header& header() const noexcept;
  std::byte* slot(std::size_t index) const noexcept;
  void check_open(const OwnedFd& end, const char* call) const;

  SharedMemory memory_;
  std::size_t item_size_;
  std::size_t capacity_;
  OwnedFd items_out_;  // can be read while there is an item, and has ended when no process is left that puts
  OwnedFd items_in_;   // of those who put
  OwnedFd room_out_;   // can be read while there is room, and has ended when no process is left that takes
  OwnedFd room_in_;    // of those who take
};

}  // namespace detail

/// A bounded queue between processes, in shared memory. First in, first out; of the tasks and processes that wait any
/// may be the next. Made before a `fork_process` it is the child's as well, at once; other processes make one of the
/// `descriptors()` that were sent to them.
///
/// A process that ends, also by SIGKILL, leaves the queue intact: an item is in it whole or not at all, and a lock that
/// the process held is taken from it. That a peer is gone is noticed as at a pipe: each process that only puts calls
/// `close_get()`, each that only takes `close_put()`. When the last one that could put has ended, `get` throws
/// QueueShutDown after the last item; when the last one that could take has, `put` does once it would wait.
/// Errors: `std::logic_error` for a call on a side that was closed here; `std::runtime_error` if another process wrote
///   nonsense into the memory.
/// Cancellation: nothing is lost, and nothing is put.
/// Lifetime: outlives the tasks that use it. Move-only.
/// Threads: one at a time in each process. Another process that is stopped in the midst of a call, for some 50
///   nanoseconds of it, holds up all others until it goes on.
template <class T>
class SharedQueue : public detail::SharedQueueBase {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                "coil: items go from process to process as bytes; a pointer would mean nothing there");

public:
  using value_type = T;

  /// `maxsize`: how many items fit, from 1 up. Errors: `std::invalid_argument`; `std::system_error`.
  explicit SharedQueue(std::size_t maxsize) : SharedQueueBase(sizeof(T), maxsize) {}
  /// Takes over what came from another process, in the order of `descriptors()`.
  /// Errors: `std::invalid_argument` for anything but a queue of items of this size.
  explicit SharedQueue(std::span<detail::OwnedFd> descriptors) : SharedQueueBase(sizeof(T), descriptors) {}

  /// Waits while the queue is full, then puts the item.
  Coro<void> put(T item) { co_await put_bytes(&item); }
  /// Waits while the queue is empty, then takes the next item.
  Coro<T> get() {
    Memory memory;
    co_await get_bytes(&memory);
    co_return __builtin_bit_cast(T, memory);
  }
  /// False if the queue is full.
  bool try_put_nowait(const T& item) { return try_put(&item); }

private:
  struct Memory {
    std::byte bytes[sizeof(T)];
  };
};

}  // namespace coil
