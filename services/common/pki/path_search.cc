#include "services/common/pki/path_search.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/pki/crl_check.h"
#include "services/common/pki/name_constraints.h"
#include "services/common/pki/signature_memo.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr size_t kMaxSteps = 1000;
constexpr size_t kMaxSignatures = 128;

absl::Status Refuse(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnauthenticated, reason, message);
}

// Which of several failed tries says most: the further one got, the more.
int RankOf(std::string_view reason) {
  if (reason == "CHAIN_INCOMPLETE") return 0;
  if (reason == "ROOT_NOT_TRUSTED") return 1;
  if (reason == "SIGNATURE_INVALID" || reason.substr(0, 4) == "KEY_" ||
      reason.substr(0, 10) == "SIGNATURE_") {
    return 2;
  }
  return 3;
}

// How well `issuer` fits what `child` says of its issuer's key; less is better.
int Fit(const ParsedCertificate& child, const ParsedCertificate& issuer) {
  if (!child.authority_key_id.has_value() ||
      !child.authority_key_id->key_id.has_value() ||
      !issuer.subject_key_id.has_value()) {
    return 1;
  }
  return *child.authority_key_id->key_id == *issuer.subject_key_id ? 0 : 2;
}

}  // namespace

PathResult PathSearch::Run() {
  path_ = {query_.leaf};
  if (Extend()) {
    Note();
    PathResult found;
    found.path = path_;
    return found;
  }
  // What was not tried might have been good, so this says more than the rest.
  if (exhausted_) {
    best_rank_ = -1;
    Remember("PATH_SEARCH_EXHAUSTED", "there are too many paths to try", 0);
  }
  return best_;
}

void PathSearch::Remember(std::string_view reason, std::string_view message,
                          size_t at) {
  Remember(Fault{Refuse(reason, message), at});
}

void PathSearch::Remember(Fault fault) {
  const int rank = RankOf(ReasonOf(fault.status));
  if (rank <= best_rank_) return;
  best_rank_ = rank;
  best_.status = std::move(fault.status);
  best_.path = path_;
  best_.at_fault = fault.at;
}

bool PathSearch::IsAnchor(const ParsedCertificate& certificate) const {
  return verifier_.anchor_der_.contains(certificate.der);
}

bool PathSearch::InPath(const ParsedCertificate& certificate) const {
  for (const CertificateRef& member : path_) {
    if (member->subject_key == certificate.subject_key &&
        member->spki == certificate.spki &&
        member->alt_names == certificate.alt_names) {
      return true;
    }
  }
  return false;
}

