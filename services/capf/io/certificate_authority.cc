#include "services/capf/io/certificate_authority.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/capf/core/certificate_lint.h"
#include "services/capf/core/csr.h"
#include "services/capf/core/revocation_list.h"
#include "services/capf/io/durable_file.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kActor[] = "capf";
// Between the clocks of replicas.
constexpr absl::Duration kClockSlack = absl::Minutes(5);

// pki.md 9.2: issuer, serial and both thumbprints of every certificate.
std::string Describe(const CertificateRecord& record, const Issuer& issuer) {
  return absl::StrCat("profile=", std::string(ProfileFor(record.profile).name),
                      " serial=", record.serial,
                      " issuer=", issuer.subject.common_name,
                      " sha1=", HexEncode(Sha1(AsBytes(record.der))),
                      " sha256=", HexEncode(Sha256(AsBytes(record.der))),
                      " request=", record.request_sha256);
}

// Whether `list` says what there is to say, for half of its life still.
bool IsFresh(const std::optional<SignedRevocationList>& list, int64_t version,
             absl::Duration lifetime, absl::Time now) {
  return list.has_value() && list->trust_version == version &&
         now >= list->this_update && now + lifetime / 2 <= list->next_update;
}

absl::Status LintFailure(const std::vector<std::string>& findings) {
  return MakeError(
      absl::StatusCode::kInternal, "LINT_FAILED",
      absl::StrCat("the certificate breaks: ", absl::StrJoin(findings, ", ")));
}

}  // namespace

std::string SerialHex(const std::string& octets) {
  const std::string hex = HexEncode(AsBytes(octets));
  return hex.substr(std::min(hex.find_first_not_of('0'), hex.size()));
}

std::string ListFileName(std::string_view authority, int64_t generation,
                         bool delta) {
  return absl::StrCat(AbslView(authority), "-", generation,
                      delta ? "-delta.crl" : ".crl");
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>>
CertificateAuthority::Open(const AuthorityOptions& options, Signer& signer,
                           Ledger& ledger, RandomSource& random) {
  std::unique_ptr<CertificateAuthority> authority(
      new CertificateAuthority(options, ledger, random));
  SP_RETURN_IF_ERROR(authority->LoadOrCreate(options, signer));
  return authority;
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>>
CertificateAuthority::OpenKey(const AuthorityOptions& options,
                              const AuthorityKey& key, Ledger& ledger,
                              RandomSource& random) {
  std::unique_ptr<CertificateAuthority> authority(
      new CertificateAuthority(options, ledger, random));
  authority->certificate_file_ = options.certificate_file;
  SP_RETURN_IF_ERROR(authority->Hold(key));
  SP_RETURN_IF_ERROR(authority->Switch(key.generation));
  return authority;
}

CertificateAuthority::Generation* CertificateAuthority::Find(int64_t number) {
  for (auto it = generations_.rbegin(); it != generations_.rend(); ++it) {
    if (it->number == number && it->signer != nullptr) return &*it;
  }
  return nullptr;
}

absl::Status CertificateAuthority::Hold(const AuthorityKey& key) {
  SP_ASSIGN_OR_RETURN(
      Issuer issuer,
      ReadIssuer(AsBytes(key.chain.empty() ? std::string() : key.chain[0])));
  if (issuer.key.spki() != key.signer->public_key().spki()) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "AUTHORITY_MISMATCH",
                     "authority certificate and key do not belong together");
  }
  absl::MutexLock lock(&mutex_);
  const Generation* const there = Find(key.generation);
  if (there != nullptr && there->chain == key.chain) return absl::OkStatus();
  generations_.push_back({.number = key.generation,
                          .signer = key.signer,
                          .issuer = std::move(issuer),
                          .chain = key.chain,
                          .list = {}});
  const Generation* const now = current_.load();
  if (now != nullptr && now->number == key.generation) {
    current_ = &generations_.back();
    request_.clear();
  }
  return absl::OkStatus();
}

