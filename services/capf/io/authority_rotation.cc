#include "services/capf/io/authority_rotation.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/core/operation_status.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/phone_trust.h"
#include "services/capf/core/trust_list_plan.h"
#include "services/capf/core/trust_store.h"
#include "services/capf/io/certificate_authority.h"
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
constexpr size_t kPage = 1000;
constexpr absl::Duration kToEnroll = absl::Hours(24 * 30);
constexpr char kOwn[] = "own";

absl::Status Refused(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

StepOutcome Blocked(std::string why) {
  StepOutcome out;
  out.blocked = std::move(why);
  return out;
}

StepOutcome Found(std::string detail) {
  StepOutcome out;
  out.detail = std::move(detail);
  return out;
}

std::string Date(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone());
}

// Names the first of what is added.
class Names {
 public:
  void Add(std::string_view name) {
    if (++count_ > kNamed) return;
    absl::StrAppend(&text_, text_.empty() ? "" : ", ", std::string(name));
  }
  size_t count() const { return count_; }
  std::string text() const { return count_ > kNamed ? text_ + ", ..." : text_; }

 private:
  size_t count_ = 0;
  std::string text_;
};

std::string Describe(const std::string& chain_pem) {
  const auto chain = CertificatesFromPem(chain_pem);
  if (!chain.ok()) return "";
  const absl::StatusOr<CertificateInfo> info =
      ParseCertificate(AsBytes((*chain)[0]));
  if (!info.ok()) return "";
  return absl::StrCat("\"", info->subject, "\" by \"", info->issuer,
                      "\" until ", Date(info->not_after), ", sha256 ",
                      HexEncode(info->sha256));
}

AuthorityGeneration& InPlace(std::vector<AuthorityGeneration>& all,
                             const AuthorityGeneration& one) {
  return *std::find_if(all.begin(), all.end(), [&](const auto& other) {
    return other.Name() == one.Name();
  });
}

}  // namespace

std::string AuthorityRotation::IdOf(const Procedure& procedure) const {
  return procedure.authority.empty() ? parts_.authorities.Default().id()
                                     : procedure.authority;
}

bool AuthorityRotation::ShowsOnPort(const std::string& id) const {
  return parts_.listener.has_value() && parts_.lists != nullptr &&
         id == parts_.port_authority();
}

absl::StatusOr<AuthorityRotation::Standing> AuthorityRotation::Read(
    const std::string& id) {
  Standing out;
  out.id = id;
  SP_ASSIGN_OR_RETURN(out.all, parts_.authorities.Generations());
  out.issuing = FindGeneration(out.all, id, AuthorityState::kIssuing);
  out.prepared = FindGeneration(out.all, id, AuthorityState::kPrepared);
  out.retiring = FindGeneration(out.all, id, AuthorityState::kRetiring);
  if (out.issuing != nullptr) return out;
  return MakeError(absl::StatusCode::kNotFound, "AUTHORITY_NOT_FOUND",
                   "there is no such authority");
}

absl::Status AuthorityRotation::CheckBegin(const std::string& id) {
  const std::string wanted =
      id.empty() ? parts_.authorities.Default().id() : id;
  SP_ASSIGN_OR_RETURN(const Standing standing, Read(wanted));
  if (standing.prepared == nullptr) return absl::OkStatus();
  return Refused("ROTATION_UNDER_WAY",
                 "another key of this authority waits to issue");
}

absl::StatusOr<StepOutcome> AuthorityRotation::Perform(
    const Procedure& procedure, ProcedureAction action,
    const std::string& actor) {
  const std::string id = IdOf(procedure);
  if (action == Action::kCheckAuthority) return Check(id);
  if (action == Action::kMakeAuthority) return Make(id, actor);
  if (action == Action::kAwaitConsumers) return AwaitConsumers();
  SP_ASSIGN_OR_RETURN(const Standing standing, Read(id));
  const bool before_switch =
      action == Action::kCertifyAuthority ||
      action == Action::kTrustAuthority || action == Action::kListAuthority ||
      action == Action::kAwaitListed || action == Action::kSwitchAuthority;
  if (before_switch && standing.prepared == nullptr) {
    return Refused("AUTHORITY_MISMATCH", "no new key is there");
  }
  switch (action) {
    case Action::kCertifyAuthority:
      return Certify(standing, actor);
    case Action::kTrustAuthority:
      return Trust(standing, actor);
    case Action::kListAuthority:
      return List(standing, actor);
    case Action::kAwaitListed:
      return AwaitListed(standing);
    case Action::kSwitchAuthority:
      return Switch(standing, actor);
    case Action::kReenrollPhones:
      return Reenroll(standing, actor);
    case Action::kUnlistAuthority:
      return Unlist(standing, actor);
    case Action::kRetireAuthority:
      return Retire(standing, actor);
    default:
      return absl::InternalError("a step of another kind");
  }
}

