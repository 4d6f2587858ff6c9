// Instants of the monotonic clock, for timers.

#ifndef SALLYPORT_SERVICES_COMMON_TIME_MONO_TIME_H_
#define SALLYPORT_SERVICES_COMMON_TIME_MONO_TIME_H_

#include <compare>
#include <utility>

#include "absl/time/time.h"

namespace sallyport {

// An instant since an arbitrary origin; a type apart from absl::Time, so that a
// timer never compares itself with a certificate's date. Saturates at both
// infinities, as absl::Duration does. Immutable.
class MonoTime {
 public:
  // The origin.
  constexpr MonoTime() = default;
  // `since_origin` after the origin; for clocks and tests.
  static constexpr MonoTime FromOrigin(absl::Duration since_origin) {
    return MonoTime(since_origin);
  }
  // "Never", as a deadline.
  static constexpr MonoTime InfiniteFuture() {
    return MonoTime(absl::InfiniteDuration());
  }
  static constexpr MonoTime InfinitePast() {
    return MonoTime(-absl::InfiniteDuration());
  }

  constexpr absl::Duration since_origin() const { return since_origin_; }

  MonoTime& operator+=(absl::Duration d) {
    since_origin_ += d;
    return *this;
  }
  MonoTime& operator-=(absl::Duration d) {
    since_origin_ -= d;
    return *this;
  }
  friend MonoTime operator+(MonoTime t, absl::Duration d) { return t += d; }
  friend MonoTime operator-(MonoTime t, absl::Duration d) { return t -= d; }
  friend absl::Duration operator-(MonoTime a, MonoTime b) {
    return a.since_origin_ - b.since_origin_;
  }

  friend constexpr bool operator==(MonoTime a, MonoTime b) {
    return a.since_origin_ == b.since_origin_;
  }
  friend constexpr std::strong_ordering operator<=>(MonoTime a, MonoTime b) {
    if (a.since_origin_ < b.since_origin_) return std::strong_ordering::less;
    if (a.since_origin_ == b.since_origin_) return std::strong_ordering::equal;
    return std::strong_ordering::greater;
  }

  template <typename H>
  friend H AbslHashValue(H h, MonoTime t) {
    return H::combine(std::move(h), t.since_origin_);
  }

 private:
  explicit constexpr MonoTime(absl::Duration d) : since_origin_(d) {}

  absl::Duration since_origin_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TIME_MONO_TIME_H_
