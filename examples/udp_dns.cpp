// A DNS forwarder that remembers the answers for as long as they say. Who asks what somebody has just asked waits for
// the same answer.
//
//   sh examples/run udp_dns [PORT [SERVER]]     7053 by default, 0 for any free port; SERVER, as 9.9.9.9 or
//                                               127.0.0.1:5300, by default the first one in /etc/resolv.conf
//   dig @127.0.0.1 -p 7053 debian.org
//
// Knows neither TCP nor EDNS: an answer that does not fit says so (TC). SIGTERM or Ctrl-C: the questions that have come
// are answered first.
#include <sys/socket.h>

#include <random>
#include <unordered_map>
#include <vector>

#include "dns.hpp"
#include "server.hpp"

namespace {

constexpr const char* usage_line = "udp_dns [PORT [SERVER]]";
constexpr std::uint16_t default_port = 7053;
constexpr std::ptrdiff_t questions_max = 500;  // at a time
constexpr std::chrono::seconds patience(2);    // with the server
constexpr int attempts = 2;

class Forwarder {
public:
  Forwarder(std::uint16_t port, const coil::Endpoint& server)
      : socket_(coil::Endpoint("127.0.0.1", port)), server_(server) {}
  std::uint16_t port() const { return socket_.sock_name().port(); }

  /// Until it is cancelled.
  coil::Coro<void> receive(coil::TaskGroup& group) {
    std::vector<std::byte> buffer(4096);
    const auto answer = [this](std::string query, coil::Endpoint client, coil::Semaphore::Permit permit) {
      return reply(std::move(query), client, std::move(permit));
    };
    for (;;) {
      coil::Semaphore::Permit permit = co_await permits_.scoped();
      const coil::Datagram got = co_await socket_.recv_from(buffer);
      std::string query(reinterpret_cast<const char*>(buffer.data()), got.size);
      const bool is_query = query.size() > dns::header_size && (query[2] & 0xf8) == 0;
      if (is_query) group.create_task(answer, std::move(query), got.peer, std::move(permit));
    }
  }

private:
  coil::Coro<void> reply(std::string query, coil::Endpoint client, coil::Semaphore::Permit) {
    try {
      const std::string question(dns::question_of(query));
      std::string flags = {static_cast<char>(query[2] & 0x01), static_cast<char>(query[3] & 0x10)};  // RD, CD
      std::string message = query.substr(0, 2) + flags + std::string("\0\1\0\0\0\0\0\0", 8) + question;
      try {
        const std::string found = co_await look_up(flags + dns::lower(question), message.substr(2));
        message.replace(2, std::string::npos, found, 2).replace(dns::header_size, question.size(), question);
      } catch (const std::exception& error) {
        message[2] = static_cast<char>(message[2] | 0x80);
        message[3] = dns::server_failure;
        std::fprintf(stderr, "udp_dns: %s: %s\n", server_.to_string().c_str(), error.what());
      }
      co_await socket_.send_to(message, client);
    } catch (const std::exception&) {
      // It is none of our questions, or nobody is there any more.
    }
  }

  /// The first two bytes of the answer, its identity, are of any value.
  coil::Coro<std::string> look_up(std::string key, std::string query) {
    if (std::optional<std::string> known = known_.find(key)) co_return std::move(*known);
    auto asked = asked_.find(key);
    if (asked == asked_.end())
      asked = asked_.emplace(key, coil::create_task(ask_and_keep(key, std::move(query)))).first;
    coil::Task<std::string> answer = asked->second;  // that of many
    co_return co_await answer;
  }

  coil::Coro<std::string> ask_and_keep(std::string key, std::string query) {
    const coil::Outcome<std::string> outcome = co_await coil::as_result(ask(std::move(query)));
    asked_.erase(key);
    known_.keep(key, outcome.value());
    co_return outcome.value();
  }

  /// From a port and with an identity that nobody can guess.
  coil::Coro<std::string> ask(std::string query) {
    query.insert(0, {static_cast<char>(random_()), static_cast<char>(random_())});
    for (int attempt = 0; attempt < attempts; ++attempt) {
      coil::UdpSocket socket(coil::Endpoint(server_.family() == AF_INET ? "0.0.0.0" : "::", 0));
      socket.connect(server_);
      co_await socket.send(query);
      try {
        co_return co_await coil::wait_for(receive_answer(socket, query), patience);
      } catch (const coil::TimeoutError&) {
        // It, or what it said, may have been lost.
      }
    }
    throw std::runtime_error("does not answer");
  }

  static coil::Coro<std::string> receive_answer(coil::UdpSocket& socket, const std::string& query) {
    std::vector<std::byte> buffer(4096);
    for (;;) {
      const std::size_t size = co_await socket.recv(buffer);
      std::string message(reinterpret_cast<const char*>(buffer.data()), size);
      if (dns::is_answer(message, query)) co_return message;
    }
  }
  coil::UdpSocket socket_;
  coil::Endpoint server_;
  coil::Semaphore permits_{questions_max};
  std::random_device random_;
  dns::Cache known_;
  std::unordered_map<std::string, coil::Task<std::string>> asked_;
};

coil::Coro<int> udp_dns(std::uint16_t port, coil::Endpoint server) {
  example::EndSignals signals;
  std::optional<Forwarder> forwarder;
  try {
    forwarder.emplace(port, server);
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::address_in_use)
      throw std::runtime_error("port " + std::to_string(port) + " is in use");
    throw;
  }
  example::say_listening(forwarder->port());
  const auto body = [&](coil::TaskGroup& group) -> coil::Coro<void> {
    coil::Task<void> receiving = group.create_task(forwarder->receive(group));
    co_await signals.first();
    receiving.cancel();
  };
  co_await coil::task_group(body);
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 2, usage_line);
  const std::uint16_t port = example::parse_port(argc, argv, default_port, usage_line);
  const std::optional<coil::Endpoint> server = dns::parse_server(argc > 2 ? argv[2] : dns::first_name_server());
  if (!server) example::usage(usage_line);
  return example::run([port, server] { return udp_dns(port, *server); }, "udp_dns: ");
}
