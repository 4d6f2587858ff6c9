#include "services/signaling_edge/core/overload_gate.h"

#include <algorithm>

namespace sallyport::signaling_edge {
namespace {

// Up within half a second of full overload, down within two.
constexpr double kLargestRise = 0.1;
constexpr double kFall = 0.025;
constexpr double kSilence = 10;  // intervals
constexpr int kLeastRetry = 2;
constexpr uint64_t kRetrySpread = 7;

// The share of a class that is refused at a level.
double ShareOf(LoadClass who, double level) {
  switch (who) {
    case LoadClass::kStranger:
      return std::min(1.0, 3 * level);
    case LoadClass::kFamiliar:
      return std::clamp(3 * level - 1, 0.0, 1.0);
    case LoadClass::kProven:
      return std::clamp(3 * level - 2, 0.0, 0.95);
  }
  return 0;
}

}  // namespace

void OverloadGate::Move(Level& level, double pressure) {
  level.pressed = pressure > 1 ? level.pressed + 1 : 0;
  if (level.pressed >= options_.patience) {
    level.value =
        std::min(1.0, level.value +
                          std::min(kLargestRise, 0.02 * (pressure - 1) + 0.01));
  } else if (pressure < 0.5) {
    level.value = std::max(0.0, level.value - kFall);
  }
}

void OverloadGate::OnSample(const LoadSample& sample, MonoTime now) {
  last_sample_ = now;
  const double late = absl::FDivDuration(sample.lag, options_.target_lag);
  const double full = sample.queue_fill / options_.target_fill;
  Move(level_, std::max(late, full));
  Move(proven_level_, strange_ > proven_ ? late : std::max(late, full));
  proven_ = strange_ = 0;
}

bool OverloadGate::Admit(LoadClass who, MonoTime now) {
  const double level =
      who == LoadClass::kProven ? proven_level_.value : level_.value;
  if (level <= 0) return true;
  if (now - last_sample_ > kSilence * options_.interval) return true;
  const double share = ShareOf(who, level);
  if (share <= 0) return true;
  // 53 bits are what a double holds.
  const double draw = static_cast<double>(random_.NextU64() >> 11) * 0x1p-53;
  return draw >= share;
}

int OverloadGate::RetryAfter() {
  return kLeastRetry + static_cast<int>(random_.NextU64() % kRetrySpread);
}

}  // namespace sallyport::signaling_edge
