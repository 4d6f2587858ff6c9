// Certificate revocation lists, written and read (RFC 5280 section 5).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_REVOCATION_LIST_H_
#define SALLYPORT_SERVICES_CAPF_CORE_REVOCATION_LIST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_record.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

struct RevokedCertificate {
  std::string serial;  // big-endian octets, positive, no leading zero
  absl::Time revoke_time;
  RevocationReason reason = RevocationReason::kUnspecified;
};

// A list as it is to be signed. With a base it is a delta list (section 5.2.4):
// `revoked` is what was since that complete list.
struct RevocationListSpec {
  uint64_t number = 0;  // grows with every list (section 5.2.3)
  absl::Time this_update;
  absl::Time next_update;
  std::vector<RevokedCertificate> revoked;
  std::optional<uint64_t> base;
  // Where the newest delta list is, as complete lists say it (section 5.2.6);
  // an http URL. Empty: nowhere.
  std::string delta_url;
};

// The TBSCertList in DER, version 2, with authority key identifier and number;
// signed and assembled as a certificate is (AssembleCertificate). Expired
// certificates should stay on it for one list beyond their expiry.
absl::StatusOr<std::string> BuildRevocationTbs(const RevocationListSpec& spec,
                                               const Issuer& issuer);

// A list of our own or another's, with what decides whether to use it.
// Immutable once read.
struct RevocationList {
  std::string issuer_der;  // Name
  absl::Time this_update;
  absl::Time next_update;
  // By serial number, as in RevokedCertificate.
  absl::flat_hash_map<std::string, RevocationReason> revoked;
};

// Reads one DER list of at most 32 MiB and checks its signature with the key
// of `issuer_certificate_der`, whose name must be the list's issuer and whose
// key usage, if there is one, must allow it to sign lists.
//
// kInvalidArgument with a reason: CRL_MALFORMED, CRL_ISSUER_MISMATCH,
// CRL_SIGNATURE_WRONG, CRL_UNSUPPORTED (a critical extension, as those of
// indirect and partial lists, or no nextUpdate: what we do not understand must
// not make a revoked certificate look good).
absl::StatusOr<RevocationList> ReadRevocationList(
    ByteSpan crl_der, ByteSpan issuer_certificate_der);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_REVOCATION_LIST_H_
