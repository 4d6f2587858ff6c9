#include "services/common/pki/crl_check.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/pki/distinguished_name.h"

namespace sallyport {
namespace {

// ReasonFlags without the unused bit 0: bits 1 to 8.
constexpr uint16_t kAllReasons = 0x1fe;

bool SameName(const GeneralName& a, const GeneralName& b) {
  if (a.type != b.type) return false;
  if (a.type == GeneralName::Type::kDirectory) {
    return a.directory == b.directory;
  }
  return a.value == b.value;
}

bool AnySame(const std::vector<GeneralName>& a,
             const std::vector<GeneralName>& b) {
  for (const GeneralName& one : a) {
    for (const GeneralName& other : b) {
      if (SameName(one, other)) return true;
    }
  }
  return false;
}

bool Names(const std::vector<GeneralName>& names, const DistinguishedName& dn) {
  for (const GeneralName& name : names) {
    if (name.type == GeneralName::Type::kDirectory && name.directory == dn) {
      return true;
    }
  }
  return false;
}

// The names of a distribution point: those that are written whole, and one that
// is written relative to `issuer`, put together. A relative one that cannot be
// read is no name.
std::vector<GeneralName> WholeNames(const std::vector<GeneralName>& full_name,
                                    const std::string& relative_name,
                                    const DistinguishedName& issuer) {
  std::vector<GeneralName> names = full_name;
  if (relative_name.empty()) return names;
  absl::StatusOr<DistinguishedName> whole =
      ExtendDistinguishedName(issuer, AsBytes(relative_name));
  if (!whole.ok()) return names;
  GeneralName& name = names.emplace_back();
  name.type = GeneralName::Type::kDirectory;
  name.directory = *std::move(whole);
  return names;
}

// Octets without leading zeros as a number.
bool Less(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// Section 6.3.3 (b): the list is about this point of the certificate. `point`
// is null for a certificate that names none.
bool InScope(const ParsedCrl& crl, const ParsedCertificate& certificate,
             const DistributionPoint* point) {
  const bool foreign = point != nullptr && !point->crl_issuer.empty();
  if (foreign) {
    if (!Names(point->crl_issuer, crl.issuer)) return false;
    const bool same = crl.issuer_key == certificate.issuer_key;
    if (!same && (!crl.point.has_value() || !crl.point->indirect)) return false;
  } else if (crl.issuer_key != certificate.issuer_key) {
    return false;
  }
  if (!crl.point.has_value()) return true;
  const IssuingDistributionPoint& scope = *crl.point;
  if (scope.only_attributes) return false;
  if (scope.only_user && certificate.is_ca) return false;
  if (scope.only_ca && !certificate.is_ca) return false;
  if (scope.full_name.empty() && scope.relative_name.empty()) return true;
  if (point == nullptr) return false;
  // Both are relative to the list's issuer: the certificate's, or the one that
  // its point names, of which the list is.
  const std::vector<GeneralName> listed =
      WholeNames(scope.full_name, scope.relative_name, crl.issuer);
  if (!point->full_name.empty() || !point->relative_name.empty()) {
    return AnySame(
        listed, WholeNames(point->full_name, point->relative_name, crl.issuer));
  }
  return foreign && AnySame(listed, point->crl_issuer);
}

class Checker {
 public:
  Checker(const ParsedCertificate& certificate,
          absl::Span<const std::shared_ptr<const ParsedCrl>> lists,
          absl::Time now, const CrlVerifier& verify)
      : certificate_(certificate), lists_(lists), now_(now), verify_(verify) {}

  RevocationState Check() {
    uint16_t covered = 0;
    if (certificate_.distribution_points.empty()) {
      if (CheckPoint(nullptr, covered)) return RevocationState::kRevoked;
    }
    for (const DistributionPoint& point : certificate_.distribution_points) {
      if (CheckPoint(&point, covered)) return RevocationState::kRevoked;
    }
    // Lists of the issuer that no point names count too, if they cover all.
    if (covered != kAllReasons && CheckPoint(nullptr, covered)) {
      return RevocationState::kRevoked;
    }
    return covered == kAllReasons ? RevocationState::kGood
                                  : RevocationState::kUnknown;
  }

 private:
  bool InForce(const ParsedCrl& crl) const {
    return !crl.unknown_critical_extension && crl.this_update <= now_ &&
           crl.next_update.has_value() && now_ < *crl.next_update;
  }

  bool Verified(const ParsedCrl& crl) {
    const auto [it, fresh] = verified_.try_emplace(&crl, false);
    if (fresh) it->second = verify_(crl);
    return it->second;
  }

  // The reason by which `crl` has it; -1: it has not.
  int Lookup(const ParsedCrl& crl) const {
    const auto it = crl.entries.find(
        RevocationKey(certificate_.issuer_key, certificate_.serial));
    return it == crl.entries.end() ? -1 : it->second;
  }

  // The reason in the newest delta list of `base`; -1: none says a word.
  int LookupDelta(const ParsedCrl& base) {
    for (const auto& delta : lists_) {
      if (!delta->base.has_value() || delta->issuer_key != base.issuer_key ||
          delta->point_der != base.point_der || !InForce(*delta) ||
          Less(base.number, *delta->base) ||
          !Less(base.number, delta->number) || !Verified(*delta)) {
        continue;
      }
      const int reason = Lookup(*delta);
      if (reason >= 0) return reason;
    }
    return -1;
  }

  // True: revoked. Adds the reasons that the lists in force cover.
  bool CheckPoint(const DistributionPoint* point, uint16_t& covered) {
    for (const auto& crl : lists_) {
      if (crl->base.has_value() || !InScope(*crl, certificate_, point) ||
          !InForce(*crl) || !Verified(*crl)) {
        continue;
      }
      const int listed = Lookup(*crl);
      const int change = LookupDelta(*crl);
      const bool released =
          listed == kReasonCertificateHold && change == kReasonRemoveFromCrl;
      if (change >= 0 && change != kReasonRemoveFromCrl) return true;
      if (listed >= 0 && listed != kReasonRemoveFromCrl && !released) {
        return true;
      }
      uint16_t reasons = kAllReasons;
      if (crl->point.has_value()) reasons &= crl->point->reasons;
      if (point != nullptr) reasons &= point->reasons;
      covered |= reasons;
    }
    return false;
  }

  const ParsedCertificate& certificate_;
  const absl::Span<const std::shared_ptr<const ParsedCrl>> lists_;
  const absl::Time now_;
  const CrlVerifier& verify_;
  absl::flat_hash_map<const ParsedCrl*, bool> verified_;
};

}  // namespace

RevocationState CheckRevocation(
    const ParsedCertificate& certificate,
    absl::Span<const std::shared_ptr<const ParsedCrl>> lists, absl::Time now,
    const CrlVerifier& verify) {
  return Checker(certificate, lists, now, verify).Check();
}

}  // namespace sallyport
