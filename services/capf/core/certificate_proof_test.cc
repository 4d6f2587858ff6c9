#include "services/capf/core/certificate_proof.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <string>
#include <vector>

#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/core/test_trust_list.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/digest.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr char kDevice[] = "SEP001122334455";
constexpr uint32_t kSession = 0x01020304;

std::vector<uint8_t> Octets(std::string_view text) {
  const ByteSpan bytes = AsBytes(text);
  return {bytes.begin(), bytes.end()};
}

// A phone's signature: padding over the bare digest, or ECDSA.
std::vector<uint8_t> Sign(EVP_PKEY* key, const std::string& digest) {
  if (RSA* const rsa = EVP_PKEY_get0_RSA(key); rsa != nullptr) {
    std::vector<uint8_t> out(RSA_size(rsa));
    size_t size = 0;
    SP_CHECK(RSA_sign_raw(rsa, &size, out.data(), out.size(),
                          AsBytes(digest).data(), digest.size(),
                          RSA_PKCS1_PADDING));
    out.resize(size);
    return out;
  }
  EC_KEY* const ec = EVP_PKEY_get0_EC_KEY(key);
  std::vector<uint8_t> out(ECDSA_size(ec));
  unsigned size = 0;
  SP_CHECK(ECDSA_sign(0, AsBytes(digest).data(), digest.size(), out.data(),
                      &size, ec));
  out.resize(size);
  return out;
}

std::string Text(const std::string& der) {
  return std::string(kDevice) + '\0' + der;
}

CapfMessage Claim(EVP_PKEY* key, const std::string& der) {
  CapfMessage message;
  message.certificate =
      CapfCertificate{.type = CapfCertificateType::kMic, .der = Octets(der)};
  message.sha1_signed_data = Sign(key, ToString(Sha1(AsBytes(Text(der)))));
  message.sha2_signed_data =
      CapfSignature{.digest_type = 3,
                    .bytes = Sign(key, ToString(Sha512(AsBytes(Text(der)))))};
  return message;
}

std::string ReasonFor(const CapfMessage& message,
                      std::string_view device = kDevice,
                      uint32_t session = kSession) {
  const auto proven = VerifyProof(message, device, session);
  return proven.ok() ? "" : ReasonOf(proven.status());
}

TEST(CertificateProofTest, HoldsForRsaAndEllipticKeys) {
  const TestIdentity rsa = NewTestIdentity("CP-8861-SEP001122334455", 5);
  const auto proven =
      VerifyProof(Claim(rsa.key.get(), rsa.certificate), kDevice, kSession);
  ASSERT_TRUE(proven.ok()) << proven.status();
  EXPECT_EQ(proven->der, rsa.certificate);
  EXPECT_EQ(proven->type, CapfCertificateType::kMic);
  EXPECT_FALSE(proven->bound_to_session);

  const TestAuthority ec =
      NewTestAuthority(KeyKind::kEcP256, absl::FromUnixSeconds(1700000000));
  EXPECT_EQ(ReasonFor(Claim(ec.key.get(), ec.issuer.certificate_der)), "");
}

TEST(CertificateProofTest, OneRightSignatureDoesNotExcuseAWrongOne) {
  const TestIdentity phone = NewTestIdentity(kDevice, 5);
  const CapfMessage good = Claim(phone.key.get(), phone.certificate);
  CapfMessage bad = good;
  bad.sha1_signed_data->back() ^= 1;
  EXPECT_EQ(ReasonFor(bad), "PROOF_WRONG");
  bad = good;
  bad.sha2_signed_data->bytes.back() ^= 1;
  EXPECT_EQ(ReasonFor(bad), "PROOF_WRONG");
  bad = good;
  bad.sha2_signed_data->digest_type = 2;
  EXPECT_EQ(ReasonFor(bad), "PROOF_WRONG");
  bad.sha2_signed_data->digest_type = 9;
  EXPECT_EQ(ReasonFor(bad), "PROOF_WRONG");
  CapfMessage one = good;
  one.sha1_signed_data.reset();
  EXPECT_EQ(ReasonFor(one), "");
  one.sha2_signed_data.reset();
  EXPECT_EQ(ReasonFor(one), "PROOF_MISSING");
  EXPECT_EQ(ReasonFor(CapfMessage()), "PROOF_MISSING");
}