absl::Status CertificateAuthority::Switch(int64_t generation) {
  absl::MutexLock lock(&mutex_);
  const Generation* const to = Find(generation);
  if (to == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "AUTHORITY_MISMATCH", "that key is not here");
  }
  if (to == current_.load()) return absl::OkStatus();
  current_ = to;
  request_.clear();
  return absl::OkStatus();
}

void CertificateAuthority::Drop(int64_t generation) {
  absl::MutexLock lock(&mutex_);
  for (Generation& one : generations_) {
    if (one.number == generation && &one != current_.load()) {
      one.signer.reset();
    }
  }
}

bool CertificateAuthority::IsOwn(const std::string& der) const {
  absl::MutexLock lock(&mutex_);
  return std::any_of(
      generations_.begin(), generations_.end(), [&der](const Generation& one) {
        return one.signer != nullptr && one.issuer->certificate_der == der;
      });
}

absl::Status CertificateAuthority::LoadOrCreate(const AuthorityOptions& options,
                                                Signer& signer) {
  certificate_file_ = options.certificate_file;
  in_file_ = true;
  SP_ASSIGN_OR_RETURN(std::optional<std::string> pem,
                      ReadSmallFile(certificate_file_));
  if (!pem.has_value()) {
    if (!options.create) {
      return MakeError(absl::StatusCode::kNotFound, "CERTIFICATE_NOT_FOUND",
                       "there is no authority certificate");
    }
    SP_ASSIGN_OR_RETURN(const std::string made, MakeChain(options, signer));
    const absl::Status created = CreateDurableFile(certificate_file_, made);
    // Another replica was first: its certificate is the authority's.
    if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
    SP_ASSIGN_OR_RETURN(pem, ReadSmallFile(certificate_file_));
    if (!pem.has_value()) pem.emplace();
  }
  SP_ASSIGN_OR_RETURN(std::vector<std::string> certificates,
                      CertificatesFromPem(*pem));
  SP_RETURN_IF_ERROR(
      Hold({.generation = 1,
            // Its owner is whoever called.
            .signer = std::shared_ptr<Signer>(&signer, [](Signer*) {}),
            .chain = std::move(certificates)}));
  return Switch(1);
}

std::vector<std::string> CertificateAuthority::Chain() const {
  absl::MutexLock lock(&mutex_);
  return current_.load()->chain;
}

std::string CertificateAuthority::ChainPem() const {
  std::string pem;
  for (const std::string& der : Chain()) {
    pem += CertificateToPem(AsBytes(der));
  }
  return pem;
}

absl::StatusOr<CertificateSpec> CertificateAuthority::AuthoritySpec(
    ProfileId id, const SubjectName& subject, absl::Duration lifetime,
    const PublicKey& key, const std::optional<Issuer>& issuer) {
  const CertificateProfile& profile = ProfileFor(id);
  SP_RETURN_IF_ERROR(CheckNames(profile, subject, {}));
  SP_ASSIGN_OR_RETURN(
      const Validity validity,
      ChooseValidity(profile, lifetime, ledger_.clock().Now(), issuer));
  return CertificateSpec{.profile = id,
                         .serial = DrawSerial(serial_prefix_, random_),
                         .subject = subject,
                         .names = {},
                         .key = key,
                         .not_before = validity.not_before,
                         .not_after = validity.not_after};
}

absl::StatusOr<std::string> CertificateAuthority::Certify(
    ProfileId profile, const SubjectName& subject, absl::Duration lifetime,
    const PublicKey& key, const std::optional<Issuer>& issuer, Signer& signer) {
  SP_ASSIGN_OR_RETURN(const CertificateSpec spec,
                      AuthoritySpec(profile, subject, lifetime, key, issuer));
  SP_ASSIGN_OR_RETURN(const std::string tbs, BuildTbs(spec, issuer));
  const std::vector<std::string> findings =
      LintCertificate(AsBytes(tbs), {spec, issuer, ledger_.clock().Now()});
  if (!findings.empty()) return LintFailure(findings);
  StoreChange change;
  change.audit.push_back(
      {"AUTHORITY_CREATED", kActor, spec.subject.common_name,
       absl::StrCat("serial=", SerialHex(spec.serial),
                    " profile=", std::string(ProfileFor(spec.profile).name))});
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  return SignTbs(tbs, signer);
}