std::function<void()> AuthorityRotation::RefreshLater() {
  return [&authorities = parts_.authorities] {
    const absl::Status status = authorities.Refresh();
    // The next look finds it.
    if (!status.ok()) LogError("authorities", {{"status", status}});
  };
}

absl::StatusOr<StepOutcome> AuthorityRotation::Check(const std::string& id) {
  SP_ASSIGN_OR_RETURN(const Standing standing, Read(id));
  SP_RETURN_IF_ERROR(parts_.ledger.Check());
  if (standing.prepared != nullptr) {
    return Blocked("ROTATION_UNDER_WAY: " + standing.prepared->Name() +
                   " waits to issue");
  }
  SP_ASSIGN_OR_RETURN(const int64_t phones, parts_.ledger.store().CountLive(
                                                LiveBy(*standing.issuing, true),
                                                parts_.ledger.clock().Now()));
  SP_ASSIGN_OR_RETURN(
      const int64_t others,
      parts_.ledger.store().CountLive(LiveBy(*standing.issuing, false),
                                      parts_.ledger.clock().Now()));
  return Found(absl::StrCat(standing.issuing->Name(),
                            " issues: ", Describe(standing.issuing->chain_pem),
                            "; ", phones, " phones and ", others,
                            " others hold certificates by it"));
}

absl::StatusOr<StepOutcome> AuthorityRotation::Make(const std::string& id,
                                                    const std::string& actor) {
  SP_ASSIGN_OR_RETURN(const Standing standing, Read(id));
  SP_ASSIGN_OR_RETURN(AuthorityGeneration next,
                      parts_.authorities.MakeNext(id, actor));
  StepOutcome out;
  out.detail = absl::StrCat(
      next.Name(), ", ", next.rsa_bits == 0 ? "P-256" : "RSA ",
      next.rsa_bits == 0 ? std::string() : absl::StrCat(next.rsa_bits),
      next.token_label.empty() ? ", encrypted in the store"
                               : ", in the token as " + next.token_label);
  out.change.audit = {{"AUTHORITY_KEY_MADE", actor, next.Name(), out.detail}};
  out.change.put_authorities = {std::move(next)};
  out.after = RefreshLater();
  return out;
}

absl::StatusOr<StepOutcome> AuthorityRotation::Certify(
    const Standing& standing, const std::string& actor) {
  const AuthorityGeneration& next = *standing.prepared;
  if (!next.chain_pem.empty()) return Found(Describe(next.chain_pem));
  const EstClient* const est = parts_.est ? parts_.est(standing.id) : nullptr;
  if (est == nullptr) {
    return Blocked(absl::StrCat(
        "CERTIFICATE_AWAITED: have the request of certificateAuthorities/",
        standing.id,
        " signed (csr_pem, `sallyport certs request`) and import "
        "what comes (`sallyport certs import`)"));
  }
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<Signer> signer,
                      parts_.authorities.SignerOf(next));
  const EstResult answer = est->Enroll(next.request_der, false);
  const EstResult above = answer.status.ok() ? est->CaCerts() : EstResult();
  const absl::Status asked = answer.status.ok() ? above.status : answer.status;
  if (!asked.ok()) {
    return Blocked(absl::StrCat(std::string(ReasonOf(asked)), ": ",
                                std::string(asked.message())));
  }
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                      OrderChain(answer.certificates, above.certificates,
                                 signer->public_key().spki()));
  SP_RETURN_IF_ERROR(
      parts_.authorities.Import(standing.id, chain, actor, false));
  return Found("certified by EST: " +
               Describe(CertificateToPem(AsBytes(chain[0]))));
}

