// One connection of the server: bytes in, commands, bytes out.
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>

#include "../support.hpp"
#include "command_table.hpp"
#include "log_file.hpp"
#include "service.hpp"

namespace kv {

constexpr std::size_t unsent_max = 64 << 10;  // with more on the way to a client, no further command is carried out
constexpr auto patience = std::chrono::seconds(30);      // for a client to read the rest of its replies at the end
constexpr auto farewell_time = std::chrono::seconds(1);  // for a client to read the last reply and close

inline std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class Connection final : public Session {
public:
  /// `log` may be null. `expiring` is set when there are keys that expire.
  Connection(coil::Stream stream, Service& service, LogFile* log, coil::Event& expiring)
      : stream_(std::move(stream)), service_(service), log_(log), expiring_(expiring) {
    keep_alive(stream_.fd());
    id = ++service_.session_ids;
    ++service_.facts.connections;
  }
  Connection(const Connection&) = delete;
  ~Connection() override { leave(); }

  /// Serves the client until either side ends it.
  coil::Coro<void> serve() {
    const auto ended = co_await coil::as_result(answer());
    leave();
    if (pump_ != coil::Task<void>()) {
      pump_.cancel();
      static_cast<void>(co_await coil::as_result(pump_));
    }
    if (lost || out.overrun()) stream_.abort();
    if (ended.has_value() || ended.cancelled()) co_return;
    try {
      ended.value();
    } catch (const std::system_error&) {
      // the client has gone
    } catch (const coil::TimeoutError&) {
      stream_.abort();
    }
  }

  /// Something came from others: it is sent, unless the command that is under way has to come first.
  void wake() override {
    if (lost) return stream_.abort();
    if (holding_) return;
    offer();
    if (out.size() != 0 && (pump_ == coil::Task<void>() || pump_.done())) pump_ = coil::create_task(pump());
  }

  /// Whether nothing has come since the last call, and no command is under way.
  bool note_idle() { return !std::exchange(active_, false) && !busy_ && !parser_.inside(); }
  void close() { stream_.close(); }
  void abort() { stream_.abort(); }

private:
  /// A client whose machine has gone is noticed after ten minutes.
  static void keep_alive(int fd) {
    const int on = 1, idle = 300, interval = 100, count = 3;
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  }

  coil::Coro<void> answer() {
    while (!closing) {
      std::string_view bytes = co_await stream_.peek();
      if (bytes.empty()) co_return;
      const std::size_t received = bytes.size();
      active_ = busy_ = true;
      carry_out(bytes);
      stream_.consume(received - bytes.size());
      if (service_.log.size() != 0) {
        holding_ = true;
        const bool kept = co_await log_->written();
        holding_ = false;
        if (!kept) lost = true;  // it must not learn that it was done
      }
      if (lost || out.overrun()) co_return;
      offer();
      if (out.size() != 0 || stream_.unsent() > unsent_max) co_await send();
      busy_ = false;
    }
    leave();  // nothing more may be written
    co_await say_farewell();
  }

  /// All commands that are whole, as long as their replies are few.
  void carry_out(std::string_view& bytes) {
    service_.store.set_now(wall_ms());
    while (!closing && !lost && out.size() <= unsent_max) {
      const Parser::Result result = parser_.next(bytes);
      if (result == Parser::Result::more) break;
      if (result == Parser::Result::request)
        service_.execute(*this, parser_.request());
      else
        Service::refuse(*this, parser_.refusal());
    }
    if (!service_.store.none_expires()) expiring_.set();
  }

  /// Gives the stream as much as it should hold.
  void offer() {
    while (out.size() != 0 && stream_.unsent() <= unsent_max) {
      const std::string_view part = out.front(unsent_max);
      stream_.write(part);
      out.skip(part.size());
    }
  }
  coil::Coro<void> send() {
    for (;;) {
      co_await stream_.drain();
      if (out.size() == 0) co_return;
      offer();
    }
  }

  coil::Coro<void> pump() {
    try {
      co_await send();
    } catch (const std::system_error&) {
      // the client has gone; who reads from it learns of it, too
    }
  }

  /// Closed at once, with something unread, the connection would be reset, and the last reply lost.
  coil::Coro<void> say_farewell() {
    const auto send_rest = [this]() -> coil::Coro<void> { co_await stream_.flush(); };
    co_await coil::timeout(patience, send_rest);
    stream_.write_eof();
    const auto read_on = [this]() -> coil::Coro<void> {
      for (;;) {
        const std::string_view ignored = co_await stream_.peek();
        if (ignored.empty()) co_return;
        stream_.consume(ignored.size());
      }
    };
    static_cast<void>(co_await coil::as_result(coil::timeout(farewell_time, read_on)));
  }

  void leave() {
    if (std::exchange(left_, true)) return;
    service_.hub.leave(*this);
    --service_.facts.connections;
  }

  coil::Stream stream_;
  Service& service_;
  LogFile* log_;
  coil::Event& expiring_;
  Parser parser_;
  coil::Task<void> pump_;  // sends to a subscriber who reads slowly
  bool holding_ = false;   // what is in `out` may not be sent yet
  bool busy_ = false, active_ = true, left_ = false;
};

}  // namespace kv
