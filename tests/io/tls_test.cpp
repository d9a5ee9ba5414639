// TLS over streams: in memory, cut into pieces of any size, and over TCP.
#include <coil/tls.hpp>

#include "../support/certificates.hpp"
#include "../support/stream_test.hpp"

#include <coil/coil.hpp>
#include <coil/testing.hpp>

using namespace std::chrono_literals;
using coil::Stream;
using coil::TlsContext;
using coil_test::Identity;
using coil_test::make_identity;
using coil_test::settle;

namespace {

/// An authority, what it has signed, and those whom it should not be taken for.
struct World {
  coil_test::TemporaryDirectory folder;
  Identity authority = make_identity(folder, {.file = "authority"});
  Identity server =
      make_identity(folder, {.file = "server", .names = "DNS:localhost,IP:127.0.0.1", .issuer = &authority});
  Identity client = make_identity(folder, {.file = "client", .names = "email:a@example.org", .issuer = &authority});
  Identity other = make_identity(folder, {.file = "other", .names = "DNS:other.example.org", .issuer = &authority});
  Identity expired = make_identity(folder, {.file = "expired", .issuer = &authority, .from = -7200, .until = -3600});
  Identity not_yet = make_identity(folder, {.file = "not_yet", .issuer = &authority, .from = 3600, .until = 7200});
  Identity self_signed = make_identity(folder, {.file = "self_signed"});
  Identity wildcard = make_identity(
      folder, {.file = "wildcard", .names = "DNS:*.example.org,DNS:f*.example.net", .issuer = &authority});
  Identity only_cn = make_identity(folder, {.file = "localhost", .names = "DNS:elsewhere", .issuer = &authority});
};
World& world() {
  static World instance;
  return instance;
}

TlsContext trusting() { return TlsContext::client(world().authority.certificate_file); }
TlsContext serving(const Identity& identity) {
  return TlsContext::server(identity.certificate_file, identity.key_file);
}

/// Both sides of a handshake; each tells how it ended.
struct Handshake {
  std::string client = "fine";
  std::string server = "fine";
};

coil::Coro<void> start(Stream& stream, const TlsContext& context, std::string_view host, std::string& end) {
  auto outcome = co_await coil::as_result(stream.start_tls(context, {.server_hostname = host}));
  if (!outcome.has_value()) end = coil_test::text_of(outcome.exception());
}

coil::Coro<Handshake> shake(Stream& client, Stream& server, TlsContext client_context, TlsContext server_context,
                            std::string_view host = "localhost") {
  Handshake ends;
  co_await coil::gather(start(client, client_context, host, ends.client),
                        start(server, server_context, "", ends.server));
  co_return ends;
}

coil::Coro<std::pair<Stream, Stream>> connected(const coil::testing::MemoryStreamOptions& options = {}) {
  auto [client, server] = coil::testing::memory_streams(options);
  const Handshake ends = co_await shake(client, server, trusting(), serving(world().server));
  CHECK(ends.client == "fine");
  CHECK(ends.server == "fine");
  co_return std::pair(std::move(client), std::move(server));
}

coil::Coro<std::string> end_with(const Identity& identity, std::string_view host = "localhost") {
  auto [client, server] = coil::testing::memory_streams();
  const Handshake ends = co_await shake(client, server, trusting(), serving(identity), host);
  CHECK((ends.server == "fine") == (ends.client == "fine"));
  co_return ends.client;
}

}  // namespace

IO_TEST("tls: what is written on one side is read on the other, in both directions, whatever the pieces") {
  for (const std::size_t piece : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{5000}}) {
    auto [client, server] = co_await connected({.piece_max = piece, .seed = piece == 7 ? 1U : 0U});
    std::string text;
    for (int i = 0; text.size() < 40'000; ++i) text += std::to_string(i) + ' ';
    client.write(text);
    client.write("end\n");
    const std::string there = co_await server.read_until("end\n");
    CHECK(there == text + "end\n");
    server.write(there);
    const std::string back = co_await client.read_exactly(there.size());
    CHECK(back == there);
  }
}

