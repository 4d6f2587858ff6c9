#include "services/capf/core/expiry_schedule.h"

#include <algorithm>
#include <cstdint>

namespace sallyport::capf {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kHour = absl::Hours(1);

absl::Time MonthBefore(absl::Time time) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::CivilSecond at = absl::ToCivilSecond(time, utc);
  const absl::CivilMonth month = absl::CivilMonth(at) - 1;
  const absl::CivilDay last = absl::CivilDay(month + 1) - 1;
  const absl::CivilDay day =
      std::min(absl::CivilDay(month) + (at.day() - 1), last);
  return absl::FromCivil(absl::CivilSecond(day.year(), day.month(), day.day(),
                                           at.hour(), at.minute(), at.second()),
                         utc);
}

// The first instant `origin` + n * `step` after `time`, for a whole n.
absl::Time NextStep(absl::Time origin, absl::Duration step, absl::Time time) {
  absl::Duration rest;
  const int64_t whole = absl::IDivDuration(time - origin, step, &rest);
  // Division rounds towards zero: before the origin that is upwards.
  return origin + step * (rest < absl::ZeroDuration() ? whole : whole + 1);
}

}  // namespace

ExpiryEvent NextExpiryEvent(absl::Time not_after, absl::Time after) {
  const absl::Time month = MonthBefore(not_after);
  if (after < month) return {month, ExpiryStage::kMonthBefore};
  if (after < not_after - kDay) {
    return {NextStep(not_after, kDay, after), ExpiryStage::kDayBefore};
  }
  if (after < not_after) {
    const absl::Time due = NextStep(not_after, kHour, after);
    return {due, due == not_after ? ExpiryStage::kExpired
                                  : ExpiryStage::kHourBefore};
  }
  return {NextStep(not_after, kDay, after), ExpiryStage::kDayAfter};
}

std::vector<ExpiryEvent> ExpiryEventsDue(absl::Time not_after, absl::Time after,
                                         absl::Time until, size_t limit) {
  std::vector<ExpiryEvent> out;
  while (out.size() < limit) {
    const ExpiryEvent next = NextExpiryEvent(not_after, after);
    if (next.due > until) break;
    out.push_back(next);
    after = next.due;
  }
  return out;
}

}  // namespace sallyport::capf