absl::StatusOr<StepOutcome> AuthorityRotation::Trust(const Standing& standing,
                                                     const std::string& actor) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> before,
                      CertificatesFromPem(standing.issuing->chain_pem));
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> next,
                      CertificatesFromPem(standing.prepared->chain_pem));
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> trusted,
                      parts_.ledger.store().ListTrusted());
  std::set<std::string> stores;
  std::set<std::pair<std::string, std::string>> there;
  for (const TrustedCertificate& one : trusted) {
    if (one.der == before[0]) stores.insert(one.store);
    there.emplace(one.store, one.der);
  }
  StepOutcome out;
  for (const std::string& store : stores) {
    // What stands above it only where what stood above the other one does.
    const bool with_above =
        std::any_of(before.begin() + 1, before.end(), [&](const auto& der) {
          return there.contains({store, der});
        });
    for (const std::string& der : next) {
      if (der != next[0] && !with_above) break;
      if (!there.emplace(store, der).second) continue;
      TrustedCertificate one;
      one.store = store;
      one.der = der;
      one.sha256 = HexEncode(Sha256(AsBytes(der)));
      one.origin = kOwn;
      one.create_time = parts_.ledger.clock().Now();
      out.change.audit.push_back(
          {"TRUST_ADDED", actor, one.Name(),
           absl::StrCat("authority=", standing.prepared->Name(),
                        " sha1=", HexEncode(Sha1(AsBytes(der))))});
      out.change.insert_trusted.push_back(std::move(one));
    }
  }
  out.detail = absl::StrCat("in ", stores.size(), " trust stores");
  return out;
}

absl::StatusOr<StepOutcome> AuthorityRotation::AwaitConsumers() {
  EnrollmentStore& store = parts_.ledger.store();
  SP_ASSIGN_OR_RETURN(const int64_t version, store.TrustVersion());
  SP_ASSIGN_OR_RETURN(const std::vector<KnownConsumer> consumers,
                      store.ListConsumers());
  const absl::Time now = parts_.ledger.clock().Now();
  Names late, gone;
  for (const KnownConsumer& one : consumers) {
    if (one.active_version >= version) continue;
    (now - one.seen_time > kConsumerGone ? gone : late)
        .Add(absl::StrCat(one.consumer, " at ", one.active_version));
  }
  if (late.count() > 0) {
    return Blocked(absl::StrCat("CONSUMERS_NOT_READY: version ", version,
                                " of trust is not in force at ", late.count(),
                                " of ", consumers.size(), ": ", late.text()));
  }
  return Found(absl::StrCat(
      "version ", version, " is in force at ", consumers.size() - gone.count(),
      " services",
      gone.count() == 0 ? "" : "; not seen for a day: ", gone.text()));
}

absl::Status AuthorityRotation::Publish(
    const std::vector<AuthorityGeneration>& all, const std::string& actor,
    StepOutcome& out) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                      parts_.ledger.store().ListClusters());
  size_t phones = 0;
  for (const std::string& tenant : tenants) {
    SP_ASSIGN_OR_RETURN(ClusterState state, parts_.lists->State(tenant));
    state.capf_certificates = parts_.lists->CapfCertificatesOf(all);
    SP_ASSIGN_OR_RETURN(
        PreparedPublication prepared,
        parts_.lists->Prepare(state, {TrustListKind::kCtl, TrustListKind::kItl},
                              {.actor = actor}));
    phones += prepared.publications.front().simulation.phones_evaluated;
    // Whoever changed the cluster meanwhile makes this one fail.
    prepared.change.put_clusters = {state.cluster};
    out.publications.push_back(std::move(prepared));
  }
  out.detail = absl::StrCat("lists of ", tenants.size(), " tenants; ", phones,
                            " phones hold lists, and each takes the new ones");
  return absl::OkStatus();
}

absl::StatusOr<StepOutcome> AuthorityRotation::List(const Standing& standing,
                                                    const std::string& actor) {
  if (!ShowsOnPort(standing.id)) {
    return Found("no list names a certificate by this authority");
  }
  AuthorityGeneration next = *standing.prepared;
  AuthorityGeneration before = *standing.issuing;
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority,
                      parts_.authorities.Find(standing.id));
  SP_ASSIGN_OR_RETURN(next.listener_der,
                      PrepareListenerCertificate(*parts_.listener, *authority,
                                                 next.generation));
  next.listed = true;
  before.listener_der = parts_.lists->capf_certificate();
  before.listed = true;
  std::vector<AuthorityGeneration> all = standing.all;
  InPlace(all, next) = next;
  InPlace(all, before) = before;
  StepOutcome out;
  SP_RETURN_IF_ERROR(Publish(all, actor, out));
  out.change.put_authorities = {std::move(next), std::move(before)};
  return out;
}

