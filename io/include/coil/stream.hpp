#pragma once
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <coil/coro.hpp>
#include <coil/detail/stream_core.hpp>
#include <coil/endpoint.hpp>
#include <coil/fd.hpp>
#include <coil/stream_socket.hpp>

namespace coil {

/// No separator came within the limit of a stream; everything is still there to be read.
class LimitOverrunError : public std::runtime_error {
public:
  LimitOverrunError(const std::string& what, std::size_t consumed) : std::runtime_error(what), consumed_(consumed) {}
  /// How many bytes can be skipped without missing a separator.
  std::size_t consumed() const noexcept { return consumed_; }

private:
  std::size_t consumed_;
};

class TlsContext;
struct TlsOptions;

namespace detail {
struct StreamAccess;
}

/// Buffered reading and writing over a connection, a pipe, or whatever carries bytes: asyncio's StreamReader and
/// StreamWriter in one.
///
/// What is written is gathered and sent once per iteration of the loop, in order, without waiting. Who writes much awaits
/// `drain()` in between, so that what a slow peer has not read does not grow without bound. What is not read stays in
/// the kernel, and so holds the peer back. A stream that is idle holds little memory.
///
/// Closing, also by the destructor, still sends what was written, for as long as the peer takes it: it is given up when
/// it took nothing for 30 seconds, and when the loop ends, for what the kernel does not take at once. Who must know
/// that it was sent awaits `wait_closed()`.
///
/// Errors: `std::system_error` with the errno of recv(2) or send(2); `std::logic_error` in another loop.
/// Cancellation: of any wait loses no byte, neither of what was received nor of what was written.
/// Lifetime: may go, or be closed, while others wait here: they end as at the end of the stream.
/// Threads: loop thread. One task reads at a time (else `std::logic_error`), any number write.
class Stream {
public:
  class ReadOperation;
  class ReadSomeOperation;
  class ReadExactlyOperation;
  class ReadUntilOperation;
  class ReadAllOperation;
  class PeekOperation;

  /// None; anything but moving, closing and asking whether it is open is a `std::logic_error`.
  Stream() noexcept = default;
  /// Takes over a TcpStream or UnixStream. Errors: `std::logic_error` outside a loop.
  explicit Stream(StreamSocket&& connection, const StreamOptions& options = {});
  /// Reads from one descriptor and writes to the other, of which one may be none: the ends of pipes, a terminal.
  Stream(Fd reader, Fd writer, const StreamOptions& options = {});
  /// Over what carries the bytes of streams that coil does not know.
  Stream(detail::Owner<detail::Transport> transport, const StreamOptions& options = {});
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  /// Two that are connected to each other.
  static std::pair<Stream, Stream> pair(const StreamOptions& options = {});

  // ---- Reading ----

  /// What there is, up to `size_max` bytes, as soon as there is any; "" at the end.
  [[nodiscard]] ReadOperation read(std::size_t size_max = std::size_t{64} << 10);
  /// The same into a buffer; 0 at the end.
  [[nodiscard]] ReadSomeOperation read_some(std::span<std::byte> buffer);
  /// Errors: IncompleteReadError with what there was, which is taken, if the stream ends before `size` bytes.
  [[nodiscard]] ReadExactlyOperation read_exactly(std::size_t size);
  /// Up to and with `separator`, which is not empty.
  /// Errors: LimitOverrunError if that would be more than the limit, and nothing is taken; IncompleteReadError with what
  ///   there was, which is taken, if the stream ends without a separator.
  /// Lifetime: `separator` outlives the `co_await`.
  [[nodiscard]] ReadUntilOperation read_until(std::string_view separator);
  /// Up to and with "\n"; at the end of the stream the rest, and then "".
  /// Errors: LimitOverrunError as `read_until`.
  [[nodiscard]] ReadUntilOperation read_line();
  /// Everything to the end. Errors: `std::length_error` for more than `size_max` bytes; nothing is taken.
  [[nodiscard]] ReadAllOperation read_all(std::size_t size_max = std::numeric_limits<std::size_t>::max() / 2);

