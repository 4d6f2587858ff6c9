#include "tools/cli/device_key.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <utility>

#include "services/common/status/error_reason.h"

namespace sallyport::cli {
namespace {

int CurveOf(DeviceKeyType type) {
  switch (type) {
    case DeviceKeyType::kEcP256:
      return NID_X9_62_prime256v1;
    case DeviceKeyType::kEcP384:
      return NID_secp384r1;
    case DeviceKeyType::kEcP521:
      return NID_secp521r1;
    default:
      return NID_undef;
  }
}

int BitsOf(DeviceKeyType type) {
  switch (type) {
    case DeviceKeyType::kRsa3072:
      return 3072;
    case DeviceKeyType::kRsa4096:
      return 4096;
    default:
      return 2048;
  }
}

bool Fill(EVP_PKEY* key, DeviceKeyType type) {
  const int curve = CurveOf(type);
  if (curve != NID_undef) {
    bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
    return ec != nullptr && EC_KEY_generate_key(ec.get()) == 1 &&
           EVP_PKEY_assign_EC_KEY(key, ec.release()) == 1;
  }
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<BIGNUM> exponent(BN_new());
  return rsa != nullptr && exponent != nullptr &&
         BN_set_word(exponent.get(), RSA_F4) == 1 &&
         RSA_generate_key_ex(rsa.get(), BitsOf(type), exponent.get(),
                             nullptr) == 1 &&
         EVP_PKEY_assign_RSA(key, rsa.release()) == 1;
}

}  // namespace

absl::StatusOr<DeviceKey> DeviceKey::Generate(DeviceKeyType type) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (key == nullptr || !Fill(key.get(), type)) {
    return MakeError(absl::StatusCode::kInternal, "KEY_GENERATION_FAILED",
                     "the key could not be generated");
  }
  return DeviceKey(std::move(key));
}

std::vector<uint8_t> DeviceKey::PublicKeyDer() const {
  bssl::ScopedCBB cbb;
  uint8_t* bytes = nullptr;
  size_t size = 0;
  if (!CBB_init(cbb.get(), 0) ||
      !EVP_marshal_public_key(cbb.get(), key_.get()) ||
      !CBB_finish(cbb.get(), &bytes, &size)) {
    return {};
  }
  std::vector<uint8_t> der(bytes, bytes + size);
  OPENSSL_free(bytes);
  return der;
}

Secret DeviceKey::PrivateKeyPem() const {
  const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0,
                                    nullptr, nullptr) != 1 ||
      BIO_mem_contents(bio.get(), &bytes, &size) != 1) {
    return Secret();
  }
  return Secret::CopyOf(ByteSpan(bytes, size));
}

absl::Status DeviceKey::CheckCertificate(ByteSpan der) const {
  const uint8_t* cursor = der.data();
  const bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &cursor, static_cast<long>(der.size())));
  if (certificate == nullptr || cursor != der.data() + der.size()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "CERTIFICATE_MALFORMED", "what came is no certificate");
  }
  const bssl::UniquePtr<EVP_PKEY> theirs(X509_get_pubkey(certificate.get()));
  if (theirs == nullptr || EVP_PKEY_cmp(theirs.get(), key_.get()) != 1) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "CERTIFICATE_KEY_MISMATCH",
                     "the certificate is for another key");
  }
  return absl::OkStatus();
}

}  // namespace sallyport::cli
