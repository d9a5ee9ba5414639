// How a ring is made: its size, kernels that know less, kernels and sandboxes that refuse.
#include <coil/detail/ring.hpp>

#include "../support/child.hpp"
#include "../support/io_test.hpp"
#include "../support/ring_shim.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <climits>
#include <string>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;
using coil_test::Ends;
using coil_test::Fd;
using coil_test::put;
using coil_test::read_text;
using coil_test::RingShim;
using coil_test::write_text;

namespace {

/// A bit of everything that a loop does with its ring.
coil::Coro<int> work() {
  const Ends pipe = coil_test::make_pipe();
  auto cancelled = coil::create_task(read_text(pipe.out));
  co_await coil_test::settle();
  cancelled.cancel();
  CHECK_AWAIT_THROWS(cancelled, coil::CancelledError);
  CHECK_AWAIT_THROWS(coil::wait_for(read_text(pipe.out), 1ms), coil::TimeoutError);

  auto reading = coil::create_task(read_text(pipe.out));
  co_await write_text(pipe.in, "text");
  const std::string text = co_await reading;
  CHECK(text == "text");

  std::vector<coil::Coro<std::size_t>> writers;
  for (int i = 0; i < 500; ++i) writers.push_back(write_text(pipe.in, "x"));
  co_await coil::gather(std::move(writers));
  CHECK(coil_test::take_all(pipe.out) == std::string(500, 'x'));

  const coil_test::TemporaryDirectory folder;
  const Fd file(co_await coil::openat(AT_FDCWD, folder / "file", O_RDWR | O_CREAT, 0600));
  co_await coil::write_all(file, std::string(2 << 20, 'x'));
  co_await coil::fsync(file);

  auto late = coil::create_task(read_text(pipe.out));
  coil::get_running_loop().call_soon_threadsafe([fd = int{pipe.in}] { put(fd, "woken"); });
  const std::string woken = co_await late;
  CHECK(woken == "woken");
  co_await coil_test::end_operations();
  co_return 1;
}

/// Errno and text that `run` refuses with; 0 if it does not.
std::pair<int, std::string> refusal(coil::RunOptions options = {}) {
  try {
    coil::run([]() -> coil::Coro<void> { co_await coil::yield(); }, options);
  } catch (const coil::RingUnavailableError& error) {
    return {error.code().value(), error.what()};
  }
  return {0, ""};
}

/// One line for each, and what each of them says.
void check_text(const std::string& text, int lines_max, std::initializer_list<const char*> words) {
  CAPTURE(text);
  CHECK(text.find("io_uring") != text.npos);
  CHECK(!text.empty());
  CHECK(text.back() != '\n');
  CHECK(std::count(text.begin(), text.end(), '\n') < lines_max);
  for (const char* word : words) {
    CAPTURE(word);
    CHECK(text.find(word) != text.npos);
  }
}

}  // namespace

// ---- Sizes -----------------------------------------------------------------------------------------------

TEST_CASE("size: every number of entries from 1 to 32768 will do") {
  coil_test::LeakCheck leaks;
  for (const unsigned entries : {1U, 2U, 3U, 7U, 64U, 100U, 256U, 4096U, 32768U}) {
    CAPTURE(entries);
    CHECK(coil::run(work(), coil::RunOptions{.ring_entries = entries}) == 1);
  }
}

TEST_CASE("size: numbers out of range are taken for the nearest that is in it") {
  coil_test::LeakCheck leaks;
  std::vector<unsigned> asked;
  RingShim shim;
  shim.set_up = [&](unsigned entries, io_uring_params&) {
    asked.push_back(entries);
    return 0;
  };
  for (const unsigned entries : {0U, 32769U, 1U << 31, UINT_MAX}) {
    CAPTURE(entries);
    asked.clear();
    CHECK(coil::run(work(), coil::RunOptions{.ring_entries = entries}) == 1);
    REQUIRE(!asked.empty());
    CHECK(asked.front() == (entries == 0 ? 1U : 32768U));
  }
}

TEST_CASE("size: without memory for it the ring is halved, down to 64") {
  coil_test::LeakCheck leaks;
  for (const unsigned room : {64U, 100U, 500U}) {
    CAPTURE(room);
    std::vector<unsigned> asked;
    RingShim shim;
    shim.set_up = [&](unsigned entries, io_uring_params&) {
      asked.push_back(entries);
      return entries > room ? -ENOMEM : 0;
    };
    CHECK(coil::run(work(), coil::RunOptions{.ring_entries = 4096}) == 1);
    CHECK(asked.front() == 4096);
    CHECK(asked.back() <= room);
    CHECK(asked.back() >= 64);
  }
}

