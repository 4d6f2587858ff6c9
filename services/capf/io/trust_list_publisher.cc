#include "services/capf/io/trust_list_publisher.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/capf/core/phone_config.h"
#include "services/capf/core/trust_list.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

struct TrustListPublisher::Held {
  std::vector<PhoneLists> phones;
  // By the SHA-1 of the file.
  std::map<std::string, std::shared_ptr<const ListTrust>> known;

  // Null for a phone that holds none.
  std::shared_ptr<const ListTrust> Trust(const std::string& sha1) const {
    if (sha1.empty()) return nullptr;
    // A list that is not known any more is taken for one that trusts nobody.
    static const auto* const forgotten =
        new std::shared_ptr<const ListTrust>(new ListTrust);
    const auto it = known.find(sha1);
    return it == known.end() ? *forgotten : it->second;
  }
};

namespace {

constexpr size_t kModulusSize = kListSignerBits / 8;
// Lists that phones may still hold, in all their forms. One with an older list
// is taken for one that trusts nobody, which errs towards refusing to publish.
constexpr size_t kHistory = 100;
constexpr size_t kNamedInError = 5;
constexpr size_t kMaxForms = 3;

std::string Sha1Hex(std::string_view content) {
  return HexEncode(Sha1(AsBytes(content)));
}

std::string Sha256Of(const std::string& der) {
  return ToString(Sha256(AsBytes(der)));
}

// Of "tenants/{tenant}/...".
std::string TenantOfName(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return parts.size() > 1 ? parts[1] : std::string();
}

SignedFileDigest DigestOfFile(const std::string& file) {
  const auto parsed = ParseSignedFileHeader(AsBytes(file));
  return parsed.ok() ? parsed->header.digest : SignedFileDigest::kSha1;
}

// Whether two files differ in nothing but when they were made and signed.
bool SayTheSame(const std::string& left, const std::string& right) {
  absl::StatusOr<ParsedTrustList> one = ParseTrustList(AsBytes(left));
  absl::StatusOr<ParsedTrustList> two = ParseTrustList(AsBytes(right));
  if (!one.ok() || !two.ok()) return false;
  for (ParsedTrustList* parsed : {&*one, &*two}) {
    parsed->list.header.timestamp = 0;
    parsed->list.header.signature.clear();
  }
  return one->list == two->list;
}

bool SayTheSame(const std::vector<PublishedList>& left,
                const std::vector<PublishedList>& right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(),
                    [](const PublishedList& one, const PublishedList& two) {
                      return SayTheSame(one.content, two.content);
                    });
}

absl::Status LockedOut(const TrustListSimulation& simulation) {
  std::string message =
      absl::StrCat(simulation.locked_out_count, " of ",
                   simulation.phones_evaluated, " phones would be locked out:");
  for (size_t i = 0; i < std::min(kNamedInError, simulation.locked_out.size());
       ++i) {
    const LockedOutPhone& phone = simulation.locked_out[i];
    absl::StrAppend(&message, i == 0 ? " " : ", ", phone.device, " (",
                    std::string(ListVerdictName(phone.verdict)), ")");
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "PHONES_LOCKED_OUT",
                   message);
}

// Phones once each, with the first verdict.
class LockedOutPhones {
 public:
  void Add(const TrustListSimulation& each) {
    for (const LockedOutPhone& phone : each.locked_out) {
      phones_.emplace(phone.device, phone.verdict);
    }
  }
  TrustListSimulation Result(size_t evaluated) const {
    TrustListSimulation out;
    out.phones_evaluated = evaluated;
    out.locked_out_count = phones_.size();
    for (const auto& [device, verdict] : phones_) {
      if (out.locked_out.size() == kMaxListedPhones) break;
      out.locked_out.push_back({device, verdict});
    }
    return out;
  }

 private:
  std::map<std::string, ListVerdict> phones_;
};

bool IsAnyPhone(const PhoneLists&) { return true; }

}  // namespace

SignedFileDigest TrustListPublisher::DigestOf(const PhoneCluster& cluster,
                                              std::string_view model) const {
  return options_.sha512_only ? SignedFileDigest::kSha512
                              : DigestFor(cluster, model);
}

