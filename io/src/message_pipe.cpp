#include <coil/message_pipe.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include <coil/error.hpp>

#include "message_socket.hpp"

namespace coil {

namespace detail {

MessageSocketRef::MessageSocketRef(MessageSocket* socket) noexcept : socket_(socket) {
  if (socket_ != nullptr) ++socket_->refs_;
}
MessageSocketRef::~MessageSocketRef() {
  if (socket_ != nullptr && --socket_->refs_ == 0) delete socket_;
}

void throw_wrong_message_size(std::size_t size, std::size_t expected) {
  throw std::runtime_error("coil: MessagePipe::recv(): a message of " + std::to_string(size) +
                           " bytes came where a value of " + std::to_string(expected) + " was expected");
}

// ---- Messages and records --------------------------------------------------------------------------------

bool MessageAssembly::add(const RecordHeader& header, std::span<const std::byte> payload,
                          std::vector<OwnedFd> descriptors) {
  const bool begins = header.mark == RecordHeader::Mark::begins;
  const bool goes_on = header.mark == RecordHeader::Mark::goes_on && begun_ && header.message_size == size_;
  if (begins) {
    message_ = Message();
    size_ = header.message_size;
  }
  begun_ = (begins || goes_on) && size_ <= MessagePipe::message_size_max &&
           payload.size() <= size_ - message_.bytes.size() && (!payload.empty() || size_ == 0) &&
           header.descriptors <= (begins ? MessagePipe::descriptors_max : 0);
  if (!begun_) throw std::runtime_error("coil: what came through a MessagePipe is no message");
  if (descriptors.size() != header.descriptors) {
    begun_ = false;
    throw std::system_error(EMFILE, std::system_category(), "recv of the descriptors of a message");
  }
  message_.bytes.append(reinterpret_cast<const char*>(payload.data()), payload.size());
  for (OwnedFd& descriptor : descriptors) message_.descriptors.push_back(std::move(descriptor));
  return message_.bytes.size() == size_;
}

Message MessageAssembly::take() noexcept {
  begun_ = false;
  return std::exchange(message_, Message());
}

std::span<const std::byte> next_payload(std::span<const std::byte> bytes, std::size_t sent, std::size_t payload_max) {
  return bytes.subspan(sent, std::min(bytes.size() - sent, payload_max));
}

std::pair<OwnedFd, OwnedFd> make_message_sockets() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::system_error(errno, std::system_category(), "socketpair");
  return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

// ---- MessageSocket ---------------------------------------------------------------------------------------

// The kernel takes no record that is larger than the socket's buffer, whose size is the administrator's to set.
std::size_t payload_max_of(int fd) {
  constexpr std::size_t overhead = 1024;
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
    throw std::system_error(errno, std::system_category(), "MessagePipe(fd " + std::to_string(fd) + ")");
  if (type != SOCK_SEQPACKET) throw_invalid_argument("coil: MessagePipe: this is no end of a MessagePipe");
  int buffer = 0;
  size = sizeof buffer;
  ::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &size);
  return std::min(std::max(static_cast<std::size_t>(buffer), 2 * overhead) - overhead, record_payload_max);
}

MessageSocket::MessageSocket(OwnedFd fd) : fd_(std::move(fd)), payload_max_(payload_max_of(fd_.get())) {}

// Shut down only for those who wait: a process that was forked off may have the same socket, and go on with it.
void MessageSocket::close() noexcept {
  closed_ = true;
  if (refs_ > 1) ::shutdown(fd_.get(), SHUT_RDWR);
}

Coro<void> MessageSocket::send(MessageSocketRef self, std::span<const std::byte> bytes,
                               std::span<const int> descriptors) {
  if (!self) throw_logic_error("coil: MessagePipe::send() after close()");
  if (bytes.size() > MessagePipe::message_size_max)
    throw std::length_error("coil: MessagePipe::send(): more than message_size_max bytes");
  if (descriptors.size() > MessagePipe::descriptors_max)
    throw std::length_error("coil: MessagePipe::send(): more than descriptors_max descriptors");
  co_await self->sending_.acquire();
  const TurnGuard turn(self->sending_);
  RecordHeader header{RecordHeader::Mark::begins, static_cast<std::uint32_t>(descriptors.size()), bytes.size()};
  std::size_t sent = 0;
  do {
    if (self->closed_) throw std::system_error(EPIPE, std::system_category(), "send on a MessagePipe");
    const std::span<const std::byte> payload = next_payload(bytes, sent, self->payload_max_);
    Record record(header, payload);
    if (sent == 0) record.add(descriptors);
    co_await SendRecordOperation(self->fd(), record);
    sent += payload.size();
    header = {RecordHeader::Mark::goes_on, 0, bytes.size()};
  } while (sent != bytes.size());
}

Coro<std::optional<Message>> MessageSocket::receive(MessageSocketRef self) {
  if (!self) co_return std::nullopt;
  co_await self->receiving_.acquire();
  const TurnGuard turn(self->receiving_);
  self->buffer_.resize(record_payload_max);
  for (;;) {
    if (self->closed_) co_return std::nullopt;
    RecordHeader header{};
    Record record(header, std::span<std::byte>(self->buffer_));
    const std::size_t size = co_await ReceiveRecordOperation(self->fd(), record);
    std::vector<OwnedFd> descriptors = record.take_descriptors();
    if (size == 0) co_return std::nullopt;
    if (size < sizeof header) header = {};
    const std::span<const std::byte> payload(self->buffer_.data(), std::max(size, sizeof header) - sizeof header);
    const bool is_whole = self->assembly_.add(header, payload, std::move(descriptors));
    if (is_whole) co_return self->assembly_.take();
  }
}

}  // namespace detail

// ---- MessagePipe -----------------------------------------------------------------------------------------

std::pair<MessagePipe, MessagePipe> MessagePipe::pair() {
  auto ends = detail::make_message_sockets();
  return {MessagePipe(std::move(ends.first)), MessagePipe(std::move(ends.second))};
}

MessagePipe::MessagePipe(detail::OwnedFd end) : socket_(new detail::MessageSocket(std::move(end))) {}

MessagePipe& MessagePipe::operator=(MessagePipe&& other) noexcept {
  if (this == &other) return *this;
  close();
  socket_ = std::move(other.socket_);
  return *this;
}

void MessagePipe::close() noexcept {
  if (!socket_) return;
  socket_->close();
  socket_ = detail::MessageSocketRef();
}

void MessagePipe::keep_private() noexcept {
  if (socket_) socket_->owned_fd().keep_private();
}

int MessagePipe::fd() const noexcept { return socket_ ? socket_->fd() : -1; }

Coro<void> MessagePipe::send(std::span<const std::byte> bytes, std::span<const int> descriptors) {
  return detail::MessageSocket::send(socket_, bytes, descriptors);
}

Coro<std::optional<Message>> MessagePipe::recv_message() { return detail::MessageSocket::receive(socket_); }

namespace {

Coro<std::optional<std::string>> bytes_only(Coro<std::optional<Message>> receiving) {
  std::optional<Message> message = co_await std::move(receiving);
  if (!message) co_return std::nullopt;
  co_return std::move(message->bytes);
}

}  // namespace

Coro<std::optional<std::string>> MessagePipe::recv() { return bytes_only(recv_message()); }

}  // namespace coil
