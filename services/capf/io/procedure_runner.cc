#include "services/capf/io/procedure_runner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/capf/core/fips_self_test.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/io/fips_keys.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

using Action = ProcedureAction;

constexpr size_t kNamed = 5;
const std::vector<TrustListKind>& BothKinds() {
  static const auto* const kinds =
      new std::vector<TrustListKind>{TrustListKind::kCtl, TrustListKind::kItl};
  return *kinds;
}

absl::Status Refused(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

ClusterSecurityMode ModeOf(ProcedureKind kind) {
  return kind == ProcedureKind::kEnableMixedMode
             ? ClusterSecurityMode::kMixed
             : ClusterSecurityMode::kNonSecure;
}

const char* NameOf(ClusterSecurityMode mode) {
  return mode == ClusterSecurityMode::kMixed ? "mixed (1)" : "non-secure (0)";
}

// The names of the first phones.
std::string Named(const TrustListSimulation& simulation) {
  std::string out;
  for (size_t i = 0; i < std::min(kNamed, simulation.locked_out.size()); ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ", ", simulation.locked_out[i].device);
  }
  if (simulation.locked_out_count > kNamed) out += ", ...";
  return out;
}

std::string Describe(const PreparedPublication& prepared) {
  std::string out;
  for (const Publication& publication : prepared.publications) {
    const PublishedList& list = publication.lists.front();
    absl::StrAppend(&out, out.empty() ? "" : "; ",
                    std::string(TrustListFileName(list.kind)), " md5 ",
                    HexEncode(Md5(AsBytes(list.content))), " sha1 ", list.sha1);
  }
  absl::StrAppend(&out, "; ",
                  prepared.publications.front().simulation.phones_evaluated,
                  " phones take them");
  return out;
}

// Every signer of `state` in `from` goes to `to`.
void Move(ClusterState& state, ListSignerState from, ListSignerState to) {
  for (ListSigner& signer : state.signers) {
    if (signer.state != from) continue;
    signer.state = to;
    // Nobody may sign with it any more.
    if (to == ListSignerState::kRetired) signer.key_pem.clear();
  }
}

// The standby signer signs, the one before stands by.
void Swap(ClusterState& state) {
  for (ListSigner& signer : state.signers) {
    if (signer.state == ListSignerState::kSigning) {
      signer.state = ListSignerState::kStandby;
    } else if (signer.state == ListSignerState::kStandby) {
      signer.state = ListSignerState::kSigning;
    }
  }
}