absl::StatusOr<std::string> CertificateAuthority::MakeChain(
    const AuthorityOptions& options, Signer& signer) {
  std::optional<Issuer> root;
  std::string root_pem;
  if (options.root_signer != nullptr) {
    SP_ASSIGN_OR_RETURN(std::optional<std::string> kept,
                        ReadSmallFile(options.root_certificate_file));
    if (!kept.has_value()) {
      SP_ASSIGN_OR_RETURN(
          const std::string der,
          Certify(ProfileId::kRoot, options.root_subject, absl::ZeroDuration(),
                  options.root_signer->public_key(), std::nullopt,
                  *options.root_signer));
      kept = CertificateToPem(AsBytes(der));
      SP_RETURN_IF_ERROR(
          CreateDurableFile(options.root_certificate_file, *kept));
    }
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                        CertificatesFromPem(*kept));
    SP_ASSIGN_OR_RETURN(root, ReadIssuer(AsBytes(certificates[0])));
    if (root->key.spki() != options.root_signer->public_key().spki()) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "AUTHORITY_MISMATCH",
                       "root certificate and key do not belong together");
    }
    root_pem = CertificateToPem(AsBytes(root->certificate_der));
  }
  SP_ASSIGN_OR_RETURN(
      const std::string der,
      Certify(ProfileId::kAuthority, options.subject, options.lifetime,
              signer.public_key(), root,
              root.has_value() ? *options.root_signer : signer));
  return CertificateToPem(AsBytes(der)) + root_pem;
}

absl::StatusOr<std::string> CertificateAuthority::Request(
    const std::string& actor) {
  absl::MutexLock lock(&mutex_);
  if (!request_.empty()) return request_;
  const Generation* const current = current_.load();
  const std::string file = current->number == 1 && in_file_
                               ? certificate_file_ + ".csr"
                               : absl::StrCat(certificate_file_, ".", id_, "-",
                                              current->number, ".csr");
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> kept,
                      ReadSmallFile(file));
  if (kept.has_value()) {
    const auto read = VerifyCsr(AsBytes(*kept), KeyPolicy{});
    if (read.ok() && read->key().spki() == issuer().key.spki()) {
      request_ = *kept;
      return request_;
    }
  }
  SP_ASSIGN_OR_RETURN(const std::string info, BuildRequestInfo(issuer()));
  StoreChange change;
  change.audit.push_back(
      {"AUTHORITY_REQUESTED", actor, issuer().subject.common_name,
       absl::StrCat("key=", HexEncode(AsBytes(issuer().key.sha256())))});
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  const PublicKey& key = current->issuer->key;
  SP_ASSIGN_OR_RETURN(const std::string signature,
                      current->signer->Sign(AsBytes(info)));
  SP_ASSIGN_OR_RETURN(
      request_,
      AssembleCertificate(AsBytes(info), SignatureAlgorithmFor(key.kind()),
                          AsBytes(signature)));
  SP_RETURN_IF_ERROR(ReplaceDurableFile(file, request_));
  return request_;
}

