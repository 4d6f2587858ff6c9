#include "services/signaling_edge/io/trust_bundle.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/pki/distinguished_name.h"
#include "services/common/pki/parsed_certificate.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/peer_identity.h"

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

std::string_view WithoutLeadingZeros(std::string_view serial) {
  const size_t first = serial.find_first_not_of('\0');
  return first == std::string_view::npos ? std::string_view()
                                         : serial.substr(first);
}

bssl::UniquePtr<X509> Parse(std::string_view der) {
  const uint8_t* at = reinterpret_cast<const uint8_t*>(der.data());
  bssl::UniquePtr<X509> out(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const bool whole =
      at == reinterpret_cast<const uint8_t*>(der.data()) + der.size();
  return whole ? std::move(out) : nullptr;
}

// Empty if it cannot be written.
std::string DerOf(X509_NAME* name) {
  uint8_t* der = nullptr;
  const int length = i2d_X509_NAME(name, &der);
  if (length <= 0) return "";
  const bssl::UniquePtr<uint8_t> owned(der);
  return {reinterpret_cast<const char*>(der), static_cast<size_t>(length)};
}

// What of a certificate says which one it is, found without reading the rest.
struct Designation {
  std::string_view issuer;  // DER
  std::string_view serial;  // content octets
};

std::optional<Designation> DesignationOf(std::string_view der) {
  CBS in, certificate, tbs, serial, issuer;
  CBS_init(&in, reinterpret_cast<const uint8_t*>(der.data()), der.size());
  if (!CBS_get_asn1(&in, &certificate, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&certificate, &tbs, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(
          &tbs, nullptr, nullptr,
          CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) ||
      !CBS_get_asn1(&tbs, &serial, CBS_ASN1_INTEGER) ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1_element(&tbs, &issuer, CBS_ASN1_SEQUENCE)) {
    return std::nullopt;
  }
  const auto text = [](const CBS& of) {
    return std::string_view(reinterpret_cast<const char*>(CBS_data(&of)),
                            CBS_len(&of));
  };
  return Designation{text(issuer), text(serial)};
}

// A name as others are compared with it; one that cannot be read is as no
// other.
std::string NameKey(std::string_view der) {
  const auto name = ParseDistinguishedName(AsBytes(der));
  return name.ok() ? name->Key() : absl::StrCat("?", AbslView(der));
}

// NameKey() of those whose indirect lists the certificate names (cRLIssuer);
// with `all_reasons` at points for all reasons only.
std::vector<std::string> ListIssuersOf(std::string_view der, bool all_reasons) {
  std::vector<std::string> out;
  const auto certificate = ParseWholeCertificate(AsBytes(der));
  if (!certificate.ok()) return out;
  for (const DistributionPoint& point : (*certificate)->distribution_points) {
    if (all_reasons && point.has_reasons) continue;
    for (const GeneralName& name : point.crl_issuer) {
      if (name.type == GeneralName::Type::kDirectory) {
        out.push_back(name.directory.Key());
      }
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TrustBundle>> TrustBundle::Make(
    const capf::v1::WatchTrustBundleResponse& contents,
    const StaticTrustStores& fixed, const TrustBundle* before) {
  std::shared_ptr<TrustBundle> out(new TrustBundle());
  out->version_ = contents.version();
  std::vector<std::string> any;
  for (const auto& [store, roots] : fixed) {
    any.insert(any.end(), roots.begin(), roots.end());
  }
  for (const capf::v1::TrustStoreContents& store : contents.stores()) {
    std::pair<std::string, std::string> key;
    SP_ASSIGN_OR_RETURN(key, Split(store.name()));
    if (key.second == kPhoneTrustStore ||
        std::find(kPeerTrustStores.begin(), kPeerTrustStores.end(),
                  key.second) != kPeerTrustStores.end()) {
      any.insert(any.end(), store.certificates().begin(),
                 store.certificates().end());
    }
  }
  SP_ASSIGN_OR_RETURN(
      out->any_, TrustAnchors::FromDer(
                     any, before == nullptr ? nullptr : before->any_.get()));
  // One that was not there before follows on the roots of all, so that they all
  // remember signatures in one place.
  const auto fixed_before = [&](const std::string& store) {
    if (before == nullptr) return out->any_.get();
    const auto it = before->fixed_.find(store);
    return it == before->fixed_.end() ? out->any_.get() : it->second.get();
  };
  const auto store_before =
      [&](const std::pair<std::string, std::string>& key) {
        if (before == nullptr) return out->any_.get();
        const auto it = before->stores_.find(key);
        return it == before->stores_.end() ? out->any_.get()
                                           : it->second.anchors.get();
      };
  for (const auto& [store, roots] : fixed) {
    SP_ASSIGN_OR_RETURN(out->fixed_[store],
                        TrustAnchors::FromDer(roots, fixed_before(store)));
  }
  for (const capf::v1::TrustStoreContents& store : contents.stores()) {
    std::pair<std::string, std::string> key;
    SP_ASSIGN_OR_RETURN(key, Split(store.name()));
    std::vector<std::string> roots(store.certificates().begin(),
                                   store.certificates().end());
    if (const auto same = fixed.find(key.second); same != fixed.end()) {
      roots.insert(roots.end(), same->second.begin(), same->second.end());
    }
    Store& made = out->stores_[key];
    SP_ASSIGN_OR_RETURN(made.anchors,
                        TrustAnchors::FromDer(roots, store_before(key)));
    made.hard = store.hard_revocation();
    if (!made.hard) continue;
    for (const std::string& der : roots) {
      made.members.insert(HexEncode(Sha256(AsBytes(der))));
    }
  }
  for (const std::string& root : any) {
    const bssl::UniquePtr<X509> one = Parse(root);
    if (one == nullptr) continue;  // FromDer() has refused it
    out->roots_[root] = {DerOf(X509_get_subject_name(one.get())),
                         DerOf(X509_get_issuer_name(one.get()))};
  }
  out->SetRevoked(contents);
  out->SetCoverage(contents);
  if (before != nullptr) out->SetChanged(*before);
  return out;
}

void TrustBundle::SetChanged(const TrustBundle& before) {
  for (const auto& [root, names] : before.roots_) {
    if (roots_.contains(root)) continue;
    changed_.insert(names.first);
    // It vouched for itself, too.
    changed_.insert(names.second);
  }
  for (const auto& [issuer, blocks] : revoked_) {
    const auto was = before.revoked_.find(issuer);
    if (was == before.revoked_.end() || was->second != blocks) {
      changed_.insert(issuer);
    }
  }
}

bool TrustBundle::MayHaveChanged(absl::Span<const std::string> chain) const {
  if (changed_.empty()) return false;
  return std::any_of(chain.begin(), chain.end(), [&](const std::string& der) {
    const auto which = DesignationOf(der);
    return !which.has_value() || changed_.contains(which->issuer);
  });
}

void TrustBundle::SetCoverage(
    const capf::v1::WatchTrustBundleResponse& contents) {
  for (const capf::v1::RevocationCoverage& one : contents.coverage()) {
    Coverage& coverage =
        one.crl_issuer().empty()
            ? coverage_[one.issuer()]
            : indirect_coverage_[{one.issuer(), NameKey(one.crl_issuer())}];
    if (one.has_leaf_until_time()) {
      coverage.leaf_until = FromProto(one.leaf_until_time());
    }
    if (one.has_authority_until_time()) {
      coverage.authority_until = FromProto(one.authority_until_time());
    }
  }
}

void TrustBundle::SetRevoked(
    const capf::v1::WatchTrustBundleResponse& contents) {
  // Of what stands in the message: a long list is not copied twice.
  std::map<std::pair<std::string_view, std::string_view>,
           std::map<size_t, std::vector<std::string_view>>>
      all;
  for (const capf::v1::RevokedCertificate& one : contents.revoked()) {
    const std::string_view serial = WithoutLeadingZeros(one.serial());
    all[{one.issuer(), one.crl_issuer()}][serial.size()].push_back(serial);
  }
  for (auto& [names, by_size] : all) {
    Revoked& revoked = revoked_[std::string(names.first)];
    SerialBlocks& blocks = names.second.empty()
                               ? revoked.own
                               : revoked.by_others[NameKey(names.second)];
    for (auto& [size, serials] : by_size) {
      if (!std::is_sorted(serials.begin(), serials.end())) {
        std::sort(serials.begin(), serials.end());
      }
      serials.erase(std::unique(serials.begin(), serials.end()), serials.end());
      std::string& block = blocks[size];
      block.reserve(size * serials.size());
      for (const std::string_view serial : serials) block += serial;
      revoked_count_ += serials.size();
    }
  }
}

absl::StatusOr<absl::Time> TrustBundle::VerifyIn(
    const Store& store, absl::Span<const std::string> chain,
    CertificatePurpose purpose, absl::Time now) const {
  SP_ASSIGN_OR_RETURN(const absl::Time until,
                      store.anchors->GoodUntil(chain, purpose, now));
  if (store.hard) SP_RETURN_IF_ERROR(CheckCovered(store, chain, now));
  return until;
}

absl::Status TrustBundle::CheckCovered(const Store& store,
                                       absl::Span<const std::string> chain,
                                       absl::Time now) const {
  for (const std::string& der : chain) {
    // An anchor is trusted as it stands.
    if (store.members.contains(HexEncode(Sha256(AsBytes(der))))) continue;
    if (now < CoveredUntil(der)) continue;
    return MakeError(absl::StatusCode::kUnauthenticated,
                     "PEER_REVOCATION_UNKNOWN",
                     "no list in force says whether it is revoked");
  }
  return absl::OkStatus();
}

absl::Time TrustBundle::CoveredUntil(std::string_view der) const {
  const bssl::UniquePtr<X509> certificate = Parse(der);
  if (certificate == nullptr) return absl::InfinitePast();
  const bool is_ca = X509_check_ca(certificate.get()) != 0;
  const std::string issuer = DerOf(X509_get_issuer_name(certificate.get()));
  absl::Time until = absl::InfinitePast();
  const auto add = [&](const Coverage& coverage) {
    until =
        std::max(until, is_ca ? coverage.authority_until : coverage.leaf_until);
  };
  const auto own = coverage_.find(issuer);
  if (own != coverage_.end()) add(own->second);
  if (indirect_coverage_.empty()) return until;
  for (const std::string& key : ListIssuersOf(der, /*all_reasons=*/true)) {
    const auto other = indirect_coverage_.find({issuer, key});
    if (other != indirect_coverage_.end()) add(other->second);
  }
  return until;
}

absl::StatusOr<absl::Time> TrustBundle::Verify(
    std::string_view tenant, std::string_view store,
    absl::Span<const std::string> chain, CertificatePurpose purpose,
    absl::Time now) const {
  const auto own = stores_.find({std::string(tenant), std::string(store)});
  if (own != stores_.end()) {
    return VerifyIn(own->second, chain, purpose, now);
  }
  const auto fixed = fixed_.find(store);
  if (fixed != fixed_.end()) {
    return fixed->second->GoodUntil(chain, purpose, now);
  }
  return MakeError(absl::StatusCode::kUnauthenticated,
                   "PEER_CERTIFICATE_UNTRUSTED",
                   "the tenant has no such trust store");
}

bool TrustBundle::SomebodyTrusts(std::string_view store,
                                 absl::Span<const std::string> chain,
                                 CertificatePurpose purpose,
                                 absl::Time now) const {
  for (const auto& [key, contents] : stores_) {
    if (key.second == store && VerifyIn(contents, chain, purpose, now).ok()) {
      return true;
    }
  }
  const auto fixed = fixed_.find(store);
  return fixed != fixed_.end() &&
         fixed->second->Verify(chain, purpose, now).ok();
}

bool TrustBundle::IsRevoked(std::string_view issuer,
                            std::string_view serial) const {
  const auto revoked = revoked_.find(issuer);
  return revoked != revoked_.end() &&
         Holds(revoked->second.own, WithoutLeadingZeros(serial));
}

bool TrustBundle::Holds(const SerialBlocks& blocks, std::string_view serial) {
  const auto found = blocks.find(serial.size());
  if (found == blocks.end()) return false;
  const std::string& block = found->second;
  const size_t size = serial.size();
  if (size == 0) return true;
  size_t low = 0;
  size_t high = block.size() / size;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = block.compare(middle * size, size, serial);
    if (order == 0) return true;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

bool TrustBundle::IsRevokedCertificate(std::string_view der) const {
  if (revoked_.empty()) return false;
  // A negative serial is looked up by its magnitude, below.
  if (const auto which = DesignationOf(der);
      which.has_value() && !which->serial.empty() &&
      static_cast<uint8_t>(which->serial.front()) < 0x80) {
    return IsRevokedByAny(which->issuer, which->serial, der);
  }
  const bssl::UniquePtr<X509> certificate = Parse(der);
  if (certificate == nullptr) return true;
  const std::string issuer = DerOf(X509_get_issuer_name(certificate.get()));
  if (issuer.empty()) return true;
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.get());
  return IsRevokedByAny(
      issuer,
      {reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)),
       static_cast<size_t>(ASN1_STRING_length(serial))},
      der);
}

bool TrustBundle::IsRevokedByAny(std::string_view issuer,
                                 std::string_view serial,
                                 std::string_view der) const {
  const auto revoked = revoked_.find(issuer);
  if (revoked == revoked_.end()) return false;
  serial = WithoutLeadingZeros(serial);
  if (Holds(revoked->second.own, serial)) return true;
  for (const auto& [by, blocks] : revoked->second.by_others) {
    if (!Holds(blocks, serial)) continue;
    const std::vector<std::string> named =
        ListIssuersOf(der, /*all_reasons=*/false);
    if (std::find(named.begin(), named.end(), by) != named.end()) return true;
  }
  return false;
}

}  // namespace sallyport::signaling_edge
