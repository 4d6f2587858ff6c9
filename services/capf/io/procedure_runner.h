// Runs procedures: each step is checked, then taken in one transaction with the
// record that it was taken. A process that dies leaves a step done or not done,
// and the next one goes on from there.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PROCEDURE_RUNNER_H_
#define SALLYPORT_SERVICES_CAPF_IO_PROCEDURE_RUNNER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/procedure.h"
#include "services/capf/io/authority_rotation.h"
#include "services/capf/io/cluster_steps.h"
#include "services/capf/io/dialplan_mode.h"
#include "services/capf/io/fips_mode.h"
#include "services/capf/io/fips_steps.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/list_signers.h"
#include "services/capf/io/procedure_outcome.h"
#include "services/capf/io/trust_list_publisher.h"

namespace sallyport::capf {

// Points at which a process may die.
enum class ProcedurePoint { kPrepared, kCommitted };

// Thread-compatible.
class ProcedureRunner {
 public:
  // All must outlive this object; lists and signers may be null, together.
  struct Parts {
    Ledger& ledger;
    TrustListPublisher* lists = nullptr;
    ListSigners* signers = nullptr;
    const FipsMode& fips;
    AuthorityRotation* rotation = nullptr;  // null: authorities stay
    DialplanMode* dialplan = nullptr;       // null: none is configured
  };
  explicit ProcedureRunner(const Parts& parts)
      : parts_(parts),
        cluster_(
            {parts.ledger.clock(), parts.lists, parts.signers, parts.dialplan}),
        fips_(parts.ledger, parts.fips) {}

  // Begins it, or returns what the same request began. With `validate_only`
  // nothing is stored, and each step that only checks says what it finds.
  // `authority` is the id of the one to rotate, empty for the default one.
  // ALREADY_EXISTS, reason PROCEDURE_RUNNING, while the tenant has an open one;
  // FAILED_PRECONDITION: MODE_ALREADY_SET, TENANT_WITHOUT_PHONES,
  // TRUST_LISTS_NOT_CONFIGURED.
  absl::StatusOr<Procedure> Create(
      const std::string& name, const std::string& tenant, ProcedureKind kind,
      const std::string& authority, const std::string& request_key,
      const std::string& actor, bool validate_only, bool automatic = false);
  // Takes the next step, or says in `blocked_reason` why it waits. ABORTED,
  // reason ETAG_MISMATCH, unless it is at `version`; 0 is any.
  // FAILED_PRECONDITION, reason PROCEDURE_ENDED.
  absl::StatusOr<Procedure> Advance(const std::string& name, int64_t version,
                                    const std::string& actor);
  // From now on it goes on by itself, or waits for Advance(). What is taken
  // stays taken. Errors as Advance().
  absl::StatusOr<Procedure> SetAutomatic(const std::string& name,
                                         int64_t version, bool automatic,
                                         const std::string& actor);
  // Takes every step of every automatic procedure whose check holds. Several
  // replicas may do so at once: a step is written at the version that was
  // read, so one of them takes it, and the others see that it is taken. Why
  // one waits is written only when it is another reason than before. Errors of
  // one procedure are logged and hold up no other.
  void GoOn();
  // When this process last looked at an automatic procedure.
  absl::Time last_look() const { return last_look_; }
  // Gives it up and undoes what phones saw of it, if none is locked out by
  // that. FAILED_PRECONDITION: PROCEDURE_ENDED, CANNOT_UNDO, PHONES_LOCKED_OUT.
  absl::StatusOr<Procedure> Cancel(const std::string& name,
                                   const std::string& actor);

  // NOT_FOUND, reason PROCEDURE_NOT_FOUND.
  absl::StatusOr<Procedure> Get(const std::string& name);

  // For fault tests: called at each point.
  void set_on_point(std::function<void(ProcedurePoint)> on_point) {
    on_point_ = std::move(on_point);
  }

 private:
  using Outcome = StepOutcome;

  absl::Status CheckKind(const std::string& tenant, ProcedureKind kind,
                         const std::string& authority);
  absl::StatusOr<Outcome> Perform(const Procedure& procedure,
                                  ProcedureAction action,
                                  const std::string& actor);
  // Begins, one after the other, the rotations that replace keys of before
  // FIPS mode, and waits for each: its own status says how it stands.
  absl::StatusOr<Outcome> RenewKeys(const Procedure& parent,
                                    const std::string& actor);
  absl::StatusOr<Procedure> Store(const Procedure& procedure, Outcome outcome,
                                  const std::string& event,
                                  const std::string& actor);

  absl::StatusOr<Procedure> AdvanceOne(Procedure procedure,
                                       const std::string& actor,
                                       bool tell_again);

  const Parts parts_;
  ClusterSteps cluster_;
  FipsSteps fips_;
  absl::Time last_look_ = absl::InfinitePast();
  std::function<void(ProcedurePoint)> on_point_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PROCEDURE_RUNNER_H_
