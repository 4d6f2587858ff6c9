// The RPCs about enrollments, between proto and io.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_ENROLLMENT_METHODS_H_
#define SALLYPORT_SERVICES_CAPF_RPC_ENROLLMENT_METHODS_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sallyport/capf/v1/enrollment.pb.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/enrollment_admin.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/trust_admin.h"
#include "services/capf/rpc/capf_convert.h"

namespace sallyport::capf {

// Access is checked by then. `actor` is who asks, for the audit record. On the
// work thread only.
class EnrollmentMethods {
 public:
  // All must outlive this object.
  EnrollmentMethods(Ledger& ledger, EnrollmentAdmin& enrollments,
                    TrustAdmin& trust, Authorities& authorities)
      : ledger_(ledger),
        enrollments_(enrollments),
        trust_(trust),
        authorities_(authorities) {}

  absl::Status Create(const pb::CreateEnrollmentRequest& request,
                      const std::string& actor, pb::Enrollment& response);
  absl::Status Get(const pb::GetEnrollmentRequest& request,
                   pb::Enrollment& response);
  absl::Status List(const pb::ListEnrollmentsRequest& request,
                    pb::ListEnrollmentsResponse& response);
  absl::Status Update(const pb::UpdateEnrollmentRequest& request,
                      const std::string& actor, pb::Enrollment& response);
  absl::Status Approve(const pb::ApproveEnrollmentRequest& request,
                       const std::string& actor, pb::Enrollment& response);
  absl::Status Delete(const pb::DeleteEnrollmentRequest& request,
                      const std::string& actor);

 private:
  // With what the store knows of its certificate.
  absl::Status Fill(const Enrollment& enrollment, pb::Enrollment& response);
  // The authority that it names may certify for its tenant. NOT_FOUND;
  // FAILED_PRECONDITION: AUTHORITY_DISABLED, AUTHORITY_NOT_OF_TENANT.
  absl::Status CheckAuthority(const Enrollment& enrollment,
                              const std::string& tenant);
  absl::Time Now() const { return ledger_.clock().Now(); }

  Ledger& ledger_;
  EnrollmentAdmin& enrollments_;
  TrustAdmin& trust_;
  Authorities& authorities_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_ENROLLMENT_METHODS_H_