TEST_CASE("size: without memory for 64 entries it is an error, of which no ring and no descriptor is left") {
  coil_test::LeakCheck leaks;
  int asked = 0;
  RingShim shim;
  shim.set_up = [&](unsigned, io_uring_params&) {
    ++asked;
    return -ENOMEM;
  };
  const auto [error, text] = refusal();
  CHECK(error == ENOMEM);
  check_text(text, 8, {"ulimit -l"});
  CHECK(asked <= 30);
}

TEST_CASE("size: memory of rings just closed that the kernel gives back late is waited for") {
  coil_test::LeakCheck leaks;
  std::vector<unsigned> asked;
  RingShim shim;
  shim.set_up = [&](unsigned entries, io_uring_params&) {
    asked.push_back(entries);
    return asked.size() < 10 ? -ENOMEM : 0;
  };
  CHECK(coil::run(work(), coil::RunOptions{.ring_entries = 256}) == 1);
  CHECK(asked.back() == 256);
}

TEST_CASE("size: a ring smaller than 64 is not made larger for lack of memory") {
  RingShim shim;
  std::vector<unsigned> asked;
  shim.set_up = [&](unsigned entries, io_uring_params&) {
    asked.push_back(entries);
    return -ENOMEM;
  };
  CHECK(refusal({.ring_entries = 8}).first == ENOMEM);
  for (const unsigned entries : asked) CHECK(entries <= 8);
}

// ---- Kernels that know less ------------------------------------------------------------------------------

namespace {

/// Flags that a kernel may not know, newest first: those of 6.1, of 5.19.
constexpr unsigned unknown_flags[] = {0, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER,
                                      IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL};

/// Plays a kernel that does not know the first `missing` of these.
int refuse_unknown(unsigned flags, std::size_t missing) {
  for (std::size_t i = 0; i <= missing; ++i)
    if ((flags & unknown_flags[i]) != 0) return -EINVAL;
  return 0;
}

}  // namespace

TEST_CASE("older kernels: a kernel that refuses a set of flags gets fewer, and everything works with those") {
  coil_test::LeakCheck leaks;
  for (std::size_t missing = 0; missing < std::size(unknown_flags); ++missing) {
    for (const unsigned entries : {1U, 256U}) {
      CAPTURE(missing);
      CAPTURE(entries);
      unsigned first = 0;
      unsigned last = 0;
      RingShim shim;
      shim.set_up = [&](unsigned, io_uring_params& parameters) {
        if (first == 0) first = parameters.flags;
        last = parameters.flags;
        return refuse_unknown(parameters.flags, missing);
      };
      CHECK(coil::run(work(), coil::RunOptions{.ring_entries = entries}) == 1);
      CHECK((first & unknown_flags[1]) == unknown_flags[1]);
      CHECK((last & unknown_flags[missing]) == 0);
    }
  }
}