std::vector<SignedFileDigest> TrustListPublisher::Digests(
    const PhoneCluster& cluster) const {
  if (options_.sha512_only) return {SignedFileDigest::kSha512};
  return DigestsOf(cluster);
}

absl::Status TrustListPublisher::Serve(OnPublished on_published) {
  on_published_ = std::move(on_published);
  return Refresh();
}

absl::StatusOr<std::vector<PublishedList>> TrustListPublisher::Current(
    const std::string& tenant, TrustListKind kind) {
  SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> newest,
                      ledger_.store().ListPublished(tenant, kind, kMaxForms));
  std::vector<PublishedList> out;
  std::set<SignedFileDigest> seen;
  // The last one that was stored is of the last form.
  for (const PublishedList& list : newest) {
    if (list.publish_time != newest.front().publish_time ||
        !seen.insert(DigestOfFile(list.content)).second) {
      break;
    }
    out.insert(out.begin(), list);
  }
  return out;
}

absl::Status TrustListPublisher::Refresh() {
  states_.clear();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                      ledger_.store().ListClusters());
  for (const std::string& tenant : tenants) {
    for (const TrustListKind kind :
         {TrustListKind::kCtl, TrustListKind::kItl}) {
      SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> lists,
                          Current(tenant, kind));
      if (lists.empty()) continue;
      std::string& served = served_[{tenant, kind}];
      if (lists.front().sha1 == served) continue;
      served = lists.front().sha1;
      on_published_(lists);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ClusterState> TrustListPublisher::State(
    const std::string& tenant) {
  const auto it = states_.find(tenant);
  if (it != states_.end()) return it->second;
  SP_ASSIGN_OR_RETURN(std::optional<PhoneCluster> cluster,
                      ledger_.store().GetCluster(tenant));
  if (!cluster) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "TENANT_WITHOUT_PHONES",
                     "the tenant's phone cluster was not set");
  }
  ClusterState state;
  state.cluster = *std::move(cluster);
  SP_ASSIGN_OR_RETURN(state.signers, signers_.Ensure(tenant));
  SP_ASSIGN_OR_RETURN(state.capf_certificates, CapfCertificates());
  return states_.emplace(tenant, std::move(state)).first->second;
}

absl::StatusOr<std::vector<std::string>>
TrustListPublisher::CapfCertificates() {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      ledger_.store().ListAuthorities());
  return CapfCertificatesOf(all);
}

std::vector<std::string> TrustListPublisher::CapfCertificatesOf(
    const std::vector<AuthorityGeneration>& all) const {
  std::vector<std::string> out;
  // In one order on every replica, whichever of them it shows.
  for (const AuthorityGeneration& one : all) {
    if (one.listed) out.push_back(one.listener_der);
  }
  if (std::find(out.begin(), out.end(), options_.capf_certificate) ==
      out.end()) {
    out.insert(out.begin(), options_.capf_certificate);
  }
  return out;
}

absl::StatusOr<std::string> TrustListPublisher::Compose(
    TrustListKind kind, SignedFileDigest digest, const ClusterState& state) {
  const ListSigner* const signing = state.In(ListSignerState::kSigning);
  const ListSigner* const files = state.In(ListSignerState::kFiles);
  if (signing == nullptr || files == nullptr) {
    return MakeError(absl::StatusCode::kInternal, "SIGNER_COUNT",
                     "the tenant has no signer");
  }
  ClusterTrust trust;
  trust.signers = {signing->certificate_der};
  if (const ListSigner* const standby = state.In(ListSignerState::kStandby);
      standby != nullptr) {
    trust.signers.push_back(standby->certificate_der);
  }
  for (const ClusterNode& node : state.cluster.call_managers) {
    trust.call_managers.push_back(node.node);
  }
  const std::string host = HostOf(state.cluster);
  trust.tftp = {{.dns_name = host, .certificate_der = files->certificate_der}};
  if (const ListSigner* const next = state.In(ListSignerState::kFilesNext);
      next != nullptr) {
    trust.tftp.push_back(
        {.dns_name = host, .certificate_der = next->certificate_der});
  }
  for (const std::string& der : state.capf_certificates) {
    trust.capf.push_back({.dns_name = host, .certificate_der = der});
  }
  // TVS shows the same certificate, and its lists say so.
  if (options_.tvs) trust.tvs = trust.capf;
  trust.mode = state.cluster.mode;
  SP_ASSIGN_OR_RETURN(TrustList list,
                      ComposeTrustList(kind, trust, digest, kModulusSize,
                                       ledger_.clock().Now()));
  SP_ASSIGN_OR_RETURN(const std::string text, WriteTrustList(list));
  SP_ASSIGN_OR_RETURN(list.header.signature,
                      signers_.Sign(*signing, digest, text));
  return WriteTrustList(list);
}

