// The steps that lead an authority from one key to the next, so that nobody who
// holds a certificate by the old one is refused meanwhile.

#ifndef SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ROTATION_H_
#define SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ROTATION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/procedure.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/est_client.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/listener_certificate.h"
#include "services/capf/io/procedure_outcome.h"
#include "services/capf/io/trust_admin.h"
#include "services/capf/io/trust_list_publisher.h"

namespace sallyport::capf {

// Thread-compatible.
class AuthorityRotation {
 public:
  // All must outlive this object.
  struct Parts {
    Authorities& authorities;
    TrustAdmin& trust;
    Ledger& ledger;
    TrustListPublisher* lists = nullptr;  // null: no phone has any
    // Whom to ask for an authority's certificate; null: nobody.
    std::function<const EstClient*(const std::string& id)> est;
    // The CAPF port's certificate, if an authority of ours issues it, and the
    // id of the one that does.
    std::optional<ListenerCertificateOptions> listener;
    std::function<std::string()> port_authority;
  };
  explicit AuthorityRotation(Parts parts) : parts_(std::move(parts)) {}

  // FAILED_PRECONDITION, NOT_FOUND: why it cannot begin. An empty id is the
  // default authority's.
  absl::Status CheckBegin(const std::string& id);
  // One of the steps of PROCEDURE_KIND_AUTHORITY_ROTATION.
  absl::StatusOr<StepOutcome> Perform(const Procedure& procedure,
                                      ProcedureAction action,
                                      const std::string& actor);
  // Undoes what was taken: the old key issues again. What the new one has
  // issued stays good.
  absl::StatusOr<StepOutcome> Undo(const Procedure& procedure,
                                   const std::string& actor);

  // Who would lose trust with one of its keys, in words; empty: nobody.
  absl::StatusOr<std::string> StillNeeded(const AuthorityGeneration& one);
  // The certificates of `one` leave every store, but those that others of
  // `all` have in their chains too.
  absl::Status Distrust(const AuthorityGeneration& one,
                        const std::vector<AuthorityGeneration>& all,
                        const std::string& actor, StoreChange& change);

  // A consumer that was not seen for so long is gone.
  static constexpr absl::Duration kConsumerGone = absl::Hours(24);
  // Phones that are asked to come at a time; those that did not come within
  // kWaveTime hold nobody else back.
  static constexpr size_t kWave = 500;
  static constexpr absl::Duration kWaveTime = absl::Hours(1);

 private:
  // The authority's keys as they are.
  struct Standing {
    std::string id;
    std::vector<AuthorityGeneration> all;  // of every authority
    // Of this one; null if there is none.
    const AuthorityGeneration* issuing = nullptr;
    const AuthorityGeneration* prepared = nullptr;
    const AuthorityGeneration* retiring = nullptr;  // the newest
  };

  std::string IdOf(const Procedure& procedure) const;
  absl::StatusOr<Standing> Read(const std::string& id);
  bool ShowsOnPort(const std::string& id) const;

  absl::StatusOr<StepOutcome> Check(const std::string& id);
  absl::StatusOr<StepOutcome> Make(const std::string& id,
                                   const std::string& actor);
  absl::StatusOr<StepOutcome> Certify(const Standing& standing,
                                      const std::string& actor);
  absl::StatusOr<StepOutcome> Trust(const Standing& standing,
                                    const std::string& actor);
  absl::StatusOr<StepOutcome> AwaitConsumers();
  absl::StatusOr<StepOutcome> List(const Standing& standing,
                                   const std::string& actor);
  absl::StatusOr<StepOutcome> AwaitListed(const Standing& standing);
  absl::StatusOr<StepOutcome> Switch(const Standing& standing,
                                     const std::string& actor);
  absl::StatusOr<StepOutcome> Reenroll(const Standing& standing,
                                       const std::string& actor);
  absl::StatusOr<StepOutcome> Unlist(const Standing& standing,
                                     const std::string& actor);
  // What our own ports showed before is nobody's any more.
  absl::Status SupersedeOwn(const Standing& standing, StepOutcome& out);
  absl::StatusOr<StepOutcome> Retire(const Standing& standing,
                                     const std::string& actor);

  // Lists of every tenant with authorities as they will be in `all`.
  absl::Status Publish(const std::vector<AuthorityGeneration>& all,
                       const std::string& actor, StepOutcome& out);
  LiveCertificates LiveBy(const AuthorityGeneration& one, bool lsc) const;
  std::function<void()> RefreshLater();

  const Parts parts_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ROTATION_H_
