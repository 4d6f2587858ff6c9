// What GetStatus says of FIPS mode.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_FIPS_STATUS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_FIPS_STATUS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/capf/v1/capf_status.pb.h"
#include "services/capf/io/enrollment_store.h"
#include "services/capf/io/fips_mode.h"
#include "services/capf/io/fips_reports.h"
#include "services/capf/io/trust_publisher.h"

namespace sallyport::capf {

namespace pb = ::sallyport::capf::v1;

// `instance` is this one. On the work thread.
absl::StatusOr<pb::FipsStatus> FipsStatusOf(const std::string& instance,
                                            const FipsMode& mode,
                                            const FipsReports& reports,
                                            const TrustPublisher& publisher,
                                            EnrollmentStore& store,
                                            absl::Time now);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_FIPS_STATUS_H_
