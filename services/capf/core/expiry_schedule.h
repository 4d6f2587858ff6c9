// When an operator is told that a certificate expires.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_EXPIRY_SCHEDULE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_EXPIRY_SCHEDULE_H_

#include <cstddef>
#include <vector>

#include "absl/time/time.h"

namespace sallyport::capf {

enum class ExpiryStage {
  kMonthBefore,  // UM-114
  kDayBefore,    // UM-115: each day of the last month
  kHourBefore,   // each hour of the last day
  kExpired,      // the instant itself
  kDayAfter,     // UM-115: each day, for as long as it is in use
};

struct ExpiryEvent {
  absl::Time due;
  ExpiryStage stage = ExpiryStage::kMonthBefore;

  bool operator==(const ExpiryEvent&) const = default;
};

// The events of a certificate with `after` < due <= `until`, in order, at most
// `limit` of them.
//
// All are counted from `not_after`, in UTC, so that each has one instant
// whatever the clocks of replicas and their time zones do: the same day of the
// month before, or the last one if that month has no such day; then every day
// before expiry, every hour of the last 24, the expiry, and every day after.
// An owner that stores how far it got, together with the events, makes each of
// them exactly once: it asks from there on, and a clock that is set back finds
// nothing due. Pure.
std::vector<ExpiryEvent> ExpiryEventsDue(absl::Time not_after, absl::Time after,
                                         absl::Time until, size_t limit);

// The first one after `after`.
ExpiryEvent NextExpiryEvent(absl::Time not_after, absl::Time after);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_EXPIRY_SCHEDULE_H_
