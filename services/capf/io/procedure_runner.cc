#include "services/capf/io/procedure_runner.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/io/fips_keys.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

using Action = ProcedureAction;

absl::Status Refused(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

}  // namespace

absl::StatusOr<Procedure> ProcedureRunner::Get(const std::string& name) {
  SP_ASSIGN_OR_RETURN(std::optional<Procedure> kept,
                      parts_.ledger.store().GetProcedure(name));
  if (kept) return *std::move(kept);
  return MakeError(absl::StatusCode::kNotFound, "PROCEDURE_NOT_FOUND",
                   "there is no such procedure");
}

absl::Status ProcedureRunner::CheckKind(const std::string& tenant,
                                        ProcedureKind kind,
                                        const std::string& authority) {
  if (kind == ProcedureKind::kAuthorityRotation) {
    if (parts_.rotation != nullptr) {
      return parts_.rotation->CheckBegin(authority);
    }
    return Refused("ROTATION_NOT_POSSIBLE", "no authority can be rotated");
  }
  if (IsForInstallation(kind)) {
    const bool on = kind == ProcedureKind::kEnableFipsMode;
    SP_ASSIGN_OR_RETURN(const int64_t stored, parts_.ledger.store().FipsMode());
    if ((stored != 0) == on && parts_.fips.on == on) {
      return Refused("MODE_ALREADY_SET", on ? "FIPS mode is on already"
                                            : "FIPS mode is off already");
    }
    return absl::OkStatus();
  }
  if (parts_.lists == nullptr) {
    return Refused("TRUST_LISTS_NOT_CONFIGURED",
                   "trust_lists is not in the configuration file");
  }
  SP_ASSIGN_OR_RETURN(const ClusterState state, parts_.lists->State(tenant));
  if (kind != ProcedureKind::kSignerRotation &&
      state.cluster.mode == ClusterModeOf(kind)) {
    return Refused(
        "MODE_ALREADY_SET",
        absl::StrCat("the cluster's security mode is ",
                     ClusterModeName(state.cluster.mode), " already"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Procedure> ProcedureRunner::Create(
    const std::string& name, const std::string& tenant, ProcedureKind kind,
    const std::string& authority, const std::string& request_key,
    const std::string& actor, bool validate_only, bool automatic) {
  if (!request_key.empty()) {
    SP_ASSIGN_OR_RETURN(
        std::optional<Procedure> first,
        parts_.ledger.store().FindProcedureRequest(request_key));
    if (first && first->name == name && first->kind == kind) {
      return *std::move(first);
    }
    if (first) {
      return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
                       "the request id was used for another procedure");
    }
  }
  // Before what it may have done itself stands in its way.
  SP_ASSIGN_OR_RETURN(const std::optional<Procedure> there,
                      parts_.ledger.store().GetProcedure(name));
  if (there) {
    return MakeError(absl::StatusCode::kAlreadyExists, "PROCEDURE_EXISTS",
                     "it is there already");
  }
  SP_RETURN_IF_ERROR(CheckKind(tenant, kind, authority));
  Procedure procedure =
      NewProcedure(name, tenant, kind, parts_.ledger.clock().Now());
  procedure.request_key = request_key;
  procedure.authority = authority;
  procedure.automatic = automatic;
  if (!validate_only) {
    return Store(procedure, Outcome(), "PROCEDURE_BEGUN", actor);
  }
  // The steps before the first that changes something can be looked at.
  const absl::Span<const ProcedureStepPlan> plan = StepsOf(kind);
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].action == Action::kSwitchSigner ||
        plan[i].action == Action::kPublishMode ||
        plan[i].action == Action::kStoreMode ||
        plan[i].action == Action::kMakeAuthority) {
      break;
    }
    SP_ASSIGN_OR_RETURN(const Outcome outcome,
                        Perform(procedure, plan[i].action, actor));
    procedure.steps[i].detail =
        outcome.blocked.empty() ? outcome.detail : outcome.blocked;
    if (outcome.blocked.empty() || !procedure.blocked_reason.empty()) continue;
    StepBlocked(procedure, outcome.blocked, procedure.update_time);
  }
  return procedure;
}

absl::StatusOr<Procedure> ProcedureRunner::Advance(const std::string& name,
                                                   int64_t version,
                                                   const std::string& actor) {
  SP_ASSIGN_OR_RETURN(Procedure procedure, Get(name));
  if (version != 0 && version != procedure.version) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "it was advanced meanwhile");
  }
  if (!procedure.open()) {
    return Refused("PROCEDURE_ENDED", "the procedure has ended");
  }
  return AdvanceOne(std::move(procedure), actor, /*tell_again=*/true);
}

