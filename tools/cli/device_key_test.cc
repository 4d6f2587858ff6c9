#include "tools/cli/device_key.h"

#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::cli {
namespace {

using ::testing::HasSubstr;

// A certificate for a SubjectPublicKeyInfo; nobody checks its signature here.
std::string CertificateFor(const std::vector<uint8_t>& spki) {
  const uint8_t* cursor = spki.data();
  const bssl::UniquePtr<EVP_PKEY> key(
      d2i_PUBKEY(nullptr, &cursor, static_cast<long>(spki.size())));
  const bssl::UniquePtr<X509> x(X509_new());
  X509_set_pubkey(x.get(), key.get());
  X509_gmtime_adj(X509_getm_notBefore(x.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(x.get()), 3600);
  // Any key will do to make the DER complete.
  const bssl::UniquePtr<EVP_PKEY_CTX> ctx(
      EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* raw = nullptr;
  EVP_PKEY_keygen_init(ctx.get());
  EVP_PKEY_keygen(ctx.get(), &raw);
  const bssl::UniquePtr<EVP_PKEY> ed(raw);
  X509_sign(x.get(), ed.get(), nullptr);
  uint8_t* der = nullptr;
  const int size = i2d_X509(x.get(), &der);
  std::string out(reinterpret_cast<char*>(der), size);
  OPENSSL_free(der);
  return out;
}

TEST(DeviceKeyTest, GeneratesEveryCurve) {
  for (const auto& [type, bits] : {std::pair{DeviceKeyType::kEcP256, 256},
                                   std::pair{DeviceKeyType::kEcP384, 384},
                                   std::pair{DeviceKeyType::kEcP521, 521},
                                   std::pair{DeviceKeyType::kRsa2048, 2048}}) {
    SP_ASSERT_OK_AND_ASSIGN(const DeviceKey key, DeviceKey::Generate(type));
    const std::vector<uint8_t> spki = key.PublicKeyDer();
    const uint8_t* cursor = spki.data();
    const bssl::UniquePtr<EVP_PKEY> read(
        d2i_PUBKEY(nullptr, &cursor, static_cast<long>(spki.size())));
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(EVP_PKEY_bits(read.get()), bits);
    EXPECT_THAT(std::string(key.PrivateKeyPem().DangerousText()),
                HasSubstr("-----BEGIN PRIVATE KEY-----"));
  }
}

TEST(DeviceKeyTest, KnowsItsCertificate) {
  SP_ASSERT_OK_AND_ASSIGN(const DeviceKey key,
                          DeviceKey::Generate(DeviceKeyType::kEcP256));
  SP_ASSERT_OK_AND_ASSIGN(const DeviceKey other,
                          DeviceKey::Generate(DeviceKeyType::kEcP256));
  const std::string own = CertificateFor(key.PublicKeyDer());
  EXPECT_THAT(key.CheckCertificate(AsBytes(own)), IsOk());
  EXPECT_THAT(other.CheckCertificate(AsBytes(own)),
              HasReason("CERTIFICATE_KEY_MISMATCH"));
  EXPECT_THAT(key.CheckCertificate(AsBytes(own + "x")),
              HasReason("CERTIFICATE_MALFORMED"));
  EXPECT_THAT(key.CheckCertificate(AsBytes("")),
              HasReason("CERTIFICATE_MALFORMED"));
}

}  // namespace
}  // namespace sallyport::cli
