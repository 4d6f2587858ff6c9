#include "services/capf/io/authorities.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/csr.h"
#include "services/capf/core/public_key.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/pkcs11_signer.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

absl::Status Refused(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

const AuthorityGeneration* FindNumber(
    const std::vector<AuthorityGeneration>& all, std::string_view id,
    int64_t generation) {
  for (const AuthorityGeneration& one : all) {
    if (one.authority == id && one.generation == generation) return &one;
  }
  return nullptr;
}

absl::Duration DefaultLife() {
  return ProfileFor(ProfileId::kAuthority).default_validity;
}

bool IsSelfSigned(const std::string& der) {
  const absl::StatusOr<CertificateInfo> info = ParseCertificate(AsBytes(der));
  return info.ok() && info->issuer == info->subject;
}

}  // namespace

absl::Status Authorities::Open(const OpenFirst& open_first) {
  SP_ASSIGN_OR_RETURN(std::vector<AuthorityGeneration> all, Generations());
  const std::string& id = options_.default_id;
  const AuthorityGeneration* const first = FindNumber(all, id, 1);
  absl::MutexLock lock(&mutex_);
  if (first == nullptr || first->state != AuthorityState::kRetired) {
    SP_ASSIGN_OR_RETURN(std::unique_ptr<CertificateAuthority> opened,
                        open_first());
    AuthorityGeneration kept;
    if (first != nullptr) kept = *first;
    kept.authority = id;
    kept.common_name = opened->issuer().subject.common_name;
    kept.organization = opened->issuer().subject.organization;
    kept.chain_pem = opened->ChainPem();
    kept.rsa_bits = opened->issuer().key.is_rsa()
                        ? static_cast<int>(opened->issuer().key.bits())
                        : 0;
    if (first == nullptr) kept.create_time = ledger_.clock().Now();
    all_[id] = std::move(opened);
    if (first == nullptr || kept != *first) {
      StoreChange change;
      change.put_authorities = {kept};
      change.audit = {{"AUTHORITY_OPENED", "capf", kept.Name(),
                       absl::StrCat("name=\"", kept.common_name, "\"")}};
      const absl::Status put = ledger_.Apply(change);
      // Another replica was first.
      if (!put.ok() && ReasonOf(put) != "ETAG_MISMATCH") return put;
      SP_ASSIGN_OR_RETURN(all, Generations());
    }
  }
  SP_RETURN_IF_ERROR(Adopt(all));
  const auto it = all_.find(id);
  if (it == all_.end()) {
    return Refused("AUTHORITY_MISMATCH",
                   "the store has no key for the authority any more");
  }
  default_ = it->second.get();
  return absl::OkStatus();
}

absl::Status Authorities::Refresh() {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      Generations());
  std::vector<CertificateAuthority*> switched;
  {
    absl::MutexLock lock(&mutex_);
    std::map<std::string, int64_t> before;
    for (const auto& [id, one] : all_) before[id] = one->generation();
    SP_RETURN_IF_ERROR(Adopt(all));
    for (const auto& [id, one] : all_) {
      const auto it = before.find(id);
      if (it == before.end() || it->second != one->generation()) {
        switched.push_back(one.get());
      }
    }
  }
  if (!on_switched_) return absl::OkStatus();
  for (CertificateAuthority* const one : switched) on_switched_(*one);
  return absl::OkStatus();
}

absl::Status Authorities::Adopt(const std::vector<AuthorityGeneration>& all) {
  known_ = all;
  absl::Status result;
  for (const AuthorityGeneration& one : all) {
    const absl::Status adopted = AdoptOne(one);
    // One whose token is away does not keep the others from work.
    if (!adopted.ok()) {
      LogError("an authority's key cannot be used",
               {{"authority", one.Name()}, {"status", adopted}});
      if (one.state == AuthorityState::kIssuing) result.Update(adopted);
    }
  }
  // Only now, as one that issues may not be dropped.
  for (const AuthorityGeneration& one : all) {
    const auto it = all_.find(one.authority);
    if (one.state != AuthorityState::kRetired || it == all_.end()) continue;
    it->second->Drop(one.generation);
    if (!gone_.insert(one.Name()).second) continue;
    if (one.authority == options_.default_id && one.generation == 1 &&
        !options_.key_file.empty() && unlink(options_.key_file.c_str()) != 0 &&
        errno != ENOENT) {
      LogError("the key of a retired authority is still there",
               {{"authority", one.Name()}});
    }
  }
  for (auto it = all_.begin(); it != all_.end();) {
    const bool deleted =
        it->first != options_.default_id &&
        std::all_of(all.begin(), all.end(), [&](const auto& one) {
          return one.authority != it->first ||
                 one.state == AuthorityState::kRetired;
        });
    if (!deleted) {
      ++it;
      continue;
    }
    deleted_.push_back(std::move(it->second));
    it = all_.erase(it);
  }
  return result;
}

