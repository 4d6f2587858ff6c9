// Tells when somebody set the clock.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_CLOCK_GUARD_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_CLOCK_GUARD_H_

#include "absl/time/time.h"
#include "services/common/time/mono_time.h"

namespace sallyport::credential_issuer {

// Compares civil time with monotonic time. After a jump nothing that cannot be
// undone is to be done by the clock (removing keys and revocations) until it
// has run on evenly for a while: who set it wrong has then set it right.
// Thread-compatible.
class ClockGuard {
 public:
  // More than this is a jump; NTP slews what is less.
  static constexpr absl::Duration kTolerance = absl::Seconds(30);
  static constexpr absl::Duration kSettling = absl::Minutes(15);

  // True if the clock jumped since the last call. Call at least every minute.
  bool Observe(absl::Time wall, MonoTime mono);

  // False for kSettling after a jump.
  bool settled(MonoTime mono) const { return mono >= settled_at_; }

 private:
  bool started_ = false;
  absl::Time wall_;
  MonoTime mono_;
  MonoTime settled_at_ = MonoTime::InfinitePast();
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_CLOCK_GUARD_H_
