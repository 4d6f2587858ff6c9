#include "services/capf/io/trust_list_publisher.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/phone_config.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/io/durable_file.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr int kRsaBits = 2048;
constexpr size_t kModulusSize = kRsaBits / 8;
// Lists that phones may still hold. One with an older list is taken for one
// that trusts nobody, which errs towards refusing to publish.
constexpr size_t kHistory = 50;
constexpr size_t kNamedInError = 5;

std::string Sha1Hex(std::string_view content) {
  return HexEncode(Sha1(AsBytes(content)));
}

std::string Sha256Of(const std::string& der) {
  return ToString(Sha256(AsBytes(der)));
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

}  // namespace

absl::StatusOr<std::unique_ptr<TrustListPublisher>> TrustListPublisher::Open(
    const TrustListOptions& options, const Secret& passphrase,
    CertificateAuthority& authority, Ledger& ledger) {
  std::unique_ptr<TrustListPublisher> self(
      new TrustListPublisher(options, ledger));
  SP_ASSIGN_OR_RETURN(self->signers_[0],
                      self->OpenKey("sast_1", "SAST-1", passphrase, authority));
  SP_ASSIGN_OR_RETURN(self->signers_[1],
                      self->OpenKey("sast_2", "SAST-2", passphrase, authority));
  SP_ASSIGN_OR_RETURN(self->tftp_,
                      self->OpenKey("tftp", "TFTP", passphrase, authority));
  self->options_.tftp.certificate_der = self->tftp_.certificate;
  return self;
}

absl::StatusOr<TrustListPublisher::Key> TrustListPublisher::OpenKey(
    const std::string& name, const std::string& common_name,
    const Secret& passphrase, CertificateAuthority& authority) const {
  FileSignerOptions key_options;
  key_options.key_file = options_.folder + "/" + name + ".key";
  key_options.passphrase = Secret::CopyOf(passphrase.DangerousBytes());
  key_options.create = true;
  key_options.create_rsa_bits = kRsaBits;
  Key key;
  SP_ASSIGN_OR_RETURN(key.signer, FileSigner::Open(key_options));
  const std::string file = options_.folder + "/" + name + ".pem";
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> kept,
                      ReadSmallFile(file));
  if (kept) {
    const auto certificates = CertificatesFromPem(*kept);
    if (!certificates.ok()) return certificates.status();
    const auto its_key =
        KeyOfCertificate(AsBytes(certificates->front()), KeyPolicy{});
    if (!its_key.ok() || its_key->spki() != key.signer->public_key().spki()) {
      return MakeError(
          absl::StatusCode::kFailedPrecondition, "SIGNER_MISMATCH",
          absl::StrCat(name, ".key and ", name, ".pem do not belong together"));
    }
    key.certificate = certificates->front();
    return key;
  }
  const IssueOrder order{
      .tenant = options_.tenant,
      .profile = ProfileId::kCtlSigner,
      .subject = {.organization = options_.organization,
                  .common_name = common_name},
      .names = {},
      .key = key.signer->public_key(),
      .validity = absl::ZeroDuration(),
      .enrollment = {},
      .requester = "capf",
      .request_key = {},
      .request_sha256 = HexEncode(AsBytes(key.signer->public_key().sha256()))};
  SP_ASSIGN_OR_RETURN(const CertificateRecord record, authority.Issue(order));
  key.certificate = record.der;
  SP_RETURN_IF_ERROR(
      ReplaceDurableFile(file, CertificateToPem(AsBytes(key.certificate))));
  return key;
}

absl::Status TrustListPublisher::Serve(OnPublished on_published) {
  on_published_ = std::move(on_published);
  return Refresh();
}