absl::Status Authorities::AdoptOne(const AuthorityGeneration& one) {
  if (!one.trusted()) return absl::OkStatus();
  const auto it = all_.find(one.authority);
  CertificateAuthority* authority =
      it == all_.end() ? nullptr : it->second.get();
  // The first one's certificate is in its file.
  const bool from_file = one.key_pem.empty() && one.token_label.empty();
  if (from_file && authority == nullptr) return absl::OkStatus();
  if (!from_file) {
    AuthorityKey key{.generation = one.generation};
    SP_ASSIGN_OR_RETURN(key.chain, CertificatesFromPem(one.chain_pem));
    if (authority == nullptr || !authority->IsOwn(key.chain[0])) {
      SP_ASSIGN_OR_RETURN(key.signer, SignerOf(one));
    }
    if (authority == nullptr) {
      // One that never issued is not opened by what waits to.
      if (one.state == AuthorityState::kPrepared) return absl::OkStatus();
      AuthorityOptions options;
      options.id = one.authority;
      options.certificate_file = options_.certificate_file;
      options.delta_url = options_.delta_url;
      options.crl_url = options_.crl_url;
      options.verify_every_signature = options_.verify_every_signature;
      options.on_issued = options_.on_issued;
      SP_ASSIGN_OR_RETURN(
          std::unique_ptr<CertificateAuthority> opened,
          CertificateAuthority::OpenKey(options, key, ledger_, random_));
      authority = opened.get();
      all_[one.authority] = std::move(opened);
    } else if (key.signer != nullptr) {
      SP_RETURN_IF_ERROR(authority->Hold(key));
    }
  }
  Connect(*authority);
  return one.state == AuthorityState::kIssuing
             ? authority->Switch(one.generation)
             : absl::OkStatus();
}

void Authorities::Connect(CertificateAuthority& authority) {
  authority.OnSuperseded([this] { return Refresh(); });
  authority.OnImport([this, id = authority.id()](int64_t generation,
                                                 const std::string& chain_pem,
                                                 StoreChange& change) {
    return KeepChain(id, generation, chain_pem, change);
  });
}

absl::Status Authorities::KeepChain(const std::string& id, int64_t generation,
                                    const std::string& chain_pem,
                                    StoreChange& change) {
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      Generations());
  const AuthorityGeneration* const kept = FindNumber(all, id, generation);
  if (kept == nullptr) return absl::OkStatus();
  change.put_authorities.push_back(*kept);
  change.put_authorities.back().chain_pem = chain_pem;
  return absl::OkStatus();
}

absl::StatusOr<CertificateAuthority*> Authorities::Find(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  const auto it = all_.find(id);
  if (it != all_.end()) return it->second.get();
  return MakeError(absl::StatusCode::kNotFound, "AUTHORITY_NOT_FOUND",
                   "there is no such authority");
}

absl::StatusOr<CertificateAuthority*> Authorities::For(
    const AuthorityChoice& choice) {
  absl::MutexLock lock(&mutex_);
  const auto it =
      all_.find(ChooseAuthority(known_, choice, options_.default_id));
  if (it != all_.end()) return it->second.get();
  for (const AuthorityGeneration& one : known_) {
    const bool meant = choice.named.empty() ? one.tenant == choice.tenant
                                            : one.authority == choice.named;
    if (meant && one.disabled && one.state == AuthorityState::kIssuing) {
      return Refused("AUTHORITY_DISABLED",
                     "authority " + one.authority + " issues nothing any more");
    }
  }
  return Refused("AUTHORITY_NOT_FOUND", "no authority certifies this");
}

