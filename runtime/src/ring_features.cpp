#include "ring_features.hpp"

#include <liburing.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <coil/error.hpp>

namespace coil::detail {

namespace {

struct Known {
  std::string_view name;
  RingFeature feature;
  unsigned opcode = 0;  // that shows that the kernel has it; 0: another thing does
};
constexpr Known known[] = {
    {"defer_taskrun", RingFeature::defer_taskrun},
    {"coop_taskrun", RingFeature::coop_taskrun},
    {"registered_fd", RingFeature::registered_fd},
    {"worker_limits", RingFeature::worker_limits},
    {"multishot_accept", RingFeature::multishot_accept, IORING_OP_SOCKET},
    {"multishot_receive", RingFeature::multishot_receive, IORING_OP_SEND_ZC},
    {"waitid", RingFeature::waitid, 50},
    {"ftruncate", RingFeature::ftruncate, 55},
};

}  // namespace

RingFeatures RingFeatures::from_environment() {
  const char* environment = std::getenv("COIL_RING_WITHOUT");
  std::string_view names = environment == nullptr ? "" : environment;
  RingFeatures features;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    const auto* found = std::ranges::find(known, name, &Known::name);
    if (name == "all")
      features.without_ = ~0U;
    else if (found != std::end(known))
      features.without_ |= bit(found->feature);
    else if (!name.empty())
      throw_invalid_argument("coil: COIL_RING_WITHOUT names what is no feature of the ring, see runtime/README.md");
  }
  return features;
}

bool RingFeatures::may_use_opcode(unsigned opcode) const noexcept {
  return std::ranges::none_of(
      known, [&](const Known& one) { return one.opcode != 0 && one.opcode == opcode && !may_use(one.feature); });
}

}  // namespace coil::detail
