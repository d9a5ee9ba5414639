#include <coil/pipe_ends.hpp>

#include <algorithm>
#include <span>
#include <stdexcept>

namespace coil {

namespace {

constexpr std::size_t read_size_min = std::size_t{64} << 10;  // what a pipe holds

/// Gives a string room behind its text to read into, and in the end its right length.
class Tail {
public:
  explicit Tail(std::string& text) noexcept : text_(text), size_(text.size()) {}
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;
  ~Tail() { text_.resize(size_); }

  std::span<std::byte> room(std::size_t room_max) {
    const std::size_t wanted = std::min(room_max, read_size_min);
    if (text_.size() - size_ < wanted) text_.resize(size_ + std::max(wanted, std::min(room_max, size_)));
    return std::as_writable_bytes(std::span<char>(text_).subspan(size_));
  }
  void add(std::size_t size) noexcept { size_ += size; }
  std::size_t size() const noexcept { return size_; }

private:
  std::string& text_;
  std::size_t size_;
};

}  // namespace

namespace detail {

Coro<void> append_all(int fd, std::string& text, std::size_t size_max) {
  size_max = std::min(size_max, text.max_size() - 1);
  Tail tail(text);
  for (;;) {
    // One byte more than there may be tells the end from too much.
    const std::size_t room_max = std::max(size_max, tail.size()) - tail.size() + 1;
    const std::size_t size = co_await coil::read(fd, tail.room(room_max));
    if (size == 0) co_return;
    tail.add(size);
    if (tail.size() > size_max)
      throw std::length_error("coil: more than " + std::to_string(size_max) + " bytes came from a pipe");
  }
}

}  // namespace detail

Coro<std::string> PipeReader::read(std::size_t size_max) {
  std::string text(size_max, '\0');
  const std::size_t size = co_await coil::read(fd(), std::as_writable_bytes(std::span<char>(text)));
  text.resize(size);
  co_return text;
}

Coro<std::string> PipeReader::read_all() {
  std::string text;
  co_await detail::append_all(fd(), text, text.max_size());
  co_return text;
}

}  // namespace coil
