// Steps of procedures that change what the phones of a tenant are told: who
// signs their lists, and their cluster's security mode.

#ifndef SALLYPORT_SERVICES_CAPF_IO_CLUSTER_STEPS_H_
#define SALLYPORT_SERVICES_CAPF_IO_CLUSTER_STEPS_H_

#include <string>

#include "absl/status/statusor.h"
#include "services/capf/core/procedure.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/io/dialplan_mode.h"
#include "services/capf/io/list_signers.h"
#include "services/capf/io/procedure_outcome.h"
#include "services/capf/io/trust_list_publisher.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {

// The mode that a procedure of this kind sets, and how lists write it.
ClusterSecurityMode ClusterModeOf(ProcedureKind kind);
const char* ClusterModeName(ClusterSecurityMode mode);

// Thread-compatible.
class ClusterSteps {
 public:
  // All must outlive this object. Without lists nothing may be performed.
  struct Parts {
    const Clock& clock;
    TrustListPublisher* lists = nullptr;
    ListSigners* signers = nullptr;
    DialplanMode* dialplan = nullptr;  // null: none is configured
  };
  explicit ClusterSteps(const Parts& parts) : parts_(parts) {}

  // From kCheckSigners to kSetDialplanMode.
  absl::StatusOr<StepOutcome> Perform(const Procedure& procedure,
                                      ProcedureAction action,
                                      const std::string& actor);
  // What phones saw of it is taken back.
  absl::StatusOr<StepOutcome> Undo(const Procedure& procedure,
                                   const std::string& actor);

 private:
  absl::StatusOr<StepOutcome> CheckSigners(const std::string& tenant);
  absl::StatusOr<StepOutcome> AwaitSigner(const std::string& tenant,
                                          HeldLists held);
  absl::StatusOr<StepOutcome> PublishSigners(const std::string& tenant,
                                             bool swap,
                                             const PublishOptions& options);
  absl::StatusOr<StepOutcome> ReissueLists(const std::string& tenant,
                                           const PublishOptions& options);
  absl::StatusOr<StepOutcome> CheckCallManagers(const std::string& tenant);
  absl::StatusOr<StepOutcome> PublishMode(const std::string& tenant,
                                          ClusterSecurityMode mode,
                                          const PublishOptions& options);
  absl::StatusOr<StepOutcome> ConfirmMode(const std::string& tenant,
                                          ClusterSecurityMode mode);
  // Whether dialplan would take the mode, or that it did.
  absl::StatusOr<StepOutcome> SetDialplanMode(const std::string& tenant,
                                              ClusterSecurityMode mode,
                                              bool validate_only);

  const Parts parts_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_CLUSTER_STEPS_H_
