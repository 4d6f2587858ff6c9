// Whether a key signed some octets, for certificates and revocation lists.

#ifndef SALLYPORT_SERVICES_COMMON_PKI_SIGNED_DATA_H_
#define SALLYPORT_SERVICES_COMMON_PKI_SIGNED_DATA_H_

#include <openssl/base.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport {

// What is strong enough to be believed.
struct SignatureRules {
  int min_rsa_bits = 2048;
  // For manufacturers' certificates of old phones, and nothing else.
  bool allow_sha1 = false;
};

// Checks that the key is one that we believe: RSA of the size above, P-256,
// P-384, P-521, Ed25519. kInvalidArgument, reason KEY_UNSUPPORTED or KEY_WEAK.
absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> ReadVerifyKey(
    ByteSpan spki, const SignatureRules& rules);

// `algorithm` is a DER AlgorithmIdentifier: PKCS#1 v1.5 and ECDSA with SHA-256,
// SHA-384 and SHA-512, RSASSA-PSS with one of these, its own mask and a salt
// of its size, Ed25519. kInvalidArgument with a reason:
// SIGNATURE_ALGORITHM_WEAK (MD5, SHA-1), SIGNATURE_ALGORITHM_UNSUPPORTED (DSA
// and what nobody knows), SIGNATURE_INVALID. Pure.
absl::Status VerifySignedData(ByteSpan algorithm, ByteSpan data,
                              ByteSpan signature, EVP_PKEY* key,
                              const SignatureRules& rules);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_SIGNED_DATA_H_