// Another phone's name under the same proof, and another key's certificate.
TEST(CertificateProofTest, IsForOneDeviceAndOneKey) {
  const TestIdentity phone = NewTestIdentity(kDevice, 5);
  const TestIdentity other = NewTestIdentity(kDevice, 6);
  EXPECT_EQ(
      ReasonFor(Claim(phone.key.get(), phone.certificate), "SEP0011223344FF"),
      "PROOF_WRONG");
  EXPECT_EQ(ReasonFor(Claim(phone.key.get(), other.certificate)),
            "PROOF_WRONG");
}

// Defect 2 of the known open server (research/pki.md section 2.9): only the
// last octets are compared, so a block that merely ends with the digest passes.
TEST(CertificateProofTest, TheWholeBlockIsCompared) {
  const TestIdentity phone = NewTestIdentity(kDevice, 5);
  CapfMessage message = Claim(phone.key.get(), phone.certificate);
  message.sha2_signed_data.reset();
  const std::string digest = ToString(Sha1(AsBytes(Text(phone.certificate))));
  message.sha1_signed_data =
      Sign(phone.key.get(), std::string(12, 'x') + digest);
  EXPECT_EQ(ReasonFor(message), "PROOF_WRONG");

  RSA* const rsa = EVP_PKEY_get0_RSA(phone.key.get());
  std::string block(RSA_size(rsa), '\x42');
  block[0] = 0;
  block.replace(block.size() - digest.size(), digest.size(), digest);
  std::vector<uint8_t> raw(RSA_size(rsa));
  size_t size = 0;
  ASSERT_TRUE(RSA_sign_raw(rsa, &size, raw.data(), raw.size(),
                           AsBytes(block).data(), block.size(),
                           RSA_NO_PADDING));
  message.sha1_signed_data = raw;
  EXPECT_EQ(ReasonFor(message), "PROOF_WRONG");
}

TEST(CertificateProofTest, SudiIsBoundToTheSession) {
  const TestIdentity phone = NewTestIdentity("CP-8861-SEP001122334455", 5);
  const std::string text =
      std::string("\x04\x03\x02\x01", 4) + phone.certificate;
  CapfMessage message;
  message.sudi = CapfSudi{
      .certificate_der = Octets(phone.certificate),
      .sha1_signature = Sign(phone.key.get(), ToString(Sha1(AsBytes(text)))),
      .sha512_signature =
          Sign(phone.key.get(), ToString(Sha512(AsBytes(text))))};
  const auto proven = VerifyProof(message, kDevice, kSession);
  ASSERT_TRUE(proven.ok()) << proven.status();
  EXPECT_TRUE(proven->bound_to_session);
  EXPECT_EQ(ReasonFor(message, kDevice, kSession + 1), "PROOF_WRONG");

  const TestIdentity other = NewTestIdentity(kDevice, 6);
  CapfMessage two = message;
  two.certificate = CapfCertificate{.type = CapfCertificateType::kMic,
                                    .der = Octets(other.certificate)};
  EXPECT_EQ(ReasonFor(two), "PROOF_WRONG");
  message.sudi->sha1_signature.clear();
  message.sudi->sha512_signature.clear();
  EXPECT_EQ(ReasonFor(message), "PROOF_MISSING");
}

TEST(CertificateProofTest, WhatIsNoCertificateProvesNothing) {
  const TestIdentity phone = NewTestIdentity(kDevice, 5);
  CapfMessage message = Claim(phone.key.get(), phone.certificate);
  message.certificate->der.push_back(0);
  EXPECT_EQ(ReasonFor(message), "PROOF_CERTIFICATE_MALFORMED");
  message.certificate->der = {1, 2, 3};
  EXPECT_EQ(ReasonFor(message), "PROOF_CERTIFICATE_MALFORMED");
}

// Defect 1: any phone with a manufacturer's certificate could be any device.
TEST(CertificateProofTest, NamesMustBeTheDevices) {
  using Type = CapfCertificateType;
  EXPECT_TRUE(
      IsCertificateOf("SEP001122AABBCC", "SEP001122aabbcc", Type::kLsc));
  EXPECT_TRUE(IsCertificateOf("CP-8861-SEP001122AABBCC", "SEP001122AABBCC",
                              Type::kMic));
  EXPECT_FALSE(IsCertificateOf("CP-8861-SEP001122AABBCC", "SEP001122AABBCC",
                               Type::kLsc));
  EXPECT_FALSE(IsCertificateOf("CP-8861-SEP001122AABBCC", "SEP001122AABBCD",
                               Type::kMic));
  EXPECT_FALSE(
      IsCertificateOf("XSEP001122AABBCC", "SEP001122AABBCC", Type::kMic));
  EXPECT_FALSE(IsCertificateOf("-", "", Type::kMic));
}

}  // namespace
}  // namespace sallyport::capf
