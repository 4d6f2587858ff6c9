// A new key for a certificate that is to be renewed, the request for it, and
// the look at what came back.

#ifndef SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_REQUEST_H_
#define SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_REQUEST_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"

namespace sallyport {

// What is to be sent, and the key that stays.
struct RenewalRequest {
  Secret key_pem;       // PKCS #8, ECDSA P-256
  std::string csr_der;  // PKCS #10, for the names of the old certificate
  std::string proof;    // signature of the old key over csr_der
};

// For another certificate with the names of the first one in `chain_pem`, of
// which `key_pem` is the key. The proof is ECDSA or RSA PKCS #1 with SHA-256.
// INVALID_ARGUMENT, reason CERTIFICATE_UNUSABLE, if either cannot be read, they
// do not belong together, or there is a name that is no dNSName, URI or
// address.
absl::StatusOr<RenewalRequest> MakeRenewalRequest(std::string_view chain_pem,
                                                  const Secret& key_pem);

// Whether the first certificate of `pem` is for the key in `key_pem`.
bool KeyBelongs(std::string_view pem, const Secret& key_pem);

// Whether the holder of a certificate's key has signed `data`, as a proof in a
// RenewalRequest is signed.
bool VerifyRenewalProof(ByteSpan certificate_der, ByteSpan data,
                        ByteSpan proof);

// What came back takes the place of the old one only if this is OK: it is for
// the new key, it has the old names and uses, it is in force at `now`, and,
// unless `roots_pem` is empty, it leads to one of those. UNAUTHENTICATED,
// reason RENEWED_UNUSABLE, says what is wrong; those who meet us would say the
// same.
absl::Status CheckRenewed(std::string_view renewed_pem, const Secret& key_pem,
                          const CertificateInfo& old,
                          std::string_view roots_pem, absl::Time now);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RENEWAL_RENEWAL_REQUEST_H_
