#include "connection.hpp"

#include <sys/socket.h>

#include "target.hpp"

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
    // The client has gone.
  }
}

void Service::add(Connection& connection) {
  connection.index_ = connections_.size();
  connections_.push_back(&connection);
  if (!looking_) look_later();
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
    const bool was_in_head = parser_.in_head();
    std::string_view bytes;
    if (was_in_head) {
      bytes = co_await more_of_head();
    } else {
      enter(Phase::idle);
      bytes = co_await stream_.peek();
      enter(Phase::busy);
      peer_ended_ = bytes.empty();
    }
    if (bytes.empty()) break;
    bool is_first = true, wait = false;
    std::size_t used = 0;
    while (used < bytes.size() && keep_alive_ && !wait) {
      used += parser_.feed_head(bytes.substr(used));
      if (parser_.state() == RequestParser::State::head) break;
      is_first = false;
      if (parser_.state() == RequestParser::State::refused) {
        refuse(parser_.status());
        break;
      }
      keep_alive_ = parser_.request().keep_alive;
      wait = !answer_at_once();
      if (wait)
        parser_.keep();
      else
        parser_.next();
      if (stream_.unsent() > piece_size) break;
    }
    stream_.consume(used);
    if (wait) {
      co_await answer();
      if (parser_.state() == RequestParser::State::complete) parser_.next();
    } else if (parser_.in_head() && !(was_in_head && is_first)) {
      head_deadline_ = now() + head_duration_max;
    }
    co_await drain();
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
  try {
    co_await coil::timeout_at(deadline, read_on);
  } catch (const coil::TimeoutError&) {
  }
}

// ---- Answers ---------------------------------------------------------------------------------------------

/// Settles whether the connection is kept.
std::string_view Connection::end_of_head() noexcept {
  keep_alive_ = keep_alive_ && !service_.draining();
  return http::end_of_head(parser_.request().old, keep_alive_);
}