  /// All that was received and not taken yet, once that is `size_min` bytes, or fewer if the stream ends; "" at the end.
  /// With `consume` it reads without copying.
  /// Lifetime: what it gives is there until the next call that reads or consumes.
  [[nodiscard]] PeekOperation peek(std::size_t size_min = 1);
  /// What `peek` would give without waiting.
  std::string_view buffered() const noexcept { return core_ ? core_->input().text() : std::string_view(); }
  /// Takes `size` bytes of what was received. Errors: `std::invalid_argument` for more than there are.
  void consume(std::size_t size);

  /// Whether the end of the stream was seen, and everything was read.
  bool at_eof() const noexcept { return !core_ || (core_->at_end() && core_->input().empty()); }

  // ---- Writing ----

  /// Adds to what is sent. After the stream was closed, or could not be written to, it is dropped, and `drain` says so.
  /// Errors: `std::logic_error` after `write_eof`; `std::bad_alloc`.
  void write(std::span<const std::byte> data) { core("write").write(data); }
  void write(std::string_view text) { write(detail::bytes_of(text)); }
  /// Adds what `peek` showed, all that was received here and not taken, to what `to` sends, without a copy if that has
  /// nothing gathered. Gives how many bytes that were. `to` may be this stream: an echo. Errors: as `write`.
  std::size_t move_to(Stream& to) {
    detail::StreamCore& target = to.core("move_to");
    return target.write_from(core("move_to").input());
  }
  /// Waits while more is to be sent than the high water, until it is no more than the low water.
  /// Errors: the error of what was sent before, e.g. EPIPE, ECONNRESET.
  [[nodiscard]] detail::StreamWriteWait drain();
  /// Waits until the kernel has taken everything. Errors: as `drain`.
  [[nodiscard]] detail::StreamWriteWait flush();
  /// `write` and `flush`.
  [[nodiscard]] detail::StreamWriteWait write_all(std::string_view text);
  [[nodiscard]] detail::StreamWriteWait write_all(std::span<const std::byte> data);
  /// Tells the peer that nothing more comes, after what was written. Reading goes on.
  void write_eof();
  /// Bytes that were written and are not sent yet.
  std::size_t unsent() const noexcept { return core_ ? core_->unsent() : 0; }

  // ---- TLS ----

  /// Goes on with TLS, as a client or a server as `context` says; `<coil/tls.hpp>` has both. What was received and not
  /// read is taken for the peer's beginning. Until it is over this stream is none, and if it fails the connection is
  /// closed.
  /// Errors: TlsError, also for a certificate that is not accepted; TimeoutError after `handshake_timeout`;
  ///   `std::system_error` of the connection; `std::invalid_argument` if a client does not say whom it expects;
  ///   `std::logic_error` while another task reads.
  /// Cancellation: closes the connection.
  /// Lifetime: this stream outlives the `co_await`, and is not moved meanwhile.
  [[nodiscard]] Coro<void> start_tls(TlsContext context);
  [[nodiscard]] Coro<void> start_tls(TlsContext context, TlsOptions options);

  // ---- Closing ----

  /// Ends reading, sends what was written, and closes. Closing twice does nothing.
  void close() noexcept {
    if (core_) core_->close();
  }
  /// Closes at once, and drops what was not sent. The peer of a TCP connection is reset.
  void abort() noexcept {
    if (core_) core_->abort();
  }
  bool is_closing() const noexcept { return !core_ || core_->is_closing(); }
  /// Waits until it is closed, by `close()`, `abort()` or the other end of the loop.
  /// Errors: what was written could not be sent. None after `abort()`.
  [[nodiscard]] detail::StreamWriteWait wait_closed();

  /// `close()` and `wait_closed()`.
  [[nodiscard]] detail::StreamWriteWait aclose() {
    close();
    return wait_closed();
  }

