// Two limits with semaphores: at most three requests are under way at a time, and at most four begin in any 100 ms. The
// second one keeps its permits for a while after they were used.
//
//   sh examples/run rate_limit
#include <algorithm>
#include <cstdio>
#include <vector>

#include "support.hpp"

using namespace std::chrono_literals;

class RateLimit {
public:
  RateLimit(int count, std::chrono::milliseconds period) : permits_(count), period_(period) {}

  /// Waits until one more may begin.
  coil::Coro<void> pass() {
    auto permit = co_await permits_.scoped();
    static_cast<void>(coil::create_task(keep(std::move(permit), period_)));
  }

private:
  // The permit is returned with the parameters of this coroutine.
  static coil::Coro<void> keep([[maybe_unused]] coil::Semaphore::Permit permit, std::chrono::milliseconds time) {
    co_await coil::sleep(time);
  }

  coil::BoundedSemaphore permits_;
  std::chrono::milliseconds period_;
};

struct Service {
  RateLimit rate{4, 100ms};
  coil::Semaphore connections{3};
  coil::time_point start = coil::get_running_loop().time();
  int under_way = 0;
  int most = 0;
};

coil::Coro<void> request(int number, Service& service) {
  const auto connection = co_await service.connections.scoped();
  co_await service.rate.pass();
  service.most = std::max(service.most, ++service.under_way);
  const auto hundredths = (coil::get_running_loop().time() - service.start) / 100ms;
  std::printf("after %ld ms: request %d\n", static_cast<long>(hundredths) * 100, number);
  co_await coil::sleep(10ms);
  --service.under_way;
}

coil::Coro<int> requests() {
  Service service;
  std::vector<coil::Coro<void>> all;
  for (int number = 1; number <= 10; ++number) all.push_back(request(number, service));
  co_await coil::gather(std::move(all));
  std::printf("10 requests, at most %d at a time\n", service.most);
  co_return 0;
}

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 0, "rate_limit");
  return example::run(requests());
}
