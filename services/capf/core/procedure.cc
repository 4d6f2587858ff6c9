#include "services/capf/core/procedure.h"

#include <algorithm>
#include <utility>

namespace sallyport::capf {
namespace {

using Action = ProcedureAction;

constexpr ProcedureStepPlan kSignerRotation[] = {
    {Action::kCheckSigners, "both signers are in force and in the lists"},
    {Action::kAwaitStandby, "every phone trusts the standby signer"},
    {Action::kSwitchSigner, "the standby signer signs, the old one vouches"},
    {Action::kMakeSigner, "new signers of lists and of files are made"},
    {Action::kCheckReplacement, "every phone takes lists without the old one"},
    {Action::kReplaceSigner, "the new signer takes the old one's place"},
    {Action::kAwaitReplacement, "every phone fetched the new lists"},
    {Action::kReissueLists,
     "the lists are published once more, files are signed anew"},
    {Action::kConfirmReplacement, "every phone trusts the new signer"},
};
constexpr ProcedureStepPlan kEnableMixedMode[] = {
    {Action::kCheckCallManagers, "call managers have certificates in force"},
    {Action::kCheckPhones, "no phone would be locked out"},
    {Action::kPublishMode, "mixed mode is set and its lists are published"},
    {Action::kConfirmMode, "the published list reads mixed (1)"},
    {Action::kSetDialplanMode, "the dial plan's mode is mixed"},
};
constexpr ProcedureStepPlan kDisableMixedMode[] = {
    {Action::kCheckPhones, "no phone would be locked out"},
    {Action::kPublishMode, "mixed mode is off and its lists are published"},
    {Action::kConfirmMode, "the published list reads non-secure (0)"},
    {Action::kSetDialplanMode, "the dial plan's mode is non-secure"},
};
constexpr ProcedureStepPlan kEnableFipsMode[] = {
    {Action::kRunSelfTests, "the power-up self tests pass"},
    {Action::kCheckAllowed, "nothing in use is forbidden in the mode"},
    {Action::kStoreMode, "the mode is stored and the service restarts"},
    {Action::kAwaitMode, "it runs in the mode, with new keys"},
    {Action::kRenewKeys, "authorities and signers have keys of the mode"},
};
constexpr ProcedureStepPlan kDisableFipsMode[] = {
    {Action::kStoreMode, "the mode is stored and the service restarts"},
    {Action::kAwaitMode, "it runs outside the mode, with new keys"},
};
constexpr ProcedureStepPlan kAuthorityRotation[] = {
    {Action::kCheckAuthority, "one key issues, and no other waits to"},
    {Action::kMakeAuthority, "a new key is made"},
    {Action::kCertifyAuthority, "it has a certificate"},
    {Action::kTrustAuthority, "it is trusted beside the old one"},
    {Action::kAwaitConsumers, "every service has that in force"},
    {Action::kListAuthority, "lists name the CAPF port's next certificate too"},
    {Action::kAwaitListed, "every phone has fetched them"},
    {Action::kSwitchAuthority, "new certificates are by the new key"},
    {Action::kReenrollPhones, "every phone has one"},
    {Action::kUnlistAuthority, "lists name the port's new certificate alone"},
    {Action::kRetireAuthority, "the old key is trusted no more, and destroyed"},
};

}  // namespace

absl::Span<const ProcedureStepPlan> StepsOf(ProcedureKind kind) {
  switch (kind) {
    case ProcedureKind::kSignerRotation:
      return kSignerRotation;
    case ProcedureKind::kEnableMixedMode:
      return kEnableMixedMode;
    case ProcedureKind::kDisableMixedMode:
      return kDisableMixedMode;
    case ProcedureKind::kEnableFipsMode:
      return kEnableFipsMode;
    case ProcedureKind::kDisableFipsMode:
      return kDisableFipsMode;
    case ProcedureKind::kAuthorityRotation:
      return kAuthorityRotation;
  }
  return {};
}

std::string_view ProcedureKindName(ProcedureKind kind) {
  switch (kind) {
    case ProcedureKind::kSignerRotation:
      return "SIGNER_ROTATION";
    case ProcedureKind::kEnableMixedMode:
      return "ENABLE_MIXED_MODE";
    case ProcedureKind::kDisableMixedMode:
      return "DISABLE_MIXED_MODE";
    case ProcedureKind::kEnableFipsMode:
      return "ENABLE_FIPS_MODE";
    case ProcedureKind::kDisableFipsMode:
      return "DISABLE_FIPS_MODE";
    case ProcedureKind::kAuthorityRotation:
      return "AUTHORITY_ROTATION";
  }
  return "";
}

bool IsForInstallation(ProcedureKind kind) {
  return kind == ProcedureKind::kEnableFipsMode ||
         kind == ProcedureKind::kDisableFipsMode ||
         kind == ProcedureKind::kAuthorityRotation;
}

size_t Procedure::next() const {
  return static_cast<size_t>(
      std::find_if(steps.begin(), steps.end(),
                   [](const ProcedureStep& step) { return !step.done; }) -
      steps.begin());
}

std::string SlotOf(ProcedureKind kind, std::string_view tenant) {
  // No tenant's id has a space.
  const bool fips = kind == ProcedureKind::kEnableFipsMode ||
                    kind == ProcedureKind::kDisableFipsMode;
  return fips ? "FIPS mode" : std::string(tenant);
}

Procedure NewProcedure(std::string name, std::string tenant, ProcedureKind kind,
                       absl::Time now) {
  Procedure procedure;
  procedure.name = std::move(name);
  procedure.tenant = std::move(tenant);
  procedure.kind = kind;
  procedure.create_time = now;
  procedure.update_time = now;
  for (const ProcedureStepPlan& plan : StepsOf(kind)) {
    procedure.steps.push_back({.title = std::string(plan.title)});
  }
  return procedure;
}

void StepTaken(Procedure& procedure, std::string detail, absl::Time now) {
  const size_t next = procedure.next();
  if (!procedure.open() || next == procedure.steps.size()) return;
  ProcedureStep& step = procedure.steps[next];
  step.done = true;
  step.detail = std::move(detail);
  step.done_time = now;
  procedure.blocked_reason.clear();
  procedure.update_time = now;
  procedure.state = next + 1 == procedure.steps.size() ? ProcedureState::kDone
                                                       : ProcedureState::kReady;
}

void StepBegun(Procedure& procedure, std::string detail, absl::Time now) {
  const size_t next = procedure.next();
  if (!procedure.open() || next == procedure.steps.size()) return;
  procedure.steps[next].detail = std::move(detail);
  procedure.blocked_reason.clear();
  procedure.update_time = now;
  procedure.state = ProcedureState::kReady;
}

void StepBlocked(Procedure& procedure, std::string why, absl::Time now) {
  if (!procedure.open()) return;
  procedure.state = ProcedureState::kBlocked;
  procedure.blocked_reason = std::move(why);
  procedure.update_time = now;
}

bool WasTaken(const Procedure& procedure, ProcedureAction action) {
  const absl::Span<const ProcedureStepPlan> plan = StepsOf(procedure.kind);
  for (size_t i = 0; i < plan.size() && i < procedure.steps.size(); ++i) {
    if (plan[i].action == action) return procedure.steps[i].done;
  }
  return false;
}

bool CanCancel(const Procedure& procedure) {
  return procedure.open() && !WasTaken(procedure, Action::kReplaceSigner) &&
         !WasTaken(procedure, Action::kStoreMode) &&
         !WasTaken(procedure, Action::kUnlistAuthority);
}

void Cancelled(Procedure& procedure, std::string detail, absl::Time now) {
  procedure.state = ProcedureState::kCancelled;
  procedure.blocked_reason = std::move(detail);
  procedure.update_time = now;
}

}  // namespace sallyport::capf
