#include "services/common/tls/trust_anchors.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/pki/parsed_certificate.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/pki/signature_memo.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

// Longest chain looked at: a leaf and more intermediates than any CA uses.
constexpr size_t kMaxChain = 10;
// Paths that are remembered, some 150 octets each.
constexpr size_t kMaxRemembered = 65536;

std::string KeyOf(absl::Span<const std::string> chain,
                  CertificatePurpose purpose) {
  SHA256_CTX hash;
  SHA256_Init(&hash);
  const auto kind = static_cast<uint64_t>(purpose);
  SHA256_Update(&hash, &kind, sizeof(kind));
  for (const std::string& der : chain) {
    const uint64_t size = der.size();
    SHA256_Update(&hash, &size, sizeof(size));
    SHA256_Update(&hash, der.data(), der.size());
  }
  std::string key(SHA256_DIGEST_LENGTH, '\0');
  SHA256_Final(reinterpret_cast<uint8_t*>(key.data()), &hash);
  return key;
}

absl::Status Untrusted(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnauthenticated, reason, message);
}

// What peers are counted by; the sentence says the rest.
std::string_view ReasonFor(std::string_view reason) {
  if (reason == "CERTIFICATE_EXPIRED") return "PEER_CERTIFICATE_EXPIRED";
  if (reason == "CERTIFICATE_NOT_YET_VALID") {
    return "PEER_CERTIFICATE_NOT_YET_VALID";
  }
  if (reason == "EKU_MISSING" || reason == "KEY_USAGE_MISSING") {
    return "PEER_CERTIFICATE_WRONG_USAGE";
  }
  return "PEER_CERTIFICATE_UNTRUSTED";
}

}  // namespace

TrustAnchors::TrustAnchors(std::shared_ptr<const PathVerifier> verifier)
    : verifier_(std::move(verifier)) {}

TrustAnchors::~TrustAnchors() = default;

size_t TrustAnchors::size() const { return verifier_->anchors().size(); }

size_t TrustAnchors::remembered() const {
  absl::MutexLock lock(&mutex_);
  return good_.size();
}

uint64_t TrustAnchors::signatures_checked() const {
  return verifier_->memo()->checked();
}

absl::StatusOr<std::shared_ptr<const TrustAnchors>> TrustAnchors::FromPem(
    std::string_view pem) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                      CertificatesFromPem(pem));
  return FromDer(certificates);
}

absl::StatusOr<std::shared_ptr<const TrustAnchors>> TrustAnchors::FromDer(
    absl::Span<const std::string> certificates, const TrustAnchors* before) {
  SP_ASSIGN_OR_RETURN(
      std::shared_ptr<const PathVerifier> verifier,
      PathVerifier::Create(certificates, before == nullptr
                                             ? std::make_shared<SignatureMemo>()
                                             : before->verifier_->memo()));
  std::shared_ptr<TrustAnchors> out(new TrustAnchors(std::move(verifier)));
  if (before == nullptr) return out;
  const absl::flat_hash_set<absl::string_view> members(certificates.begin(),
                                                       certificates.end());
  absl::flat_hash_map<std::string, Period> good;
  {
    absl::MutexLock lock(&before->mutex_);
    for (const auto& [key, period] : before->good_) {
      if (members.contains(period.anchor->der)) good.emplace(key, period);
    }
  }
  absl::MutexLock lock(&out->mutex_);
  out->good_ = std::move(good);
  return out;
}

absl::Status TrustAnchors::Verify(absl::Span<const std::string> chain,
                                  CertificatePurpose purpose,
                                  absl::Time now) const {
  return GoodUntil(chain, purpose, now).status();
}

absl::StatusOr<absl::Time> TrustAnchors::GoodUntil(
    absl::Span<const std::string> chain, CertificatePurpose purpose,
    absl::Time now) const {
  if (chain.empty()) {
    return Untrusted("PEER_CERTIFICATE_MISSING", "no certificate");
  }
  if (chain.size() > kMaxChain) {
    return Untrusted("PEER_CERTIFICATE_MALFORMED", "the chain is too long");
  }
  std::string key = KeyOf(chain, purpose);
  {
    absl::MutexLock lock(&mutex_);
    const auto it = good_.find(key);
    if (it != good_.end() && it->second.from <= now &&
        now <= it->second.until) {
      return it->second.until;
    }
  }
  SP_ASSIGN_OR_RETURN(const Period period, VerifyAnew(chain, purpose, now));
  absl::MutexLock lock(&mutex_);
  if (good_.size() >= kMaxRemembered) good_.clear();
  good_[std::move(key)] = period;
  return period.until;
}

absl::StatusOr<TrustAnchors::Period> TrustAnchors::VerifyAnew(
    absl::Span<const std::string> chain, CertificatePurpose purpose,
    absl::Time now) const {
  PathQuery query;
  query.now = now;
  for (const std::string& der : chain) {
    absl::StatusOr<CertificateRef> certificate =
        ParseWholeCertificate(AsBytes(der));
    if (!certificate.ok()) {
      return Untrusted("PEER_CERTIFICATE_MALFORMED",
                       StdView(certificate.status().message()));
    }
    if (query.leaf == nullptr) {
      query.leaf = *std::move(certificate);
    } else {
      query.others.push_back(*std::move(certificate));
    }
  }
  PathRules rules;
  rules.usage.server_auth = purpose == CertificatePurpose::kTlsServer ||
                            purpose == CertificatePurpose::kSipServer;
  rules.usage.client_auth = purpose == CertificatePurpose::kTlsClient ||
                            purpose == CertificatePurpose::kSipClient;
  rules.usage.or_sip_domain = purpose == CertificatePurpose::kSipServer ||
                              purpose == CertificatePurpose::kSipClient;
  const PathResult result = verifier_->Verify(query, rules);
  if (result.status.ok()) {
    Period period = {absl::InfinitePast(), absl::InfiniteFuture(),
                     result.path.back()};
    for (const CertificateRef& each : result.path) {
      period.from = std::max(period.from, each->not_before);
      period.until = std::min(period.until, each->not_after);
    }
    return period;
  }
  return Untrusted(ReasonFor(ReasonOf(result.status)),
                   StdView(result.status.message()));
}

}  // namespace sallyport