absl::Status TrustListPublisher::Refresh() {
  for (const TrustListKind kind : {TrustListKind::kCtl, TrustListKind::kItl}) {
    std::string& served = served_[kind == TrustListKind::kCtl ? 0 : 1];
    SP_ASSIGN_OR_RETURN(
        const std::vector<PublishedList> lists,
        ledger_.store().ListPublished(options_.tenant, kind, 1));
    for (const PublishedList& list : lists) {
      if (list.sha1 == served) continue;
      served = list.sha1;
      on_published_(list);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TrustListPublisher::Compose(TrustListKind kind) {
  const ClusterTrust cluster = {
      .signers = {signers_[0].certificate, signers_[1].certificate},
      .call_managers = options_.call_managers,
      .tftp = {options_.tftp},
      .capf = options_.capf,
      .tvs = options_.tvs,
      .mode = options_.mode};
  SP_ASSIGN_OR_RETURN(TrustList list,
                      ComposeTrustList(kind, cluster, options_.digest,
                                       kModulusSize, ledger_.clock().Now()));
  SP_ASSIGN_OR_RETURN(const std::string text, WriteTrustList(list));
  SP_ASSIGN_OR_RETURN(
      list.header.signature,
      signers_[0].signer->SignFile(options_.digest, AsBytes(text)));
  return WriteTrustList(list);
}

ServedCertificates TrustListPublisher::Served() const {
  ServedCertificates out;
  for (const PhoneNode& node : options_.call_managers) {
    if (options_.mode == ClusterSecurityMode::kMixed) {
      out.call_managers.insert(Sha256Of(node.certificate_der));
    }
  }
  out.file_signers.insert(Sha256Of(tftp_.certificate));
  for (const PhoneNode& node : options_.tvs) {
    out.tvs.insert(Sha256Of(node.certificate_der));
  }
  // The services vouch for what this cluster uses now.
  out.vouched_for = out.call_managers;
  out.vouched_for.insert(Sha256Of(tftp_.certificate));
  for (const Key& key : signers_) {
    out.vouched_for.insert(Sha256Of(key.certificate));
  }
  return out;
}

absl::StatusOr<TrustListSimulation> TrustListPublisher::Replay(
    const std::string& tenant, const ProposedList& proposal) {
  std::map<std::string, std::shared_ptr<const ListTrust>> known;
  for (const TrustListKind kind : {TrustListKind::kCtl, TrustListKind::kItl}) {
    SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> lists,
                        ledger_.store().ListPublished(tenant, kind, kHistory));
    for (const PublishedList& list : lists) {
      SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                          ParseTrustList(AsBytes(list.content)));
      known[list.sha1] =
          std::make_shared<const ListTrust>(TrustOf(parsed.list));
    }
  }
  const auto forgotten = std::make_shared<const ListTrust>();
  const auto trust =
      [&known, &forgotten](
          const std::string& sha1) -> std::shared_ptr<const ListTrust> {
    if (sha1.empty()) return nullptr;
    const auto it = known.find(sha1);
    return it == known.end() ? forgotten : it->second;
  };

  SP_ASSIGN_OR_RETURN(const std::vector<PhoneLists> phones,
                      ledger_.store().ListPhoneLists(tenant));
  // Every state that a phone may be in.
  std::vector<PhoneTrustState> states;
  states.reserve(phones.size() * 4);
  for (const PhoneLists& phone : phones) {
    for (const std::string& ctl : {phone.ctl, phone.ctl_before}) {
      for (const std::string& itl : {phone.itl, phone.itl_before}) {
        states.push_back(
            {.device = phone.device,
             .ability = {.sha512 =
                             options_.digest == SignedFileDigest::kSha512},
             .speaks_tls = options_.mode == ClusterSecurityMode::kMixed,
             .ctl = trust(ctl),
             .itl = trust(itl)});
      }
    }
  }
  const TrustListSimulation each =
      SimulateTrustList(states, proposal, Served(), states.size());
  TrustListSimulation out;
  out.phones_evaluated = phones.size();
  for (const LockedOutPhone& phone : each.locked_out) {
    // The states of one phone follow one another.
    if (!out.locked_out.empty() &&
        out.locked_out.back().device == phone.device) {
      continue;
    }
    ++out.locked_out_count;
    out.locked_out.push_back(phone);
  }
  if (out.locked_out.size() > kMaxListedPhones) {
    out.locked_out.resize(kMaxListedPhones);
  }
  return out;
}

absl::StatusOr<Publication> TrustListPublisher::Publish(
    const std::string& tenant, TrustListKind kind, bool force,
    bool validate_only, const std::string& actor) {
  if (tenant != options_.tenant) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "TENANT_WITHOUT_PHONES",
                     "phone files are served for another tenant");
  }
  SP_ASSIGN_OR_RETURN(const std::string file, Compose(kind));
  SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed,
                      VerifyTrustList(AsBytes(file)));
  Publication out;
  SP_ASSIGN_OR_RETURN(
      out.simulation,
      Replay(tenant, ProposalOf(parsed.list, kind == TrustListKind::kCtl)));
  out.list = {.tenant = tenant,
              .kind = kind,
              .content = file,
              .sha1 = Sha1Hex(file),
              .publish_time = ledger_.clock().Now()};
  SP_ASSIGN_OR_RETURN(const std::vector<PublishedList> current,
                      ledger_.store().ListPublished(tenant, kind, 1));
  if (!current.empty() && SayTheSame(current[0].content, file)) {
    out.list = current[0];
    out.unchanged = true;
    return out;
  }
  if (out.simulation.locked_out_count > 0 && !force) {
    return LockedOut(out.simulation);
  }
  if (validate_only) return out;
  StoreChange change;
  change.insert_lists = {out.list};
  change.audit = {
      {.event = "TRUST_LIST_PUBLISHED",
       .actor = actor,
       .subject = absl::StrCat("tenants/", tenant, "/trustLists/",
                               std::string(TrustListFileName(kind))),
       .details = absl::StrCat(
           "sha1=", out.list.sha1, " md5=", HexEncode(Md5(AsBytes(file))),
           " locked_out=", out.simulation.locked_out_count)}};
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  if (on_published_) on_published_(out.list);
  return out;
}