  /// Of the other side; none if there is none, as for pipes and after a reset.
  Endpoint peer_name() const noexcept { return core_ ? core_->transport().peer_name() : Endpoint(); }
  /// Of this side.
  Endpoint sock_name() const noexcept { return core_ ? core_->transport().sock_name() : Endpoint(); }
  /// What is read from, else what is written to. It stays the stream's; -1 once closed.
  int fd() const noexcept { return core_ ? core_->transport().fd() : -1; }
  /// Whether it is one, and not closed.
  explicit operator bool() const noexcept { return !is_closing(); }

private:
  friend struct detail::StreamAccess;
  detail::StreamCore& core(const char* call) const {
    if (!core_) throw_none(call);
    core_->check_loop(call);
    return *core_;
  }
  [[noreturn]] static void throw_none(const char* call);

  detail::StreamRef core_;
};

/// The standard input, as a stream that is only read. Errors: `std::system_error`, if it is closed.
/// Its descriptor is a copy: closing the stream leaves 0 open.
Stream stdin_stream(const StreamOptions& options = {});
/// The standard output, as a stream that is only written to. What was written to a file or a terminal is written out
/// also if the loop ends.
Stream stdout_stream(const StreamOptions& options = {});

namespace detail {

struct StreamAccess {
  static const StreamRef& core(const Stream& stream) noexcept { return stream.core_; }
  /// What it was goes on without it.
  static void release(Stream& stream) noexcept { stream.core_ = StreamRef(); }
};

}  // namespace detail

// ---- Operations ------------------------------------------------------------------------------------------

class Stream::ReadOperation final : public detail::Operation<ReadOperation, detail::StreamReader> {
public:
  ReadOperation(detail::StreamCore* core, std::size_t size_max) noexcept : Operation(core, "read"), max_(size_max) {}
  std::string await_resume();

private:
  bool is_enough() noexcept override { return max_ == 0 || !core_->input().empty(); }
  std::size_t max_;
};

class Stream::ReadSomeOperation final : public detail::Operation<ReadSomeOperation, detail::StreamReader> {
public:
  ReadSomeOperation(detail::StreamCore* core, std::span<std::byte> buffer) noexcept
      : Operation(core, "read_some"), buffer_(buffer) {}
  std::size_t await_resume();

private:
  bool is_enough() noexcept override { return buffer_.empty() || !core_->input().empty(); }
  std::span<std::byte> buffer_;
};

class Stream::ReadExactlyOperation final : public detail::Operation<ReadExactlyOperation, detail::StreamReader> {
public:
  ReadExactlyOperation(detail::StreamCore* core, std::size_t size) noexcept
      : Operation(core, "read_exactly"), size_(size) {}
  std::string await_resume();

private:
  bool is_enough() noexcept override { return core_->input().size() >= size_; }
  std::size_t size_;
};

class Stream::ReadUntilOperation final : public detail::Operation<ReadUntilOperation, detail::StreamReader> {
public:
  ReadUntilOperation(detail::StreamCore* core, const char* call, std::string_view separator, bool or_end) noexcept
      : Operation(core, call), separator_(separator), or_end_(or_end) {}
  std::string await_resume();

private:
  bool is_enough() noexcept override;
  std::string_view separator_;
  bool or_end_;                // the end of the stream does as well
  std::size_t searched_ = 0;   // from here on a separator may begin
  std::size_t found_ = none_;  // where it begins
  static constexpr std::size_t none_ = static_cast<std::size_t>(-1);
};

class Stream::ReadAllOperation final : public detail::Operation<ReadAllOperation, detail::StreamReader> {
public:
  ReadAllOperation(detail::StreamCore* core, std::size_t size_max) noexcept
      : Operation(core, "read_all"), max_(size_max) {}
  std::string await_resume();

private:
  bool is_enough() noexcept override { return core_->input().size() > max_; }
  std::size_t max_;
};

class Stream::PeekOperation final : public detail::Operation<PeekOperation, detail::StreamReader> {
public:
  PeekOperation(detail::StreamCore* core, std::size_t size_min) noexcept : Operation(core, "peek"), min_(size_min) {}
  std::string_view await_resume();

private:
  bool is_enough() noexcept override { return core_->input().size() >= min_; }
  std::size_t min_;
};

}  // namespace coil