ServedCertificates TrustListPublisher::Served(const ClusterState& state) const {
  ServedCertificates out;
  for (const ClusterNode& node : state.cluster.call_managers) {
    if (state.cluster.mode == ClusterSecurityMode::kMixed) {
      out.call_managers.insert(Sha256Of(node.node.certificate_der));
    }
  }
  if (options_.tvs) out.tvs.insert(Sha256Of(options_.capf_certificate));
  // The services vouch for what this cluster uses now.
  out.vouched_for = out.call_managers;
  for (const ListSigner& signer : state.signers) {
    if (signer.state == ListSignerState::kRetired) continue;
    const std::string id = Sha256Of(signer.certificate_der);
    out.vouched_for.insert(id);
    if (signer.state == ListSignerState::kFiles) out.file_signers.insert(id);
  }
  return out;
}

absl::StatusOr<TrustListPublisher::Held> TrustListPublisher::ReadHeld(
    const std::string& tenant) {
  Held held;
  for (const TrustListKind kind : {TrustListKind::kCtl, TrustListKind::kItl}) {
    SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> lists,
                        ledger_.store().ListPublished(tenant, kind, kHistory));
    for (const PublishedList& list : lists) {
      SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                          ParseTrustList(AsBytes(list.content)));
      held.known[list.sha1] =
          std::make_shared<const ListTrust>(TrustOf(parsed.list));
    }
  }
  SP_ASSIGN_OR_RETURN(held.phones, ledger_.store().ListPhoneLists(tenant));
  return held;
}

std::vector<PhoneTrustState> TrustListPublisher::StatesOf(
    const Held& held, const ClusterState& state,
    const std::function<bool(const PhoneLists&)>& counts,
    HeldLists which) const {
  std::vector<PhoneTrustState> states;
  const bool all = which == HeldLists::kAllPossible;
  states.reserve(held.phones.size() * (all ? 4 : 1));
  for (const PhoneLists& phone : held.phones) {
    if (!counts(phone)) continue;
    for (const std::string* ctl : {&phone.ctl, &phone.ctl_before}) {
      for (const std::string* itl : {&phone.itl, &phone.itl_before}) {
        if (!all && (ctl == &phone.ctl_before || itl == &phone.itl_before)) {
          continue;
        }
        states.push_back(
            {.device = phone.device,
             .ability = {.sha512 = DigestOf(state.cluster, phone.model) ==
                                   SignedFileDigest::kSha512},
             .speaks_tls = state.cluster.mode == ClusterSecurityMode::kMixed,
             .ctl = held.Trust(*ctl),
             .itl = held.Trust(*itl)});
      }
    }
  }
  return states;
}

