#include <coil/stream.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <coil/unix_socket.hpp>

#include "fd_transport.hpp"

namespace coil {

namespace {

using detail::FdTransport;

Stream stream_over(FdTransport::Kind kind, Fd in, Fd out, const StreamOptions& options) {
  return Stream(detail::Owner<detail::Transport>(new FdTransport(kind, std::move(in), std::move(out))), options);
}

Fd copy_of(int number, const char* name) {
  const int copy = ::fcntl(number, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw std::system_error(errno, std::system_category(), name);
  return Fd(copy);
}

}  // namespace

Stream::Stream(detail::Owner<detail::Transport> transport, const StreamOptions& options)
    : core_(new detail::StreamCore(std::move(transport), options)) {}
Stream::Stream(StreamSocket&& connection, const StreamOptions& options)
    : Stream(stream_over(FdTransport::Kind::socket, Fd(connection.release()), Fd(), options)) {}
Stream::Stream(Fd reader, Fd writer, const StreamOptions& options)
    : Stream(stream_over(FdTransport::Kind::file, std::move(reader), std::move(writer), options)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    close();
    core_ = std::move(other.core_);
  }
  return *this;
}

std::pair<Stream, Stream> Stream::pair(const StreamOptions& options) {
  auto [one, other] = UnixStream::pair();
  Stream first(std::move(one), options);
  return {std::move(first), Stream(std::move(other), options)};
}

void Stream::throw_none(const char* call) {
  throw std::logic_error("coil: Stream::" + std::string(call) + "() of a Stream that is none");
}

Stream stdin_stream(const StreamOptions& options) { return Stream(copy_of(STDIN_FILENO, "stdin"), Fd(), options); }
Stream stdout_stream(const StreamOptions& options) { return Stream(Fd(), copy_of(STDOUT_FILENO, "stdout"), options); }

// ---- Reading ---------------------------------------------------------------------------------------------

Stream::ReadOperation Stream::read(std::size_t size_max) { return {&core("read"), size_max}; }
Stream::ReadSomeOperation Stream::read_some(std::span<std::byte> buffer) { return {&core("read_some"), buffer}; }
Stream::ReadExactlyOperation Stream::read_exactly(std::size_t size) { return {&core("read_exactly"), size}; }
Stream::ReadUntilOperation Stream::read_until(std::string_view separator) {
  if (separator.empty()) detail::throw_invalid_argument("coil: Stream::read_until(): the separator is empty");
  return {&core("read_until"), "read_until", separator, false};
}
Stream::ReadUntilOperation Stream::read_line() { return {&core("read_line"), "read_line", "\n", true}; }
Stream::ReadAllOperation Stream::read_all(std::size_t size_max) { return {&core("read_all"), size_max}; }
Stream::PeekOperation Stream::peek(std::size_t size_min) { return {&core("peek"), size_min}; }

void Stream::consume(std::size_t size) {
  if (size > buffered().size())
    detail::throw_invalid_argument("coil: Stream::consume() of more than was received; see buffered()");
  if (size != 0) core_->input().consume(size);
}

std::string Stream::ReadOperation::await_resume() {
  end_wait();
  if (max_ != 0 && core_->input().empty()) throw_if_failed();
  return take(max_);
}

std::size_t Stream::ReadSomeOperation::await_resume() {
  end_wait();
  detail::StreamBuffer& input = core_->input();
  if (!buffer_.empty() && input.empty()) throw_if_failed();
  const std::size_t size = std::min(input.size(), buffer_.size());
  if (size == 0) return 0;
  std::memcpy(buffer_.data(), input.bytes().data(), size);
  input.consume(size);
  return size;
}

std::string Stream::ReadExactlyOperation::await_resume() {
  end_wait();
  if (is_enough()) return take(size_);
  throw_if_failed();
  throw IncompleteReadError(take(size_), size_);
}

bool Stream::ReadUntilOperation::is_enough() noexcept {
  const std::string_view text = core_->input().text();
  found_ = text.find(separator_, searched_);
  if (found_ != std::string_view::npos) return true;
  searched_ = text.size() < separator_.size() ? 0 : text.size() + 1 - separator_.size();
  return searched_ > core_->options().limit;
}

std::string Stream::ReadUntilOperation::await_resume() {
  searched_ = 0;
  end_wait();
  is_enough();
  const std::size_t limit = core_->options().limit;
  if (found_ != std::string_view::npos) {
    if (found_ > limit) throw LimitOverrunError("Separator is found, but chunk is longer than limit", found_);
    return take(found_ + separator_.size());
  }
  if (searched_ > limit)
    throw LimitOverrunError("Separator is not found, and chunk exceed the limit", std::exchange(searched_, 0));
  searched_ = 0;
  throw_if_failed();
  std::string rest = take(core_->input().size());
  if (or_end_) return rest;
  throw IncompleteReadError(std::move(rest), 0);
}

std::string Stream::ReadAllOperation::await_resume() {
  end_wait();
  if (is_enough())
    throw std::length_error("coil: Stream::read_all(): more than " + std::to_string(max_) + " bytes came");
  throw_if_failed();
  return take(core_->input().size());
}

std::string_view Stream::PeekOperation::await_resume() {
  end_wait();
  if (!is_enough()) throw_if_failed();
  return core_->input().text();
}

// ---- Writing and closing ---------------------------------------------------------------------------------

detail::StreamWriteWait Stream::drain() {
  return {&core("drain"), detail::StreamWriteWait::Until::below_water, "drain"};
}
detail::StreamWriteWait Stream::flush() { return {&core("flush"), detail::StreamWriteWait::Until::all_sent, "flush"}; }
detail::StreamWriteWait Stream::write_all(std::span<const std::byte> data) {
  write(data);
  return {&core("write_all"), detail::StreamWriteWait::Until::all_sent, "write_all"};
}
detail::StreamWriteWait Stream::write_all(std::string_view text) { return write_all(detail::bytes_of(text)); }
void Stream::write_eof() { core("write_eof").write_eof(); }
detail::StreamWriteWait Stream::wait_closed() {
  return {&core("wait_closed"), detail::StreamWriteWait::Until::closed, "wait_closed"};
}

}  // namespace coil