absl::StatusOr<StepOutcome> AuthorityRotation::AwaitListed(
    const Standing& standing) {
  if (!ShowsOnPort(standing.id)) {
    return Found("no list names a certificate by this authority");
  }
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                      parts_.ledger.store().ListClusters());
  size_t phones = 0;
  Names late;
  for (const std::string& tenant : tenants) {
    SP_ASSIGN_OR_RETURN(const TrustListSimulation without,
                        parts_.lists->PhonesWithoutCapf(
                            tenant, standing.prepared->listener_der));
    phones += without.phones_evaluated;
    for (const LockedOutPhone& phone : without.locked_out) {
      late.Add(phone.device);
    }
  }
  if (late.count() == 0) {
    return Found(absl::StrCat(phones, " phones know the port's certificate"));
  }
  return Blocked(absl::StrCat("PHONES_NOT_READY: ", late.count(), " of ",
                              phones,
                              " phones have not fetched a list that names the "
                              "CAPF port's next certificate: ",
                              late.text()));
}

absl::StatusOr<StepOutcome> AuthorityRotation::Switch(
    const Standing& standing, const std::string& actor) {
  // Another service or phone may have come meanwhile.
  SP_ASSIGN_OR_RETURN(StepOutcome out, AwaitConsumers());
  if (!out.blocked.empty()) return out;
  SP_ASSIGN_OR_RETURN(out, AwaitListed(standing));
  if (!out.blocked.empty()) return out;
  AuthorityGeneration next = *standing.prepared;
  AuthorityGeneration before = *standing.issuing;
  next.state = AuthorityState::kIssuing;
  before.state = AuthorityState::kRetiring;
  out.detail = absl::StrCat(next.Name(), " issues; what ", before.Name(),
                            " issued stays good");
  out.change.audit = {{"AUTHORITY_SWITCHED", actor, next.Name(), out.detail}};
  out.change.put_authorities = {std::move(next), std::move(before)};
  out.after = RefreshLater();
  return out;
}

LiveCertificates AuthorityRotation::LiveBy(const AuthorityGeneration& one,
                                           bool lsc) const {
  return {.authority = one.Name(),
          .unnamed = one.generation == 1 &&
                     one.authority == parts_.authorities.Default().id(),
          .lsc = lsc};
}

absl::StatusOr<StepOutcome> AuthorityRotation::Reenroll(
    const Standing& standing, const std::string& actor) {
  if (standing.retiring == nullptr) return Found("no phone has another");
  EnrollmentStore& store = parts_.ledger.store();
  const absl::Time now = parts_.ledger.clock().Now();
  const LiveCertificates by = LiveBy(*standing.retiring, true);
  SP_ASSIGN_OR_RETURN(const int64_t left, store.CountLive(by, now));
  SP_ASSIGN_OR_RETURN(const int64_t done,
                      store.CountLive(LiveBy(*standing.issuing, true), now));
  if (left == 0) {
    return Found(absl::StrCat(done, " phones hold certificates by ",
                              standing.issuing->Name()));
  }
  StepOutcome out;
  size_t coming = 0;  // asked, and still expected
  Names first;
  std::string after;
  while (coming < kWave) {
    SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> page,
                        store.ListLive(by, now, after, kPage));
    for (const CertificateRecord& record : page) {
      if (coming == kWave) break;
      SP_ASSIGN_OR_RETURN(std::optional<Enrollment> phone,
                          store.GetEnrollment(record.enrollment));
      if (!phone) continue;
      Expire(*phone, now);
      first.Add(phone->device_name);
      if (phone->operation != Operation::kNone) {
        if (phone->update_time + kWaveTime > now) ++coming;
        continue;
      }
      ++coming;
      phone->mode = AuthenticationMode::kByExistingLsc;
      Arm(*phone, Operation::kInstallUpgrade, now);
      phone->completes_by = now + kToEnroll;
      out.change.audit.push_back(
          {"ENROLLMENT_UPDATED", actor, phone->name,
           absl::StrCat("operation=\"",
                        std::string(OperationName(phone->operation)),
                        "\" for=", standing.issuing->Name())});
      out.change.update_enrollments.push_back(*std::move(phone));
    }
    if (page.size() < kPage) break;
    after = page.back().serial;
  }
  out.blocked = absl::StrCat(
      "PHONES_NOT_ENROLLED: ", done, " of ", done + left,
      " phones hold certificates by ", standing.issuing->Name(), "; ",
      out.change.update_enrollments.size(), " more were asked to come, ",
      coming, " are expected; next are ", first.text());
  return out;
}