IO_TEST("tls: a megabyte each way at once arrives, past the high water") {
  auto [client, server] = co_await connected();
  const std::string text(1 << 20, 'x');
  auto send = [&](Stream& stream) -> coil::Coro<void> {
    for (int i = 0; i < 16; ++i) {
      stream.write(std::string_view(text).substr(0, 65536));
      co_await stream.drain();
    }
    stream.write_eof();
  };
  auto receive = [](Stream& stream) -> coil::Coro<std::string> {
    std::string all = co_await stream.read_all();
    co_return all;
  };
  auto [none, nothing, there, back] =
      co_await coil::gather(send(client), send(server), receive(server), receive(client));
  CHECK(there == text);
  CHECK(back == text);
}

IO_TEST("tls: the end of what one side writes is told, and the other may go on") {
  auto [client, server] = co_await connected();
  client.write("request");
  client.write_eof();
  const std::string request = co_await server.read_all();
  CHECK(request == "request");
  server.write("answer");
  co_await server.aclose();
  const std::string answer = co_await client.read_all();
  CHECK(answer == "answer");
  CHECK(client.at_eof());
}

IO_TEST("tls: a peer that goes without saying so is an error, and what came before is there") {
  auto [below_client, below_server] = coil::testing::memory_streams();
  const Handshake ends = co_await shake(below_client, below_server, trusting(), serving(world().server));
  CHECK(ends.client == "fine");
  below_server.write("half of ");
  co_await below_server.flush();
  const std::string half = co_await below_client.read();
  CHECK(half == "half of ");
  below_server.abort();
  CHECK_AWAIT_THROWS(below_client.read(), std::system_error);
}

IO_TEST("tls: a connection that is cut short is an error, not an end") {
  coil_test::Ends ends = coil_test::make_tcp_pair();
  Stream client(coil::TcpStream(coil::Fd(ends.out.release())));
  Stream server(coil::TcpStream(coil::Fd(::dup(ends.in))));
  const Handshake shaken = co_await shake(client, server, trusting(), serving(world().server));
  CHECK(shaken.server == "fine");
  ::shutdown(ends.in, SHUT_WR);  // without close_notify
  std::string text;
  try {
    text = co_await client.read();
  } catch (const coil::TlsError& error) {
    text = error.what();
  }
  CHECK(text.find("ended the connection without saying so") != std::string::npos);
}

IO_TEST("tls: a certificate is accepted for the names and addresses it says") {
  CHECK(co_await end_with(world().server, "localhost") == "fine");
  CHECK(co_await end_with(world().server, "127.0.0.1") == "fine");
  CHECK(co_await end_with(world().wildcard, "www.example.org") == "fine");
}

IO_TEST("tls: a certificate that is of another host, too old, too new, or signed by nobody known is refused") {
  struct Case {
    const Identity& identity;
    std::string_view host;
    const char* reason;
  };
  const Case cases[] = {
      {world().other, "localhost", "with localhost: hostname mismatch"},
      {world().server, "127.0.0.2", "with 127.0.0.2: IP address mismatch"},
      {world().wildcard, "a.b.example.org", "hostname mismatch"},
      {world().wildcard, "example.org", "hostname mismatch"},
      {world().wildcard, "foo.example.net", "hostname mismatch"},
      {world().only_cn, "localhost", "hostname mismatch"},
      {world().expired, "localhost", "certificate has expired"},
      {world().not_yet, "localhost", "certificate is not yet valid"},
      {world().self_signed, "localhost", "self-signed certificate"},
  };
  for (const Case& one : cases) {
    const std::string end = co_await end_with(one.identity, one.host);
    CHECK_MESSAGE(end.find(one.reason) != std::string::npos, end);
    CHECK_MESSAGE(end.find("certificate verify failed") != std::string::npos, end);
  }
}

IO_TEST("tls: the system's trust does not reach a certificate of one's own; insecure_skip_verify takes anything") {
  auto [client, server] = coil::testing::memory_streams();
  Handshake ends = co_await shake(client, server, TlsContext::client(), serving(world().server));
  CHECK(ends.client.find("certificate") != std::string::npos);
  CHECK(!client);
  CHECK_AWAIT_THROWS(client.drain(), std::logic_error);
  std::tie(client, server) = coil::testing::memory_streams();
  TlsContext anything = TlsContext::client();
  anything.insecure_skip_verify();
  ends = co_await shake(client, server, anything, serving(world().self_signed), "");
  CHECK(ends.client == "fine");
}

