#include "services/capf/io/cluster_steps.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/trust_list.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
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

// What would be published, is not, and could be.
StepOutcome OnlyLookedAt(const StepOutcome& outcome) {
  StepOutcome out;
  out.detail = absl::StrCat(outcome.publications.front()
                                .publications.front()
                                .simulation.phones_evaluated,
                            " phones hold lists, and each would take the new "
                            "ones");
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

ClusterSecurityMode ClusterModeOf(ProcedureKind kind) {
  return kind == ProcedureKind::kEnableMixedMode
             ? ClusterSecurityMode::kMixed
             : ClusterSecurityMode::kNonSecure;
}

const char* ClusterModeName(ClusterSecurityMode mode) {
  return mode == ClusterSecurityMode::kMixed ? "mixed (1)" : "non-secure (0)";
}

absl::StatusOr<StepOutcome> ClusterSteps::Perform(const Procedure& procedure,
                                                  ProcedureAction action,
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
      StepOutcome out;
      out.detail = absl::StrCat(made.id, ", serial ", info.serial_hex, "; ",
                                files.id, " for files");
      return out;
    }
    case Action::kCheckReplacement: {
      SP_ASSIGN_OR_RETURN(const StepOutcome out,
                          PublishSigners(tenant, false, options));
      return OnlyLookedAt(out);
    }
    case Action::kReissueLists:
      return ReissueLists(tenant, options);
    case Action::kCheckCallManagers:
      return CheckCallManagers(tenant);
    case Action::kCheckPhones: {
      // Before a phone sees anything of what dialplan would refuse in the end.
      SP_ASSIGN_OR_RETURN(
          StepOutcome agrees,
          SetDialplanMode(tenant, ClusterModeOf(procedure.kind), true));
      if (!agrees.blocked.empty()) return agrees;
      SP_ASSIGN_OR_RETURN(
          const StepOutcome out,
          PublishMode(tenant, ClusterModeOf(procedure.kind), options));
      return OnlyLookedAt(out);
    }
    case Action::kPublishMode:
      return PublishMode(tenant, ClusterModeOf(procedure.kind), options);
    case Action::kConfirmMode:
      return ConfirmMode(tenant, ClusterModeOf(procedure.kind));
    case Action::kSetDialplanMode:
      return SetDialplanMode(tenant, ClusterModeOf(procedure.kind), false);
    default:
      return absl::InternalError("no step of a cluster");
  }
}

absl::StatusOr<StepOutcome> ClusterSteps::Undo(const Procedure& procedure,
                                               const std::string& actor) {
  const PublishOptions options = {.actor = actor};
  StepOutcome outcome;
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
  return outcome;
}

absl::StatusOr<StepOutcome> ClusterSteps::CheckSigners(
    const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, parts_.lists->State(tenant));
  const absl::Time now = parts_.clock.Now();
  StepOutcome out;
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

absl::StatusOr<StepOutcome> ClusterSteps::AwaitSigner(const std::string& tenant,
                                                      HeldLists held) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, parts_.lists->State(tenant));
  const ListSigner* const standby = state.In(ListSignerState::kStandby);
  StepOutcome out;
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

absl::StatusOr<StepOutcome> ClusterSteps::PublishSigners(
    const std::string& tenant, bool swap, const PublishOptions& options) {
  SP_ASSIGN_OR_RETURN(const ClusterState before, parts_.lists->State(tenant));
  ClusterState next = before;
  if (swap) {
    Swap(next);
  } else {
    if (next.In(ListSignerState::kFresh) == nullptr) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "SIGNER_MISSING",
                       "there is no new signer");
    }
    Move(next, ListSignerState::kStandby, ListSignerState::kRetired);
    Move(next, ListSignerState::kFresh, ListSignerState::kStandby);
  }
  StepOutcome out;
  SP_ASSIGN_OR_RETURN(out.publications.emplace_back(),
                      parts_.lists->Prepare(next, BothKinds(), options));
  AddSigners(before, next, out.publications[0].change);
  out.detail = Describe(out.publications[0]);
  return out;
}

absl::StatusOr<StepOutcome> ClusterSteps::ReissueLists(
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
  StepOutcome out;
  SP_ASSIGN_OR_RETURN(out.publications.emplace_back(),
                      parts_.lists->Prepare(next, BothKinds(), again));
  AddSigners(before, next, out.publications[0].change);
  out.detail = Describe(out.publications[0]);
  return out;
}

absl::StatusOr<StepOutcome> ClusterSteps::CheckCallManagers(
    const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, parts_.lists->State(tenant));
  const absl::Time now = parts_.clock.Now();
  StepOutcome out;
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

absl::StatusOr<StepOutcome> ClusterSteps::PublishMode(
    const std::string& tenant, ClusterSecurityMode mode,
    const PublishOptions& options) {
  SP_ASSIGN_OR_RETURN(ClusterState next, parts_.lists->State(tenant));
  next.cluster.mode = mode;
  StepOutcome out;
  SP_ASSIGN_OR_RETURN(out.publications.emplace_back(),
                      parts_.lists->Prepare(next, BothKinds(), options));
  out.publications[0].change.put_clusters = {next.cluster};
  out.publications[0].change.audit.push_back(
      {.event = "CLUSTER_MODE_SET",
       .actor = options.actor,
       .subject = absl::StrCat("tenants/", tenant, "/phoneCluster"),
       .details = absl::StrCat("mode=", ClusterModeName(mode))});
  out.detail = Describe(out.publications[0]);
  return out;
}

absl::StatusOr<StepOutcome> ClusterSteps::ConfirmMode(
    const std::string& tenant, ClusterSecurityMode mode) {
  SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> lists,
                      parts_.lists->Current(tenant, TrustListKind::kCtl));
  StepOutcome out;
  for (const PublishedList& list : lists) {
    SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                        VerifyTrustList(AsBytes(list.content)));
    if (parsed.list.cluster_mode() != mode) {
      out.blocked = absl::StrCat("MODE_NOT_PUBLISHED: the list reads ",
                                 ClusterModeName(parsed.list.cluster_mode()));
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

absl::StatusOr<StepOutcome> ClusterSteps::SetDialplanMode(
    const std::string& tenant, ClusterSecurityMode mode, bool validate_only) {
  StepOutcome out;
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
    out.detail = absl::StrCat("dialplan says ", ClusterModeName(*now));
    return out;
  }
  if (status.ok()) status = parts_.dialplan->Set(tenant, mode, validate_only);
  if (status.ok() && !validate_only) {
    now = parts_.dialplan->Get(tenant);
    status = now.status();
    if (status.ok() && *now != mode) {
      out.blocked = absl::StrCat("DIALPLAN_MODE_DIFFERS: dialplan says ",
                                 ClusterModeName(*now), ", phones are told ",
                                 ClusterModeName(mode));
      return out;
    }
  }
  if (status.ok()) {
    out.detail = absl::StrCat("dialplan says ", ClusterModeName(mode));
  } else if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    out.blocked = "DIALPLAN_UNREACHABLE: dialplan cannot be asked";
  } else {
    out.blocked =
        absl::StrCat("DIALPLAN_REFUSES: dialplan does not take ",
                     ClusterModeName(mode), ": ", std::string(ReasonOf(status)),
                     ": ", std::string(status.message()));
  }
  return out;
}

}  // namespace sallyport::capf
