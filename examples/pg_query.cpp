// PostgreSQL's own C library in the loop: a pool of 4 connections, 100 queries at once, and one that is given up.
//
//   pg_virtualenv sh examples/run pg_query     a server for the time of the command; or with PGHOST, PGDATABASE, ...
//
// libpq says what it waits for, and `readable` and `writable` do: so every C library that has a descriptor can be used.
#include <libpq-fe.h>

#include <cstdio>
#include <memory>
#include <stop_token>
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
  /// To where PGHOST, PGPORT, PGDATABASE, PGUSER, ... of the environment say.
  static coil::Coro<Database> connect() {
    Database database(PQconnectStart(""));
    PGconn* const pg = database.pg_.get();
    PostgresPollingStatusType next = PQstatus(pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
      if (next == PGRES_POLLING_FAILED) database.fail();
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
  /// Cancellation: the server is told to stop, and heard to its end, so that the connection can be used again.
  coil::Coro<std::string> query(std::string sql, std::string parameter) {
    const char* const values[] = {parameter.c_str()};
    if (PQsendQueryParams(pg_.get(), sql.c_str(), 1, nullptr, values, nullptr, nullptr, 0) == 0) fail();
    Result result(nullptr, PQclear);
    const auto read = [&]() -> coil::Coro<void> { result = co_await last_result(); };
    const auto settle = [&]() -> coil::Coro<void> {
      if (!result) co_await stop();
    };
    co_await coil::try_finally(read, settle);
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) fail();
    co_return PQgetvalue(result.get(), 0, 0);
  }

private:
  explicit Database(PGconn* pg) : pg_(pg, PQfinish) {}

  [[noreturn]] void fail() const {
    std::string reason = PQerrorMessage(pg_.get());
    reason.erase(reason.find_last_not_of('\n') + 1);
    throw std::runtime_error(reason);
  }

  /// Sends what is to be sent, and reads until the server has nothing more to say.
  coil::Coro<Result> last_result() {
    PGconn* const pg = pg_.get();
    for (int left = PQflush(pg); left != 0; left = PQflush(pg)) {
      if (left < 0) fail();
      co_await coil::writable(PQsocket(pg));
    }
    Result last(nullptr, PQclear);
    for (;;) {
      while (PQisBusy(pg) != 0) {
        co_await coil::readable(PQsocket(pg));
        if (PQconsumeInput(pg) == 0) fail();
      }
      PGresult* const next = PQgetResult(pg);
      if (next == nullptr) co_return std::move(last);
      last.reset(next);
    }
  }

  coil::Coro<void> stop() {
    const auto cancel = [this](const std::stop_token&) {  // blocks: it is done by a connection of its own
      const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> request(PQgetCancel(pg_.get()), PQfreeCancel);
      char reason[256];
      PQcancel(request.get(), reason, sizeof reason);
    };
    co_await coil::to_thread(cancel);
    co_await last_result();
  }

  std::unique_ptr<PGconn, decltype(&PQfinish)> pg_;
};

class Pool {
public:
  coil::Coro<void> open() {
    for (int i = 0; i < pool_size; ++i) all_.push_back(co_await coil::wait_for(Database::connect(), connect_time));
    for (Database& database : all_) idle_.put_nowait(&database);
  }

  /// Waits for a connection that is idle, and queries over it.
  coil::Coro<std::string> query(std::string sql, std::string parameter) {
    Database* const database = co_await idle_.get();
    const auto ask = [&] { return database->query(sql, parameter); };
    const auto give_back = [&]() -> coil::Coro<void> { co_await idle_.put(database); };
    co_return co_await coil::try_finally(ask, give_back);
  }

private:
  std::vector<Database> all_;
  coil::Queue<Database*> idle_;
};

coil::Coro<int> pg_query() {
  Pool pool;
  co_await pool.open();
  const coil::time_point start = coil::get_running_loop().time();
  std::vector<coil::Coro<std::string>> all;
  for (int n = 1; n <= queries; ++n)
    all.push_back(pool.query("select $1::int * 2 from pg_sleep(0.01)", std::to_string(n)));
  const std::vector<std::string> answers = co_await coil::gather(std::move(all));
  int sum = 0;
  for (const std::string& answer : answers) sum += std::stoi(answer);
  const std::chrono::duration<double> took = coil::get_running_loop().time() - start;
  std::printf("%d queries over %d connections: %d in all, %.2f s\n", queries, pool_size, sum, took.count());

  try {
    co_await coil::wait_for(pool.query("select pg_sleep($1::float)", "60"), query_time);
  } catch (const coil::TimeoutError&) {
    std::puts("a query of 60 s was given up");
  }
  for (int i = 0; i < pool_size; ++i) {
    const std::string answer = co_await pool.query("select 'is well, as connection ' || $1", std::to_string(i + 1));
    std::puts(answer.c_str());
  }
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "pg_query");
  return example::run(pg_query(), "pg_query: ");
}