absl::StatusOr<StepOutcome> AuthorityRotation::Unlist(
    const Standing& standing, const std::string& actor) {
  if (!ShowsOnPort(standing.id)) {
    StepOutcome out = Found("no list names a certificate by this authority");
    SP_RETURN_IF_ERROR(SupersedeOwn(standing, out));
    return out;
  }
  if (parts_.lists->capf_certificate() != standing.issuing->listener_der) {
    return Blocked(
        "PORT_NOT_RENEWED: the CAPF port does not show its new certificate "
        "yet");
  }
  StepOutcome out;
  std::vector<AuthorityGeneration> all = standing.all;
  for (AuthorityGeneration& one : all) {
    if (one.authority != standing.id || !one.listed) continue;
    one.listed = false;
    out.change.put_authorities.push_back(one);
  }
  SP_RETURN_IF_ERROR(Publish(all, actor, out));
  SP_RETURN_IF_ERROR(SupersedeOwn(standing, out));
  return out;
}

absl::Status AuthorityRotation::SupersedeOwn(const Standing& standing,
                                             StepOutcome& out) {
  if (standing.retiring == nullptr) return absl::OkStatus();
  const absl::Time now = parts_.ledger.clock().Now();
  const auto is_own = [](const CertificateRecord& record) {
    return (record.profile == ProfileId::kPhoneServer ||
            record.profile == ProfileId::kCapfServer) &&
           record.requester == "capf";
  };
  SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> live,
                      parts_.ledger.store().ListLive(
                          LiveBy(*standing.retiring, false), now, "", kPage));
  for (const CertificateRecord& record : live) {
    if (!is_own(record)) continue;
    CertificateUpdate update{record, record.state};
    update.record.state = CertificateState::kSuperseded;
    out.change.update_certificates.push_back(std::move(update));
  }
  if (out.change.update_certificates.empty()) return absl::OkStatus();
  // The port has another as soon as the work thread comes to it.
  SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> next,
                      parts_.ledger.store().ListLive(
                          LiveBy(*standing.issuing, false), now, "", kPage));
  if (std::any_of(next.begin(), next.end(), is_own)) return absl::OkStatus();
  out = Blocked(
      "PORT_NOT_RENEWED: the CAPF port does not show its new certificate yet");
  return absl::OkStatus();
}

absl::StatusOr<std::string> AuthorityRotation::StillNeeded(
    const AuthorityGeneration& one) {
  EnrollmentStore& store = parts_.ledger.store();
  const absl::Time now = parts_.ledger.clock().Now();
  Names names;
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                      CertificatesFromPem(one.chain_pem));
  SP_ASSIGN_OR_RETURN(const Issuer issuer, ReadIssuer(AsBytes(chain[0])));
  for (const bool lsc : {true, false}) {
    std::string after;
    while (true) {
      SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> page,
                          store.ListLive(LiveBy(one, lsc), now, after, kPage));
      for (const CertificateRecord& record : page) {
        // Lists hold signers' certificates themselves; nobody looks for who
        // issued them.
        if (record.profile == ProfileId::kCtlSigner) continue;
        const absl::StatusOr<std::string> by =
            IssuerNameOf(AsBytes(record.der));
        // Upstream's, of before certificates named who signed them.
        if (by.ok() && *by != issuer.subject_der) continue;
        names.Add(absl::StrCat(
            record.Name(), " (", std::string(ProfileFor(record.profile).name),
            " ", record.common_name, " until ", Date(record.not_after), ")"));
      }
      if (page.size() < kPage) break;
      after = page.back().serial;
    }
  }
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> trusted,
                      store.ListTrusted());
  for (const TrustedCertificate& anchor : trusted) {
    if (anchor.der != chain[0]) continue;
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> peers,
                        parts_.trust.DependentsOf(anchor.store, anchor.sha256));
    for (const std::string& peer : peers) names.Add("peer " + peer);
  }
  if (names.count() == 0) return std::string();
  return absl::StrCat("STILL_NEEDED: ", names.count(),
                      " would lose trust with ", one.Name(), ": ",
                      names.text());
}

