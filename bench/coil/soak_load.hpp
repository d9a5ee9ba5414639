// What the clients of bench/soak have in common: bytes that are known at each place, and what came of them.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coil/coil.hpp>

#include "soak.hpp"

namespace soak {

/// Bytes that belong to a place in a connection, so that neither a lost one, nor one of another connection, passes.
class Pattern {
public:
  static constexpr std::size_t piece_max = std::size_t{64} << 10;

  /// Of letters, or of all bytes.
  Pattern(std::uint64_t seed, bool letters) : bytes_(period + piece_max, '\0') {
    Random random(seed);
    for (std::size_t i = 0; i < period; ++i)
      bytes_[i] = static_cast<char>(letters ? 'a' + random.below(26) : random.below(256));
    std::copy(bytes_.begin(), bytes_.begin() + piece_max, bytes_.begin() + period);
  }
  /// Up to `piece_max` bytes of connection `id`, from its byte `offset` on.
  std::string_view at(std::uint64_t id, std::uint64_t offset, std::size_t size) const {
    return std::string_view(bytes_).substr((id * 40503 + offset) % period, size);
  }

private:
  static constexpr std::ptrdiff_t period = 65537;  // prime, and no less than a piece
  std::string bytes_;
};

/// What came back is not what should have.
struct Wrong : std::runtime_error {
  using runtime_error::runtime_error;
};

/// The server has ended the connection.
struct EarlyEnd : std::runtime_error {
  EarlyEnd() : runtime_error("the end of the stream") {}
};

/// What the clients of a process have seen.
class Tally {
public:
  void message(std::size_t size) {
    ++messages_;
    bytes_ += size;
  }
  void latency(std::chrono::nanoseconds taken) { latencies_us_.push_back(taken.count() / 1000); }
  void connected() { ++connections_; }
  void ended() { ++ended_; }
  void cut_off() { ++cut_off_; }
  /// A connection that keeps to what is agreed has ended early: the server has to have been told to cancel it.
  void early(std::uint64_t id, const char* what) { early_.emplace_back(id, what); }
  void fault(const std::string& what) {
    std::fprintf(stderr, "%s\n", what.c_str());
    errors_.push_back(what);
  }
  /// In JSON. Latencies are those since the last time; the early and the wrong are told once.
  std::string sample() {
    Report report;
    report.add("messages", messages_);
    report.add("bytes", bytes_);
    report.add("connected", connections_);
    report.add("left", ended_);
    report.add("cut_off", cut_off_);
    report.add("latencies", latencies_us_.size());
    report.add("p50_us", percentile(50));
    report.add("p99_us", percentile(99));
    report.add_raw("early", json_array(early_, [](const auto& connection) {
                     return "[" + std::to_string(connection.first) + "," + quoted(connection.second) + "]";
                   }));
    report.add_raw("errors", json_array(errors_, [](const std::string& text) { return quoted(text); }));
    latencies_us_.clear();
    early_.clear();
    errors_.clear();
    return report.line();
  }

private:
  std::uint64_t percentile(std::size_t percent) {
    if (latencies_us_.empty()) return 0;
    const auto place = latencies_us_.begin() + static_cast<std::ptrdiff_t>((latencies_us_.size() - 1) * percent / 100);
    std::nth_element(latencies_us_.begin(), place, latencies_us_.end());
    return static_cast<std::uint64_t>(*place);
  }

  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t connections_ = 0;
  std::uint64_t ended_ = 0;
  std::uint64_t cut_off_ = 0;  // half-open
  std::vector<std::int64_t> latencies_us_;
  std::vector<std::pair<std::uint64_t, std::string>> early_;
  std::vector<std::string> errors_;
};

/// An echo connection that knows what it has sent and what has to come back.
class EchoClient {
public:
  EchoClient(coil::Stream& stream, const Pattern& pattern, std::uint64_t id)
      : stream_(stream), pattern_(pattern), id_(id) {}

  /// Adds a message to what is sent.
  void write(std::size_t size) {
    while (size > 0) {
      const std::size_t piece = std::min(size, Pattern::piece_max);
      stream_.write(pattern_.at(id_, sent_, piece));
      sent_ += piece;
      size -= piece;
    }
  }
  /// Waits for `size` bytes and looks at each. Takes no more than `piece_max` at once.
  /// Errors: EarlyEnd; Wrong; that of the connection.
  coil::Coro<void> expect(std::size_t size) {
    while (size > 0) size -= co_await expect_some(size);
  }
  /// At least one and up to `size_max`; gives how many.
  coil::Coro<std::size_t> expect_some(std::size_t size_max) {
    const std::string_view text = co_await stream_.peek();
    if (text.empty()) throw EarlyEnd();
    const std::size_t size = std::min({size_max, text.size(), Pattern::piece_max});
    if (received_ + size > sent_) throw Wrong("more came back than was sent");
    if (text.substr(0, size) != pattern_.at(id_, received_, size))
      throw Wrong("wrong bytes came back, between " + std::to_string(received_) + " and " +
                  std::to_string(received_ + size));
    received_ += size;
    stream_.consume(size);
    co_return size;
  }
  /// Says that no more comes, takes what is on its way, and sees the end.
  coil::Coro<void> finish() {
    stream_.write_eof();
    co_await expect(static_cast<std::size_t>(sent_ - received_));
    const std::string rest = co_await stream_.read();
    if (!rest.empty()) throw Wrong("more came back than was sent");
  }

private:
  coil::Stream& stream_;
  const Pattern& pattern_;
  std::uint64_t id_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace soak
