#include <coil/tls.hpp>

#include <stdexcept>
#include <string>
#include <utility>

#include <coil/timeout.hpp>

#include "tls_session.hpp"
#include "tls_transport.hpp"

namespace coil {

namespace detail {

namespace {

void send_from(TlsSession& session, Stream& stream) {
  if (!session.for_peer().empty()) stream.write(session.for_peer());
  session.for_peer_is_taken();
}

// What was received before and not read is the peer's: it may have begun already.
Coro<void> shake_hands(TlsSession& session, Stream& stream) {
  for (bool done = false; !done;) {
    try {
      done = session.shake_hands();
    } catch (...) {
      send_from(session, stream);  // why
      throw;
    }
    send_from(session, stream);
    if (done) break;
    const std::string_view text = co_await stream.peek();
    if (text.empty()) throw_tls_truncated("TLS handshake: the peer ended the connection");
    session.feed(text);
    stream.consume(text.size());
  }
  co_await stream.flush();
}

// The stream is none meanwhile, and stays so if it fails: the connection is closed.
Coro<void> start_tls(Stream* stream, TlsSession session, std::chrono::nanoseconds handshake_timeout) {
  Stream below = std::move(*stream);
  co_await timeout(handshake_timeout, [&] { return shake_hands(session, below); });
  const StreamRef& core = StreamAccess::core(below);
  Stream encrypted(Owner<Transport>(new TlsTransport(core, std::move(session))), core->options());
  core->put_below(StreamAccess::core(encrypted).get());
  StreamAccess::release(below);
  *stream = std::move(encrypted);
}

Coro<Stream> open_with_tls(std::string host, std::uint16_t port, TlsContext context, ConnectOptions options,
                           std::string local_host) {
  options.local_host = local_host;
  Stream stream = co_await open_connection(host, port, options);
  co_await stream.start_tls(context, TlsOptions{.server_hostname = host});
  co_return std::move(stream);
}

}  // namespace

Coro<void> handle_with_tls(const TlsContext& context, Stream stream, Coro<void> (*call)(void*, Stream), void* handler) {
  co_await stream.start_tls(context);
  co_await call(handler, std::move(stream));
}

}  // namespace detail

Coro<void> Stream::start_tls(TlsContext context) { return start_tls(std::move(context), TlsOptions{}); }

Coro<void> Stream::start_tls(TlsContext context, TlsOptions options) {
  detail::StreamCore& below = core("start_tls");
  if (below.is_being_read())
    throw std::logic_error("coil: Stream::start_tls() while another task reads from the same stream");
  detail::TlsSession session(context, std::string(options.server_hostname));
  return detail::start_tls(this, std::move(session), options.handshake_timeout);
}

std::optional<TlsInfo> tls_info(const Stream& stream) {
  const detail::StreamRef& core = detail::StreamAccess::core(stream);
  const auto* tls = core ? dynamic_cast<const detail::TlsTransport*>(&core->transport()) : nullptr;
  if (tls == nullptr) return std::nullopt;
  return tls->info();
}

Coro<Stream> open_tls_connection(std::string host, std::uint16_t port) {
  return open_tls_connection(std::move(host), port, TlsContext::client());
}

Coro<Stream> open_tls_connection(std::string host, std::uint16_t port, TlsContext context,
                                 const ConnectOptions& options) {
  return detail::open_with_tls(std::move(host), port, std::move(context), options, std::string(options.local_host));
}

}  // namespace coil
