// conformance FILE: runs the scenarios of FILE.cpp, one after the other, each in a loop of its own.
#include "conformance.hpp"

#include <cstdio>

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

void print_line(const std::string& line) {
  long long now = 0;
  try {
    const auto time = coil::get_running_loop().time() - coil::time_point{};
    now = std::chrono::duration_cast<std::chrono::milliseconds>(time + 500us).count();
  } catch (const std::logic_error&) {  // after the run
  }
  std::printf("%6lld%s\n", now, line.c_str());
}

}  // namespace conformance

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s FILE, without .cpp\n", argv[0]), 2;
  for (const auto& scenario : conformance::scenarios()) {
    if (scenario.file != argv[1]) continue;
    std::printf("== %s\n", scenario.name);
    try {
      coil::run(conformance::with_handler(scenario.body), {.clock = coil::Clock::virtual_});
    } catch (...) {
      conformance::log("raised", std::current_exception());
    }
  }
}
