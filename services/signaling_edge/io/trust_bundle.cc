#include "services/signaling_edge/io/trust_bundle.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {
namespace {

// "tenants/a/trustStores/CAPF-trust" is tenants/a and CAPF-trust.
absl::StatusOr<std::pair<std::string, std::string>> Split(
    const std::string& name) {
  static constexpr std::string_view kMiddle = "/trustStores/";
  const size_t at = name.find(kMiddle);
  if (at == std::string::npos || at == 0) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "TRUST_STORE_NAME_INVALID",
                     "a trust store's name has no tenant");
  }
  return std::make_pair(name.substr(0, at), name.substr(at + kMiddle.size()));
}

std::string WithoutLeadingZeros(std::string_view serial) {
  const size_t first = serial.find_first_not_of('\0');
  return first == std::string_view::npos ? std::string()
                                         : std::string(serial.substr(first));
}

bssl::UniquePtr<X509> Parse(std::string_view der) {
  const uint8_t* at = reinterpret_cast<const uint8_t*>(der.data());
  bssl::UniquePtr<X509> out(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const bool whole =
      at == reinterpret_cast<const uint8_t*>(der.data()) + der.size();
  return whole ? std::move(out) : nullptr;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TrustBundle>> TrustBundle::Make(
    const capf::v1::WatchTrustBundleResponse& contents,
    const StaticTrustStores& fixed) {
  std::shared_ptr<TrustBundle> out(new TrustBundle());
  out->version_ = contents.version();
  std::vector<std::string> any;
  for (const auto& [store, roots] : fixed) {
    SP_ASSIGN_OR_RETURN(out->fixed_[store], TrustAnchors::FromDer(roots));
    any.insert(any.end(), roots.begin(), roots.end());
  }
  for (const capf::v1::TrustStoreContents& store : contents.stores()) {
    std::pair<std::string, std::string> key;
    SP_ASSIGN_OR_RETURN(key, Split(store.name()));
    std::vector<std::string> roots(store.certificates().begin(),
                                   store.certificates().end());
    if (key.second == kPeerTrustStore || key.second == kPhoneTrustStore) {
      any.insert(any.end(), roots.begin(), roots.end());
    }
    if (const auto same = fixed.find(key.second); same != fixed.end()) {
      roots.insert(roots.end(), same->second.begin(), same->second.end());
    }
    SP_ASSIGN_OR_RETURN(out->stores_[key], TrustAnchors::FromDer(roots));
  }
  SP_ASSIGN_OR_RETURN(out->any_, TrustAnchors::FromDer(any));
  for (const capf::v1::RevokedCertificate& revoked : contents.revoked()) {
    out->revoked_.emplace(revoked.issuer(),
                          WithoutLeadingZeros(revoked.serial()));
  }
  return out;
}

absl::Status TrustBundle::Verify(std::string_view tenant,
                                 std::string_view store,
                                 absl::Span<const std::string> chain,
                                 CertificatePurpose purpose,
                                 absl::Time now) const {
  const auto own = stores_.find({std::string(tenant), std::string(store)});
  if (own != stores_.end()) return own->second->Verify(chain, purpose, now);
  const auto fixed = fixed_.find(store);
  if (fixed != fixed_.end()) return fixed->second->Verify(chain, purpose, now);
  return MakeError(absl::StatusCode::kUnauthenticated,
                   "PEER_CERTIFICATE_UNTRUSTED",
                   "the tenant has no such trust store");
}

bool TrustBundle::SomebodyTrusts(std::string_view store,
                                 absl::Span<const std::string> chain,
                                 CertificatePurpose purpose,
                                 absl::Time now) const {
  for (const auto& [key, anchors] : stores_) {
    if (key.second == store && anchors->Verify(chain, purpose, now).ok()) {
      return true;
    }
  }
  const auto fixed = fixed_.find(store);
  return fixed != fixed_.end() &&
         fixed->second->Verify(chain, purpose, now).ok();
}

bool TrustBundle::IsRevoked(std::string_view issuer,
                            std::string_view serial) const {
  return revoked_.count({std::string(issuer), WithoutLeadingZeros(serial)}) > 0;
}

bool TrustBundle::IsRevokedCertificate(std::string_view der) const {
  if (revoked_.empty()) return false;
  const bssl::UniquePtr<X509> certificate = Parse(der);
  if (certificate == nullptr) return true;
  uint8_t* issuer = nullptr;
  const int length =
      i2d_X509_NAME(X509_get_issuer_name(certificate.get()), &issuer);
  if (length <= 0) return true;
  const bssl::UniquePtr<uint8_t> owned(issuer);
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.get());
  return IsRevoked(
      {reinterpret_cast<const char*>(issuer), static_cast<size_t>(length)},
      {reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)),
       static_cast<size_t>(ASN1_STRING_length(serial))});
}

}  // namespace sallyport::signaling_edge