absl::StatusOr<TrustListSimulation> TrustListPublisher::Simulate(
    const std::string& tenant, ByteSpan file) {
  SP_ASSIGN_OR_RETURN(const ParsedTrustList parsed, VerifyTrustList(file));
  const bool is_ctl =
      parsed.list.header.file_name != TrustListFileName(TrustListKind::kItl);
  return Replay(tenant, ProposalOf(parsed.list, is_ctl));
}

absl::Status TrustListPublisher::RecordFetch(const std::string& device,
                                             TrustListKind kind,
                                             const std::string& sha1) {
  SP_ASSIGN_OR_RETURN(const std::optional<Enrollment> enrollment,
                      ledger_.store().FindDevice(device));
  if (!enrollment) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const std::optional<PhoneLists> before,
                      ledger_.store().GetPhoneLists(device));
  PhoneLists lists =
      before.value_or(PhoneLists{.tenant = options_.tenant, .device = device});
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

absl::StatusOr<std::string> TrustListPublisher::SignPhoneFile(
    std::string_view file_name, std::string_view payload) {
  SP_ASSIGN_OR_RETURN(
      const TrustListRecord record,
      RecordOf(tftp_.certificate, TrustListRole::kTftp, "", ""));
  SignedFileHeader header;
  header.signer_name = record.subject;
  header.signer_serial = record.serial;
  header.signer_issuer = record.issuer;
  header.digest = options_.digest;
  header.modulus_size = kModulusSize;
  header.file_name = std::string(file_name);
  header.timestamp =
      static_cast<uint32_t>(absl::ToUnixSeconds(ledger_.clock().Now()));
  SP_ASSIGN_OR_RETURN(const std::string text, WriteSignedFile(header, payload));
  SP_ASSIGN_OR_RETURN(header.signature,
                      tftp_.signer->SignFile(options_.digest, AsBytes(text)));
  return WriteSignedFile(header, payload);
}

}  // namespace sallyport::capf