absl::Status CertificateAuthority::Import(const std::vector<std::string>& chain,
                                          const std::string& actor,
                                          bool validate_only) {
  if (chain.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "ISSUER_INVALID",
                     "there is no certificate");
  }
  SP_ASSIGN_OR_RETURN(Issuer next, ReadIssuer(AsBytes(chain[0])));
  if (next.key.spki() != issuer().key.spki() ||
      next.subject_der != issuer().subject_der) {
    return MakeError(absl::StatusCode::kInvalidArgument, "AUTHORITY_MISMATCH",
                     "the certificate is for another key or another name");
  }
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    SP_RETURN_IF_ERROR(CheckSignedBy(AsBytes(chain[i]), AsBytes(chain[i + 1])));
  }
  const absl::Time now = ledger_.clock().Now();
  if (next.not_before > now || next.not_after < now + absl::Hours(1)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "ISSUER_EXPIRED",
                     "the certificate is not valid now, or not for long");
  }
  if (validate_only) return absl::OkStatus();
  StoreChange change;
  change.audit.push_back(
      {"AUTHORITY_IMPORTED", actor, next.subject.common_name,
       absl::StrCat("sha1=", HexEncode(Sha1(AsBytes(chain[0]))),
                    " sha256=", HexEncode(Sha256(AsBytes(chain[0]))))});
  std::string pem;
  for (const std::string& der : chain) pem += CertificateToPem(AsBytes(der));
  const int64_t number = generation();
  if (keep_chain_) SP_RETURN_IF_ERROR(keep_chain_(number, pem, change));
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  if (number == 1 && in_file_) {
    SP_RETURN_IF_ERROR(ReplaceDurableFile(certificate_file_, pem));
  }
  std::shared_ptr<Signer> signer;
  {
    absl::MutexLock lock(&mutex_);
    const Generation* const held = Find(number);
    if (held != nullptr) signer = held->signer;
  }
  if (signer == nullptr) return absl::OkStatus();
  return Hold({.generation = number, .signer = signer, .chain = chain});
}

absl::StatusOr<std::string> CertificateAuthority::SignTbs(
    const std::string& tbs, Signer& signer) {
  const PublicKey& key = signer.public_key();
  const SignatureAlgorithm algorithm = SignatureAlgorithmFor(key.kind());
  SP_ASSIGN_OR_RETURN(const std::string signature, signer.Sign(AsBytes(tbs)));
  uint32_t each = signer.verify_each();
  if (each != 0 && verify_all_) each = 1;
  if (each != 0 && signatures_++ % each == 0 &&
      !VerifySignature(AsBytes(tbs), algorithm, AsBytes(signature), key)) {
    // The machine, or the key in its memory: no other wrong one goes out.
    verify_all_ = true;
    return MakeError(absl::StatusCode::kUnavailable, "SIGNER_UNAVAILABLE",
                     "the signature does not verify");
  }
  SP_ASSIGN_OR_RETURN(
      std::string der,
      AssembleCertificate(AsBytes(tbs), algorithm, AsBytes(signature)));
  SP_ASSIGN_OR_RETURN(const std::string within, TbsOf(AsBytes(der)));
  if (within != tbs) {
    return MakeError(absl::StatusCode::kInternal, "TBS_CHANGED",
                     "the certificate is not what was linted");
  }
  return der;
}

absl::StatusOr<SignedRevocationList> CertificateAuthority::RevocationListNow(
    absl::Duration lifetime) {
  absl::MutexLock lock(&mutex_);
  return ListOf(*Find(generation()), lifetime);
}

absl::StatusOr<SignedRevocationList> CertificateAuthority::RevocationListOf(
    int64_t number, absl::Duration lifetime) {
  absl::MutexLock lock(&mutex_);
  Generation* const by = Find(number);
  if (by == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "AUTHORITY_NOT_FOUND",
                     "the authority has no such key");
  }
  return ListOf(*by, lifetime);
}

absl::StatusOr<std::vector<SignedRevocationList>>
CertificateAuthority::RevocationListsNow(absl::Duration lifetime) {
  absl::MutexLock lock(&mutex_);
  std::vector<SignedRevocationList> out;
  std::set<int64_t> done;
  Generation* const current = Find(generation());
  done.insert(current->number);
  SP_ASSIGN_OR_RETURN(out.emplace_back(), ListOf(*current, lifetime));
  for (const Generation& one : generations_) {
    Generation* const by = Find(one.number);
    if (by == nullptr || !done.insert(by->number).second) continue;
    SP_ASSIGN_OR_RETURN(out.emplace_back(), ListOf(*by, lifetime));
  }
  return out;
}

