// What is remembered of one certificate, from the intent to sign it on.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_RECORD_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_RECORD_H_

#include <string>

#include "absl/time/time.h"
#include "services/capf/core/certificate_profile.h"

namespace sallyport::capf {

// In the store as these numbers; never renumber.
enum class CertificateState {
  kIntent = 0,      // to be signed; no signature has left
  kPending = 1,     // an LSC that was sent, and not yet confirmed
  kActive = 2,      // in use
  kSuperseded = 3,  // replaced by another, still good until it expires
  kRevoked = 4,
  kAbandoned = 5,  // an intent whose signing never came to its end
};

// CRLReason of RFC 5280 section 5.3.1, and its numbers.
enum class RevocationReason {
  kUnspecified = 0,
  kKeyCompromise = 1,
  kCaCompromise = 2,
  kAffiliationChanged = 3,
  kSuperseded = 4,
  kCessationOfOperation = 5,
};

// A value. Thread-compatible.
struct CertificateRecord {
  std::string serial;  // lower-case hex; the key
  std::string tenant;
  ProfileId profile = ProfileId::kClient;
  CertificateState state = CertificateState::kIntent;
  std::string common_name;
  std::string enrollment;  // of an LSC: the enrollment's name
  std::string requester;   // a verified identity, or "capf-protocol"
  // Tenant and request id of the caller; empty if there was none. Unique.
  std::string request_key;
  std::string request_sha256;  // hex, of the CSR or the bare key
  std::string key_sha256;      // hex, of the SubjectPublicKeyInfo
  std::string tbs;             // DER, as linted; not kept beside `der`
  std::string der;             // empty until it is signed
  absl::Time not_before = absl::UnixEpoch();
  absl::Time not_after = absl::UnixEpoch();
  absl::Time create_time = absl::UnixEpoch();
  absl::Time revoke_time = absl::UnixEpoch();
  RevocationReason revocation_reason = RevocationReason::kUnspecified;
  // Which of our authorities' keys signs it ("default/1"), or "upstream".
  // Empty: one of before they had names.
  std::string authority;

  bool operator==(const CertificateRecord&) const = default;

  // "tenants/{tenant}/certificates/{serial}".
  std::string Name() const {
    return "tenants/" + tenant + "/certificates/" + serial;
  }
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_RECORD_H_