absl::Status TrustListPublisher::Simulate(
    const ClusterState& next, const Held& held,
    const std::vector<TrustListKind>& kinds,
    const std::vector<std::vector<PublishedList>>& made,
    std::vector<TrustListSimulation>& out) {
  const ServedCertificates served = Served(next);
  std::vector<LockedOutPhones> locked_out(kinds.size());
  const std::vector<SignedFileDigest> digests = Digests(next.cluster);
  for (size_t form = 0; form < digests.size(); ++form) {
    std::vector<PhoneTrustState> states = StatesOf(
        held, next,
        [&](const PhoneLists& phone) {
          return DigestOf(next.cluster, phone.model) == digests[form];
        },
        HeldLists::kAllPossible);
    for (size_t i = 0; i < kinds.size(); ++i) {
      SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                          ParseTrustList(AsBytes(made[i][form].content)));
      const ProposedList proposal =
          ProposalOf(parsed.list, kinds[i] == TrustListKind::kCtl);
      locked_out[i].Add(
          SimulateTrustList(states, proposal, served, states.size()));
      if (kinds[i] != TrustListKind::kCtl || kinds.size() == 1) continue;
      // Some take the CTL first, and then meet the other list with it.
      const size_t count = states.size();
      for (size_t n = 0; n < count; ++n) {
        states.push_back(states[n]);
        states.back().ctl = proposal.trust;
      }
    }
  }
  for (const LockedOutPhones& phones : locked_out) {
    out.push_back(phones.Result(held.phones.size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<PreparedPublication> TrustListPublisher::Prepare(
    const ClusterState& next, const std::vector<TrustListKind>& kinds,
    const PublishOptions& options) {
  PreparedPublication out;
  out.tenant = next.cluster.tenant;
  const absl::Time now = ledger_.clock().Now();
  std::vector<std::vector<PublishedList>> made;
  for (const TrustListKind kind : kinds) {
    std::vector<PublishedList>& forms = made.emplace_back();
    for (const SignedFileDigest digest : Digests(next.cluster)) {
      SP_ASSIGN_OR_RETURN(const std::string file, Compose(kind, digest, next));
      SP_RETURN_IF_ERROR(VerifyTrustList(AsBytes(file)).status());
      forms.push_back({.tenant = out.tenant,
                       .kind = kind,
                       .content = file,
                       .sha1 = Sha1Hex(file),
                       .publish_time = now});
    }
  }
  SP_ASSIGN_OR_RETURN(const Held held, ReadHeld(out.tenant));
  std::vector<TrustListSimulation> simulations;
  SP_RETURN_IF_ERROR(Simulate(next, held, kinds, made, simulations));
  for (size_t i = 0; i < kinds.size(); ++i) {
    Publication& publication = out.publications.emplace_back();
    publication.simulation = simulations[i];
    SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> current,
                        Current(out.tenant, kinds[i]));
    if (!options.reissue && SayTheSame(current, made[i])) {
      publication.lists = current;
      publication.unchanged = true;
      continue;
    }
    if (simulations[i].locked_out_count > 0 && !options.force) {
      return LockedOut(simulations[i]);
    }
    publication.lists = made[i];
    for (const PublishedList& list : made[i]) {
      out.change.insert_lists.push_back(list);
      out.change.audit.push_back(
          {.event = "TRUST_LIST_PUBLISHED",
           .actor = options.actor,
           .subject = absl::StrCat("tenants/", list.tenant, "/trustLists/",
                                   std::string(TrustListFileName(list.kind))),
           .details = absl::StrCat(
               "sha1=", list.sha1,
               " md5=", HexEncode(Md5(AsBytes(list.content))), " digest=",
               std::string(SignedFileDigestName(DigestOfFile(list.content))),
               " locked_out=", simulations[i].locked_out_count)});
    }
  }
  return out;
}

absl::Status TrustListPublisher::Commit(const PreparedPublication& prepared) {
  if (!prepared.change.audit.empty()) {
    SP_RETURN_IF_ERROR(ledger_.Apply(prepared.change));
  }
  states_.erase(prepared.tenant);
  for (const Publication& publication : prepared.publications) {
    if (publication.unchanged) continue;
    const PublishedList& first = publication.lists.front();
    served_[{prepared.tenant, first.kind}] = first.sha1;
    if (on_published_) on_published_(publication.lists);
    for (const PublishedList& list : publication.lists) {
      LogInfo("trust list published",
              {{"tenant", list.tenant},
               {"file", std::string(TrustListFileName(list.kind))},
               {"md5", HexEncode(Md5(AsBytes(list.content)))},
               {"sha1", list.sha1}});
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Publication> TrustListPublisher::Publish(
    const std::string& tenant, TrustListKind kind,
    const PublishOptions& options, bool validate_only) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, State(tenant));
  SP_ASSIGN_OR_RETURN(PreparedPublication prepared,
                      Prepare(state, {kind}, options));
  if (!validate_only) SP_RETURN_IF_ERROR(Commit(prepared));
  return std::move(prepared.publications.front());
}

absl::StatusOr<PreparedPublication> TrustListPublisher::PublishCluster(
    const PhoneCluster& cluster, const PublishOptions& options,
    bool validate_only) {
  SP_RETURN_IF_ERROR(CheckPhoneCluster(cluster));
  ClusterState next;
  next.cluster = cluster;
  SP_ASSIGN_OR_RETURN(next.signers, signers_.Ensure(cluster.tenant));
  SP_ASSIGN_OR_RETURN(next.capf_certificates, CapfCertificates());
  SP_ASSIGN_OR_RETURN(
      PreparedPublication prepared,
      Prepare(next, {TrustListKind::kCtl, TrustListKind::kItl}, options));
  prepared.change.put_clusters = {cluster};
  prepared.change.audit.push_back(
      {.event = "PHONE_CLUSTER_SET",
       .actor = options.actor,
       .subject = absl::StrCat("tenants/", cluster.tenant, "/phoneCluster"),
       .details = absl::StrCat(
           "call_managers=", cluster.call_managers.size(), " mode=",
           cluster.mode == ClusterSecurityMode::kMixed ? "mixed" : "non-secure",
           " sha512_models=", cluster.sha512_models.size())});
  if (!validate_only) SP_RETURN_IF_ERROR(Commit(prepared));
  return prepared;
}

absl::Status TrustListPublisher::SetCapfCertificate(const std::string& der) {
  if (options_.capf_certificate == der) return absl::OkStatus();
  options_.capf_certificate = der;
  states_.clear();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                      ledger_.store().ListClusters());
  absl::Status result;
  for (const std::string& tenant : tenants) {
    SP_ASSIGN_OR_RETURN(const ClusterState state, State(tenant));
    const auto prepared = Prepare(
        state, {TrustListKind::kCtl, TrustListKind::kItl}, {.actor = "capf"});
    // One tenant's trouble does not keep the others' lists from being right.
    result.Update(prepared.ok() ? Commit(*prepared) : prepared.status());
  }
  return result;
}

absl::StatusOr<TrustListSimulation> TrustListPublisher::Simulate(
    const std::string& tenant, ByteSpan file) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, State(tenant));
  SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed, VerifyTrustList(file));
  const bool is_ctl =
      parsed.list.header.file_name != TrustListFileName(TrustListKind::kItl);
  SP_ASSIGN_OR_RETURN(const Held held, ReadHeld(tenant));
  const std::vector<PhoneTrustState> states =
      StatesOf(held, state, IsAnyPhone, HeldLists::kAllPossible);
  LockedOutPhones phones;
  phones.Add(SimulateTrustList(states, ProposalOf(parsed.list, is_ctl),
                               Served(state), states.size()));
  return phones.Result(held.phones.size());
}

