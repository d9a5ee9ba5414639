#include "connection.hpp"

#include <sys/socket.h>

#include <system_error>

namespace http {

namespace {

constexpr std::uint32_t looks_in(std::chrono::milliseconds duration) noexcept {
  return static_cast<std::uint32_t>(duration / look_interval);
}
coil::time_point now() noexcept { return coil::get_running_loop().time(); }

}  // namespace

// ---- All connections -------------------------------------------------------------------------------------

coil::Coro<void> Service::serve(coil::Stream stream) {
  Connection connection(*this, std::move(stream));
  try {
    co_await connection.run();
  } catch (const std::system_error&) {
    // The client has gone, or what it was promised cannot be sent: then it sees its connection reset.
    connection.abort();
  } catch (const coil::TimeoutError&) {
    connection.abort();  // it takes nothing
  }
}

void Service::add(Connection& connection) {
  connection.index_ = connections_.size();
  connections_.push_back(&connection);
  if (!looking_) look_later();
}

std::unique_ptr<RequestParser> Service::take_parser() {
  if (parsers_.empty()) return std::make_unique<RequestParser>();
  std::unique_ptr<RequestParser> parser = std::move(parsers_.back());
  parsers_.pop_back();
  return parser;
}

void Service::put_back(std::unique_ptr<RequestParser> parser) {
  if (parsers_.size() < spare_parsers_max) parsers_.push_back(std::move(parser));
}

void Service::look_later() {
  looking_ = true;
  next_look_ = coil::get_running_loop().call_later(look_interval, [this] {
    looking_ = false;
    look();
    if (!connections_.empty()) look_later();
  });
}

void Service::remove(Connection& connection) noexcept {
  connections_.back()->index_ = connection.index_;
  connections_[connection.index_] = connections_.back();
  connections_.pop_back();
}

void Service::look() {
  ++looks_;
  for (Connection* connection : connections_) {
    const std::uint32_t looks = looks_ - connection->since_;
    switch (connection->phase_) {
      case Connection::Phase::busy:
        break;
      case Connection::Phase::idle:
        // What has arrived is still read, and then the end.
        if (draining_ || looks > looks_in(idle_duration_max)) ::shutdown(connection->stream_.fd(), SHUT_RD);
        break;
      case Connection::Phase::lingering:
        if (draining_ && connection->stream_.unsent() == 0 && looks > looks_in(linger_duration_draining))
          ::shutdown(connection->stream_.fd(), SHUT_RD);
        break;
      case Connection::Phase::writing:
        if (const std::size_t unsent = connection->stream_.unsent(); unsent != connection->unsent_) {
          connection->unsent_ = unsent;
          connection->since_ = looks_;
        } else if (looks > looks_in(write_pause_max)) {
          connection->stream_.abort();
        }
        break;
    }
  }
}

void Service::drain() {
  draining_ = true;
  look();
}

// ---- One connection --------------------------------------------------------------------------------------

Connection::Connection(Service& service, coil::Stream stream) : service_(service), stream_(std::move(stream)) {
  service_.add(*this);
}

void Connection::enter(Phase phase) noexcept {
  phase_ = phase;
  since_ = service_.looks_;
}

/// Answers request after request, as many at a time as have arrived.
coil::Coro<void> Connection::run() {
  while (keep_alive_) {
    const bool was_in_head = parser_ && parser_->in_head();
    std::string_view bytes;
    if (was_in_head) {
      bytes = co_await more_of_head();
    } else {
      if (parser_) service_.put_back(std::move(parser_));
      enter(Phase::idle);
      bytes = co_await stream_.peek();
      enter(Phase::busy);
      parser_ = service_.take_parser();
      peer_ended_ = bytes.empty();
    }
    if (bytes.empty()) break;
    bool is_first = true, wait = false;
    std::size_t used = 0;
    while (used < bytes.size() && keep_alive_ && !wait) {
      used += parser_->feed_head(bytes.substr(used));
      if (parser_->state() == RequestParser::State::head) break;
      is_first = false;
      if (parser_->state() == RequestParser::State::refused) {
        refuse(parser_->status());
        break;
      }
      keep_alive_ = parser_->request().keep_alive;
      wait = !answer_at_once();
      if (wait)
        parser_->keep();
      else
        parser_->next();
      if (stream_.unsent() > piece_size) break;
    }
    stream_.consume(used);
    if (wait) {
      co_await answer();
      if (parser_->state() == RequestParser::State::complete) parser_->next();
    } else if (parser_->in_head() && !(was_in_head && is_first)) {
      head_deadline_ = now() + head_duration_max;
    }
    if (stream_.unsent() > piece_size) co_await drain();
  }
  co_await linger();
}

/// "" when the client has ended in the middle of a head, or takes too long for it: that is answered then.
coil::Coro<std::string_view> Connection::more_of_head() {
  if (!co_await peek_until(head_deadline_)) {
    refuse(408);
    co_return std::string_view();
  }
  const std::string_view bytes = stream_.buffered();
  peer_ended_ = bytes.empty();
  if (peer_ended_) refuse(400);
  co_return bytes;
}

/// False if nothing came, and no end either.
coil::Coro<bool> Connection::peek_until(coil::time_point deadline) {
  const auto peek = [this]() -> coil::Coro<void> { co_await stream_.peek(); };
  try {
    co_await coil::timeout_at(deadline, peek);
  } catch (const coil::TimeoutError&) {
    co_return false;
  }
  co_return true;
}

coil::Coro<void> Connection::drain() {
  if (stream_.unsent() == 0) co_return;
  enter(Phase::writing);
  unsent_ = stream_.unsent();
  co_await stream_.drain();
  enter(Phase::busy);
}

/// After the last answer: reads on for a while, so that the connection is not reset over what the client has yet to
/// read.
coil::Coro<void> Connection::linger() {
  stream_.write_eof();
  const coil::time_point deadline = now() + linger_duration_max;
  const auto read_on = [this]() -> coil::Coro<void> {
    for (;;) {
      const std::string_view bytes = co_await stream_.peek();
      if (bytes.empty()) co_return;
      stream_.consume(bytes.size());
    }
  };
  if (peer_ended_) {
    enter(Phase::writing);
    co_await stream_.flush();
    co_return;
  }
  enter(Phase::lingering);
  try {
    co_await coil::timeout_at(deadline, read_on);
  } catch (const coil::TimeoutError&) {
  }
}

}  // namespace http
