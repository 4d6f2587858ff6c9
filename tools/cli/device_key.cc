#include "tools/cli/device_key.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
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

absl::StatusOr<DeviceKey> DeviceKey::FromPem(const Secret& pem) {
  const std::string_view text = pem.DangerousText();
  const bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  bssl::UniquePtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return MakeError(absl::StatusCode::kInvalidArgument, "KEY_UNREADABLE",
                     "not a private key in PEM");
  }
  return DeviceKey(std::move(key));
}

absl::StatusOr<std::vector<uint8_t>> DeviceKey::SignDigest(
    ByteSpan digest) const {
  std::vector<uint8_t> out(EVP_PKEY_size(key_.get()));
  bool good = false;
  if (RSA* const rsa = EVP_PKEY_get0_RSA(key_.get()); rsa != nullptr) {
    size_t size = 0;
    good = RSA_sign_raw(rsa, &size, out.data(), out.size(), digest.data(),
                        digest.size(), RSA_PKCS1_PADDING) == 1;
    out.resize(size);
  } else if (EC_KEY* const ec = EVP_PKEY_get0_EC_KEY(key_.get());
             ec != nullptr) {
    unsigned size = 0;
    good =
        ECDSA_sign(0, digest.data(), digest.size(), out.data(), &size, ec) == 1;
    out.resize(size);
  }
  ERR_clear_error();
  if (good) return out;
  return MakeError(absl::StatusCode::kInvalidArgument, "KEY_UNREADABLE",
                   "this key cannot sign a phone's proof");
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