absl::StatusOr<Procedure> ProcedureRunner::AdvanceOne(Procedure procedure,
                                                      const std::string& actor,
                                                      bool tell_again) {
  const Action action = StepsOf(procedure.kind)[procedure.next()].action;
  absl::StatusOr<Outcome> outcome = Perform(procedure, action, actor);
  if (!outcome.ok()) {
    // What the operator can mend is told in the procedure; what is wrong with
    // the service, such as a store that is gone, is its caller's error.
    if (!absl::IsFailedPrecondition(outcome.status())) return outcome.status();
    Outcome blocked;
    blocked.blocked =
        absl::StrCat(std::string(ReasonOf(outcome.status())), ": ",
                     std::string(outcome.status().message()));
    outcome = std::move(blocked);
  }
  const absl::Time now = parts_.ledger.clock().Now();
  if (!outcome->blocked.empty()) {
    if (!tell_again && procedure.state == ProcedureState::kBlocked &&
        procedure.blocked_reason == outcome->blocked) {
      return procedure;
    }
    StepBlocked(procedure, outcome->blocked, now);
    return Store(procedure, *std::move(outcome), "PROCEDURE_WAITS", actor);
  }
  if (outcome->more) {
    StepBegun(procedure, outcome->detail, now);
    return Store(procedure, *std::move(outcome), "PROCEDURE_GOES_ON", actor);
  }
  StepTaken(procedure, outcome->detail, now);
  return Store(procedure, *std::move(outcome), "PROCEDURE_STEP", actor);
}

absl::StatusOr<Procedure> ProcedureRunner::SetAutomatic(
    const std::string& name, int64_t version, bool automatic,
    const std::string& actor) {
  SP_ASSIGN_OR_RETURN(Procedure procedure, Get(name));
  if (version != 0 && version != procedure.version) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "it was changed meanwhile");
  }
  if (!procedure.open()) {
    return Refused("PROCEDURE_ENDED", "the procedure has ended");
  }
  if (procedure.automatic == automatic) return procedure;
  procedure.automatic = automatic;
  procedure.update_time = parts_.ledger.clock().Now();
  return Store(procedure, Outcome(),
               automatic ? "PROCEDURE_RESUMED" : "PROCEDURE_PAUSED", actor);
}

void ProcedureRunner::GoOn() {
  const auto all = parts_.ledger.store().ListAutomaticProcedures();
  if (!all.ok()) {
    SALLYPORT_LOG_LIMITED(kWarning, "automatic procedures wait",
                          {{"error", all.status()}});
    return;
  }
  last_look_ = parts_.ledger.clock().Now();
  for (Procedure procedure : *all) {
    // Each turn takes one step of those that are left, or is the last.
    while (procedure.open()) {
      const size_t before = procedure.next();
      absl::StatusOr<Procedure> next =
          AdvanceOne(procedure, "capf, by itself", /*tell_again=*/false);
      if (!next.ok()) {
        // Another replica took it: nothing is wrong.
        if (!absl::IsAborted(next.status())) {
          SALLYPORT_LOG_LIMITED(
              kWarning, "an automatic procedure waits",
              {{"procedure", procedure.name}, {"error", next.status()}});
        }
        break;
      }
      procedure = *std::move(next);
      if (procedure.next() == before) break;
      LogInfo("a procedure goes on by itself",
              {{"procedure", procedure.name},
               {"steps_done", procedure.next()},
               {"steps", procedure.steps.size()}});
      // The mode's change ends this process: what follows is for the next.
      if (StepsOf(procedure.kind)[before].action == Action::kStoreMode) break;
    }
  }
}

absl::StatusOr<Procedure> ProcedureRunner::Cancel(const std::string& name,
                                                  const std::string& actor) {
  SP_ASSIGN_OR_RETURN(Procedure procedure, Get(name));
  if (!procedure.open()) {
    return Refused("PROCEDURE_ENDED", "the procedure has ended");
  }
  if (!CanCancel(procedure)) {
    return Refused("CANNOT_UNDO",
                   "what was done cannot be undone; go on to the end");
  }
  Outcome outcome;
  if (WasTaken(procedure, Action::kPublishMode) ||
      WasTaken(procedure, Action::kSwitchSigner)) {
    SP_ASSIGN_OR_RETURN(outcome, cluster_.Undo(procedure, actor));
  }
  if (procedure.kind == ProcedureKind::kAuthorityRotation) {
    SP_ASSIGN_OR_RETURN(outcome, parts_.rotation->Undo(procedure, actor));
  }
  Cancelled(procedure, absl::StrCat("cancelled by ", actor),
            parts_.ledger.clock().Now());
  return Store(procedure, std::move(outcome), "PROCEDURE_CANCELLED", actor);
}

