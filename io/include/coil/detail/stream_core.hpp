#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include <coil/detail/operation.hpp>
#include <coil/detail/owner.hpp>
#include <coil/detail/resident.hpp>
#include <coil/detail/state_ref.hpp>
#include <coil/detail/stream_buffer.hpp>
#include <coil/detail/transport.hpp>

namespace coil {

/// The limits of a stream. 0 for a low water: a quarter of the high water.
struct StreamOptions {
  std::size_t limit = std::size_t{64} << 10;       ///< Of `read_line` and `read_until`, the separator not counted.
  std::size_t high_water = std::size_t{64} << 10;  ///< With more bytes than this to be sent, `drain` waits,
  std::size_t low_water = 0;                       ///< until there are no more than this.
  bool operator==(const StreamOptions&) const = default;
};
static_assert(std::is_aggregate_v<StreamOptions> && std::is_trivially_destructible_v<StreamOptions>);

namespace detail {

class StreamCore;
class StreamReader;
class StreamWriteWait;
class StreamLinger;

/// What a Stream is: lives as long as the Stream, those who wait, and what is under way below.
///
/// What is written is gathered, and goes out as one send before the loop enters the kernel. What is received stays here
/// until it is taken, so that who stops waiting for it loses nothing.
class StreamCore final : public Resident, public Pooled, private Transport::Client {
public:
  /// Errors: `std::logic_error` outside a loop; `std::invalid_argument` for a low water above the high water.
  StreamCore(Owner<Transport> transport, const StreamOptions& options);
  StreamCore(const StreamCore&) = delete;
  ~StreamCore();

  void ref() noexcept { ++refs_; }
  void unref() noexcept {
    if (--refs_ == 0) delete this;
  }

  Transport& transport() const noexcept { return *transport_; }
  const StreamOptions& options() const noexcept {
    const StreamOptions* const own = own_options_.get();
    return own == nullptr ? usual_options : *own;
  }
  /// Errors: `std::logic_error` in another loop than the stream's.
  void check_loop(const char* call) const;

  // ---- Reading ----

  StreamBuffer& input() noexcept { return input_; }
  bool at_end() const noexcept { return ended_; }  // nothing comes any more, after the input
  int read_error() const noexcept { return read_error_; }
  bool is_being_read() const noexcept { return reader_ != nullptr; }
  /// True if `reader` need not wait, or may not: then `end_read` throws.
  bool begin_read(StreamReader& reader) noexcept;
  void wait_for_input(StreamReader& reader) noexcept;
  void stop_waiting(StreamReader& reader) noexcept;
  void end_read(StreamReader& reader) noexcept;
  [[noreturn]] void throw_error(const char* call, int error) const;

  // ---- Writing ----

  void write(std::span<const std::byte> data);
  /// Takes all of `data`; gives how much that was.
  std::size_t write_from(StreamBuffer& data);
  void write_eof();
  std::size_t unsent() const noexcept { return gathered_.size() + sending_.size(); }
  bool is_above_water() const noexcept { return above_water_; }
  bool is_closed() const noexcept { return closed_; }
  bool is_closing() const noexcept { return closing_; }
  int write_error() const noexcept { return write_error_; }
  bool is_write_dropped() const noexcept { return write_dropped_; }
  void add(StreamWriteWait& waiter) noexcept;
  void remove(StreamWriteWait& waiter) noexcept;

  // ---- Closing ----

  /// What was written is still sent.
  void close() noexcept;
  /// What was not sent is dropped.
  void abort() noexcept;
  void linger_is_over() noexcept;
  /// From now on `upper`, which sends and receives by way of this one, is closed in its place; none if null.
  void put_below(StreamCore* upper) noexcept { upper_ = upper; }

private:
  void received(std::int32_t result) noexcept override;
  void arrived(std::span<const std::byte> data) noexcept override;
  void sent(std::int32_t result) noexcept override;
  void flush() noexcept override;
  bool tidy() noexcept override;
  void loop_closes() noexcept override;

  void begin_receive() noexcept;
  void adapt(std::size_t received, std::size_t room) noexcept;
  void wake_reader() noexcept;
  bool begin_write();
  void end_write() noexcept;
  void begin_send() noexcept;
  void fail_writing(int error) noexcept;
  void all_is_sent() noexcept;
  void wake_writers() noexcept;
  void finish(bool reset) noexcept;
  void stop_lingering() noexcept;
  void note_closed() noexcept;

  std::uint32_t refs_ = 0;
  bool receiving_ = false;
  bool receives_on_ = false;  // without end, and without room of its own
  bool keeps_room_ = false;   // the next receive has room of its own, whatever is to be expected
  bool send_is_under_way_ = false;
  bool reader_waits_ = false;  // and was not woken yet
  bool waits_long_ = false;    // for more, in memory of its own
  bool ended_ = false;
  bool eof_written_ = false;
  bool above_water_ = false;
  bool write_dropped_ = false;  // because it was closed
  bool closing_ = false;        // nothing more is read or written
  bool finishing_ = false;      // the transport was closed
  bool closed_ = false;
  std::int16_t read_error_ = 0;
  std::int16_t write_error_ = 0;
  std::uint32_t receive_size_;
  Owner<Transport> transport_;
  StreamReader* reader_ = nullptr;
  StreamBuffer input_;
  StreamBuffer gathered_;  // is sent after what stands in `sending_`
  StreamBuffer sending_;
  WaitQueue writers_;
  StreamLinger* linger_ = nullptr;
  StreamCore* upper_ = nullptr;
  // Few streams have others than these, and those keep them elsewhere.
  static constexpr StreamOptions usual_options{.low_water = std::size_t{16} << 10};
  Owner<const StreamOptions> own_options_;
};

using StreamRef = StateRef<StreamCore>;

/// Base of what waits for input; a leaf says what is enough, and takes it.
class StreamReader : public Suspension {
public:
  bool await_ready() noexcept { return core_->begin_read(*this); }
  void start() noexcept { core_->wait_for_input(*this); }
  const char* call() const noexcept { return call_; }

protected:
  StreamReader(StreamCore* core, const char* call) noexcept : core_(core), call_(call) {}
  ~StreamReader() = default;

  /// In `await_resume`, first. Errors: CancelledError, or that it may not read.
  void end_wait();
  /// Takes `size` bytes.
  std::string take(std::size_t size);
  /// Errors: the stream's error, if there was one.
  void throw_if_failed() const;
  StreamRef core_;

private:
  friend class StreamCore;
  /// Whether no more input is needed. It is asked after each piece that came.
  virtual bool is_enough() noexcept = 0;
  Abort abort() noexcept final;

  const char* call_;
  const char* other_call_ = nullptr;  // of the one who reads already
};

/// Waits until what was written is sent, down to some level, or until the stream is closed.
class StreamWriteWait : public Operation<StreamWriteWait> {
public:
  enum class Until : unsigned char { below_water, all_sent, closed };
  StreamWriteWait(StreamCore* core, Until until, const char* call) noexcept : core_(core), call_(call), until_(until) {}

  bool await_ready() const noexcept;
  void start() noexcept { core_->add(*this); }
  void await_resume();

private:
  Abort abort() noexcept override;
  StreamRef core_;
  const char* call_;
  Until until_;
};

}  // namespace detail
}  // namespace coil
