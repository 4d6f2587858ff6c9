// A clock that moves only when told.

#ifndef SALLYPORT_SERVICES_COMMON_TIME_FAKE_CLOCK_H_
#define SALLYPORT_SERVICES_COMMON_TIME_FAKE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"

namespace sallyport {

// Starts at `now` and a monotonic time of one hour. Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time now = absl::FromUnixSeconds(1'767'225'600))
      : now_(now) {}

  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  MonoTime MonoNow() const override {
    absl::MutexLock lock(&mutex_);
    return mono_now_;
  }

  // Moves both times.
  void Advance(absl::Duration d) {
    absl::MutexLock lock(&mutex_);
    now_ += d;
    mono_now_ += d;
  }
  // A jump of civil time alone, as an operator or NTP causes.
  void JumpTo(absl::Time now) {
    absl::MutexLock lock(&mutex_);
    now_ = now;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  MonoTime mono_now_ ABSL_GUARDED_BY(mutex_) =
      MonoTime::FromOrigin(absl::Hours(1));
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TIME_FAKE_CLOCK_H_