TEST_CASE("older kernels: with each set of flags ten thousand reads through a ring of four all end") {
  coil_test::LeakCheck leaks;
  for (std::size_t missing = 0; missing < std::size(unknown_flags); ++missing) {
    CAPTURE(missing);
    RingShim shim;
    shim.set_up = [&](unsigned, io_uring_params& parameters) { return refuse_unknown(parameters.flags, missing); };
    auto main = []() -> coil::Coro<int> {
      const Fd counter = coil_test::make_eventfd(0, EFD_SEMAPHORE);
      std::vector<coil::Task<std::string>> readers;
      for (int i = 0; i < 10'000; ++i) readers.push_back(coil::create_task(read_text(counter, 8)));
      co_await coil_test::settle();
      for (std::size_t i = 0; i < readers.size(); i += 2) readers[i].cancel();
      std::uint64_t count = 5'000;
      put(counter, {reinterpret_cast<const char*>(&count), sizeof count});
      count = 0;
      int ended = 0;
      for (std::size_t i = 0; i < readers.size(); i += 2) {
        auto outcome = co_await coil::as_result(readers[i]);
        ended += outcome.has_value() || outcome.cancelled();
        count += outcome.has_value();  // it was in time, and took what another one waits for
      }
      put(counter, {reinterpret_cast<const char*>(&count), sizeof count});
      for (std::size_t i = 1; i < readers.size(); i += 2) {
        const std::string one = co_await readers[i];
        ended += one.size() == 8;
      }
      co_return ended;
    };
    CHECK(coil::run(main, coil::RunOptions{.ring_entries = 4}) == 10'000);
  }
}

TEST_CASE("older kernels: one that refuses every set of flags is said to be too old, and which one will do") {
  RingShim shim;
  int asked = 0;
  shim.set_up = [&](unsigned, io_uring_params&) {
    ++asked;
    return -EINVAL;
  };
  const auto [error, text] = refusal();
  CHECK(error == EINVAL);
  check_text(text, 8, {"EINVAL", "Invalid argument", "kernel", "It is Linux ", "coil needs 5.11 or later"});
  CHECK(asked == 3);
}

TEST_CASE("older kernels: short of memory and of flags at once, both are made do without") {
  coil_test::LeakCheck leaks;
  RingShim shim;
  shim.set_up = [](unsigned entries, io_uring_params& parameters) {
    if ((parameters.flags & (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN)) != 0) return -EINVAL;
    return entries > 64 ? -ENOMEM : 0;
  };
  CHECK(coil::run(work()) == 1);
}

// ---- Refusals --------------------------------------------------------------------------------------------

TEST_CASE("refused: EPERM names seccomp and kernel.io_uring_disabled, ENOSYS the kernel, ENOMEM ulimit -l") {
  RingShim shim;
  int answer = 0;
  shim.set_up = [&](unsigned, io_uring_params&) { return answer; };
  answer = -EPERM;
  auto [error, text] = refusal();
  CHECK(error == EPERM);
  check_text(text, 8, {"EPERM", "seccomp", "kernel.io_uring_disabled"});
  answer = -EACCES;
  CHECK(refusal().first == EACCES);
  answer = -ENOSYS;
  std::tie(error, text) = refusal();
  CHECK(error == ENOSYS);
  check_text(text, 8, {"ENOSYS", "kernel", "Linux"});
  answer = -EMFILE;
  std::tie(error, text) = refusal();
  CHECK(error == EMFILE);
  check_text(text, 8, {"Too many open files"});
}

TEST_CASE("refused: the error is a std::system_error of the system's category, and run can be called again") {
  coil_test::LeakCheck leaks;
  {
    RingShim shim;
    shim.set_up = [](unsigned, io_uring_params&) { return -EPERM; };
    CHECK_THROWS_AS(coil::run(work()), std::system_error);
    try {
      coil::run(work());
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::error_code(EPERM, std::system_category()));
    }
  }
  CHECK(coil::run(work()) == 1);
}

namespace {

/// From now on io_uring_setup fails with `error`, as in a container whose seccomp profile leaves it out.
bool forbid_io_uring(int error) {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (static_cast<unsigned>(error) & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(rules)), rules};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

TEST_CASE("refused: by a seccomp filter, the text says that there is one") {
  for (const int error : {EPERM, ENOSYS}) {
    CAPTURE(error);
    const auto child = coil_test::in_child([error] {
      if (!forbid_io_uring(error)) return 98;
      const auto [code, text] = refusal();
      coil_test::tell_parent(text);
      return code == error ? 0 : 1;
    });
    CHECK(child.exited_with(0));
    CAPTURE(child.output);
    CHECK(child.said("io_uring"));
    CHECK(child.said(error == EPERM ? "a filter is on" : "kernel"));
  }
}

TEST_CASE("refused: a user without locked memory is told of ulimit -l") {
  const auto child = coil_test::in_child([] {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) return 98;
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return 98;
    const auto [code, text] = refusal();
    coil_test::tell_parent(text);
    return code == ENOMEM ? 0 : code == 0 ? 1 : 2;
  });
  CAPTURE(child.output);
  if (child.exited_with(1)) {
    MESSAGE("this kernel counts no locked memory for rings");
    return;
  }
  CHECK(child.exited_with(0));
  CHECK(child.said("io_uring"));
  CHECK(child.said("ulimit -l"));
}

TEST_CASE("refused: a loop that is not made is not left running") {
  RingShim shim;
  shim.set_up = [](unsigned, io_uring_params&) { return -EPERM; };
  CHECK(refusal().first == EPERM);
  CHECK_THROWS_AS(coil::get_running_loop(), std::logic_error);
}
