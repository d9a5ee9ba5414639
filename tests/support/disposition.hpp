// What a signal does, for tests.
#pragma once
#include <signal.h>

namespace coil_test {

using SignalFunction = void (*)(int);

/// Whether `function` is what `signal` calls: SIG_DFL, SIG_IGN or a C handler.
inline bool goes_to(int signal, SignalFunction function) {
  struct sigaction current{};
  return ::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == function;
}

/// A disposition for the length of a test.
class Disposition {
public:
  Disposition(int signal, SignalFunction function) : signal_(signal), before_(::signal(signal, function)) {}
  Disposition(const Disposition&) = delete;
  Disposition& operator=(const Disposition&) = delete;
  ~Disposition() { ::signal(signal_, before_); }

private:
  int signal_;
  SignalFunction before_;
};

}  // namespace coil_test
