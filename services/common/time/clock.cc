#include "services/common/time/clock.h"

#include <time.h>

#include "absl/time/clock.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }

  MonoTime MonoNow() const override {
    timespec ts;
    SP_CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return MonoTime::FromOrigin(absl::DurationFromTimespec(ts));
  }
};

}  // namespace

const Clock& Clock::Real() {
  static const RealClock* const kClock = new RealClock();
  return *kClock;
}

}  // namespace sallyport