absl::StatusOr<TrustListSimulation> TrustListPublisher::PhonesWithout(
    const std::string& tenant, const std::string& signer_certificate,
    HeldLists which) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, State(tenant));
  SP_ASSIGN_OR_RETURN(const Held held, ReadHeld(tenant));
  const std::string signer = Sha256Of(signer_certificate);
  LockedOutPhones phones;
  TrustListSimulation without;
  for (const PhoneTrustState& phone :
       StatesOf(held, state, IsAnyPhone, which)) {
    const auto trusts = [&signer](const std::shared_ptr<const ListTrust>& one) {
      return one != nullptr && one->signers.contains(signer);
    };
    if (trusts(phone.ctl) || trusts(phone.itl)) continue;
    without.locked_out.push_back({phone.device, ListVerdict::kSignerUnknown});
  }
  phones.Add(without);
  return phones.Result(held.phones.size());
}

absl::StatusOr<TrustListSimulation> TrustListPublisher::PhonesWithoutCapf(
    const std::string& tenant, const std::string& certificate) {
  std::set<std::string> naming;
  for (const TrustListKind kind : {TrustListKind::kCtl, TrustListKind::kItl}) {
    SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> lists,
                        ledger_.store().ListPublished(tenant, kind, kHistory));
    for (const PublishedList& list : lists) {
      SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                          ParseTrustList(AsBytes(list.content)));
      for (const TrustListRecord* const one :
           parsed.list.OfRole(TrustListRole::kCapf)) {
        if (one->certificate == certificate) naming.insert(list.sha1);
      }
    }
  }
  SP_ASSIGN_OR_RETURN(const std::vector<PhoneLists> phones,
                      ledger_.store().ListPhoneLists(tenant));
  LockedOutPhones without;
  TrustListSimulation found;
  for (const PhoneLists& phone : phones) {
    if (naming.contains(phone.ctl) || naming.contains(phone.itl)) continue;
    found.locked_out.push_back({phone.device, ListVerdict::kSignerUnknown});
  }
  without.Add(found);
  return without.Result(phones.size());
}

