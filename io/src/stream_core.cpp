#include <coil/detail/stream_core.hpp>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <coil/detail/check.hpp>
#include <coil/sleep.hpp>

#include "loop_parts.hpp"

namespace coil::detail {

namespace {

constexpr std::uint32_t receive_size_min = 4096;
constexpr std::uint32_t receive_size_max = 65536 - StreamBuffer::header_size;
constexpr std::size_t unread_max = 16384;  // of a receive that goes on although nobody reads

// Of a closed stream whose peer takes nothing of what is still to be sent.
constexpr auto linger_time = std::chrono::seconds(30);

}  // namespace

void StreamBuffer::make_room(std::size_t size) {
  const std::size_t used = this->size();
  if (block_ != nullptr && block_->capacity - used >= size && used <= block_->capacity / 2) {
    std::memmove(block_->data(), block_->data() + block_->begin, used);
    block_->begin = 0;
    block_->end = used;
    return;
  }
  const std::size_t wanted = std::max({capacity_min, used + size, used + used / 2});
  auto* block = new (frame_pool.allocate(header_size + wanted)) Block{wanted, 0, used, false};
  if (used != 0) std::memcpy(block->data(), block_->data() + block_->begin, used);
  release();
  block_ = block;
}

/// Ends what lasts too long after a stream was closed.
class StreamLinger final : public TimedSuspension, public Pooled {
public:
  explicit StreamLinger(StreamCore& core) noexcept : core_(&core) {}
  void wake(FutureState*) noexcept override { core_->linger_is_over(); }
  std::size_t unsent = 0;

private:
  Abort abort() noexcept override { return Abort::gone; }
  StreamCore* core_;
};

StreamCore::StreamCore(Owner<Transport> transport, const StreamOptions& options)
    : receive_size_(receive_size_min), transport_(std::move(transport)) {
  running_loop();
  if (options.low_water > options.high_water)
    throw_invalid_argument("coil: StreamOptions: low_water is above high_water");
  StreamOptions complete = options;
  if (complete.low_water == 0) complete.low_water = complete.high_water / 4;
  if (complete != usual_options) own_options_ = Owner<const StreamOptions>(new StreamOptions(complete));
  move_in();
}

StreamCore::~StreamCore() { check(linger_ == nullptr, "a stream that goes was closed before"); }

void StreamCore::check_loop(const char* call) const {
  if (lives_in_loop() && this_loop == &home()) [[likely]]
    return;
  throw std::logic_error("coil: Stream::" + std::string(call) + "() outside the loop in which the stream was made");
}

void StreamCore::throw_error(const char* call, int error) const {
  transport_->throw_error(call, error);
  const int fd = transport_->fd();
  throw std::system_error(error, std::system_category(),
                          call + (fd < 0 ? std::string() : "(fd " + std::to_string(fd) + ")"));
}

// ---- Reading ---------------------------------------------------------------------------------------------

bool StreamCore::begin_read(StreamReader& reader) noexcept {
  if (reader_ != nullptr) {
    reader.other_call_ = reader_->call();
    return true;
  }
  reader.other_call_ = nullptr;
  reader_ = &reader;
  return ended_ || read_error_ != 0 || !transport_->can_receive() || reader.is_enough();
}

void StreamCore::wait_for_input(StreamReader&) noexcept {
  reader_waits_ = true;
  if (!receiving_) begin_receive();
}

// What is received meanwhile stays here for the next one.
void StreamCore::stop_waiting(StreamReader& reader) noexcept {
  check(reader_ == &reader && reader_waits_, "only the reader that waits stops waiting");
  reader_ = nullptr;
  reader_waits_ = false;
  if (receiving_ && !receives_on_) transport_->stop_receiving();
}

void StreamCore::end_read(StreamReader& reader) noexcept {
  if (reader_ == &reader) reader_ = nullptr;
}

// Who gets little waits without memory of its own; for who gets much it is cheaper to receive into its own.
void StreamCore::begin_receive() noexcept {
  if (receive_size_ == receive_size_min && !std::exchange(keeps_room_, false) && transport_->receive_on(*this)) {
    receiving_ = receives_on_ = true;
    return ref();
  }
  std::span<std::byte> room;
  try {
    room = input_.room(receive_size_);
  } catch (...) {
    read_error_ = ENOMEM;
    return wake_reader();
  }
  receiving_ = true;
  input_.pin();
  ref();
  transport_->receive(room.first(receive_size_), *this);
  waits_long_ = false;
  if (receive_size_ != receive_size_min && lives_in_loop()) tidy_later();
}

// Who once got much and now gets nothing waits without memory of its own again.
bool StreamCore::tidy() noexcept {
  if (!receiving_ || receives_on_ || receive_size_ == receive_size_min) return false;
  if (!std::exchange(waits_long_, true)) return true;
  receive_size_ = receive_size_min;
  transport_->stop_receiving();
  return false;
}

void StreamCore::arrived(std::span<const std::byte> data) noexcept {
  if (closing_) return;
  try {
    input_.append(data);
  } catch (...) {
    read_error_ = ENOMEM;
  }
  adapt(data.size(), receive_size_min);
  if (reader_waits_ && (read_error_ != 0 || reader_->is_enough())) wake_reader();
  if (receive_size_ != receive_size_min || (!reader_waits_ && input_.size() > unread_max)) transport_->stop_receiving();
}

void StreamCore::received(std::int32_t result) noexcept {
  const StreamRef self(this, adopted);
  receiving_ = false;
  if (std::exchange(receives_on_, false) && result == -ENOBUFS) {
    keeps_room_ = true;
    result = -ECANCELED;
  }
  if (result > 0 && !closing_) {
    input_.commit(static_cast<std::size_t>(result));
    adapt(static_cast<std::size_t>(result), receive_size_);
  } else {
    if (result == 0) ended_ = true;
    if (result < 0 && result != -ECANCELED) read_error_ = static_cast<std::int16_t>(-result);
  }
  input_.unpin();
  if (finishing_) return note_closed();
  if (!reader_waits_) return;
  if (ended_ || read_error_ != 0 || reader_->is_enough())
    wake_reader();
  else
    begin_receive();
}

// What fills its buffer gets larger ones.
void StreamCore::adapt(std::size_t received, std::size_t room) noexcept {
  if (received == room)
    receive_size_ = std::min(receive_size_ * 4, receive_size_max);
  else if (received < room / 8)
    receive_size_ = std::max(receive_size_ / 2, receive_size_min);
}

void StreamCore::wake_reader() noexcept {
  if (std::exchange(reader_waits_, false)) reader_->wake(nullptr);
}

// ---- Writing ---------------------------------------------------------------------------------------------

void StreamCore::write(std::span<const std::byte> data) {
  if (!begin_write() || data.empty()) return;
  gathered_.append(data);
  end_write();
}

std::size_t StreamCore::write_from(StreamBuffer& data) {
  const std::size_t size = data.size();
  if (begin_write() && size != 0) {
    if (gathered_.empty() && !data.is_pinned()) {
      gathered_.swap(data);
    } else {
      gathered_.append(data.bytes());
      data.consume(size);
    }
    end_write();
  } else if (size != 0) {
    data.consume(size);
  }
  return size;
}

// False if nothing can be sent any more, which is told by `drain`.
bool StreamCore::begin_write() {
  if (!transport_->can_send() && !closing_ && !eof_written_)
    throw_logic_error("coil: Stream::write() to a stream that can only be read");
  if (eof_written_) throw_logic_error("coil: Stream::write() after write_eof()");
  if (closing_ || write_error_ != 0) {
    write_dropped_ = true;
    return false;
  }
  return true;
}

void StreamCore::end_write() noexcept {
  if (unsent() > options().high_water) above_water_ = true;
  if (!send_is_under_way_) flush_later();
}

void StreamCore::write_eof() {
  if (!transport_->can_send() && !closing_ && !eof_written_)
    throw_logic_error("coil: Stream::write_eof() of a stream that can only be read");
  if (std::exchange(eof_written_, true) || closing_) return;
  if (unsent() == 0) all_is_sent();
}

void StreamCore::flush() noexcept {
  if (!send_is_under_way_ && unsent() != 0 && !finishing_) begin_send();
}

void StreamCore::begin_send() noexcept {
  if (sending_.empty()) sending_.swap(gathered_);
  if (transport_->send(sending_.bytes(), *this)) {
    send_is_under_way_ = true;
    return ref();
  }
  const StreamRef self(this);
  fail_writing(ENOMEM);
  all_is_sent();
  wake_writers();
}

void StreamCore::sent(std::int32_t result) noexcept {
  const StreamRef self(this, adopted);
  send_is_under_way_ = false;
  if (result > 0) sending_.consume(static_cast<std::size_t>(result));
  if (finishing_) {
    sending_.clear();
    return note_closed();
  }
  if (result < 0) fail_writing(-result);
  if (unsent() == 0)
    all_is_sent();
  else if (!sending_.empty() || !lives_in_loop())
    begin_send();
  else
    flush_later();
  wake_writers();
}

void StreamCore::fail_writing(int error) noexcept {
  if (write_error_ == 0) write_error_ = static_cast<std::int16_t>(error);
  gathered_.clear();
  if (!send_is_under_way_) sending_.clear();
}

void StreamCore::all_is_sent() noexcept {
  if (closing_) return finish(false);
  if (!eof_written_ || write_error_ != 0) return;
  if (const int error = transport_->end_sending()) fail_writing(error);
}

void StreamCore::add(StreamWriteWait& waiter) noexcept { writers_.push_back(waiter); }
void StreamCore::remove(StreamWriteWait& waiter) noexcept { writers_.remove(waiter); }

void StreamCore::wake_writers() noexcept {
  if (unsent() <= options().low_water) above_water_ = false;
  for (Suspension *node = writers_.front(), *next = nullptr; node != nullptr; node = next) {
    next = writers_.after(*node);
    auto& waiter = static_cast<StreamWriteWait&>(*node);
    if (!waiter.await_ready()) continue;
    writers_.remove(waiter);
    waiter.wake(nullptr);
  }
}

// ---- Closing ---------------------------------------------------------------------------------------------

void StreamCore::close() noexcept {
  if (upper_ != nullptr) return upper_->close();
  if (closing_) return;
  closing_ = ended_ = true;
  wake_reader();
  if (unsent() == 0) return finish(false);
  const LoopScope scope(home());
  if (receiving_) transport_->stop_receiving();
  try {
    linger_ = new StreamLinger(*this);
  } catch (...) {
    return abort();
  }
  ref();  // until it is closed
  linger_->unsent = unsent();
  start_timer(*linger_, linger_time);
}

void StreamCore::abort() noexcept {
  if (upper_ != nullptr) return upper_->abort();
  if (finishing_) return;
  const StreamRef self(this);  // what lingers may be all that holds it
  closing_ = ended_ = true;
  if (write_error_ == 0) write_error_ = ECONNABORTED;
  fail_writing(ECONNABORTED);
  finish(true);
  wake_reader();
  wake_writers();
}

void StreamCore::linger_is_over() noexcept {
  if (linger_->unsent == unsent()) return abort();
  linger_->unsent = unsent();
  start_timer(*linger_, linger_time);
}

void StreamCore::finish(bool reset) noexcept {
  if (finishing_) return;
  const StreamRef self(this);
  finishing_ = true;
  stop_lingering();
  transport_->close(reset);
  note_closed();
}

void StreamCore::stop_lingering() noexcept {
  if (linger_ == nullptr) return;
  if (linger_->queued()) parts_of(lives_in_loop() ? home() : *this_loop).timers.remove(*linger_);
  delete std::exchange(linger_, nullptr);
  unref();
}

void StreamCore::note_closed() noexcept {
  if (receiving_ || send_is_under_way_) return;
  closed_ = true;
  wake_writers();
}

// What ends without a peer is still written; the loop waits for it.
void StreamCore::loop_closes() noexcept {
  const StreamRef self(this);
  stop_lingering();
  closing_ = ended_ = true;
  if (unsent() != 0 && transport_->sends_by_itself()) {
    if (!send_is_under_way_) begin_send();
  } else {
    finish(false);
  }
}

}  // namespace coil::detail
