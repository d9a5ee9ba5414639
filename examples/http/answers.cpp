// What a connection answers.
#include <cerrno>
#include <system_error>

#include <coil/transfer.hpp>

#include "connection.hpp"
#include "target.hpp"

namespace http {

/// Settles whether the connection is kept.
std::string_view Connection::end_of_head() noexcept {
  keep_alive_ = keep_alive_ && !service_.draining();
  return http::end_of_head(parser_->request().old, keep_alive_);
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
  if (has_body && parser_->request().method != HTTP_HEAD) stream_.write(body);
}

/// After this the connection ends.
void Connection::refuse(int status, std::string_view fields) {
  keep_alive_ = false;
  write_text(status, fields);
}

/// False if that is not possible: then `answer` is.
bool Connection::answer_at_once() {
  const Request& request = parser_->request();
  if (request.has_body() || (request.method != HTTP_GET && request.method != HTTP_HEAD)) return false;
  const Document* document = service_.files.find(request.target);
  if (document == nullptr) return false;
  write_document(*document);
  return true;
}

/// All but the content of a large file.
void Connection::write_document(const Document& document) {
  const Request& request = parser_->request();
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
  const Request& request = parser_->request();
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
  const Found found = co_await service_.files.open(std::string(parser_->request().target));
  if (found.status != 200) {
    write_text(found.status, found.location.empty() ? "" : "Location: " + found.location + "\r\n");
    co_return;
  }
  write_document(*found.document);
  Part part;
  const int status = answer_status(parser_->request(), found.document->meta, part);
  if (found.document->large && parser_->request().method == HTTP_GET && (status == 200 || status == 206))
    co_await send_part(found.document->large, part.first, part.end);
}

/// A small rest goes with what is written after it.
coil::Coro<void> Connection::send_part(const coil::Fd& file, std::uint64_t first, std::uint64_t end) {
  if (end - first > piece_size) {
    enter(Phase::writing);
    co_await stream_.flush();
    enter(Phase::busy);
  }
  while (end - first > piece_size) first += co_await send_some(file, first, end - first);
  std::string rest(end - first, '\0');
  co_await coil::read_exactly(file, std::as_writable_bytes(std::span(rest)), first);
  stream_.write(rest);
}

/// All of it, unless the client takes long.
coil::Coro<std::size_t> Connection::send_some(const coil::Fd& file, std::uint64_t first, std::size_t size) {
  std::size_t sent = 0;
  const auto sending = [&]() -> coil::Coro<void> { co_await coil::sendfile(stream_.fd(), file, first, size, &sent); };
  try {
    co_await coil::timeout(write_pause_max, sending);
  } catch (const coil::TimeoutError&) {
    if (sent == 0) throw;
  }
  if (sent == 0) throw std::system_error(EIO, std::system_category(), "a file has become shorter than was promised");
  co_return sent;
}

coil::Coro<void> Connection::echo() {
  const Request& request = parser_->request();
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
  coil::Loop& loop = coil::get_running_loop();
  const coil::time_point end = loop.time() + body_duration_max;
  std::string dropped;
  while (parser_->state() == RequestParser::State::body) {
    if (stream_.buffered().empty() && !co_await peek_until(std::min(end, loop.time() + body_pause_max))) {
      refuse(408);
      co_return false;
    }
    const std::string_view bytes = stream_.buffered();
    if (bytes.empty()) {  // the end, in the middle of a body
      peer_ended_ = true;
      refuse(400);
      co_return false;
    }
    stream_.consume(parser_->feed_body(bytes, spool != nullptr ? spool->memory : dropped));
    dropped.clear();
    if (parser_->state() == RequestParser::State::refused) {
      refuse(parser_->status());
      co_return false;
    }
    if (spool != nullptr && !co_await spool->settle(parser_->state() == RequestParser::State::complete)) {
      refuse(503);
      co_return false;
    }
  }
  co_return true;
}

}  // namespace http