/// A head and a line of text.
void Connection::write_text(int status, std::string_view fields, std::string_view text) {
  const bool has_body = status != 304 && status != 204;
  std::string body(text);
  if (body.empty()) body = std::to_string(status) + ' ' + std::string(reason_of(status)) + '\n';
  stream_.write(service_.beginning.of(status));
  stream_.write(fields);
  if (has_body)
    stream_.write("Content-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) + "\r\n");
  stream_.write(end_of_head());
  if (has_body && parser_.request().method != HTTP_HEAD) stream_.write(body);
}

/// After this the connection ends.
void Connection::refuse(int status, std::string_view fields) {
  keep_alive_ = false;
  write_text(status, fields);
}

/// False if that is not possible: then `answer` is.
bool Connection::answer_at_once() {
  const Request& request = parser_.request();
  if (request.has_body() || (request.method != HTTP_GET && request.method != HTTP_HEAD)) return false;
  const Document* document = service_.files.find(request.target);
  if (document == nullptr) return false;
  write_document(*document);
  return true;
}

/// All but the content of a large file.
void Connection::write_document(const Document& document) {
  const Request& request = parser_.request();
  Part part;
  const int status = answer_status(request, document.meta, part);
  const std::string_view end = end_of_head();
  if (status == 200) {
    stream_.write(service_.beginning.ok());
    stream_.write(document.fields);
    stream_.write(end);
  } else if (status == 206) {
    const Meta& meta = document.meta;
    stream_.write(service_.beginning.of(206) + "Content-Type: " + std::string(meta.type) +
                  "\r\nContent-Length: " + std::to_string(part.end - part.first) + "\r\nContent-Range: bytes " +
                  std::to_string(part.first) + '-' + std::to_string(part.end - 1) + '/' + std::to_string(meta.size) +
                  "\r\nLast-Modified: " + date_text(meta.modified) + "\r\nETag: " + meta.etag + "\r\n");
    stream_.write(end);
  } else if (status == 304) {
    return write_text(304, "ETag: " + document.meta.etag + "\r\n");
  } else {
    return write_text(416, "Content-Range: bytes */" + std::to_string(document.meta.size) + "\r\n");
  }
  if (!document.large && request.method != HTTP_HEAD)
    stream_.write(std::string_view(document.content).substr(part.first, part.end - part.first));
}

coil::Coro<void> Connection::answer() {
  const Request& request = parser_.request();
  if (path_of(request.target) == "/echo" && request.method == HTTP_POST) {
    co_await echo();
    co_return;
  }
  if (request.has_body() && request.expects_continue) {
    keep_alive_ = false;  // the body is not asked for, and may come all the same
  } else if (request.has_body()) {
    if (!co_await read_body(nullptr)) co_return;
  }
  switch (request.method) {
    case HTTP_GET:
    case HTTP_HEAD:
      co_await answer_file();
      break;
    case HTTP_OPTIONS:
      write_text(204, "Allow: GET, HEAD, OPTIONS, POST\r\n");
      break;
    default:
      write_text(405, path_of(request.target) == "/echo" ? "Allow: POST\r\n" : "Allow: GET, HEAD, OPTIONS\r\n");
  }
}

coil::Coro<void> Connection::answer_file() {
  const Found found = co_await service_.files.open(std::string(parser_.request().target));
  if (found.status != 200) {
    write_text(found.status, found.location.empty() ? "" : "Location: " + found.location + "\r\n");
    co_return;
  }
  write_document(*found.document);
  Part part;
  const int status = answer_status(parser_.request(), found.document->meta, part);
  if (found.document->large && parser_.request().method == HTTP_GET && (status == 200 || status == 206))
    co_await send_part(found.document->large, part.first, part.end);
}

coil::Coro<void> Connection::send_part(const coil::Fd& file, std::uint64_t first, std::uint64_t end) {
  std::string piece;
  while (first < end) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(end - first, piece_size)));
    const std::size_t size = co_await coil::read(file, std::as_writable_bytes(std::span(piece)), first);
    if (size == 0) {  // the file has become shorter than was promised
      stream_.abort();
      keep_alive_ = false;
      co_return;
    }
    stream_.write(std::string_view(piece).substr(0, size));
    first += size;
    co_await drain();
  }
}

coil::Coro<void> Connection::echo() {
  const Request& request = parser_.request();
  if (request.has_body() && request.expects_continue) stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
  Spool body;
  if (request.has_body() && !co_await read_body(&body)) co_return;
  stream_.write(service_.beginning.ok());
  stream_.write("Content-Type: application/octet-stream\r\nContent-Length: " + std::to_string(body.size()) + "\r\n");
  stream_.write(end_of_head());
  if (body.in_file()) {
    co_await drain();
    co_await send_part(body.file(), 0, body.size());
  } else {
    stream_.write(body.memory);
  }
}

/// False if the request was refused.
coil::Coro<bool> Connection::read_body(Spool* spool) {
  const coil::time_point end = now() + body_duration_max;
  std::string dropped;
  while (parser_.state() == RequestParser::State::body) {
    if (stream_.buffered().empty() && !co_await peek_until(std::min(end, now() + body_pause_max))) {
      refuse(408);
      co_return false;
    }
    const std::string_view bytes = stream_.buffered();
    if (bytes.empty()) {  // the end, in the middle of a body
      peer_ended_ = true;
      refuse(400);
      co_return false;
    }
    stream_.consume(parser_.feed_body(bytes, spool != nullptr ? spool->memory : dropped));
    dropped.clear();
    if (parser_.state() == RequestParser::State::refused) {
      refuse(parser_.status());
      co_return false;
    }
    if (spool != nullptr && !co_await spool->settle(parser_.state() == RequestParser::State::complete)) {
      refuse(503);
      co_return false;
    }
  }
  co_return true;
}

}  // namespace http