absl::Status Authorities::Create(AuthorityGeneration first,
                                 absl::Duration lifetime,
                                 const std::string& actor, bool validate_only) {
  const SubjectName subject{.organization = first.organization,
                            .common_name = first.common_name};
  SP_RETURN_IF_ERROR(
      CheckNames(ProfileFor(ProfileId::kAuthority), subject, {}));
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      Generations());
  for (const AuthorityGeneration& one : all) {
    // Two issuers of one name would revoke each other's certificates.
    if (one.authority == first.authority ||
        one.common_name == first.common_name) {
      return MakeError(absl::StatusCode::kAlreadyExists, "AUTHORITY_EXISTS",
                       "there is an authority of that id or common name");
    }
  }
  const bool has_root = !options_.root_key_file.empty();
  if (has_root) {
    SP_ASSIGN_OR_RETURN(const std::optional<std::string> key,
                        ReadSmallFile(options_.root_key_file));
    if (!key.has_value()) {
      return Refused("ROOT_KEY_ABSENT",
                     "the root's key is not where the configuration says; it "
                     "is needed for as long as this takes");
    }
  }
  if (validate_only) return absl::OkStatus();
  first.generation = 1;
  first.version = 0;
  first.state = AuthorityState::kPrepared;
  first.create_time = ledger_.clock().Now();
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<Signer> signer, MakeKey(first));
  SP_ASSIGN_OR_RETURN(const bool certified,
                      CertifyNext(first, !has_root, lifetime, *signer));
  if (!certified) return Refused("ROOT_KEY_ABSENT", "the root's key is gone");
  StoreChange change;
  change.audit = {{"AUTHORITY_MADE", actor, first.Name(),
                   absl::StrCat("name=\"", first.common_name, "\" tenant=",
                                first.tenant.empty() ? "*" : first.tenant)}};
  change.put_authorities = {std::move(first)};
  const absl::Status put = ledger_.Apply(change);
  if (ReasonOf(put) == "ETAG_MISMATCH") {
    return MakeError(absl::StatusCode::kAlreadyExists, "AUTHORITY_EXISTS",
                     "another has made it meanwhile");
  }
  SP_RETURN_IF_ERROR(put);
  return Refresh();
}

std::vector<CertificateAuthority*> Authorities::All() {
  absl::MutexLock lock(&mutex_);
  std::vector<CertificateAuthority*> out;
  for (const auto& [id, authority] : all_) out.push_back(authority.get());
  return out;
}

absl::StatusOr<std::shared_ptr<Signer>> Authorities::SignerOf(
    const AuthorityGeneration& generation) {
  if (!generation.token_label.empty()) {
    if (options_.token == nullptr) {
      return Refused("KEY_UNREADABLE",
                     "the key is in a token, and none is configured");
    }
    SP_ASSIGN_OR_RETURN(
        std::unique_ptr<Pkcs11Signer> signer,
        Pkcs11Signer::Open({.label = generation.token_label}, *options_.token));
    return std::shared_ptr<Signer>(std::move(signer));
  }
  SP_ASSIGN_OR_RETURN(
      std::unique_ptr<FileSigner> signer,
      FileSigner::FromPem(generation.key_pem, options_.wrapping));
  return std::shared_ptr<Signer>(std::move(signer));
}

absl::StatusOr<std::shared_ptr<Signer>> Authorities::MakeKey(
    AuthorityGeneration& next) {
  if (options_.token != nullptr) {
    next.token_label = absl::StrCat(options_.token_label, "-", next.authority,
                                    "-", next.generation);
    SP_ASSIGN_OR_RETURN(std::unique_ptr<Pkcs11Signer> signer,
                        Pkcs11Signer::Open({.label = next.token_label,
                                            .create = true,
                                            .create_rsa_bits = next.rsa_bits},
                                           *options_.token));
    return std::shared_ptr<Signer>(std::move(signer));
  }
  SP_ASSIGN_OR_RETURN(FileSigner::NewKey made,
                      FileSigner::Make(next.rsa_bits, options_.wrapping));
  next.key_pem = std::move(made.encrypted_pem);
  return std::shared_ptr<Signer>(std::move(made.signer));
}

absl::StatusOr<bool> Authorities::CertifyNext(AuthorityGeneration& next,
                                              bool self_signed,
                                              absl::Duration lifetime,
                                              Signer& signer) {
  const SubjectName subject{.organization = next.organization,
                            .common_name = next.common_name};
  if (self_signed) {
    SP_ASSIGN_OR_RETURN(
        const std::string der,
        default_->Certify(ProfileId::kAuthority, subject, lifetime,
                          signer.public_key(), std::nullopt, signer));
    next.chain_pem = CertificateToPem(AsBytes(der));
    return true;
  }
  if (options_.root_key_file.empty()) return false;
  absl::StatusOr<std::unique_ptr<FileSigner>> root =
      FileSigner::Open({.key_file = options_.root_key_file,
                        .wrapping = options_.root_passphrase.Clone()});
  // Taken away, as it should be: its owner signs the request.
  if (absl::IsNotFound(root.status())) return false;
  SP_RETURN_IF_ERROR(root.status());
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> pem,
                      ReadSmallFile(options_.root_certificate_file));
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> roots,
                      CertificatesFromPem(pem.value_or("")));
  SP_ASSIGN_OR_RETURN(const Issuer issuer, ReadIssuer(AsBytes(roots[0])));
  // It certifies nobody for longer than itself.
  const absl::Duration left =
      issuer.not_after - ledger_.clock().Now() - absl::Hours(1);
  SP_ASSIGN_OR_RETURN(const std::string der,
                      default_->Certify(ProfileId::kAuthority, subject,
                                        lifetime == absl::ZeroDuration()
                                            ? std::min(left, DefaultLife())
                                            : std::min(lifetime, left),
                                        signer.public_key(), issuer, **root));
  next.chain_pem =
      CertificateToPem(AsBytes(der)) + CertificateToPem(AsBytes(roots[0]));
  return true;
}

