// conformance FILE: runs the scenarios of FILE.cpp, one after the other, each in a loop of its own.
// conformance --seeds N: runs all of them in N orders of what is ready: in each they end, leave nothing, and say the same
// when it is repeated. COIL_SEED and COIL_SEEDS are those of for_seeds().
#include "conformance.hpp"

#include <coil/detail/frame_pool.hpp>
#include <coil/for_seeds.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace conformance {

namespace {

struct Scenario {
  std::string file;
  const char* name;
  Body body;
};

std::vector<Scenario>& scenarios() {
  static std::vector<Scenario> all;
  return all;
}

// "…/gather.cpp" is "gather".
std::string stem_of(std::string path) {
  if (const auto slash = path.rfind('/'); slash != std::string::npos) path.erase(0, slash + 1);
  return path.substr(0, path.rfind('.'));
}

coil::Coro<void> with_handler(Body body) {
  coil::get_running_loop().set_exception_handler(
      [](const coil::ErrorContext& context) { log("handler:", context.exception); });
  co_await body();
}

}  // namespace

Registration::Registration(const char* file, const char* name, Body body) {
  scenarios().push_back({stem_of(file), name, body});
}

std::string describe(const std::exception_ptr& error) {
  if (!error) return "none";
  try {
    std::rethrow_exception(error);
  } catch (const coil::CancelledError& cancelled) {
    return "CancelledError(" + std::string(cancelled.message()) + ")";
  } catch (const coil::KeyboardInterrupt&) {
    return "KeyboardInterrupt";
  } catch (const coil::ExceptionGroup& group) {
    std::string text;
    for (const std::exception_ptr& each : group.exceptions()) text += (text.empty() ? "" : ", ") + describe(each);
    return "ExceptionGroup(" + text + ")";
  } catch (const Failure& failure) {
    return "Failure(" + std::string(failure.what()) + ")";
  } catch (const coil::TimeoutError&) {
    return "TimeoutError";
  } catch (const coil::QueueEmpty&) {
    return "QueueEmpty";
  } catch (const coil::QueueFull&) {
    return "QueueFull";
  } catch (const coil::QueueShutDown&) {
    return "QueueShutDown";
  } catch (const coil::BrokenBarrierError&) {
    return "BrokenBarrierError";
  } catch (const coil::InvalidStateError&) {
    return "InvalidStateError";
  } catch (const std::invalid_argument&) {
    return "ValueError";
  } catch (const std::logic_error&) {
    return "RuntimeError";
  } catch (const std::exception& other) {
    return other.what();
  } catch (...) {
    return "unknown exception";
  }
}

static std::string* said = nullptr;  // where lines go instead of stdout

void print_line(const std::string& line) {
  long long now = 0;
  try {
    const auto time = coil::get_running_loop().time() - coil::time_point{};
    now = std::chrono::duration_cast<std::chrono::milliseconds>(time + 500us).count();
  } catch (const std::logic_error&) {  // after the run
  }
  if (said != nullptr)
    *said += std::to_string(now) + line + '\n';
  else
    std::printf("%6lld%s\n", now, line.c_str());
}

namespace {

void run_scenario(const Scenario& scenario, const coil::RunOptions& options) {
  try {
    coil::run(with_handler(scenario.body), options);
  } catch (...) {
    log("raised", std::current_exception());
  }
}

/// What it says if what is ready runs in the order that the seed gives.
std::string run_shuffled(const Scenario& scenario, std::uint64_t seed) {
  constexpr unsigned seconds_max = 20;
  ::alarm(seconds_max);  // the name of one that does not end is the last that was printed
  std::string text;
  said = &text;
  const auto frames = coil::detail::live_frames();
  run_scenario(scenario, {.clock = coil::Clock::virtual_, .shuffle_seed = seed});
  said = nullptr;
  if (seed != 0 && coil::detail::live_frames() != frames)
    throw std::runtime_error("it left coroutines or other small objects");
  return text;
}

int run_all_shuffled(std::uint64_t count) {
  constexpr std::uint64_t repeated_every = 10;
  std::uint64_t runs = 0;
  for (const Scenario& scenario : scenarios()) {
    std::printf("== %s\n", scenario.name);
    std::fflush(stdout);
    run_shuffled(scenario, 0);  // some keep a thing until they are run again
    coil::testing::for_seeds(1, count, [&](std::uint64_t seed) {
      const std::string first = run_shuffled(scenario, seed);
      ++runs;
      if (seed % repeated_every == 0 && run_shuffled(scenario, seed) != first)
        throw std::runtime_error("repeated, it went another way");
    });
  }
  std::printf("count: %llu shuffled runs of scenarios\n", static_cast<unsigned long long>(runs));
  return runs == 0 ? 1 : 0;
}

}  // namespace
}  // namespace conformance

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (argc == 3 && first == "--seeds") return conformance::run_all_shuffled(std::strtoull(argv[2], nullptr, 10));
  if (argc != 2) return std::fprintf(stderr, "usage: %s FILE, without .cpp\n", argv[0]), 2;
  for (const auto& scenario : conformance::scenarios()) {
    if (scenario.file != first) continue;
    std::printf("== %s\n", scenario.name);
    conformance::run_scenario(scenario, {.clock = coil::Clock::virtual_});
  }
}
