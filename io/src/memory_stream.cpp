#include <coil/memory_stream.hpp>

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include <coil/detail/ring.hpp>
#include <coil/detail/transport.hpp>

#include "random.hpp"

namespace coil::detail {

namespace {

class MemoryTransport;

/// An answer that comes from the loop, by way of its ring: so it comes also while the loop ends.
class MemoryAnswer final : public RingOperation {
public:
  bool is_awaited() const noexcept { return client_ != nullptr; }
  void wait(Transport::Client& client) noexcept { client_ = &client; }
  void give(std::int32_t result) noexcept {
    answer_ = result;
    is_given_ = true;
    submit();
  }
  bool is_given() const noexcept { return is_given_; }

  void prepare(io_uring_sqe& sqe) noexcept override { io_uring_prep_nop(&sqe); }
  void complete(std::int32_t, std::uint32_t, bool) noexcept override;

  explicit MemoryAnswer(bool of_receiving) noexcept : receives_(of_receiving) { self_finishing_ = true; }

private:
  bool receives_;
  bool is_given_ = false;
  std::int32_t answer_ = 0;
  Transport::Client* client_ = nullptr;
};

void MemoryAnswer::complete(std::int32_t, std::uint32_t, bool) noexcept {
  is_given_ = false;
  Transport::Client* const client = std::exchange(client_, nullptr);
  const std::int32_t answer = answer_;
  if (receives_)
    client->received(answer);
  else
    client->sent(answer);  // either may be the end of this
}

/// What is between the two, in one direction.
struct MemoryChannel {
  std::string bytes;
  bool ended = false;   // nothing more is sent
  bool reset = false;   // what was sent is gone
  bool closed = false;  // nothing more is received
  MemoryTransport* sender = nullptr;
  MemoryTransport* receiver = nullptr;
};
using SharedChannel = std::shared_ptr<MemoryChannel>;

class MemoryTransport final : public Transport {
public:
  MemoryTransport(SharedChannel in, SharedChannel out, const testing::MemoryStreamOptions& options) noexcept
      : in_(std::move(in)), out_(std::move(out)), options_(options), random_(options.seed) {
    in_->receiver = out_->sender = this;
  }
  ~MemoryTransport() override { in_->receiver = out_->sender = nullptr; }

  bool can_receive() const noexcept override { return true; }
  bool can_send() const noexcept override { return true; }
  void receive(std::span<std::byte> room, Client& client) noexcept override {
    room_ = room;
    receiving_.wait(client);
    move_in();
  }
  void stop_receiving() noexcept override {
    if (receiving_.is_awaited() && !receiving_.is_given()) receiving_.give(-ECANCELED);
  }
  bool send(std::span<const std::byte> data, Client& client) noexcept override {
    data_ = data;
    sending_.wait(client);
    move_out();
    return true;
  }
  bool sends_by_itself() const noexcept override { return false; }
  int end_sending() noexcept override {
    out_->ended = true;
    if (out_->receiver != nullptr) out_->receiver->move_in();
    return 0;
  }
  void close(bool reset) noexcept override;

  int fd() const noexcept override { return -1; }
  Endpoint peer_name() const noexcept override { return {}; }
  Endpoint sock_name() const noexcept override { return {}; }

private:
  void move_in() noexcept;
  void move_out() noexcept;
  std::size_t piece_size() noexcept;

  SharedChannel in_;
  SharedChannel out_;
  testing::MemoryStreamOptions options_;
  std::uint64_t random_;
  std::span<std::byte> room_;
  std::span<const std::byte> data_;
  MemoryAnswer receiving_{true};
  MemoryAnswer sending_{false};
};

std::size_t MemoryTransport::piece_size() noexcept {
  if (options_.piece_max == 0 && options_.seed == 0) return SIZE_MAX;
  const std::size_t most = options_.piece_max == 0 ? options_.capacity : options_.piece_max;
  return options_.seed == 0 ? most : 1 + next_random(random_) % most;
}

/// Answers whoever receives, if there is anything to say.
void MemoryTransport::move_in() noexcept {
  if (!receiving_.is_awaited() || receiving_.is_given()) return;
  MemoryChannel& channel = *in_;
  if (channel.reset) return receiving_.give(-ECONNRESET);
  if (channel.bytes.empty() && !channel.ended) return;
  const std::size_t size = std::min({channel.bytes.size(), room_.size(), piece_size()});
  std::memcpy(room_.data(), channel.bytes.data(), size);
  channel.bytes.erase(0, size);
  receiving_.give(static_cast<std::int32_t>(size));
  if (channel.sender != nullptr) channel.sender->move_out();
}

/// The same for whoever sends.
void MemoryTransport::move_out() noexcept {
  if (!sending_.is_awaited() || sending_.is_given()) return;
  MemoryChannel& channel = *out_;
  if (channel.closed || channel.ended) return sending_.give(channel.reset ? -ECONNRESET : -EPIPE);
  const std::size_t size =
      std::min(options_.capacity - std::min(options_.capacity, channel.bytes.size()), data_.size());
  if (size == 0 && !data_.empty()) return;
  channel.bytes.append(reinterpret_cast<const char*>(data_.data()), size);
  sending_.give(static_cast<std::int32_t>(size));
  if (channel.receiver != nullptr) channel.receiver->move_in();
}

void MemoryTransport::close(bool reset) noexcept {
  in_->closed = true;
  in_->bytes.clear();
  in_->reset = out_->reset = reset || in_->reset;
  if (reset) out_->bytes.clear();
  out_->ended = true;
  stop_receiving();
  if (sending_.is_awaited() && !sending_.is_given()) sending_.give(-ECANCELED);
  if (out_->receiver != nullptr) out_->receiver->move_in();
  if (in_->sender != nullptr) in_->sender->move_out();
}

}  // namespace

}  // namespace coil::detail

namespace coil::testing {

std::pair<Stream, Stream> memory_streams(const MemoryStreamOptions& options) {
  const auto there = std::make_shared<detail::MemoryChannel>();
  const auto back = std::make_shared<detail::MemoryChannel>();
  MemoryStreamOptions others = options;
  if (others.seed != 0) ++others.seed;
  return {Stream(detail::Owner<detail::Transport>(new detail::MemoryTransport(back, there, options)), options.stream),
          Stream(detail::Owner<detail::Transport>(new detail::MemoryTransport(there, back, others)), options.stream)};
}

}  // namespace coil::testing
