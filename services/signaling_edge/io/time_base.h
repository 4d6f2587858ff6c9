// Monotonic instants as civil time.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TIME_BASE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TIME_BASE_H_

#include "absl/time/time.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"

namespace sallyport::signaling_edge {

// Both clocks at one moment. Immutable.
struct TimeBase {
  absl::Time wall;
  MonoTime mono;

  static TimeBase Of(const Clock& clock) {
    return {clock.Now(), clock.MonoNow()};
  }
  absl::Time At(MonoTime time) const { return wall + (time - mono); }
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TIME_BASE_H_