std::vector<CertificateRef> PathSearch::IssuersOf(
    const ParsedCertificate& child) const {
  std::vector<std::pair<int, CertificateRef>> ranked;
  const auto it = verifier_.by_subject_.find(child.issuer_key);
  if (it != verifier_.by_subject_.end()) {
    for (const size_t index : it->second) {
      const CertificateRef& anchor = verifier_.anchors_[index];
      ranked.emplace_back(Fit(child, *anchor), anchor);
    }
  }
  for (const CertificateRef& other : query_.others) {
    if (other->subject_key != child.issuer_key || IsAnchor(*other)) continue;
    const bool holds =
        other->not_before <= query_.now && query_.now <= other->not_after;
    ranked.emplace_back(10 + Fit(child, *other) + (holds ? 0 : 5), other);
  }
  std::stable_sort(
      ranked.begin(), ranked.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<CertificateRef> out;
  out.reserve(ranked.size());
  for (auto& [fit, certificate] : ranked) out.push_back(std::move(certificate));
  return out;
}

absl::StatusOr<EVP_PKEY*> PathSearch::KeyOf(
    const ParsedCertificate& certificate) {
  const auto it = keys_.find(&certificate);
  if (it != keys_.end()) return it->second.get();
  absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> key =
      ReadVerifyKey(AsBytes(certificate.spki), rules_.signatures);
  if (!key.ok()) return key.status();
  EVP_PKEY* const raw = key->get();
  keys_[&certificate] = *std::move(key);
  return raw;
}

absl::Status PathSearch::CheckSignature(const CertificateRef& child,
                                        const CertificateRef& issuer) {
  const auto [it, fresh] =
      checked_.try_emplace(std::make_pair(child.get(), issuer.get()));
  if (!fresh) return it->second;
  if (SignatureMemo* const memo = verifier_.memo_.get(); memo != nullptr) {
    if (memo->Has(SignatureMemo::KeyOf(child->der, issuer->spki,
                                       rules_.signatures))) {
      return it->second;
    }
    memo->CountChecked();
  }
  if (++signatures_ > kMaxSignatures) {
    exhausted_ = true;
    it->second = Refuse("PATH_SEARCH_EXHAUSTED", "too many signatures");
    return it->second;
  }
  const absl::StatusOr<EVP_PKEY*> key = KeyOf(*issuer);
  it->second = key.ok() ? VerifySignedData(AsBytes(child->signature_algorithm),
                                           AsBytes(child->tbs),
                                           AsBytes(child->signature), *key,
                                           rules_.signatures)
                        : key.status();
  return it->second;
}

void PathSearch::Note() {
  if (verifier_.memo_ == nullptr) return;
  for (size_t i = 0; i + 1 < path_.size(); ++i) {
    verifier_.memo_->Add(SignatureMemo::KeyOf(path_[i]->der, path_[i + 1]->spki,
                                              rules_.signatures));
  }
}

bool PathSearch::Extend() {
  if (exhausted_) return false;
  if (++steps_ > kMaxSteps) {
    exhausted_ = true;
    return false;
  }
  const CertificateRef child = path_.back();
  if (IsAnchor(*child) && !(first_is_no_anchor_ && path_.size() == 1)) {
    Fault fault = CheckPath();
    if (fault.status.ok()) return true;
    Remember(std::move(fault));
  }
  size_t intermediates = 0;
  for (size_t i = 1; i < path_.size(); ++i) {
    if (!path_[i]->self_issued()) ++intermediates;
  }
  const std::vector<CertificateRef> issuers = IssuersOf(*child);
  bool any = false;
  for (const CertificateRef& issuer : issuers) {
    if (InPath(*issuer)) continue;
    any = true;
    if (!IsAnchor(*issuer) && !issuer->self_issued() &&
        intermediates >= rules_.max_intermediates) {
      Remember("PATH_LENGTH_EXCEEDED", "the path is longer than allowed",
               path_.size() - 1);
      continue;
    }
    const absl::Status signature = CheckSignature(child, issuer);
    if (!signature.ok()) {
      path_.push_back(issuer);
      Remember(Fault{Refuse(ReasonOf(signature), StdView(signature.message())),
                     path_.size() - 2});
      path_.pop_back();
      continue;
    }
    path_.push_back(issuer);
    if (Extend()) return true;
    path_.pop_back();
    if (exhausted_) return false;
  }
  if (!any) {
    const size_t at = path_.size() - 1;
    if (child->self_issued()) {
      Remember("ROOT_NOT_TRUSTED",
               "the path ends in a root that is not in the trust store", at);
    } else {
      Remember("CHAIN_INCOMPLETE", "the issuer's certificate is missing", at);
    }
  }
  return false;
}

bool PathSearch::MayBeUsed(std::string_view usage, size_t at) const {
  return std::all_of(
      path_.begin(), path_.begin() + static_cast<ptrdiff_t>(at) + 1,
      [usage](const CertificateRef& each) { return each->AllowsUsage(usage); });
}

absl::Status PathSearch::CheckOne(size_t at) const {
  const ParsedCertificate& certificate = *path_[at];
  if (query_.now < certificate.not_before) {
    return Refuse("CERTIFICATE_NOT_YET_VALID",
                  "a certificate is not yet valid");
  }
  if (query_.now > certificate.not_after) {
    return Refuse("CERTIFICATE_EXPIRED", "a certificate has expired");
  }
  if (certificate.unknown_critical_extension) {
    return Refuse("CRITICAL_EXTENSION_UNKNOWN",
                  "a critical extension is not known here");
  }
  if (query_.revoked && query_.revoked(certificate)) {
    return Refuse("CERTIFICATE_REVOKED", "a certificate is revoked");
  }
  const RequiredUsage& usage = rules_.usage;
  const bool sip = usage.or_sip_domain && MayBeUsed(kSipDomainUsage, at);
  if (!sip && ((usage.server_auth && !MayBeUsed(kServerAuthUsage, at)) ||
               (usage.client_auth && !MayBeUsed(kClientAuthUsage, at)))) {
    return Refuse("EKU_MISSING",
                  "the extended key usage does not allow this use");
  }
  return absl::OkStatus();
}

absl::Status PathSearch::CheckLeafUse(const ParsedCertificate& leaf) const {
  const RequiredUsage& usage = rules_.usage;
  if (usage.named) {
    const auto names = [&leaf](std::string_view wanted) {
      return leaf.extended_key_usage.has_value() &&
             std::find(leaf.extended_key_usage->begin(),
                       leaf.extended_key_usage->end(),
                       wanted) != leaf.extended_key_usage->end();
    };
    const bool sip = usage.or_sip_domain && names(kSipDomainUsage);
    if (!sip && ((usage.server_auth && !names(kServerAuthUsage)) ||
                 (usage.client_auth && !names(kClientAuthUsage)))) {
      return Refuse("EKU_MISSING",
                    "the extended key usage does not name this use");
    }
  }
  if (!leaf.key_usage.has_value()) return absl::OkStatus();
  const uint16_t server = kDigitalSignature | kKeyEncipherment | kKeyAgreement;
  const uint16_t client = kDigitalSignature | kKeyAgreement;
  if ((usage.server_auth && (*leaf.key_usage & server) == 0) ||
      (usage.client_auth && (*leaf.key_usage & client) == 0)) {
    return Refuse("KEY_USAGE_MISSING", "the key usage does not allow TLS");
  }
  return absl::OkStatus();
}

absl::Status PathSearch::CheckIssuerUse(const ParsedCertificate& issuer,
                                        size_t intermediates_below) const {
  if (!issuer.is_ca) {
    return Refuse("ISSUER_NOT_CA",
                  "an issuer is no certificate authority by its own words");
  }
  if (issuer.key_usage.has_value() && (*issuer.key_usage & kKeyCertSign) == 0) {
    return Refuse("KEY_USAGE_MISSING", "an issuer may not sign certificates");
  }
  if (issuer.path_length.has_value() &&
      intermediates_below > static_cast<size_t>(*issuer.path_length)) {
    return Refuse("PATH_LENGTH_EXCEEDED",
                  "more authorities follow than their issuer allows");
  }
  return absl::OkStatus();
}

absl::Status PathSearch::CheckForm(const ParsedCertificate& certificate,
                                   size_t at) const {
  const auto fault = [](std::string_view text) {
    return Refuse("FORM_NOT_STRICT", text);
  };
  if (!certificate.form_faults.empty()) {
    return fault(FormFaultText(certificate.form_faults.front()));
  }
  if (certificate.version != 3) return fault("it is not of version 3");
  if (at == 0) {
    if (certificate.is_ca) return fault("the leaf is an authority");
    if (!certificate.alt_names.has_value()) {
      return fault("it has no alternative names");
    }
    if (!certificate.extended_key_usage.has_value()) {
      return fault("it has no extended key usage");
    }
    if (certificate.extended_key_usage_critical) {
      return fault("the extended key usage is critical");
    }
    for (const std::string& one : *certificate.extended_key_usage) {
      if (one == kAnyExtendedKeyUsage) return fault("it is for any use");
    }
    if (!certificate.subject.empty() && certificate.alt_names_critical) {
      return fault("the alternative name is critical beside a subject");
    }
    for (const GeneralName& name : *certificate.alt_names) {
      if (name.type == GeneralName::Type::kDns && !IsDnsName(name.value)) {
        return fault("a DNS name is none");
      }
    }
  }
  if (at > 0 && certificate.key_usage.has_value() == false) {
    return fault("an authority has no key usage");
  }
  // An identifier of a self-signed one is optional, and must be its own.
  if (certificate.self_issued() && certificate.authority_key_id.has_value()) {
    const AuthorityKeyId& id = *certificate.authority_key_id;
    if (!id.key_id.has_value() || id.has_issuer || id.has_serial) {
      return fault("the authority key identifier of a root is not a key's");
    }
    if (IsAnchor(certificate) && id.key_id != certificate.subject_key_id) {
      return fault("a root names the key of another one");
    }
  }
  if (at + 1 == path_.size() && certificate.extended_key_usage.has_value() &&
      at > 0) {
    return fault("a root has an extended key usage");
  }
  return absl::OkStatus();
}

bool PathSearch::CrlIsSigned(const ParsedCrl& crl, size_t at) {
  const auto signs = [&](const ParsedCertificate& signer) {
    if (signer.subject_key != crl.issuer_key) return false;
    if (signer.key_usage.has_value() && (*signer.key_usage & kCrlSign) == 0) {
      return false;
    }
    const absl::StatusOr<EVP_PKEY*> key = KeyOf(signer);
    return key.ok() &&
           VerifySignedData(AsBytes(crl.signature_algorithm), AsBytes(crl.tbs),
                            AsBytes(crl.signature), *key, rules_.signatures)
               .ok();
  };
  for (size_t i = at + 1; i < path_.size(); ++i) {
    if (signs(*path_[i])) return true;
  }
  for (const CertificateRef& other : query_.others) {
    if (signs(*other) && IsListSigner(other)) return true;
  }
  const auto named = verifier_.by_subject_.find(crl.issuer_key);
  if (named == verifier_.by_subject_.end()) return false;
  for (const size_t index : named->second) {
    const CertificateRef& anchor = verifier_.anchors_[index];
    if (signs(*anchor) && IsListSigner(anchor)) return true;
  }
  return false;
}

PathResult PathSearch::PathAbove(const CertificateRef& first) {
  PathQuery query = query_;
  query.leaf = first;
  PathRules rules = rules_;
  rules.usage = {};
  rules.strict_form = false;
  rules.revocation = RevocationRule::kIgnore;
  PathSearch search(verifier_, query, rules);
  search.first_is_no_anchor_ = true;
  return search.Run();
}

bool PathSearch::LeadsTo(const ParsedCertificate& anchor) {
  CertificateRef at = path_.back();
  for (size_t i = 0; i <= rules_.max_intermediates; ++i) {
    if (at->der == anchor.der) return true;
    const PathResult above = PathAbove(at);
    if (!above.status.ok()) return false;
    at = above.path.back();
  }
  return false;
}

bool PathSearch::IsListSigner(const CertificateRef& signer) {
  // Its own revocation is checked once, not without end.
  const PathResult result = PathAbove(signer);
  if (!result.status.ok() || !LeadsTo(*result.path.back())) return false;
  const auto signed_above = [&](const ParsedCrl& list, size_t at) {
    for (size_t i = at + 1; i < result.path.size(); ++i) {
      const ParsedCertificate& one = *result.path[i];
      const absl::StatusOr<EVP_PKEY*> key = KeyOf(one);
      if (one.subject_key == list.issuer_key && key.ok() &&
          VerifySignedData(AsBytes(list.signature_algorithm), AsBytes(list.tbs),
                           AsBytes(list.signature), *key, rules_.signatures)
              .ok()) {
        return true;
      }
    }
    return false;
  };
  // RFC 5280 section 6.3.3 (f) lets a list be signed by a certificate that
  // lists of the same signer are about, so only a "revoked" counts here.
  for (size_t i = 0; i + 1 < result.path.size(); ++i) {
    if (CheckRevocation(*result.path[i], query_.lists, query_.now,
                        [&](const ParsedCrl& list) {
                          return signed_above(list, i);
                        }) == RevocationState::kRevoked) {
      return false;
    }
  }
  return true;
}

absl::Status PathSearch::CheckRevoked(size_t at) {
  if (rules_.revocation == RevocationRule::kIgnore) return absl::OkStatus();
  switch (CheckRevocation(
      *path_[at], query_.lists, query_.now,
      [this, at](const ParsedCrl& crl) { return CrlIsSigned(crl, at); })) {
    case RevocationState::kGood:
      return absl::OkStatus();
    case RevocationState::kRevoked:
      return Refuse("CERTIFICATE_REVOKED", "a certificate is revoked");
    case RevocationState::kUnknown:
      break;
  }
  if (rules_.revocation == RevocationRule::kSoft) return absl::OkStatus();
  return Refuse("REVOCATION_UNKNOWN",
                "no revocation list in force covers a certificate");
}

PathSearch::Fault PathSearch::CheckPath() {
  const size_t last = path_.size() - 1;
  // Each by itself: the dates of the leaf are what an operator looks for.
  for (size_t at = 0; at <= last; ++at) {
    absl::Status status = CheckOne(at);
    if (!status.ok()) return {std::move(status), at};
  }
  absl::Status status = CheckLeafUse(*path_[0]);
  if (!status.ok()) return {std::move(status), 0};
  if (rules_.strict_form) {
    for (size_t at = 0; at <= last; ++at) {
      status = CheckForm(*path_[at], at);
      if (!status.ok()) return {std::move(status), at};
    }
  }
  // The key of the leaf has to be fit as well, whoever vouches for it.
  const absl::StatusOr<EVP_PKEY*> key = KeyOf(*path_[0]);
  if (!key.ok()) {
    return {Refuse(ReasonOf(key.status()), StdView(key.status().message())), 0};
  }
  NameConstraints constraints;
  PolicyGraph policies(rules_.policies, last);
  if (last > 0) constraints.Add(*path_[last]);
  for (size_t at = last; at > 0; --at) {
    // Intermediates between this issuer and the leaf, without self-issued.
    size_t below = 0;
    for (size_t i = 1; i < at; ++i) {
      if (!path_[i]->self_issued()) ++below;
    }
    status = CheckIssuerUse(*path_[at], below);
    if (!status.ok()) return {std::move(status), at};
    const ParsedCertificate& next = *path_[at - 1];
    const bool is_leaf = at == 1;
    if (is_leaf || !next.self_issued()) {
      status = constraints.Check(next);
      if (!status.ok()) {
        return {Refuse(ReasonOf(status), StdView(status.message())), at - 1};
      }
    }
    if (!is_leaf) constraints.Add(next);
    status = policies.Next(next, is_leaf);
    if (!status.ok()) {
      return {Refuse(ReasonOf(status), StdView(status.message())), at - 1};
    }
    status = CheckRevoked(at - 1);
    if (!status.ok()) return {std::move(status), at - 1};
  }
  return {};
}

}  // namespace sallyport
