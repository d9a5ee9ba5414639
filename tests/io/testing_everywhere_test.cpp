// Everything that waits for the kernel, cancelled at each suspension, once and twice, and with each of its operations
// failing: no descriptor, operation, task, memory or child is left.
#include <coil/fail_everywhere.hpp>

#include <coil/coil.hpp>

#include "../support/everywhere.hpp"
#include "../support/kernel_scenarios.hpp"

using namespace std::chrono_literals;
using coil_test::Everywhere;
using namespace coil_test::kernel;

namespace {

constexpr coil::testing::CancelOptions with_threads{.settling = 1s};
constexpr coil::testing::CancelOptions with_children{.run = {}, .settling = 5s};

}  // namespace

TEST_CASE("whatever awaits the kernel, nothing is left wherever it is cancelled") {
  Everywhere everywhere;
  everywhere.cancel({
      {"pipes", pipes},
      {"sockets", sockets},
      {"blocked_writers", blocked_writers},
      {"paths", paths, with_threads},
      {"files", files, with_threads},
      {"moving", moving, with_threads},
      {"tcp", tcp},
      {"unix_sockets", unix_sockets},
      {"udp", udp},
      {"message_pipes", message_pipes},
      {"streams", streams},
      {"servers", servers, {}, false},
  });
  CHECK(everywhere.points() >= 100);
}

TEST_CASE("children are waited for wherever their parent is cancelled") {
  Everywhere everywhere;
  everywhere.cancel({{"processes", processes, with_children, false}, {"forks", forks, with_children, false}});
}

TEST_CASE("whatever operation of the kernel fails, nothing is left") {
  Everywhere everywhere;
  const auto errors = {EIO, ENOMEM, ECONNRESET, EPIPE, EMFILE, ENOBUFS, EINTR, EAGAIN, EINVAL, ETIMEDOUT};
  everywhere.fail(errors, {
                              {"pipes", pipes},
                              {"sockets", sockets},
                              {"blocked_writers", blocked_writers},
                              {"paths", paths, with_threads},
                              {"files", files, with_threads},
                              {"moving", moving, with_threads},
                              {"tcp", tcp},
                              {"unix_sockets", unix_sockets},
                              {"udp", udp},
                              {"message_pipes", message_pipes},
                              {"streams", streams},
                              {"servers", servers},
                          });
  CHECK(everywhere.failures() >= 100);
}
