#include "services/common/renewal/renewal_schedule.h"

#include <algorithm>

namespace sallyport {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Minutes(1);
constexpr absl::Duration kLongestBackoff = absl::Hours(24);
constexpr absl::Duration kExpiredBackoff = absl::Minutes(5);

}  // namespace

absl::Time RenewalTime(absl::Time not_before, absl::Time not_after,
                       double jitter) {
  const absl::Duration life = not_after - not_before;
  return not_before + life * 2 / 3 +
         life / 20 * (2 * std::clamp(jitter, 0.0, 1.0) - 1);
}

absl::Duration RenewalBackoff(int failures, double jitter) {
  absl::Duration wait = kFirstBackoff;
  for (int i = 1; i < failures && wait < kLongestBackoff; ++i) wait *= 2;
  wait = std::min(wait, kLongestBackoff);
  return wait + wait / 5 * (2 * std::clamp(jitter, 0.0, 1.0) - 1);
}

absl::Duration RenewalBackoff(int failures, double jitter,
                              absl::Duration left) {
  const absl::Duration most =
      left > absl::ZeroDuration() ? left / 4 : kExpiredBackoff;
  return std::max(absl::Seconds(1),
                  std::min(RenewalBackoff(failures, jitter), most));
}

}  // namespace sallyport
