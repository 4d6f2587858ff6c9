// A long change made of checked steps: what its steps are, and how it stands.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_PROCEDURE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_PROCEDURE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace sallyport::capf {

enum class ProcedureKind {
  kSignerRotation = 1,
  kEnableMixedMode = 2,
  kDisableMixedMode = 3,
  kEnableFipsMode = 4,
  kDisableFipsMode = 5,
  kAuthorityRotation = 6,
};

enum class ProcedureState {
  kReady = 1,    // the next step can be taken
  kBlocked = 2,  // something must happen first
  kDone = 3,
  kCancelled = 4,
};

// What one step does. A step is taken in one transaction with the record that
// it was taken, so a process that dies leaves it done or not done.
enum class ProcedureAction {
  // Signers of lists.
  kCheckSigners,        // two are in force and in the lists that are out
  kAwaitStandby,        // every phone trusts the standby signer
  kSwitchSigner,        // it signs, and the old one stays in the lists
  kMakeSigner,          // a third one is made
  kCheckReplacement,    // every phone would take lists without the old one
  kReplaceSigner,       // they are published
  kAwaitReplacement,    // every phone fetched them
  kReissueLists,        // the same again, to be fetched once more
  kConfirmReplacement,  // no phone can hold lists without the new signer
  // Cluster security mode.
  kCheckCallManagers,  // each has a certificate in force
  kCheckPhones,        // no phone would be locked out
  kPublishMode,        // the mode is set and the lists that say so are out
  kConfirmMode,        // they are read back (CCE-31)
  kSetDialplanMode,    // the dial plan has the same mode
  // FIPS mode.
  kRunSelfTests,  // power-up tests of the cryptographic functions
  kCheckAllowed,  // nothing in use is forbidden in the mode
  kStoreMode,     // it is stored; every process restarts (IMP-72)
  kAwaitMode,     // and runs in it, with new keys (IMP-69)
  kRenewKeys,     // every other key is one that was made in it
  // Keys of an authority.
  kCheckAuthority,    // one issues, and no other rotation is under way
  kMakeAuthority,     // a new key, and its certificate or a request for one
  kCertifyAuthority,  // the certificate is there
  kTrustAuthority,    // every store that trusts the old one trusts it too
  kAwaitConsumers,    // every service has that in force
  kListAuthority,     // lists name the CAPF port's next certificate too
  kAwaitListed,       // every phone has such a list
  kSwitchAuthority,   // new certificates are by the new key
  kReenrollPhones,    // every phone has one
  kUnlistAuthority,   // lists name the new certificate alone
  kRetireAuthority,   // nobody trusts the old key any more; it is destroyed
};

struct ProcedureStepPlan {
  ProcedureAction action;
  std::string_view title;
};

// The steps of a kind in order; empty for a kind that is none.
absl::Span<const ProcedureStepPlan> StepsOf(ProcedureKind kind);

// "SIGNER_ROTATION" and so on; stable.
std::string_view ProcedureKindName(ProcedureKind kind);
// FIPS mode and authorities are the whole installation's, everything else one
// tenant's.
bool IsForInstallation(ProcedureKind kind);
// Of procedures that have the same one is open at a time: those of a tenant,
// and apart from them those that switch FIPS mode, as they begin others.
std::string SlotOf(ProcedureKind kind, std::string_view tenant);

struct ProcedureStep {
  std::string title;
  bool done = false;
  std::string detail;  // what was checked and found
  absl::Time done_time = absl::UnixEpoch();

  bool operator==(const ProcedureStep&) const = default;
};

// A value; the functions below are the only writers of its state.
// Thread-compatible.
struct Procedure {
  std::string name;  // tenants/{tenant}/procedures/{procedure}
  std::string tenant;
  ProcedureKind kind = ProcedureKind::kSignerRotation;
  ProcedureState state = ProcedureState::kReady;
  std::vector<ProcedureStep> steps;
  std::string blocked_reason;
  std::string request_key;  // tenant and request id; may be empty. Unique
  std::string authority;    // id of the one that is rotated; else empty
  absl::Time create_time = absl::UnixEpoch();
  absl::Time update_time = absl::UnixEpoch();
  int64_t version = 0;  // rises with every write; the etag. 0: not stored
  // The next step is taken as soon as its check holds, by whoever looks first.
  bool automatic = false;

  bool operator==(const Procedure&) const = default;

  // Neither done nor cancelled.
  bool open() const {
    return state == ProcedureState::kReady || state == ProcedureState::kBlocked;
  }
  // The first step that is not done; steps.size() if there is none.
  size_t next() const;
};

Procedure NewProcedure(std::string name, std::string tenant, ProcedureKind kind,
                       absl::Time now);

// The next step was taken, and this was found. After the last one the
// procedure is done.
void StepTaken(Procedure& procedure, std::string detail, absl::Time now);

// The next step was begun, and there is more of it to do.
void StepBegun(Procedure& procedure, std::string detail, absl::Time now);

// The next step cannot be taken yet.
void StepBlocked(Procedure& procedure, std::string why, absl::Time now);

// Whether what was done can be undone without harm to a phone: an old signer
// that left the lists does not come back, a mode that a process runs in is left
// by its own procedure, and phones whose lists name the new CAPF certificate
// alone would not find the old one.
bool CanCancel(const Procedure& procedure);
// Whether one of the first steps was taken that change what phones see.
bool WasTaken(const Procedure& procedure, ProcedureAction action);

void Cancelled(Procedure& procedure, std::string detail, absl::Time now);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_PROCEDURE_H_