// What differs is written with the lists, so that both are or neither is.
void AddSigners(const ClusterState& before, const ClusterState& next,
                StoreChange& change) {
  for (size_t i = 0; i < next.signers.size(); ++i) {
    if (next.signers[i] != before.signers[i]) {
      change.update_signers.push_back(next.signers[i]);
    }
  }
  // Whoever changed the cluster meanwhile makes this one fail.
  change.put_clusters = {next.cluster};
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
      state.cluster.mode == ModeOf(kind)) {
    return Refused("MODE_ALREADY_SET",
                   absl::StrCat("the cluster's security mode is ",
                                NameOf(state.cluster.mode), " already"));
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
  const PublishOptions options = {.actor = actor};
  Outcome outcome;
  if (WasTaken(procedure, Action::kPublishMode)) {
    SP_ASSIGN_OR_RETURN(
        outcome, PublishMode(procedure.tenant,
                             procedure.kind == ProcedureKind::kEnableMixedMode
                                 ? ClusterSecurityMode::kNonSecure
                                 : ClusterSecurityMode::kMixed,
                             options));
  }
  if (WasTaken(procedure, Action::kSwitchSigner)) {
    SP_ASSIGN_OR_RETURN(const ClusterState before,
                        parts_.lists->State(procedure.tenant));
    ClusterState next = before;
    Swap(next);
    Move(next, ListSignerState::kFresh, ListSignerState::kRetired);
    Move(next, ListSignerState::kFilesNext, ListSignerState::kRetired);
    SP_ASSIGN_OR_RETURN(PreparedPublication prepared,
                        parts_.lists->Prepare(next, BothKinds(), options));
    AddSigners(before, next, prepared.change);
    outcome.publications.push_back(std::move(prepared));
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
  const std::string& tenant = procedure.tenant;
  const PublishOptions options = {.actor = actor};
  switch (action) {
    case Action::kCheckSigners:
      return CheckSigners(tenant);
    case Action::kAwaitStandby:
    case Action::kConfirmReplacement:
      return AwaitSigner(tenant, HeldLists::kAllPossible);
    case Action::kAwaitReplacement:
      return AwaitSigner(tenant, HeldLists::kNewest);
    case Action::kSwitchSigner:
      return PublishSigners(tenant, true, options);
    case Action::kReplaceSigner:
      return PublishSigners(tenant, false, options);
    case Action::kMakeSigner: {
      SP_ASSIGN_OR_RETURN(const ListSigner made,
                          parts_.signers->MakeFresh(tenant));
      SP_ASSIGN_OR_RETURN(const ListSigner files,
                          parts_.signers->MakeFilesNext(tenant));
      SP_RETURN_IF_ERROR(parts_.lists->Refresh());
      SP_ASSIGN_OR_RETURN(const CertificateInfo info,
                          ParseCertificate(AsBytes(made.certificate_der)));
      Outcome out;
      out.detail = absl::StrCat(made.id, ", serial ", info.serial_hex, "; ",
                                files.id, " for files");
      return out;
    }
    case Action::kCheckReplacement: {
      SP_ASSIGN_OR_RETURN(Outcome out, PublishSigners(tenant, false, options));
      out.detail = absl::StrCat(out.publications.front()
                                    .publications.front()
                                    .simulation.phones_evaluated,
                                " phones hold lists, and each would take the "
                                "new ones");
      out.publications.clear();
      return out;
    }
    case Action::kReissueLists:
      return ReissueLists(tenant, options);
    case Action::kCheckCallManagers:
      return CheckCallManagers(tenant);
    case Action::kCheckPhones: {
      // Before a phone sees anything of what dialplan would refuse in the end.
      SP_ASSIGN_OR_RETURN(
          Outcome agrees,
          SetDialplanMode(tenant, ModeOf(procedure.kind), true));
      if (!agrees.blocked.empty()) return agrees;
      SP_ASSIGN_OR_RETURN(Outcome out,
                          PublishMode(tenant, ModeOf(procedure.kind), options));
      out.detail = absl::StrCat(out.publications.front()
                                    .publications.front()
                                    .simulation.phones_evaluated,
                                " phones hold lists, and each would take the "
                                "new ones");
      out.publications.clear();
      return out;
    }
    case Action::kPublishMode:
      return PublishMode(tenant, ModeOf(procedure.kind), options);
    case Action::kConfirmMode:
      return ConfirmMode(tenant, ModeOf(procedure.kind));
    case Action::kSetDialplanMode:
      return SetDialplanMode(tenant, ModeOf(procedure.kind), false);
    case Action::kRunSelfTests: {
      const std::vector<SelfTest> tests = RunSelfTests();
      const std::string failed = FailedTests(tests);
      Outcome out;
      if (!failed.empty()) out.blocked = "SELF_TEST_FAILED: " + failed;
      out.detail = absl::StrCat(tests.size(), " tests passed; ", ModuleName());
      return out;
    }
    case Action::kCheckAllowed:
      return CheckAllowed();
    case Action::kStoreMode: {
      const bool on = procedure.kind == ProcedureKind::kEnableFipsMode;
      if (on) {
        // Somebody may have set something meanwhile.
        SP_ASSIGN_OR_RETURN(Outcome still, CheckAllowed());
        if (!still.blocked.empty()) return still;
      }
      Outcome out;
      out.change.set_fips_mode =
          on ? FipsModeValue(parts_.ledger.clock().Now()) : 0;
      out.restart = true;
      out.detail = "the service ends, to be started again";
      return out;
    }
    case Action::kAwaitMode: {
      const bool on = procedure.kind == ProcedureKind::kEnableFipsMode;
      Outcome out;
      if (parts_.fips.on != on) {
        out.blocked =
            "RESTART_REQUIRED: this process runs in the mode of "
            "before";
      } else if (on && !parts_.fips.self_tests_passed) {
        out.blocked = "SELF_TEST_FAILED";
      } else {
        out.detail = absl::StrCat("FIPS mode is ", on ? "on" : "off", "; ",
                                  ModuleName());
        // What was made until now may have been made outside of it.
        if (on) {
          out.change.set_fips_mode = FipsModeValue(parts_.ledger.clock().Now());
        }
      }
      return out;
    }
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

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::CheckSigners(
    const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, parts_.lists->State(tenant));
  const absl::Time now = parts_.ledger.clock().Now();
  Outcome out;
  for (const ListSignerState which :
       {ListSignerState::kSigning, ListSignerState::kStandby}) {
    const ListSigner* const signer = state.In(which);
    if (signer == nullptr) {
      out.blocked = absl::StrCat("SIGNER_MISSING: there is no signer in state ",
                                 std::string(ListSignerStateName(which)));
      return out;
    }
    SP_ASSIGN_OR_RETURN(const CertificateInfo info,
                        ParseCertificate(AsBytes(signer->certificate_der)));
    if (now < info.not_before || now > info.not_after) {
      out.blocked =
          absl::StrCat("SIGNER_EXPIRED: ", signer->id, " is not in force");
      return out;
    }
    absl::StrAppend(
        &out.detail, out.detail.empty() ? "" : ", ", signer->id, " until ",
        absl::FormatTime("%Y-%m-%d", info.not_after, absl::UTCTimeZone()));
  }
  // What is out is what the signers say: else publish first.
  SP_ASSIGN_OR_RETURN(const PreparedPublication prepared,
                      parts_.lists->Prepare(state, BothKinds(), {}));
  for (const Publication& publication : prepared.publications) {
    if (publication.unchanged) continue;
    out.blocked = "LISTS_NOT_CURRENT: publish the lists first";
  }
  return out;
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::AwaitSigner(
    const std::string& tenant, HeldLists held) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, parts_.lists->State(tenant));
  const ListSigner* const standby = state.In(ListSignerState::kStandby);
  Outcome out;
  if (standby == nullptr) {
    out.blocked = "SIGNER_MISSING: there is no standby signer";
    return out;
  }
  SP_ASSIGN_OR_RETURN(
      const TrustListSimulation without,
      parts_.lists->PhonesWithout(tenant, standby->certificate_der, held));
  if (without.locked_out_count == 0) {
    out.detail =
        absl::StrCat(without.phones_evaluated, " phones trust ", standby->id);
    return out;
  }
  out.blocked = absl::StrCat("PHONES_NOT_READY: ", without.locked_out_count,
                             " of ", without.phones_evaluated,
                             " phones have not fetched a list with ",
                             standby->id, " yet: ", Named(without));
  return out;
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::PublishSigners(
    const std::string& tenant, bool swap, const PublishOptions& options) {
  SP_ASSIGN_OR_RETURN(const ClusterState before, parts_.lists->State(tenant));
  ClusterState next = before;
  if (swap) {
    Swap(next);
  } else {
    if (next.In(ListSignerState::kFresh) == nullptr) {
      return Refused("SIGNER_MISSING", "there is no new signer");
    }
    Move(next, ListSignerState::kStandby, ListSignerState::kRetired);
    Move(next, ListSignerState::kFresh, ListSignerState::kStandby);
  }
  Outcome out;
  SP_ASSIGN_OR_RETURN(out.publications.emplace_back(),
                      parts_.lists->Prepare(next, BothKinds(), options));
  AddSigners(before, next, out.publications[0].change);
  out.detail = Describe(out.publications[0]);
  return out;
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::ReissueLists(
    const std::string& tenant, const PublishOptions& options) {
  SP_ASSIGN_OR_RETURN(const ClusterState before, parts_.lists->State(tenant));
  ClusterState next = before;
  // Every phone has lists that name both signers of files by now.
  if (next.In(ListSignerState::kFilesNext) != nullptr) {
    Move(next, ListSignerState::kFiles, ListSignerState::kRetired);
    Move(next, ListSignerState::kFilesNext, ListSignerState::kFiles);
  }
  PublishOptions again = options;
  again.reissue = true;
  Outcome out;
  SP_ASSIGN_OR_RETURN(out.publications.emplace_back(),
                      parts_.lists->Prepare(next, BothKinds(), again));
  AddSigners(before, next, out.publications[0].change);
  out.detail = Describe(out.publications[0]);
  return out;
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::CheckCallManagers(
    const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, parts_.lists->State(tenant));
  const absl::Time now = parts_.ledger.clock().Now();
  Outcome out;
  for (const ClusterNode& node : state.cluster.call_managers) {
    SP_ASSIGN_OR_RETURN(const CertificateInfo info,
                        ParseCertificate(AsBytes(node.node.certificate_der)));
    if (now < info.not_before || now > info.not_after) {
      out.blocked = absl::StrCat("CERTIFICATE_EXPIRED: that of ",
                                 node.node.dns_name, " is not in force");
      return out;
    }
    absl::StrAppend(
        &out.detail, out.detail.empty() ? "" : ", ", node.node.dns_name,
        " until ",
        absl::FormatTime("%Y-%m-%d", info.not_after, absl::UTCTimeZone()));
  }
  return out;
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::PublishMode(
    const std::string& tenant, ClusterSecurityMode mode,
    const PublishOptions& options) {
  SP_ASSIGN_OR_RETURN(ClusterState next, parts_.lists->State(tenant));
  next.cluster.mode = mode;
  Outcome out;
  SP_ASSIGN_OR_RETURN(out.publications.emplace_back(),
                      parts_.lists->Prepare(next, BothKinds(), options));
  out.publications[0].change.put_clusters = {next.cluster};
  out.publications[0].change.audit.push_back(
      {.event = "CLUSTER_MODE_SET",
       .actor = options.actor,
       .subject = absl::StrCat("tenants/", tenant, "/phoneCluster"),
       .details = absl::StrCat("mode=", NameOf(mode))});
  out.detail = Describe(out.publications[0]);
  return out;
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::ConfirmMode(
    const std::string& tenant, ClusterSecurityMode mode) {
  SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> lists,
                      parts_.lists->Current(tenant, TrustListKind::kCtl));
  Outcome out;
  for (const PublishedList& list : lists) {
    SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                        VerifyTrustList(AsBytes(list.content)));
    if (parsed.list.cluster_mode() != mode) {
      out.blocked = absl::StrCat("MODE_NOT_PUBLISHED: the list reads ",
                                 NameOf(parsed.list.cluster_mode()));
      return out;
    }
    absl::StrAppend(
        &out.detail, out.detail.empty() ? "" : "; ",
        std::string(SignedFileDigestName(parsed.list.header.digest)),
        " form md5 ", HexEncode(Md5(AsBytes(list.content))), " sha1 ",
        list.sha1);
  }
  if (lists.empty()) out.blocked = "MODE_NOT_PUBLISHED: there is no list";
  return out;
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::SetDialplanMode(
    const std::string& tenant, ClusterSecurityMode mode, bool validate_only) {
  Outcome out;
  if (parts_.dialplan == nullptr) {
    out.detail =
        "no dialplan is configured: set cluster_security_mode there by hand";
    return out;
  }
  absl::StatusOr<ClusterSecurityMode> now = parts_.dialplan->Get(tenant);
  if (absl::IsNotFound(now.status())) {
    out.detail = "dialplan has no such tenant";
    return out;
  }
  absl::Status status = now.status();
  if (now.ok() && *now == mode) {
    out.detail = absl::StrCat("dialplan says ", NameOf(*now));
    return out;
  }
  if (status.ok()) status = parts_.dialplan->Set(tenant, mode, validate_only);
  if (status.ok() && !validate_only) {
    now = parts_.dialplan->Get(tenant);
    status = now.status();
    if (status.ok() && *now != mode) {
      out.blocked =
          absl::StrCat("DIALPLAN_MODE_DIFFERS: dialplan says ", NameOf(*now),
                       ", phones are told ", NameOf(mode));
      return out;
    }
  }
  if (status.ok()) {
    out.detail = absl::StrCat("dialplan says ", NameOf(mode));
  } else if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    out.blocked = "DIALPLAN_UNREACHABLE: dialplan cannot be asked";
  } else {
    out.blocked = absl::StrCat(
        "DIALPLAN_REFUSES: dialplan does not take ", NameOf(mode), ": ",
        std::string(ReasonOf(status)), ": ", std::string(status.message()));
  }
  return out;
}

absl::StatusOr<ProcedureRunner::Outcome> ProcedureRunner::CheckAllowed() {
  std::vector<std::string> found = parts_.fips.forbidden_settings;
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> stored,
                      ForbiddenInStore(parts_.ledger.store()));
  found.insert(found.end(), stored.begin(), stored.end());
  Outcome out;
  if (!found.empty()) {
    out.blocked = "NOT_ALLOWED_IN_FIPS_MODE: " + absl::StrJoin(found, "; ");
  }
  out.detail = "nothing forbidden is in use";
  return out;
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
