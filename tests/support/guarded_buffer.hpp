// Buffers for operations of the kernel, whose memory is taken away when they are released.
//
// No sanitizer sees what the kernel writes. A GuardedBuffer ends where its page ends, with a page behind it that nobody
// may touch; when it is released its pages become inaccessible instead of free. So what the kernel writes beyond it or
// too late comes back as EFAULT, which every IO_TEST looks for at its end.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <string_view>

namespace coil_test {

class GuardedBuffer {
public:
  explicit GuardedBuffer(std::size_t size) : size_(size), pages_((size + page_size() - 1) / page_size()) {
    void* memory = ::mmap(nullptr, length(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::byte*>(memory);
    ::mprotect(start_, pages_ * page_size(), PROT_READ | PROT_WRITE);
  }
  /// Holds a copy of `text`.
  explicit GuardedBuffer(std::string_view text) : GuardedBuffer(text.size()) {
    if (!text.empty()) std::memcpy(data(), text.data(), text.size());
  }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  ~GuardedBuffer() {
    ::mprotect(start_, length(), PROT_NONE);
    ::madvise(start_, length(), MADV_DONTNEED);
    quarantine({start_, length()});
  }

  std::byte* data() const { return start_ + pages_ * page_size() - size_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data(), size_}; }
  /// The first `size` bytes as text.
  std::string text(std::size_t size) const { return {reinterpret_cast<const char*>(data()), size}; }
  std::string text() const { return text(size_); }
  void fill(char byte) const { std::memset(data(), byte, size_); }

private:
  static std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
  std::size_t length() const { return (pages_ + 1) * page_size(); }

  /// Keeps the address out of use for a long while, not for ever: mappings of a process are limited.
  static void quarantine(std::span<std::byte> pages) {
    constexpr std::size_t kept_max = 4096;
    static std::mutex mutex;  // tests have threads
    const std::lock_guard lock(mutex);
    static auto* kept = new std::deque<std::span<std::byte>>;
    kept->push_back(pages);
    if (kept->size() <= kept_max) return;
    ::munmap(kept->front().data(), kept->front().size());
    kept->pop_front();
  }

  std::size_t size_;
  std::size_t pages_;
  std::byte* start_ = nullptr;
};

}  // namespace coil_test