absl::StatusOr<AuthorityGeneration> Authorities::MakeNext(
    const std::string& id, const std::string& actor) {
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const before, Find(id));
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      Generations());
  const AuthorityGeneration* const issuing =
      FindGeneration(all, id, AuthorityState::kIssuing);
  if (issuing == nullptr) {
    return Refused("AUTHORITY_MISMATCH", "no key of the authority issues");
  }
  AuthorityGeneration next;
  next.authority = id;
  next.tenant = issuing->tenant;
  next.models = issuing->models;
  next.rsa_bits = issuing->rsa_bits;
  next.organization = issuing->organization;
  next.est_path = issuing->est_path;
  next.state = AuthorityState::kPrepared;
  for (const AuthorityGeneration& one : all) {
    if (one.authority == id) next.generation = one.generation + 1;
  }
  const AuthorityGeneration* const first = FindNumber(all, id, 1);
  next.common_name = NameOfGeneration(
      first == nullptr ? issuing->common_name : first->common_name,
      next.generation);
  next.create_time = ledger_.clock().Now();
  SP_ASSIGN_OR_RETURN(const std::shared_ptr<Signer> signer, MakeKey(next));
  SP_ASSIGN_OR_RETURN(
      const bool certified,
      CertifyNext(next, IsSelfSigned(before->issuer().certificate_der),
                  before->issuer().not_after - before->issuer().not_before,
                  *signer));
  if (certified) return next;
  // A request bears name and key only, as a certificate of them would.
  SP_ASSIGN_OR_RETURN(
      const std::string draft,
      before->Certify(
          ProfileId::kAuthority,
          {.organization = next.organization, .common_name = next.common_name},
          absl::ZeroDuration(), signer->public_key(), std::nullopt, *signer));
  SP_ASSIGN_OR_RETURN(const Issuer named, ReadIssuer(AsBytes(draft)));
  SP_ASSIGN_OR_RETURN(const std::string info, BuildRequestInfo(named));
  SP_ASSIGN_OR_RETURN(const std::string signature, signer->Sign(AsBytes(info)));
  SP_ASSIGN_OR_RETURN(
      next.request_der,
      AssembleCertificate(AsBytes(info),
                          SignatureAlgorithmFor(signer->public_key().kind()),
                          AsBytes(signature)));
  LogInfo("a request for an authority's certificate was made",
          {{"authority", next.Name()}, {"by", actor}});
  return next;
}

absl::Status Authorities::Import(const std::string& id,
                                 const std::vector<std::string>& chain,
                                 const std::string& actor, bool validate_only) {
  SP_ASSIGN_OR_RETURN(CertificateAuthority* const authority, Find(id));
  SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                      Generations());
  const AuthorityGeneration* const waits =
      FindGeneration(all, id, AuthorityState::kPrepared);
  if (waits == nullptr || chain.empty() || waits->request_der.empty()) {
    return authority->Import(chain, actor, validate_only);
  }
  SP_ASSIGN_OR_RETURN(const VerifiedCsr request,
                      VerifyCsr(AsBytes(waits->request_der), KeyPolicy{}));
  SP_ASSIGN_OR_RETURN(const Issuer next, ReadIssuer(AsBytes(chain[0])));
  if (next.key.spki() != request.key().spki()) {
    return authority->Import(chain, actor, validate_only);
  }
  if (next.subject.common_name != waits->common_name) {
    return MakeError(absl::StatusCode::kInvalidArgument, "AUTHORITY_MISMATCH",
                     "the certificate is for another name");
  }
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    SP_RETURN_IF_ERROR(CheckSignedBy(AsBytes(chain[i]), AsBytes(chain[i + 1])));
  }
  const absl::Time now = ledger_.clock().Now();
  if (next.not_before > now || next.not_after < now + absl::Hours(1)) {
    return Refused("ISSUER_EXPIRED",
                   "the certificate is not valid now, or not for long");
  }
  if (validate_only) return absl::OkStatus();
  StoreChange change;
  change.put_authorities = {*waits};
  change.put_authorities[0].chain_pem.clear();
  for (const std::string& der : chain) {
    change.put_authorities[0].chain_pem += CertificateToPem(AsBytes(der));
  }
  change.audit = {
      {"AUTHORITY_IMPORTED", actor, waits->Name(),
       absl::StrCat("sha1=", HexEncode(Sha1(AsBytes(chain[0]))),
                    " sha256=", HexEncode(Sha256(AsBytes(chain[0]))))}};
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  return Refresh();
}

}  // namespace sallyport::capf