IO_TEST("tls: a server may ask for a certificate, and refuses clients without one") {
  TlsContext strict = serving(world().server);
  strict.require_client_certificate(world().authority.certificate_file);
  auto [client, server] = coil::testing::memory_streams();
  Handshake ends = co_await shake(client, server, trusting(), strict);
  CHECK(ends.server.find("peer did not return a certificate") != std::string::npos);
  std::tie(client, server) = coil::testing::memory_streams();
  TlsContext named = trusting();
  named.certificate(world().client.certificate_file, world().client.key_file);
  ends = co_await shake(client, server, named, strict);
  CHECK(ends.server == "fine");
  client.write("hello\n");
  CHECK(co_await server.read_line() == "hello\n");
  CHECK(coil::tls_info(server)->peer_certificate.find("BEGIN CERTIFICATE") != std::string::npos);
}

IO_TEST("tls: the protocol that both know is chosen as the server prefers, none is an error") {
  TlsContext many = serving(world().server);
  many.alpn({"h2", "http/1.1"});
  TlsContext one = trusting();
  one.alpn({"http/1.1"});
  auto [client, server] = coil::testing::memory_streams();
  Handshake ends = co_await shake(client, server, one, many);
  CHECK(ends.client == "fine");
  const auto info = coil::tls_info(client);
  REQUIRE(info.has_value());
  CHECK(info->alpn == "http/1.1");
  CHECK(info->protocol == "TLSv1.3");
  CHECK(info->cipher.find("TLS_") == 0);
  CHECK(coil::tls_info(server)->alpn == "http/1.1");
  one.alpn({"smtp"});
  std::tie(client, server) = coil::testing::memory_streams();
  ends = co_await shake(client, server, one, many);
  CHECK(ends.client.find("no application protocol") != std::string::npos);
  CHECK_THROWS_AS(one.alpn({""}), std::invalid_argument);
}

IO_TEST("tls: garbage instead of TLS is an error that says so, and a silent peer one of time") {
  auto [client, server] = coil::testing::memory_streams();
  client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::string end;
  co_await start(server, serving(world().server), "", end);
  CHECK_MESSAGE(end.find("http request") != std::string::npos, end);
  std::tie(client, server) = coil::testing::memory_streams();
  CHECK_AWAIT_THROWS(server.start_tls(serving(world().server)), coil::TimeoutError);
  CHECK(coil_test::elapsed() == 10s);
  CHECK(!server);
}

IO_TEST("tls: begins in the middle of a conversation, and takes what came too early for its own") {
  auto [client, server] = coil::testing::memory_streams();
  client.write("STARTTLS\n");
  const std::string command = co_await server.read_line();
  CHECK(command == "STARTTLS\n");
  server.write("go\n");
  CHECK(co_await client.read_line() == "go\n");
  std::string client_end;
  std::string server_end;
  const TlsContext context = trusting();
  auto starting = coil::create_task(start(client, context, "localhost", client_end));
  co_await settle();
  CHECK(server.buffered().empty());  // nobody reads
  auto peeking = co_await server.peek(100);
  CHECK(peeking.size() >= 100);  // of the handshake, received before it was expected
  co_await start(server, serving(world().server), "", server_end);
  co_await starting;
  CHECK(client_end + server_end == "");
  client.write("secret\n");
  CHECK(co_await server.read_line() == "secret\n");
}

IO_TEST("tls: misuse is refused") {
  auto [client, server] = coil::testing::memory_streams();
  CHECK_THROWS_WITH_AS(static_cast<void>(client.start_tls(trusting())),
                       "coil: Stream::start_tls(): a client says whom it expects: {.server_hostname = ...}",
                       std::invalid_argument);
  auto reading = coil::create_task(server.read());
  co_await settle();
  CHECK_THROWS_AS(static_cast<void>(server.start_tls(serving(world().server))), std::logic_error);
  reading.cancel();
  co_await coil::as_result(reading);
  Stream none;
  CHECK_THROWS_AS(static_cast<void>(none.start_tls(serving(world().server))), std::logic_error);
  CHECK_THROWS_AS(TlsContext::client("/no/such/file.pem"), coil::TlsError);
  CHECK_THROWS_WITH_AS(serving(Identity{nullptr, nullptr, "/no/such.pem", "/no/such.key"}),
                       "TlsContext: the certificate /no/such.pem: No such file or directory", coil::TlsError);
  CHECK_THROWS_AS(TlsContext::server(world().server.certificate_file, world().other.key_file), coil::TlsError);
  CHECK_THROWS_AS(trusting().require_client_certificate(world().authority.certificate_file), std::logic_error);
}

