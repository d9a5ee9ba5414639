// Memory that is not there: an allocation that fails, at each of those that a server makes, and a limit that is hit.
#include <coil/server.hpp>

#include "../support/child.hpp"
#include "../support/net_test.hpp"

#include <sys/resource.h>
#include <coil/coil.hpp>

#include <array>
#include <cstdlib>
#include <new>
#include <thread>

using coil::Coro;
using coil::Stream;

// ---- An allocation of this thread that fails -------------------------------------------------------------

namespace {

constexpr long none = -1;
thread_local long allocations_left = none;  // before one fails
thread_local int to_fail_next = 0;          // so many

bool is_to_fail() {
  if (to_fail_next > 0) return to_fail_next-- > 0;
  if (allocations_left == none) return false;
  return allocations_left-- == 0;
}

void* allocate(std::size_t size, std::size_t alignment) {
  if (is_to_fail()) return nullptr;
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment = 1) {
  if (void* const memory = allocate(size, alignment)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 1); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace {

// ---- A server and its clients ----------------------------------------------------------------------------

/// Sends back line by line, each copied to memory of its own.
Coro<void> echo(Stream stream) {
  for (;;) {
    const std::string line = co_await stream.read_line();
    if (line.empty()) co_return;
    const std::vector<char> copy(line.begin(), line.end());
    co_await stream.write_all(std::string_view(copy.data(), copy.size()));
  }
}

/// A client that blocks; whether all of its lines came back.
bool converse(const coil::Endpoint& server) {
  const coil_test::Fd socket = coil_test::make_socket(server);
  if (::connect(socket, server.address(), server.size()) != 0) return false;
  for (int round = 0; round < 3; ++round) {
    if (::send(socket, "a line\n", 7, MSG_NOSIGNAL) != 7) return false;
    char answer[7];
    if (::recv(socket, answer, sizeof answer, MSG_WAITALL) != 7) return false;
  }
  return true;
}

constexpr int clients = 4;

/// A server whose allocation number `failing` from its start on fails, and clients, one after the other; `lost` of them
/// are not served. `has_failed`: there were so many.
Coro<void> serve_clients(long failing, int& lost, bool& has_failed) {
  coil::Server server = co_await coil::start_server(echo, "127.0.0.1", 0);
  const coil::Endpoint there("127.0.0.1", server.port());
  const coil_test::Fd ended = coil_test::make_eventfd();
  std::thread others([&] {
    for (int i = 0; i < clients; ++i) lost += !converse(there);
    coil_test::put(ended, std::string_view("\1\0\0\0\0\0\0\0", 8));
  });
  char room[8];
  auto waiting = coil::create_task(coil::read(ended, std::as_writable_bytes(std::span(room))));
  co_await coil::yield();
  allocations_left = failing;
  co_await waiting;
  has_failed = std::exchange(allocations_left, none) < 0;
  others.join();
  co_await server.aclose();
}

}  // namespace

TEST_CASE("no memory: an allocation that fails costs a server one connection at the most") {
  int failures = 0;
  int connections_lost = 0;
  for (bool has_failed = true; has_failed; ++failures) {
    CAPTURE(failures);
    coil_test::LeakCheck leaks;
    int lost = 0;
    const auto main = [&]() -> Coro<void> {
      coil::get_running_loop().set_exception_handler([](const coil::ErrorContext&) {});
      co_await serve_clients(failures, lost, has_failed);
    };
    coil::run(main, coil_test::virtual_time);
    CHECK(lost <= 1);
    connections_lost += lost;
    REQUIRE(failures < 1000);
  }
  MESSAGE("allocations that failed: ", failures - 1, ", connections lost: ", connections_lost);
  CHECK(failures > 3);
  CHECK(connections_lost > 0);
}

// It slept until something else came, for ever if there was nothing else.
TEST_CASE("no memory: an operation that there is no memory to remember is begun as soon as there is some") {
  coil_test::LeakCheck leaks;
  const auto main = []() -> Coro<std::string> {
    const coil_test::Ends pipe = coil_test::make_pipe();
    coil_test::put(pipe.in, "text");
    std::array<char, 4> room{};
    auto reading = coil::read(pipe.out, std::as_writable_bytes(std::span(room)));
    to_fail_next = 4;
    const std::size_t size = co_await reading;
    to_fail_next = 0;
    co_return std::string(room.data(), size);
  };
  CHECK(coil::run(main) == "text");
}

// ---- RLIMIT_AS -------------------------------------------------------------------------------------------

namespace {

constexpr std::size_t piece = 1 << 20;

std::size_t address_space() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Leaves room for `more` bytes beside those that are mapped.
bool limit_address_space(std::size_t more) {
  const rlimit few{address_space() + more, RLIM_INFINITY};
  return ::setrlimit(RLIMIT_AS, &few) == 0;
}

/// Sends "h" back when it has taken all the memory there is, which it keeps until the connection ends; "m" when it asked
/// for more than there is; other bytes at once.
Coro<void> echo_or_take_memory(Stream stream) {
  std::vector<std::unique_ptr<char[]>> hoard;
  for (;;) {
    const std::string command = co_await stream.read(1);
    if (command.empty()) co_return;
    if (command == "m") static_cast<void>(std::vector<char>(std::size_t{1} << 40));
    try {
      while (command == "h") hoard.push_back(std::make_unique<char[]>(piece));
    } catch (const std::bad_alloc&) {
    }
    co_await stream.write_all(command);
  }
}

/// What comes back for `command`; "" when the connection ended.
std::string ask(int socket, const char* command) {
  char answer = 0;
  if (::send(socket, command, 1, MSG_NOSIGNAL) != 1 || ::recv(socket, &answer, 1, 0) != 1) return "";
  return std::string(1, answer);
}

coil_test::Fd connected_to(const coil::Endpoint& there) {
  coil_test::Fd socket = coil_test::make_socket(there);
  coil_test::check_call(::connect(socket, there.address(), there.size()), "connect");
  return socket;
}

/// What clients saw of a server in a process with little memory.
std::string talk_with(const coil::Endpoint& there) {
  const coil_test::Fd good = connected_to(there);
  coil_test::Fd greedy = connected_to(there);
  std::string seen = ask(good, "a");
  seen += ask(greedy, "b");
  for (int i = 0; i < 100; ++i) {
    const coil_test::Fd wants_too_much = connected_to(there);
    if (!ask(wants_too_much, "m").empty()) seen += "(there was memory)";
  }
  seen += ask(good, "c");
  seen += ask(greedy, "h");
  seen += ask(good, "d");
  std::vector<coil_test::Fd> others;  // of which some find no memory
  for (int i = 0; i < 500; ++i) {
    others.push_back(connected_to(there));
    ::send(others.back(), "x", 1, MSG_NOSIGNAL);
  }
  seen += ask(good, "e");
  greedy.close();
  for (const coil_test::Fd& other : others) {
    char answer = 0;
    ::recv(other, &answer, 1, 0);  // or its connection has ended
  }
  for (int i = 0; i < 100; ++i)
    if (ask(connected_to(there), "f") != "f") seen += "(a later one is not served)";
  return seen + ask(good, "g");
}

/// Serves with `more` bytes of memory; says where on stdout.
int serve_with_little_memory(std::size_t more) {
  int reports = 0;
  const auto main = [&]() -> Coro<int> {
    coil::get_running_loop().set_exception_handler([&](const coil::ErrorContext&) { ++reports; });
    coil::Server server = co_await coil::start_server(echo_or_take_memory, "127.0.0.1", 0);
    coil_test::tell_parent(std::to_string(server.port()));
    if (!limit_address_space(more)) co_return 98;
    coil::Stream end = coil::stdin_stream();
    co_await end.read(1);
    co_return reports >= 100 ? 0 : 97;
  };
  return coil::run(main);
}

}  // namespace

TEST_CASE("no memory: at RLIMIT_AS a handler costs its own connection, and the others are served" *
          doctest::skip(coil_test::sanitized)) {  // a sanitizer needs address space itself
  std::string seen;
  const coil_test::Ends end = coil_test::make_pipe();
  const auto result = coil_test::in_child(
      [&] {
        ::dup2(end.out, STDIN_FILENO);
        return serve_with_little_memory(std::size_t{32} << 20);
      },
      [&](pid_t, const std::string& output) {
        if (!seen.empty() || output.empty() || output.back() != '\n') return;
        seen = talk_with(coil::Endpoint("127.0.0.1", static_cast<std::uint16_t>(std::stoi(output))));
        coil_test::put(end.in, "x");
      });
  CAPTURE(result.output);
  CAPTURE(result.status);
  CHECK(seen == "abchdeg");
  CHECK(result.exited_with(0));
}
