#include <coil/server.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <new>
#include <optional>
#include <system_error>
#include <variant>

#include <coil/create_task.hpp>
#include <coil/detail/wait_line.hpp>
#include <coil/loop.hpp>
#include <coil/resolve.hpp>
#include <coil/sleep.hpp>
#include <coil/tcp.hpp>
#include <coil/timeout.hpp>
#include <coil/unix_socket.hpp>

#include "loop_parts.hpp"

namespace coil {

namespace detail {

namespace {

constexpr auto pause_max = std::chrono::milliseconds(250);  // without descriptors
constexpr auto report_interval = std::chrono::seconds(1);
constexpr int any_port_tries = 8;  // until a port is free at all addresses of a host

bool is_out_of_something(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

class ServerCore {
public:
  using Ref = StateRef<ServerCore>;
  using Listener = std::variant<TcpListener, UnixListener>;
  class Connection;

  ServerCore(Owner<ConnectionHandler> handler, const ServerOptions& options)
      : handler_(std::move(handler)), options_(options) {}

  void ref() noexcept { ++refs_; }
  void unref() noexcept {
    if (--refs_ == 0) delete this;
  }

  static Server start(Owner<ConnectionHandler> handler, std::vector<Listener> listeners, const ServerOptions& options);
  void close() noexcept;
  bool is_closed() const noexcept { return closed_; }
  bool has_ended() const noexcept { return closed_ && connection_count_ == 0; }
  template <class F>
  void for_each_connection(F function);

  static Coro<void> wait_ended(Ref core, bool connections_too);
  static Coro<void> stop(Ref core, std::chrono::nanoseconds grace);
  static Coro<void> serve_forever(Ref core);

  std::vector<ServerSocket> sockets() const;
  std::uint16_t port() const noexcept { return port_; }
  std::size_t connection_count() const noexcept { return connection_count_; }

private:
  static Coro<void> accept_all(Ref core, std::size_t index);
  template <class Accepting>
  static Coro<Stream> accept_one(Accepting accepting, StreamOptions options);
  Coro<Stream> accept_at(std::size_t index);
  static Coro<void> serve(Ref core, Stream stream);
  bool is_full() const noexcept {
    return options_.max_connections != 0 && connection_count_ >= options_.max_connections;
  }
  void report_pause(bool out_of_something) noexcept;
  void report_failure() noexcept;
  void abort_all() noexcept;

  std::uint32_t refs_ = 0;
  Owner<ConnectionHandler> handler_;
  ServerOptions options_;
  std::vector<Listener> listeners_;
  std::vector<Endpoint> endpoints_;
  std::uint16_t port_ = 0;
  bool closed_ = false;
  Connection* connections_ = nullptr;
  std::size_t connection_count_ = 0;
  std::optional<time_point> reported_;
  WaitLine changed_;  // a connection has ended, or the server was closed
};

/// Stands in the list of its server while it lives.
class ServerCore::Connection {
public:
  Connection(ServerCore& server, StreamRef stream)
      : server_(server), stream_(std::move(stream)), task_(current_task()) {
    next_ = server_.connections_;
    if (next_ != nullptr) next_->before_ = this;
    server_.connections_ = this;
    ++server_.connection_count_;
  }
  Connection(const Connection&) = delete;
  ~Connection() {
    if (next_ != nullptr) next_->before_ = before_;
    (before_ == nullptr ? server_.connections_ : before_->next_) = next_;
    --server_.connection_count_;
    server_.changed_.wake_all();
  }
  StreamCore& stream() const noexcept { return *stream_; }
  const TaskRef& task() const noexcept { return task_; }
  Connection* next() const noexcept { return next_; }

private:
  ServerCore& server_;
  StreamRef stream_;
  TaskRef task_;
  Connection* before_ = nullptr;
  Connection* next_ = nullptr;
};

/// Ends a pause of the accepting after a while. Needs no memory, which may be what is lacking.
class PauseEnd final : public TimedSuspension {
public:
  explicit PauseEnd(WaitLine& changed) noexcept : changed_(changed) { start_timer(*this, pause_max); }
  PauseEnd(const PauseEnd&) = delete;
  ~PauseEnd() {
    if (queued()) parts_of(*this_loop).timers.remove(*this);
  }
  void wake(FutureState*) noexcept override { changed_.wake_all(); }

private:
  Abort abort() noexcept override { return Abort::gone; }
  WaitLine& changed_;
};

// ---- Accepting -------------------------------------------------------------------------------------------

Server ServerCore::start(Owner<ConnectionHandler> handler, std::vector<Listener> listeners,
                         const ServerOptions& options) {
  Ref core(new ServerCore(std::move(handler), options));
  core->listeners_ = std::move(listeners);
  for (const Listener& listener : core->listeners_)
    std::visit([&](const auto& one) { core->endpoints_.push_back(one.endpoint()); }, listener);
  core->port_ = core->endpoints_.front().port();
  for (std::size_t i = 0; i < core->listeners_.size(); ++i)
    create_task(accept_all(core, i), TaskOptions{.name = "coil::Server"});
  return Server(std::move(core));
}

template <class Accepting>
Coro<Stream> ServerCore::accept_one(Accepting accepting, StreamOptions options) {
  co_return Stream(co_await accepting, options);
}

Coro<Stream> ServerCore::accept_at(std::size_t index) {
  return std::visit([&](auto& listener) { return accept_one(listener.accept(), options_.stream); }, listeners_[index]);
}

Coro<void> ServerCore::accept_all(Ref core, std::size_t index) {
  LineOperation change(core->changed_, "server");
  while (!core->closed_) {
    if (core->is_full()) {
      co_await change;
      continue;
    }
    try {
      Coro<Stream> accepting = core->accept_at(index);
      Stream stream = co_await std::move(accepting);
      while (core->is_full()) {  // another socket has given it the last one
        if (core->closed_) co_return;
        co_await change;
      }
      create_task(serve(core, std::move(stream)), TaskOptions{.eager = true});
      continue;
    } catch (const std::system_error& error) {
      core->report_pause(is_out_of_something(error.code().value()));
    } catch (const std::bad_alloc&) {
      core->report_pause(true);
    }
    if (core->closed_) break;
    const PauseEnd end(core->changed_);
    co_await change;
  }
}

// Without memory to say it in, nothing is said.
void ServerCore::report_pause(bool out_of_something) noexcept try {
  if (closed_) return;
  Loop& loop = get_running_loop();
  const time_point now = loop.time();
  if (reported_ && now - *reported_ < report_interval) return;
  reported_ = now;
  const char* const what =
      out_of_something ? "has nothing left to accept connections with" : "cannot accept connections";
  loop.call_exception_handler({.message = "the server at " + endpoints_.front().to_string() + " " + what,
                               .exception = std::current_exception()});
} catch (const std::bad_alloc&) {
}

void ServerCore::report_failure() noexcept try {
  get_running_loop().call_exception_handler(
      {.message = "a connection's handler of the server at " + endpoints_.front().to_string() + " failed",
       .exception = std::current_exception(),
       .task = current_task()});
} catch (const std::bad_alloc&) {
}

Coro<void> ServerCore::serve(Ref core, Stream stream) {
  const StreamRef kept = StreamAccess::core(stream);
  const Connection connection(*core, kept);
  try {
    Coro<void> handling = core->handler_->handle(std::move(stream));
    co_await std::move(handling);
  } catch (const std::exception&) {
    core->report_failure();
  }
  if (kept->is_closed()) co_return;
  try {
    co_await StreamWriteWait(kept.get(), StreamWriteWait::Until::closed, "wait_closed");
  } catch (const std::system_error&) {
    // The peer did not take all of it: its own loss.
  }
}

// ---- Ending ----------------------------------------------------------------------------------------------

void ServerCore::close() noexcept {
  if (std::exchange(closed_, true)) return;
  listeners_.clear();
  changed_.wake_all();
}

template <class F>
void ServerCore::for_each_connection(F function) {
  for (Connection *one = connections_, *next = nullptr; one != nullptr; one = next) {
    next = one->next();
    function(*one);
  }
}

Coro<void> ServerCore::wait_ended(Ref core, bool connections_too) {
  LineOperation change(core->changed_, "server");
  while (connections_too ? !core->has_ended() : !core->closed_) co_await change;
}

void ServerCore::abort_all() noexcept {
  for_each_connection([](const Connection& connection) {
    connection.stream().abort();
    connection.task().cancel();
  });
}

Coro<void> ServerCore::stop(Ref core, std::chrono::nanoseconds grace) {
  core->close();
  if (core->connection_count_ == 0) co_return;
  if (grace.count() > 0) {
    try {
      Coro<void> ending = wait_ended(core, true);
      co_await wait_for(std::move(ending), grace);
    } catch (const TimeoutError&) {
    }
  }
  core->abort_all();
  co_await wait_ended(core, true);
}

// ---- What Server offers ----------------------------------------------------------------------------------

std::vector<ServerSocket> ServerCore::sockets() const {
  std::vector<ServerSocket> sockets;
  for (const Listener& listener : listeners_)
    std::visit([&](const auto& one) { sockets.push_back({one.fd(), one.endpoint()}); }, listener);
  return sockets;
}

Coro<void> ServerCore::serve_forever(Ref core) {
  bool cancelled = false;
  std::string message;
  try {
    co_await wait_ended(core, false);
  } catch (const CancelledError& error) {
    cancelled = true;
    message = error.message();
  }
  if (!cancelled) co_return;
  core->close();
  core->for_each_connection([](const Connection& connection) {
    connection.stream().close();
    connection.task().cancel();
  });
  co_await wait_ended(core, true);
  throw CancelledError(message);
}

// ---- Starting --------------------------------------------------------------------------------------------

namespace {

ListenOptions listen_options(const ServerOptions& options) {
  return {.backlog = options.backlog,
          .reuse_port = options.reuse_port,
          .mode = options.mode,
          .one_at_a_time = options.max_connections != 0};
}

/// Listens at all of them; one that this machine does not have is left out, if there are others.
std::vector<ServerCore::Listener> listen_at_all(const std::vector<Endpoint>& endpoints, const ServerOptions& options) {
  std::vector<ServerCore::Listener> listeners;
  std::exception_ptr missing;
  std::uint16_t port = 0;
  for (const Endpoint& endpoint : endpoints) {
    try {
      TcpListener listener(endpoint.port() != 0 ? endpoint : endpoint.with_port(port), listen_options(options));
      port = listener.port();
      listeners.emplace_back(std::move(listener));
    } catch (const std::system_error& error) {
      const int code = error.code().value();
      if (code != EADDRNOTAVAIL && code != EAFNOSUPPORT) throw;
      missing = std::current_exception();
    }
  }
  if (listeners.empty()) std::rethrow_exception(missing);
  return listeners;
}

}  // namespace

Coro<Server> start_tcp_server(Owner<ConnectionHandler> handler, std::string host, std::uint16_t port,
                              ServerOptions options) {
  const std::vector<Endpoint> endpoints = co_await resolve(host, port);
  for (int tries_left = port == 0 && endpoints.size() > 1 ? any_port_tries : 1;;) {
    try {
      co_return ServerCore::start(std::move(handler), listen_at_all(endpoints, options), options);
    } catch (const std::system_error& error) {
      if (error.code().value() != EADDRINUSE || --tries_left == 0) throw;
    }
  }
}

Coro<Server> start_server_at(Owner<ConnectionHandler> handler, Endpoint endpoint, ServerOptions options) {
  if (endpoint.family() != AF_UNIX)
    co_return ServerCore::start(std::move(handler), listen_at_all({endpoint}, options), options);
  std::vector<ServerCore::Listener> listeners;
  listeners.emplace_back(UnixListener(endpoint, listen_options(options)));
  co_return ServerCore::start(std::move(handler), std::move(listeners), options);
}

}  // namespace detail

Server::Server() noexcept = default;
Server::Server(Server&&) noexcept = default;
Server::Server(detail::StateRef<detail::ServerCore> core) noexcept : core_(std::move(core)) {}

Server& Server::operator=(Server&& other) noexcept {
  if (this != &other) {
    close();
    core_ = std::move(other.core_);
  }
  return *this;
}
Server::~Server() { close(); }

std::vector<ServerSocket> Server::sockets() const { return core_ ? core_->sockets() : std::vector<ServerSocket>(); }
std::uint16_t Server::port() const noexcept { return core_ ? core_->port() : std::uint16_t{0}; }
bool Server::is_serving() const noexcept { return core_ && !core_->is_closed(); }
std::size_t Server::connections() const noexcept { return core_ ? core_->connection_count() : 0; }

void Server::close() noexcept {
  if (core_) core_->close();
}
void Server::close_clients() noexcept {
  if (core_) core_->for_each_connection([](const auto& connection) { connection.stream().close(); });
}
void Server::abort_clients() noexcept {
  if (core_) core_->for_each_connection([](const auto& connection) { connection.stream().abort(); });
}

namespace {

Coro<void> nothing() { co_return; }

}  // namespace

Coro<void> Server::serve_forever() { return core_ ? detail::ServerCore::serve_forever(core_) : nothing(); }
Coro<void> Server::wait_closed() { return core_ ? detail::ServerCore::wait_ended(core_, true) : nothing(); }
Coro<void> Server::stop_within(std::chrono::nanoseconds grace) {
  return core_ ? detail::ServerCore::stop(core_, grace) : nothing();
}
Coro<void> Server::aclose() {
  close();
  return wait_closed();
}

}  // namespace coil
