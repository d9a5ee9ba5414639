// PostgreSQL's own C library in the loop: a pool of 4 connections, 100 queries at once, and one that is given up.
//
//   pg_virtualenv sh examples/run pg_query     a server for the time of the command; or with PGHOST, PGDATABASE, ...
//
// libpq is told not to block, and says what it waits for: `readable` and `writable` wait for that. So can every C library
// that has a descriptor be used.
#include <libpq-fe.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "support.hpp"

namespace {

using namespace std::chrono_literals;

constexpr int pool_size = 4;
constexpr int queries = 100;
constexpr auto connect_time = 10s;
constexpr auto query_time = 300ms;  // for the one that is given up

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

class Database {
public:
  /// As the variables PGHOST, PGPORT, PGDATABASE, PGUSER, ... of the environment say.
  static coil::Coro<Database> connect() {
    Database database(PQconnectStart(""));
    PGconn* pg = database.pg_.get();
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
      if (pg == nullptr || next == PGRES_POLLING_FAILED || PQsocket(pg) < 0) database.fail();
      if (next == PGRES_POLLING_READING)
        co_await coil::readable(PQsocket(pg));
      else
        co_await coil::writable(PQsocket(pg));
      next = PQconnectPoll(pg);
    }
    if (PQsetnonblocking(pg, 1) != 0) database.fail();
    co_return database;
  }

  /// The first value of the first row.
  /// Cancellation: the server is told, and what it still says is waited for, so that the connection can be used again.
  coil::Coro<std::string> query(std::string sql, std::string parameter) {
    const char* const values[] = {parameter.c_str()};
    PGconn* pg = pg_.get();
    if (PQsendQueryParams(pg, sql.c_str(), 1, nullptr, values, nullptr, nullptr, 0) == 0) fail();
    const coil::Outcome<Result> outcome = co_await coil::as_result(last_result());
    if (outcome.cancelled()) {
      const auto cancel = [pg](const std::stop_token&) { ... };
    }
  }
};

}  // namespace