absl::StatusOr<SignedRevocationList> CertificateAuthority::ListOf(
    Generation& by, absl::Duration lifetime) {
  SP_ASSIGN_OR_RETURN(const int64_t version, ledger_.store().TrustVersion());
  if (IsFresh(by.list, version, lifetime, ledger_.clock().Now())) {
    return *by.list;
  }
  SP_ASSIGN_OR_RETURN(by.list, SignList(by, lifetime, std::nullopt, version));
  return *by.list;
}

absl::StatusOr<SignedRevocationList> CertificateAuthority::DeltaListOf(
    int64_t number, absl::Duration lifetime) {
  absl::MutexLock lock(&mutex_);
  Generation* const by = Find(number);
  if (by == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "AUTHORITY_NOT_FOUND",
                     "the authority has no such key");
  }
  const absl::Time now = ledger_.clock().Now();
  SP_ASSIGN_OR_RETURN(const int64_t version, ledger_.store().TrustVersion());
  SP_ASSIGN_OR_RETURN(const std::optional<SignedListHead> base,
                      ledger_.store().OldestListInForce(
                          absl::StrCat(id_, "/", by->number), now));
  if (!base.has_value()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CRL_BASE_MISSING",
                     "there is no complete list in force to build on");
  }
  if (IsFresh(by->delta, version, lifetime / 4, now) &&
      by->delta->base == static_cast<uint64_t>(base->number)) {
    return *by->delta;
  }
  SP_ASSIGN_OR_RETURN(by->delta, SignList(*by, lifetime / 4, base, version));
  return *by->delta;
}

absl::StatusOr<SignedRevocationList> CertificateAuthority::SignList(
    const Generation& by, absl::Duration lifetime,
    const std::optional<SignedListHead>& base, int64_t version) {
  const Issuer& issuer = *by.issuer;
  const absl::Time now =
      absl::FromUnixSeconds(absl::ToUnixSeconds(ledger_.clock().Now()));
  SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> revoked,
                      ledger_.store().ListRevoked(now));
  RevocationListSpec spec;
  // Time grows, over restarts too, and with it the number (RFC 5280 section
  // 5.2.3), which complete lists and delta lists count together.
  spec.number =
      static_cast<uint64_t>(absl::ToUnixMicros(ledger_.clock().Now()));
  spec.this_update = now;
  spec.next_update = now + lifetime;
  if (base.has_value()) {
    spec.base = static_cast<uint64_t>(base->number);
  } else if (!delta_url_.empty()) {
    spec.delta_url =
        absl::StrCat(delta_url_, "/", ListFileName(id_, by.number, true));
  }
  for (const CertificateRecord& record : revoked) {
    // Another replica's clock may be behind the one that signed the base.
    if (base.has_value() &&
        record.revoke_time + kClockSlack < base->this_update) {
      continue;
    }
    // Those that another authority has issued are on its list.
    const absl::StatusOr<std::string> by_name =
        IssuerNameOf(AsBytes(record.der));
    if (!by_name.ok() || *by_name != issuer.subject_der) continue;
    // Names have no leading zeros, octets come in pairs of digits.
    const std::string digits =
        record.serial.size() % 2 == 0 ? record.serial : "0" + record.serial;
    SP_ASSIGN_OR_RETURN(std::string serial, HexDecode(digits));
    spec.revoked.push_back({.serial = std::move(serial),
                            .revoke_time = record.revoke_time,
                            .reason = record.revocation_reason});
  }
  SP_ASSIGN_OR_RETURN(const std::string tbs, BuildRevocationTbs(spec, issuer));
  SignedRevocationList list;
  SP_ASSIGN_OR_RETURN(list.der, SignTbs(tbs, *by.signer));
  StoreChange change;
  change.audit.push_back(
      {base.has_value() ? "DELTA_LIST_SIGNED" : "REVOCATION_LIST_SIGNED",
       kActor, issuer.subject.common_name,
       absl::StrCat("number=", spec.number, " entries=", spec.revoked.size())});
  if (base.has_value()) {
    absl::StrAppend(&change.audit[0].details, " base=", base->number);
  } else {
    SP_RETURN_IF_ERROR(
        ReadRevocationList(AsBytes(list.der), AsBytes(issuer.certificate_der))
            .status());
    change.insert_signed_lists.push_back(
        {.authority = absl::StrCat(id_, "/", by.number),
         .number = static_cast<int64_t>(spec.number),
         .this_update = spec.this_update,
         .next_update = spec.next_update});
  }
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  list.this_update = spec.this_update;
  list.next_update = spec.next_update;
  list.revoked_count = spec.revoked.size();
  list.base = spec.base;
  list.trust_version = version;
  return list;
}

