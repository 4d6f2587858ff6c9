// The key pair of a phone, for enrolment.

#ifndef SALLYPORT_TOOLS_CLI_DEVICE_KEY_H_
#define SALLYPORT_TOOLS_CLI_DEVICE_KEY_H_

#include <openssl/base.h>
#include <openssl/evp.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"

namespace sallyport::cli {

enum class DeviceKeyType {
  kEcP256,
  kEcP384,
  kEcP521,
  kRsa2048,
  kRsa3072,
  kRsa4096
};

// Immutable.
class DeviceKey {
 public:
  static absl::StatusOr<DeviceKey> Generate(DeviceKeyType type);

  // An unencrypted private key, PEM.
  static absl::StatusOr<DeviceKey> FromPem(const Secret& pem);

  // A phone's signature of a digest: with RSA PKCS #1 type 1 padding over the
  // bare digest, with EC plain ECDSA (research/pki.md section 2.5).
  absl::StatusOr<std::vector<uint8_t>> SignDigest(ByteSpan digest) const;

  // SubjectPublicKeyInfo, DER.
  std::vector<uint8_t> PublicKeyDer() const;
  // PKCS#8, not encrypted.
  Secret PrivateKeyPem() const;
  // OK if the certificate is for this key: FAILED_PRECONDITION,
  // CERTIFICATE_KEY_MISMATCH, or INVALID_ARGUMENT where it is no certificate.
  absl::Status CheckCertificate(ByteSpan der) const;

 private:
  explicit DeviceKey(bssl::UniquePtr<EVP_PKEY> key) : key_(std::move(key)) {}

  bssl::UniquePtr<EVP_PKEY> key_;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_DEVICE_KEY_H_
