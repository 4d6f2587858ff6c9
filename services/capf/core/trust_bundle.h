// Everything that services must know of trust, as one immutable value with a
// version, and what changed from one to the next.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TRUST_BUNDLE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TRUST_BUNDLE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace sallyport::capf {

// A certificate that is no longer good.
struct RevokedSerial {
  std::string issuer_der;  // Name
  std::string serial;      // big-endian octets without leading zeros
  absl::Time revoke_time;  // UnixEpoch(): not known
  // Of an indirect list: its issuer's Name, DER. It counts for a certificate
  // that names that one as cRLIssuer. Empty: the issuer says so itself.
  std::string crl_issuer_der = {};

  friend bool operator==(const RevokedSerial&, const RevokedSerial&) = default;
};

// Until when all revocations of an issuer are told; in the past: not at all.
struct RevocationCoverage {
  absl::Time leaf_until = absl::InfinitePast();
  absl::Time authority_until = absl::InfinitePast();

  friend bool operator==(const RevocationCoverage&,
                         const RevocationCoverage&) = default;
};

using IndirectCoverage =
    std::map<std::pair<std::string, std::string>, RevocationCoverage>;

// A value; shared read-only.
struct TrustBundle {
  int64_t version = 0;
  absl::Time create_time = absl::UnixEpoch();
  // Store name to certificates in DER, in order of their SHA-256.
  std::map<std::string, std::vector<std::string>> stores;
  // By serial.
  std::map<std::string, RevokedSerial> revoked;
  // By the issuer's name, DER.
  std::map<std::string, RevocationCoverage> coverage;
  // By the issuer's name and that of who tells its revocations in its place.
  IndirectCoverage indirect_coverage;
  // Last parts of the names of stores in which what is not covered is refused.
  std::set<std::string> hard_stores;

  // Of a store's full name.
  bool IsHard(const std::string& store) const;
};

// What brings a holder of one bundle to another: whole stores that differ
// (emptied ones included), revocations that are new and those that ended, and
// coverage that differs.
struct TrustBundleDelta {
  std::map<std::string, std::vector<std::string>> stores;
  std::vector<RevokedSerial> revoked;
  std::vector<RevokedSerial> restored;
  std::map<std::string, RevocationCoverage> coverage;
  IndirectCoverage indirect_coverage;

  bool empty() const {
    return stores.empty() && revoked.empty() && restored.empty() &&
           coverage.empty() && indirect_coverage.empty();
  }
};
TrustBundleDelta Diff(const TrustBundle& from, const TrustBundle& to);

// The next message to a holder of `from`, towards `to`, with at most
// `max_revoked` revocations, and as many that ended, so that it stays small.
// Coverage comes last: an issuer's is not told before its revocations are.
struct TrustBundleStep {
  TrustBundleDelta delta;
  TrustBundle holds;      // what the holder then has
  bool complete = false;  // which is `to`
};
TrustBundleStep NextStep(const TrustBundle& from, const TrustBundle& to,
                         size_t max_revoked);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TRUST_BUNDLE_H_
