// Our own authorities tell every revocation.

#ifndef SALLYPORT_SERVICES_CAPF_IO_OWN_COVERAGE_H_
#define SALLYPORT_SERVICES_CAPF_IO_OWN_COVERAGE_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/capf/core/trust_bundle.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/enrollment_store.h"

namespace sallyport::capf {

// Says in `bundle` that the revocations of each authority of ours, of those
// that issue no more too, are all told until `until`.
absl::Status AddOwnCoverage(Authorities& authorities, EnrollmentStore& store,
                            absl::Time until, TrustBundle& bundle);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_OWN_COVERAGE_H_