absl::Status TrustListPublisher::RecordFetch(const std::string& device,
                                             TrustListKind kind,
                                             const std::string& sha1) {
  SP_ASSIGN_OR_RETURN(const std::optional<Enrollment> enrollment,
                      ledger_.store().FindDevice(device));
  if (!enrollment) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const std::optional<PhoneLists> before,
                      ledger_.store().GetPhoneLists(device));
  PhoneLists lists = before.value_or(PhoneLists{.device = device});
  lists.tenant = TenantOfName(enrollment->name);
  std::string& now = kind == TrustListKind::kCtl ? lists.ctl : lists.itl;
  std::string& earlier =
      kind == TrustListKind::kCtl ? lists.ctl_before : lists.itl_before;
  if (now == sha1) return absl::OkStatus();
  // The first list has none before it: what counts is that it is held.
  earlier = now.empty() ? sha1 : now;
  now = sha1;
  lists.fetch_time = ledger_.clock().Now();
  StoreChange change;
  change.put_phone_lists = {lists};
  change.audit = {
      {.event = "TRUST_LIST_FETCHED",
       .actor = "tftp",
       .subject = enrollment->name,
       .details = absl::StrCat("file=", std::string(TrustListFileName(kind)),
                               " sha1=", sha1)}};
  return ledger_.Apply(change);
}

absl::StatusOr<std::map<std::string, std::vector<TrustListRole>>>
TrustListPublisher::OwnCertificates(const std::string& tenant) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, State(tenant));
  std::map<std::string, std::vector<TrustListRole>> own;
  for (const ClusterNode& node : state.cluster.call_managers) {
    own[node.node.certificate_der].push_back(TrustListRole::kCcmTftp);
  }
  for (const std::string& der : state.capf_certificates) {
    own[der].push_back(TrustListRole::kCapf);
    if (options_.tvs) own[der].push_back(TrustListRole::kTvs);
  }
  for (const ListSigner& signer : state.signers) {
    if (signer.state == ListSignerState::kRetired) continue;
    own[signer.certificate_der].push_back(
        signer.state == ListSignerState::kFiles ||
                signer.state == ListSignerState::kFilesNext
            ? TrustListRole::kTftp
            : TrustListRole::kSast);
  }
  return own;
}

absl::StatusOr<std::string> TrustListPublisher::SignPhoneFile(
    const std::string& tenant, std::string_view file_name,
    std::string_view payload, SignedFileDigest digest) {
  SP_ASSIGN_OR_RETURN(const ClusterState state, State(tenant));
  const ListSigner* const files = state.In(ListSignerState::kFiles);
  if (files == nullptr) {
    return MakeError(absl::StatusCode::kInternal, "SIGNER_COUNT",
                     "the tenant has no signer of files");
  }
  SP_ASSIGN_OR_RETURN(
      const TrustListRecord record,
      RecordOf(files->certificate_der, TrustListRole::kTftp, "", ""));
  SignedFileHeader header;
  header.signer_name = record.subject;
  header.signer_serial = record.serial;
  header.signer_issuer = record.issuer;
  header.digest = digest;
  header.modulus_size = kModulusSize;
  header.file_name = std::string(file_name);
  header.timestamp =
      static_cast<uint32_t>(absl::ToUnixSeconds(ledger_.clock().Now()));
  SP_ASSIGN_OR_RETURN(const std::string text, WriteSignedFile(header, payload));
  SP_ASSIGN_OR_RETURN(header.signature, signers_.Sign(*files, digest, text));
  return WriteSignedFile(header, payload);
}

}  // namespace sallyport::capf
