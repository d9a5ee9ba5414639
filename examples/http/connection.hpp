// One client's connection: requests are read, answered in order, and what takes too long is ended.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <coil/coil.hpp>

#include "files.hpp"
#include "request.hpp"
#include "response.hpp"
#include "spool.hpp"

namespace http {

inline constexpr std::chrono::seconds head_duration_max{10};  // from its first byte
inline constexpr std::chrono::seconds body_pause_max{20};     // between pieces of a body
inline constexpr std::chrono::seconds body_duration_max{300};
inline constexpr std::chrono::seconds idle_duration_max{60};   // between requests
inline constexpr std::chrono::seconds write_pause_max{30};     // for the client to take something
inline constexpr std::chrono::seconds linger_duration_max{5};  // after the last answer
inline constexpr std::chrono::milliseconds linger_duration_draining{500};
inline constexpr std::size_t piece_size = 64 << 10;  // unsent, before the client is waited for
inline constexpr std::size_t spare_parsers_max = 64;
inline constexpr std::chrono::milliseconds look_interval{250};  // how exactly idle and write_pause are kept

class Connection;

/// What the connections share. They are looked at in intervals, which is cheaper than a timer for each wait.
class Service {
public:
  explicit Service(const std::string& folder) : files(folder) {}
  Service(const Service&) = delete;
  ~Service() { next_look_.cancel(); }

  /// Serves one client, to the end of its connection.
  coil::Coro<void> serve(coil::Stream stream);
  /// From now on connections end when they have answered what they have begun to receive.
  void drain();
  bool draining() const noexcept { return draining_; }

  Files files;
  Beginning beginning;

private:
  friend class Connection;
  void add(Connection& connection);
  void remove(Connection& connection) noexcept;
  void look();
  void look_later();
  std::unique_ptr<RequestParser> take_parser();
  /// One that stands between two requests.
  void put_back(std::unique_ptr<RequestParser> parser);

  std::vector<Connection*> connections_;
  std::vector<std::unique_ptr<RequestParser>> parsers_;  // of connections that are idle now
  std::uint32_t looks_ = 0;
  bool looking_ = false;
  coil::TimerHandle next_look_;
  bool draining_ = false;
};

class Connection {
public:
  Connection(Service& service, coil::Stream stream);
  Connection(const Connection&) = delete;
  ~Connection() { service_.remove(*this); }
  coil::Coro<void> run();
  void abort() noexcept { stream_.abort(); }

private:
  friend class Service;
  enum class Phase : unsigned char { busy, idle, writing, lingering };

  void enter(Phase phase) noexcept;
  coil::Coro<std::string_view> more_of_head();
  bool answer_at_once();
  coil::Coro<void> answer();
  coil::Coro<void> answer_file();
  coil::Coro<void> echo();
  coil::Coro<bool> read_body(Spool* spool);
  coil::Coro<bool> peek_until(coil::time_point deadline);
  void write_document(const Document& document);
  void write_text(int status, std::string_view fields = {}, std::string_view text = {});
  coil::Coro<void> send_part(const coil::Fd& file, std::uint64_t first, std::uint64_t end);
  coil::Coro<std::size_t> send_some(const coil::Fd& file, std::uint64_t first, std::size_t size);
  coil::Coro<void> drain();
  std::string_view end_of_head() noexcept;
  void refuse(int status, std::string_view fields = {});
  coil::Coro<void> linger();

  Service& service_;
  coil::Stream stream_;
  std::unique_ptr<RequestParser> parser_;  // none while it is idle
  bool keep_alive_ = true;
  bool peer_ended_ = false;
  Phase phase_ = Phase::busy;
  std::uint32_t since_ = 0;  // the look after which the phase began
  std::size_t index_ = 0;    // in the service's list
  std::size_t unsent_ = 0;   // at the last look
  coil::time_point head_deadline_;
};

}  // namespace http