absl::Status CertificateAuthority::Recover(absl::Duration age) {
  SP_ASSIGN_OR_RETURN(std::vector<CertificateRecord> intents,
                      ledger_.store().ListIntents());
  const absl::Time now = ledger_.clock().Now();
  for (CertificateRecord& intent : intents) {
    if (intent.create_time + age > now) continue;
    StoreChange change;
    intent.state = CertificateState::kAbandoned;
    change.audit.push_back(
        {"ISSUE_ABANDONED", kActor, intent.Name(), "reason=restart"});
    change.update_certificates.push_back(
        {std::move(intent), CertificateState::kIntent});
    const absl::Status ended = ledger_.Apply(change);
    // It came to its end by itself.
    if (ReasonOf(ended) == "ETAG_MISMATCH") continue;
    SP_RETURN_IF_ERROR(ended);
  }
  return absl::OkStatus();
}

absl::Status CertificateAuthority::CheckKey(const IssueOrder& order) {
  SP_ASSIGN_OR_RETURN(
      const std::vector<CertificateRecord> others,
      ledger_.store().FindKey(HexEncode(AsBytes(order.key.sha256()))));
  for (const CertificateRecord& other : others) {
    if (other.state == CertificateState::kRevoked &&
        other.revocation_reason == RevocationReason::kKeyCompromise) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_COMPROMISED",
                       "the key is known to others");
    }
    if (other.tenant != order.tenant ||
        other.common_name != order.subject.common_name) {
      return MakeError(absl::StatusCode::kAlreadyExists, "KEY_REUSED",
                       "the key is certified for another name");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CertificateRecord> CertificateAuthority::Build(
    const IssueOrder& order, const Generation& by) {
  const absl::Time now = ledger_.clock().Now();
  const std::optional<Issuer>& issuer = by.issuer;
  const CertificateProfile& profile = ProfileFor(order.profile);
  SP_RETURN_IF_ERROR(CheckNames(profile, order.subject, order.names));
  SP_ASSIGN_OR_RETURN(const Validity validity,
                      ChooseValidity(profile, order.validity, now, issuer));
  CertificateSpec spec{.profile = order.profile,
                       .serial = DrawSerial(serial_prefix_, random_),
                       .subject = order.subject,
                       .names = order.names,
                       .key = order.key,
                       .not_before = validity.not_before,
                       .not_after = validity.not_after};
  if (!crl_url_.empty()) {
    spec.crl_url =
        absl::StrCat(crl_url_, "/", ListFileName(id_, by.number, false));
  }
  CertificateRecord record;
  SP_ASSIGN_OR_RETURN(record.tbs, BuildTbs(spec, issuer));
  const std::vector<std::string> findings =
      LintCertificate(AsBytes(record.tbs), {spec, issuer, now});
  if (!findings.empty()) return LintFailure(findings);
  record.serial = SerialHex(spec.serial);
  record.tenant = order.tenant;
  record.profile = order.profile;
  record.common_name = order.subject.common_name;
  record.enrollment = order.enrollment;
  record.requester = order.requester;
  record.request_key = order.request_key;
  record.request_sha256 = order.request_sha256;
  record.key_sha256 = HexEncode(AsBytes(order.key.sha256()));
  record.not_before = validity.not_before;
  record.not_after = validity.not_after;
  record.create_time = now;
  record.authority = absl::StrCat(id_, "/", by.number);
  return record;
}

absl::Status CertificateAuthority::Check(const IssueOrder& order) {
  // Issue() has the store look when it takes the intent.
  SP_RETURN_IF_ERROR(CheckKey(order));
  return Build(order, *current_.load()).status();
}

void CertificateAuthority::Abandon(CertificateRecord intent,
                                   const absl::Status& why) {
  StoreChange change;
  intent.state = CertificateState::kAbandoned;
  intent.der.clear();
  change.audit.push_back({"ISSUE_ABANDONED", kActor, intent.Name(),
                          absl::StrCat("reason=", ReasonOf(why))});
  change.update_certificates.push_back(
      {std::move(intent), CertificateState::kIntent});
  // If this fails too, Recover() does it.
  ledger_.Apply(change).IgnoreError();
}

absl::StatusOr<std::optional<CertificateRecord>>
CertificateAuthority::AnsweredBefore(const IssueOrder& order) {
  if (order.request_key.empty()) return std::nullopt;
  SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> before,
                      ledger_.store().FindRequest(order.request_key));
  if (!before.has_value()) return std::nullopt;
  if (before->request_sha256 != order.request_sha256) {
    return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
                     "the request id was used for another request");
  }
  if (before->state == CertificateState::kIntent) {
    return MakeError(absl::StatusCode::kUnavailable, "REQUEST_IN_PROGRESS",
                     "the same request is being worked on: try again");
  }
  // Only what is durable in both places goes out.
  SP_RETURN_IF_ERROR(ledger_.Check());
  return before;
}