IO_TEST("tls: a read that is cancelled loses nothing, and the stream goes on") {
  auto [client, server] = co_await connected();
  for (int i = 0; i < 20; ++i) {
    auto reading = coil::create_task(server.read_exactly(6));
    for (int turn = 0; turn < i; ++turn) co_await coil::yield();
    client.write("abc");
    for (int turn = 0; turn < i / 2; ++turn) co_await coil::yield();
    reading.cancel();
    co_await coil::as_result(reading);
    client.write("def");
    CHECK(co_await server.read_exactly(6) == "abcdef");
  }
}

namespace {

// What a test of everything does: a handshake, a line each way, and the end.
coil::Coro<void> conversation() {
  auto [client, server] = coil::testing::memory_streams();
  std::string ends;
  const TlsContext ours = trusting();
  const TlsContext theirs = serving(world().server);
  auto talk = [&](Stream& stream, const TlsContext& context, std::string_view host) -> coil::Coro<void> {
    co_await stream.start_tls(context, {.server_hostname = host});
    stream.write("hello\n");
    const std::string line = co_await stream.read_line();
    if (line != "hello\n" && !line.empty()) throw std::runtime_error("read " + line);
    co_await stream.aclose();
  };
  co_await coil::gather(talk(client, ours, "localhost"), talk(server, theirs, ""));
}

}  // namespace

TEST_CASE("tls: can be cancelled at each point, leaving nothing behind") {
  const coil::testing::CancelResult result = coil::testing::cancel_everywhere(conversation, {.every_task = true});
  CHECK(result.points > 10);
}

IO_TEST("tls: a server closes and aborts its connections as any others") {
  std::string ends;
  auto read = [&](Stream stream) -> coil::Coro<void> {
    stream.write("hello\n");
    auto end = co_await coil::as_result(stream.read());
    ends += end.has_value() ? "end " + end.value() : "error ";
  };
  auto handler = coil::with_tls(serving(world().server), read);
  coil::Server server = co_await coil::start_server(handler, "127.0.0.1", 0);
  Stream client = co_await coil::open_tls_connection("127.0.0.1", server.port(), trusting());
  CHECK(co_await client.read_line() == "hello\n");
  CHECK(server.connections() == 1);
  server.close_clients();
  CHECK(co_await client.read_all() == "");  // the end of TLS, not a mere end of the connection
  CHECK(ends == "end ");
  client = co_await coil::open_tls_connection("127.0.0.1", server.port(), trusting());
  CHECK(co_await client.read_line() == "hello\n");
  server.abort_clients();
  CHECK_AWAIT_THROWS(client.read_all(), std::system_error);
  co_await server.stop(1s);
  CHECK(server.connections() == 0);
}

IO_TEST("tls: a server of TLS serves, and who cannot begin costs its own connection only") {
  auto echo = [](Stream stream) -> coil::Coro<void> {
    while (!(co_await stream.peek()).empty()) {
      stream.move_to(stream);
      co_await stream.drain();
    }
  };
  auto handler = coil::with_tls(serving(world().server), echo);
  coil::Server server = co_await coil::start_server(handler, "127.0.0.1", 0);
  Stream plain = co_await coil::open_connection("127.0.0.1", server.port());
  plain.write("nonsense\n");
  const std::string alert = co_await plain.read_all();
  CHECK(alert.size() < 10);
  Stream client = co_await coil::open_tls_connection("127.0.0.1", server.port(), trusting());
  client.write("over TLS\n");
  CHECK(co_await client.read_line() == "over TLS\n");
  CHECK(client.peer_name().port() == server.port());
  CHECK(client.fd() >= 0);
  co_await client.aclose();
  co_await server.stop(1s);
  CHECK(reports.take().error.find("TLS handshake") != std::string::npos);
}
