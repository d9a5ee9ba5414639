#include "tls_transport.hpp"

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

#include <coil/detail/check.hpp>

namespace coil::detail {

namespace {

constexpr std::size_t send_max = std::size_t{256} << 10;  // what is encrypted at once keeps the loop waiting
constexpr std::size_t record_max = 16384;
constexpr std::int32_t go_on = INT32_MIN;  // no answer yet, but more to decrypt

}  // namespace

TlsTransport::TlsTransport(StreamRef below, TlsSession session) noexcept
    : below_(std::move(below)),
      session_(std::move(session)),
      input_(below_.get(), *this),
      output_(below_.get(), *this) {}

TlsTransport::~TlsTransport() {
  below_->put_below(nullptr);
  below_->close();
}

void TlsTransport::Later::call() noexcept {
  if (!std::exchange(is_coming_, true)) submit();
}
void TlsTransport::Later::prepare(io_uring_sqe& sqe) noexcept { io_uring_prep_nop(&sqe); }
void TlsTransport::Later::complete(std::int32_t, std::uint32_t, bool) noexcept {
  is_coming_ = false;
  (transport_.*function_)();
}

// What OpenSSL, or coil, found is kept for whoever asks the stream; meanwhile it is an errno.
std::int32_t TlsTransport::note_failure() noexcept {
  try {
    throw;
  } catch (const TlsError& error) {
    if (!failure_code_) {
      failure_ = error.what();
      failure_code_ = error.code();
    }
    return -EPROTO;
  } catch (...) {
    return -ENOMEM;
  }
}

void TlsTransport::throw_error(const char* call, int error) const {
  if (error != EPROTO || !failure_code_) return;
  const std::string tail = ": " + failure_code_.message();  // which the error adds by itself
  const bool has_tail = failure_.ends_with(tail);
  throw TlsError(failure_code_,
                 std::string(call) + ": " + failure_.substr(0, failure_.size() - (has_tail ? tail.size() : 0)));
}

// ---- Receiving -------------------------------------------------------------------------------------------

bool TlsTransport::receive_on(Client& client) noexcept {
  begin_receive({}, client);
  return true;
}

void TlsTransport::begin_receive(std::span<std::byte> room, Client& client) noexcept {
  receiver_ = &client;
  room_ = room;
  is_stopped_ = false;
  if (session_.may_have_more() || !wait_for_input()) decrypt_later_.call();
}

// False if there is something already: data, the end, or an error.
bool TlsTransport::wait_for_input() {
  if (below_->begin_read(input_)) {
    below_->end_read(input_);
    return false;
  }
  waits_for_input_ = true;
  below_->wait_for_input(input_);
  return true;
}

void TlsTransport::stop_receiving() noexcept {
  if (receiver_ == nullptr || std::exchange(is_stopped_, true)) return;
  if (std::exchange(waits_for_input_, false)) below_->stop_waiting(input_);
  if (!is_decrypting_) decrypt_later_.call();
}

// Called by the loop only, never inside a call of the client.
void TlsTransport::decrypt() noexcept {
  if (std::exchange(waits_for_input_, false)) below_->end_read(input_);
  check(receiver_ != nullptr, "who is decrypted for waits");
  std::optional<std::int32_t> answer;
  is_decrypting_ = true;
  try {
    do answer = is_stopped_ ? -ECANCELED : decrypt_some();
    while (answer == go_on);
  } catch (...) {
    answer = note_failure();
  }
  is_decrypting_ = is_stopped_ = false;
  if (answer) std::exchange(receiver_, nullptr)->received(*answer);  // may be the end of this
}

// What to answer, or nothing: it waits.
std::optional<std::int32_t> TlsTransport::decrypt_some() {
  static thread_local std::byte scratch[record_max];
  const bool goes_on = room_.empty();
  const std::span<std::byte> target = goes_on ? std::span<std::byte>(scratch) : room_;
  const std::size_t size = session_.read(target);
  if (!session_.for_peer().empty()) send_encrypted();  // an answer to what is not data
  if (size != 0) {
    if (!goes_on) return static_cast<std::int32_t>(size);
    receiver_->arrived(target.first(size));
    return go_on;
  }
  if (session_.ended()) return 0;
  StreamBuffer& input = below_->input();
  if (!input.empty()) {
    session_.feed(input.text());
    input.consume(input.size());
    return go_on;
  }
  if (below_->read_error() != 0) return -below_->read_error();
  if (below_->at_end())
    throw_tls_truncated("the peer ended the connection without saying so, what came may not be all of it");
  if (!wait_for_input()) return go_on;
  return std::nullopt;
}

// ---- Sending ---------------------------------------------------------------------------------------------

void TlsTransport::send_encrypted() {
  const std::string_view encrypted = session_.for_peer();
  if (!has_ended_sending_) below_->write(bytes_of(encrypted));
  session_.for_peer_is_taken();
}

bool TlsTransport::send(std::span<const std::byte> data, Client& client) noexcept {
  const std::size_t size = std::min(data.size(), send_max);
  sender_ = &client;
  try {
    session_.write(data.first(size));
    send_encrypted();
    sent_ = static_cast<std::int32_t>(size);
  } catch (...) {
    sent_ = note_failure();
  }
  if (sent_ < 0 || output_.await_ready()) {
    answer_send_later_.call();
  } else {
    waits_for_output_ = true;
    below_->add(output_);
  }
  return true;
}

void TlsTransport::answer_send() noexcept {
  waits_for_output_ = false;
  if (sent_ > 0 && below_->write_error() != 0) sent_ = -below_->write_error();
  std::exchange(sender_, nullptr)->sent(sent_);  // may be the end of this
}

int TlsTransport::end_sending() noexcept {
  try {
    session_.end();
    send_encrypted();
    has_ended_sending_ = true;
    below_->write_eof();
    return 0;
  } catch (...) {
    return -note_failure();
  }
}

void TlsTransport::close(bool reset) noexcept {
  below_->put_below(nullptr);
  stop_receiving();
  if (std::exchange(waits_for_output_, false)) {
    below_->remove(output_);
    sent_ = -ECANCELED;
    answer_send_later_.call();
  }
  if (!reset && !has_ended_sending_) {
    try {
      session_.end();
      send_encrypted();
    } catch (...) {
      reset = true;
    }
  }
  has_ended_sending_ = true;
  if (reset)
    below_->abort();
  else
    below_->close();
}

}  // namespace coil::detail