absl::Status AuthorityRotation::Distrust(
    const AuthorityGeneration& one, const std::vector<AuthorityGeneration>& all,
    const std::string& actor, StoreChange& change) {
  if (one.chain_pem.empty()) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                      CertificatesFromPem(one.chain_pem));
  std::set<std::string> leaving(chain.begin(), chain.end());
  for (const AuthorityGeneration& other : all) {
    if (other.Name() == one.Name() || !other.trusted()) continue;
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> kept,
                        CertificatesFromPem(other.chain_pem));
    for (const std::string& der : kept) leaving.erase(der);
  }
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> trusted,
                      parts_.ledger.store().ListTrusted());
  for (const TrustedCertificate& anchor : trusted) {
    if (anchor.origin != kOwn || !leaving.contains(anchor.der)) continue;
    change.audit.push_back({"TRUST_REMOVED", actor, anchor.Name(),
                            absl::StrCat("authority=", one.Name())});
    change.delete_trusted.push_back(anchor);
  }
  return absl::OkStatus();
}

absl::StatusOr<StepOutcome> AuthorityRotation::Retire(
    const Standing& standing, const std::string& actor) {
  StepOutcome out;
  std::vector<AuthorityGeneration> all = standing.all;
  // Also one that a rotation which was given up has left.
  for (const AuthorityGeneration& one : standing.all) {
    if (one.authority != standing.id ||
        one.state != AuthorityState::kRetiring) {
      continue;
    }
    SP_ASSIGN_OR_RETURN(const std::string needed, StillNeeded(one));
    if (!needed.empty()) return Blocked(needed);
    AuthorityGeneration& retired = InPlace(all, one);
    retired.state = AuthorityState::kRetired;
    retired.key_pem.clear();
    out.change.put_authorities.push_back(retired);
    out.change.audit.push_back(
        {"AUTHORITY_RETIRED", actor, one.Name(), Describe(one.chain_pem)});
    absl::StrAppend(
        &out.detail, out.detail.empty() ? "" : ", ", one.Name(),
        one.token_label.empty()
            ? ""
            : "; its key is still in the token as " + one.token_label);
  }
  for (const AuthorityGeneration& one : out.change.put_authorities) {
    SP_RETURN_IF_ERROR(Distrust(one, all, actor, out.change));
  }
  out.after = RefreshLater();
  return out;
}

absl::StatusOr<StepOutcome> AuthorityRotation::Undo(const Procedure& procedure,
                                                    const std::string& actor) {
  StepOutcome out;
  if (!WasTaken(procedure, Action::kMakeAuthority)) return out;
  SP_ASSIGN_OR_RETURN(const Standing standing, Read(IdOf(procedure)));
  std::vector<AuthorityGeneration> all = standing.all;
  if (WasTaken(procedure, Action::kSwitchAuthority)) {
    if (standing.retiring == nullptr) {
      return Refused("CANNOT_UNDO", "the old key is gone");
    }
    AuthorityGeneration before = *standing.retiring;
    AuthorityGeneration next = *standing.issuing;
    before.state = AuthorityState::kIssuing;
    next.state = AuthorityState::kRetiring;
    // The port shows its old certificate again, and then the lists follow.
    before.listed = next.listed = false;
    out.change.audit = {{"AUTHORITY_SWITCHED", actor, before.Name(),
                         "the rotation was given up"}};
    out.change.put_authorities = {std::move(next), std::move(before)};
    out.after = RefreshLater();
    return out;
  }
  if (standing.prepared == nullptr) return out;
  AuthorityGeneration next = *standing.prepared;
  next.state = AuthorityState::kRetired;
  next.key_pem.clear();
  next.listed = false;
  AuthorityGeneration before = *standing.issuing;
  before.listed = false;
  InPlace(all, next) = next;
  InPlace(all, before) = before;
  if (WasTaken(procedure, Action::kListAuthority) && ShowsOnPort(standing.id)) {
    SP_RETURN_IF_ERROR(Publish(all, actor, out));
  }
  // Nobody but our own port was to have one by it.
  SP_ASSIGN_OR_RETURN(
      const std::vector<CertificateRecord> live,
      parts_.ledger.store().ListLive(LiveBy(next, false),
                                     parts_.ledger.clock().Now(), "", kPage));
  for (const CertificateRecord& record : live) {
    CertificateUpdate update{record, record.state};
    update.record.state = CertificateState::kSuperseded;
    out.change.update_certificates.push_back(std::move(update));
  }
  SP_RETURN_IF_ERROR(Distrust(next, all, actor, out.change));
  out.change.audit.push_back(
      {"AUTHORITY_RETIRED", actor, next.Name(), "the rotation was given up"});
  out.change.put_authorities = {std::move(next)};
  if (before != *standing.issuing) {
    out.change.put_authorities.push_back(std::move(before));
  }
  out.after = RefreshLater();
  return out;
}

}  // namespace sallyport::capf
