#include "services/media_relay/io/session_placement.h"

#include <algorithm>
#include <cstddef>

#include "absl/types/span.h"

namespace sallyport::media_relay {
namespace {

constexpr double kFuller = 0.125;
constexpr double kBusy = 0.5;
constexpr double kBusier = 0.25;

}  // namespace

size_t PlaceSession(size_t reader, absl::Span<const LoopUse> loops) {
  const auto least = std::min_element(
      loops.begin(), loops.end(), [](const LoopUse& a, const LoopUse& b) {
        return std::max(a.busy, a.full) < std::max(b.busy, b.full);
      });
  const LoopUse& here = loops[reader];
  const bool elsewhere =
      here.full > least->full + kFuller * (1 - here.full) ||
      (here.busy > kBusy && here.busy > least->busy + kBusier);
  return elsewhere ? static_cast<size_t>(least - loops.begin()) : reader;
}

}  // namespace sallyport::media_relay
