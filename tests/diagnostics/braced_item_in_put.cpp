// expect-error(gcc12): no matching function for call to .*put
// expect-compiles:
#include <coil/coil.hpp>

#include <string>

struct Job {
  std::string name;
  int number;
};

coil::Coro<void> produce(coil::Queue<Job>& jobs) {
  // g++ 12 would destroy the Job that is made here twice: it is to have a name first.
  co_await jobs.put({"first", 1});
}

int main() {}