// What is known of an order from one step to the next.
struct CertificateAuthority::Issuing {
  std::shared_ptr<const IssueOrder> order;
  WithIssued with_issued;
  const Generation& by;
  ThenIssued then;
  std::shared_ptr<Signer> signer;
  CertificateRecord record;
};

absl::StatusOr<CertificateRecord> CertificateAuthority::Issue(
    const IssueOrder& order, const WithIssued& with_issued) {
  absl::StatusOr<CertificateRecord> out;
  TakeSteps(ledger_, IssueInSteps(order, with_issued, Into(out)));
  return out;
}

LedgerStep CertificateAuthority::IssueInSteps(IssueOrder order,
                                              WithIssued with_issued,
                                              ThenIssued then) {
  const auto shared = std::make_shared<const IssueOrder>(std::move(order));
  return TryIssue(
      shared, with_issued, *current_.load(),
      [this, shared, with_issued,
       then](absl::StatusOr<CertificateRecord> issued) -> LedgerStep {
        if (ReasonOf(issued.status()) != "AUTHORITY_SUPERSEDED" ||
            !on_superseded_) {
          return then(std::move(issued));
        }
        // Another replica has switched; nothing was signed.
        const absl::Status followed = on_superseded_();
        if (!followed.ok()) return then(followed);
        return TryIssue(shared, with_issued, *current_.load(), then);
      });
}

absl::StatusOr<CertificateRecord> CertificateAuthority::IssueBy(
    int64_t generation, const IssueOrder& order) {
  const Generation* by = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    by = Find(generation);
  }
  if (by == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "AUTHORITY_MISMATCH", "that key is not here");
  }
  absl::StatusOr<CertificateRecord> out;
  TakeSteps(ledger_, TryIssue(std::make_shared<const IssueOrder>(order), {},
                              *by, Into(out)));
  return out;
}

