// When a certificate is renewed, and when again after a failure.

#ifndef SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_SCHEDULE_H_
#define SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_SCHEDULE_H_

#include "absl/time/time.h"

namespace sallyport {

// At two thirds of its life, moved by up to a twentieth of it to either side,
// so that a fleet that was enrolled in one night does not come back in one.
// `jitter` is from 0 to 1.
absl::Time RenewalTime(absl::Time not_before, absl::Time not_after,
                       double jitter);

// How long to wait after the n-th failed attempt in a row (from 1): doubled
// from a minute to a day, moved by up to a fifth.
absl::Duration RenewalBackoff(int failures, double jitter);

// The same for a certificate of which `left` is left: three more attempts at
// least before it ends, and one every five minutes once it has ended, as a way
// out may open at any time. Never below a second.
absl::Duration RenewalBackoff(int failures, double jitter, absl::Duration left);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_SCHEDULE_H_