absl::StatusOr<Procedure> ProcedureRunner::Store(const Procedure& procedure,
                                                 Outcome outcome,
                                                 const std::string& event,
                                                 const std::string& actor) {
  // All of it in one transaction: lists of several tenants too.
  StoreChange change;
  for (PreparedPublication& one : outcome.publications) {
    MergeChange(std::exchange(one.change, {}), change);
  }
  MergeChange(std::move(outcome.change), change);
  change.put_procedures.push_back(procedure);
  const size_t next = procedure.next();
  change.audit.push_back(
      {.event = event,
       .actor = actor,
       .subject = procedure.name,
       .details =
           absl::StrCat("kind=", std::string(ProcedureKindName(procedure.kind)),
                        " steps_done=", next, "/", procedure.steps.size(),
                        procedure.blocked_reason.empty() ? "" : " waits=",
                        procedure.blocked_reason)});
  if (on_point_) on_point_(ProcedurePoint::kPrepared);
  SP_RETURN_IF_ERROR(parts_.ledger.Apply(change));
  // Stored by now; they are served.
  for (const PreparedPublication& one : outcome.publications) {
    SP_RETURN_IF_ERROR(parts_.lists->Commit(one));
  }
  if (on_point_) on_point_(ProcedurePoint::kCommitted);
  if (outcome.after) outcome.after();
  if (outcome.restart && parts_.fips.restart) parts_.fips.restart();
  return Get(procedure.name);
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::Perform(
    const Procedure& procedure, ProcedureAction action,
    const std::string& actor) {
  switch (action) {
    case Action::kCheckSigners:
    case Action::kAwaitStandby:
    case Action::kConfirmReplacement:
    case Action::kAwaitReplacement:
    case Action::kSwitchSigner:
    case Action::kReplaceSigner:
    case Action::kMakeSigner:
    case Action::kCheckReplacement:
    case Action::kReissueLists:
    case Action::kCheckCallManagers:
    case Action::kCheckPhones:
    case Action::kPublishMode:
    case Action::kConfirmMode:
    case Action::kSetDialplanMode:
      return cluster_.Perform(procedure, action, actor);
    case Action::kRunSelfTests:
    case Action::kCheckAllowed:
    case Action::kStoreMode:
    case Action::kAwaitMode:
      return fips_.Perform(procedure, action);
    case Action::kRenewKeys:
      return RenewKeys(procedure, actor);
    case Action::kCheckAuthority:
    case Action::kMakeAuthority:
    case Action::kCertifyAuthority:
    case Action::kTrustAuthority:
    case Action::kAwaitConsumers:
    case Action::kListAuthority:
    case Action::kAwaitListed:
    case Action::kSwitchAuthority:
    case Action::kReenrollPhones:
    case Action::kUnlistAuthority:
    case Action::kRetireAuthority:
      if (parts_.rotation == nullptr) {
        return Refused("ROTATION_NOT_POSSIBLE", "no authority can be rotated");
      }
      return parts_.rotation->Perform(procedure, action, actor);
  }
  return absl::InternalError("a step of no kind");
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::RenewKeys(
    const Procedure& parent, const std::string& actor) {
  SP_ASSIGN_OR_RETURN(std::vector<KeyOfBefore> keys,
                      KeysOfBefore(parts_.ledger.store()));
  // Without trust lists nothing is signed by signers of lists.
  std::erase_if(keys, [this](const KeyOfBefore& key) {
    return key.renewed_by == ProcedureKind::kSignerRotation
               ? parts_.lists == nullptr
               : parts_.rotation == nullptr;
  });
  Outcome out;
  if (keys.empty()) {
    out.detail = "every key that signs was made in the mode";
    return out;
  }
  const KeyOfBefore& key = keys.front();
  absl::StatusOr<Procedure> renewal;
  // One that was given up, or has replaced another key, is not the last word.
  for (int n = 1;; ++n) {
    const std::string name = NameOfRenewal(parent, key, n);
    renewal = Get(name);
    if (renewal.ok() && !renewal->open()) continue;
    if (!absl::IsNotFound(renewal.status())) break;
    renewal = Create(name, key.tenant.empty() ? parent.tenant : key.tenant,
                     key.renewed_by, key.authority, "", actor,
                     /*validate_only=*/false, /*automatic=*/true);
    break;
  }
  const std::string waits =
      absl::StrCat("KEYS_OF_BEFORE: ", keys.size(), " keys, next ", key.name);
  if (absl::IsAlreadyExists(renewal.status())) {
    out.blocked = absl::StrCat(waits,
                               ": PROCEDURE_RUNNING: another procedure "
                               "of the tenant is open");
    return out;
  }
  // It goes on by itself too; this is for who waits for it.
  while (renewal.ok() && renewal->open()) {
    const size_t before = renewal->next();
    renewal = AdvanceOne(*std::move(renewal), actor, /*tell_again=*/false);
    if (!renewal.ok() || renewal->next() == before) break;
  }
  SP_RETURN_IF_ERROR(renewal.status());
  if (!renewal->open()) {
    out.more = true;
    out.detail = absl::StrCat(renewal->name, " is done");
    return out;
  }
  out.blocked = absl::StrCat(
      waits, ": ", renewal->name, " has taken ", renewal->next(), " of ",
      renewal->steps.size(), " steps",
      renewal->blocked_reason.empty() ? "" : "; ", renewal->blocked_reason);
  return out;
}

}  // namespace sallyport::capf