absl::StatusOr<std::optional<CertificateRecord>> CertificateAuthority::Prepare(
    Issuing& issuing) {
  {
    absl::MutexLock lock(&mutex_);
    issuing.signer = issuing.by.signer;
  }
  if (issuing.signer == nullptr) {
    return MakeError(absl::StatusCode::kAborted, "AUTHORITY_SUPERSEDED",
                     "the authority's key is gone");
  }
  SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> before,
                      AnsweredBefore(*issuing.order));
  if (before.has_value()) return before;
  SP_ASSIGN_OR_RETURN(issuing.record, Build(*issuing.order, issuing.by));
  Reached(IssueStep::kBuilt);
  return std::nullopt;
}

LedgerStep CertificateAuthority::TryIssue(
    std::shared_ptr<const IssueOrder> order, WithIssued with_issued,
    const Generation& by, ThenIssued then) {
  const auto issuing =
      std::make_shared<Issuing>(Issuing{.order = std::move(order),
                                        .with_issued = std::move(with_issued),
                                        .by = by,
                                        .then = std::move(then),
                                        .signer = nullptr,
                                        .record = {}});
  absl::StatusOr<std::optional<CertificateRecord>> before = Prepare(*issuing);
  if (!before.ok()) return issuing->then(before.status());
  if (before->has_value()) return issuing->then(**std::move(before));

  const CertificateRecord& record = issuing->record;
  StoreChange intent;
  intent.insert_certificates.push_back(record);
  intent.audit.push_back(
      {"ISSUE_INTENT", record.requester, record.Name(),
       absl::StrCat("profile=", std::string(ProfileFor(record.profile).name),
                    " tbs_sha256=", HexEncode(Sha256(AsBytes(record.tbs))),
                    " request=", record.request_sha256)});
  return Commit(std::move(intent), [this, issuing](const absl::Status& status) {
    return OnIntended(issuing, status);
  });
}

LedgerStep CertificateAuthority::OnIntended(std::shared_ptr<Issuing> issuing,
                                            const absl::Status& intended) {
  if (ReasonOf(intended) == "REQUEST_EXISTS") {
    // Another replica got the same request at the same time.
    absl::StatusOr<std::optional<CertificateRecord>> before =
        AnsweredBefore(*issuing->order);
    if (!before.ok()) return issuing->then(before.status());
    if (before->has_value()) return issuing->then(**std::move(before));
  }
  if (!intended.ok()) return issuing->then(intended);
  Reached(IssueStep::kIntentStored);

  CertificateRecord& record = issuing->record;
  absl::StatusOr<std::string> der = SignTbs(record.tbs, *issuing->signer);
  if (!der.ok()) {
    Abandon(record, der.status());
    return issuing->then(der.status());
  }
  record.der = *std::move(der);
  Reached(IssueStep::kSigned);

  // A phone must confirm that it has stored an LSC; others fetch theirs.
  record.state = record.profile == ProfileId::kLsc ? CertificateState::kPending
                                                   : CertificateState::kActive;
  StoreChange issued;
  issued.update_certificates.push_back({record, CertificateState::kIntent});
  issued.audit.push_back({"ISSUED", record.requester, record.Name(),
                          Describe(record, *issuing->by.issuer)});
  if (issuing->with_issued) issuing->with_issued(record, issued);
  return Commit(std::move(issued), [this, issuing](const absl::Status& status) {
    return OnIssued(*issuing, status);
  });
}

LedgerStep CertificateAuthority::OnIssued(Issuing& issuing,
                                          const absl::Status& issued) {
  if (!issued.ok()) {
    Abandon(issuing.record, issued);
    return issuing.then(issued);
  }
  Reached(IssueStep::kIssuedStored);
  ++issued_count_;
  issuing.record.tbs.clear();  // as the store has it
  if (on_issued_) on_issued_(issuing.record.profile);
  return issuing.then(std::move(issuing.record));
}

}  // namespace sallyport::capf
