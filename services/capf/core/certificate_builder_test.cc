#include "services/capf/core/certificate_builder.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795255200);  // 2026-11-21

// Runs a shell command; its output and exit code.
std::string Shell(const std::string& command, int& code) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string out;
  char buffer[512];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) out += buffer;
  code = pclose(pipe);
  return out;
}

std::string WritePem(const std::string& name, const std::string& der) {
  const std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
  std::ofstream(path) << CertificateToPem(AsBytes(der));
  return path;
}

std::string IssueLeaf(const TestAuthority& authority, ProfileId profile,
                      EVP_PKEY* key, const SubjectName& subject,
                      const SubjectAltNames& names) {
  FakeRandom random(3);
  const auto public_key =
      PublicKey::FromSpki(AsBytes(TestSpki(key)), KeyPolicy{});
  const auto validity =
      ChooseValidity(ProfileFor(profile), {}, kNow, authority.issuer);
  EXPECT_TRUE(validity.ok());
  const CertificateSpec spec{.profile = profile,
                             .serial = DrawSerial(5, random),
                             .subject = subject,
                             .names = names,
                             .key = *public_key,
                             .not_before = validity->not_before,
                             .not_after = validity->not_after};
  const auto tbs = BuildTbs(spec, authority.issuer);
  EXPECT_TRUE(tbs.ok()) << tbs.status();
  const auto der = AssembleCertificate(
      AsBytes(*tbs), SignatureAlgorithmFor(authority.issuer.key.kind()),
      AsBytes(TestSign(authority.key.get(), AsBytes(*tbs))));
  EXPECT_TRUE(der.ok());
  EXPECT_EQ(TbsOf(AsBytes(*der)).value(), *tbs);
  EXPECT_EQ(IssuerNameOf(AsBytes(*der)).value(), authority.issuer.subject_der);
  EXPECT_FALSE(IssuerNameOf(AsBytes("x")).ok());
  return *der;
}

// An independent implementation builds the path and reads the fields.
TEST(CertificateBuilderTest, OpensslVerifiesALscOfEveryIssuerAndKey) {
  for (const KeyKind issuer_kind :
       {KeyKind::kEcP256, KeyKind::kEcP384, KeyKind::kEcP521, KeyKind::kRsa}) {
    const TestAuthority authority = NewTestAuthority(issuer_kind, kNow);
    const std::string ca = WritePem("ca.pem", authority.issuer.certificate_der);
    for (const KeyKind leaf_kind : {KeyKind::kEcP256, KeyKind::kRsa}) {
      SCOPED_TRACE(std::string(KeyKindName(issuer_kind)) + " signs " +
                   std::string(KeyKindName(leaf_kind)));
      const auto key = NewTestKey(leaf_kind);
      const std::string leaf =
          WritePem("leaf.pem", IssueLeaf(authority, ProfileId::kLsc, key.get(),
                                         {.organization = "Example",
                                          .common_name = "SEP001122334455"},
                                         {}));
      int code = 0;
      const std::string verified = Shell(
          "openssl verify -x509_strict -purpose sslclient -attime "
          "1795255200 -CAfile " +
              ca + " " + leaf,
          code);
      EXPECT_EQ(code, 0) << verified;
      const std::string text =
          Shell("openssl x509 -noout -text -in " + leaf, code);
      EXPECT_EQ(code, 0) << text;
      for (const char* part :
           {"Version: 3", "Subject: O = Example, CN = SEP001122334455",
            "CA:FALSE", "Digital Signature",
            "TLS Web Server Authentication, TLS Web Client Authentication, "
            "IPSec End System",
            "X509v3 Key Usage: critical", "X509v3 Authority Key Identifier"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
      }
      EXPECT_EQ(text.find("Key Encipherment") != std::string::npos,
                leaf_kind == KeyKind::kRsa);
    }
  }
}

TEST(CertificateBuilderTest, OpensslSeesAlternativeNames) {
  const TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  const auto key = NewTestKey(KeyKind::kEcP256);
  const std::string ca = WritePem("ca.pem", authority.issuer.certificate_der);
  const std::string leaf = WritePem(
      "server.pem", IssueLeaf(authority, ProfileId::kSipServer, key.get(),
                              {.common_name = "edge"},
                              {{"edge.example.test"}, {"sip:example.test"}}));
  int code = 0;
  const std::string text =
      Shell("openssl x509 -noout -ext subjectAltName -in " + leaf, code);
  EXPECT_NE(text.find("DNS:edge.example.test, URI:sip:example.test"),
            std::string::npos)
      << text;
  Shell(
      "openssl verify -x509_strict -purpose sslserver -verify_hostname "
      "edge.example.test -attime 1795255200 -CAfile " +
          ca + " " + leaf,
      code);
  EXPECT_EQ(code, 0);
  Shell(
      "openssl verify -x509_strict -verify_hostname other.example.test "
      "-attime 1795255200 -CAfile " +
          ca + " " + leaf,
      code);
  EXPECT_NE(code, 0);
}

TEST(CertificateBuilderTest, AuthorityIsOneAndSignsLeavesOnly) {
  const TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  EXPECT_EQ(authority.issuer.subject.common_name, "CAPF-test");
  EXPECT_EQ(authority.issuer.subject.country, "XX");
  const auto info = ParseCertificate(AsBytes(authority.issuer.certificate_der));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_TRUE(info->is_ca);
  EXPECT_TRUE(info->self_issued);
  int code = 0;
  const std::string text =
      Shell("openssl x509 -noout -ext basicConstraints,keyUsage -in " +
                WritePem("ca.pem", authority.issuer.certificate_der),
            code);
  EXPECT_NE(text.find("CA:TRUE, pathlen:0"), std::string::npos) << text;
  EXPECT_NE(text.find("Digital Signature, Certificate Sign, CRL Sign"),
            std::string::npos)
      << text;
}

TEST(CertificateBuilderTest, ALeafIsNoIssuer) {
  const TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  const auto key = NewTestKey(KeyKind::kEcP256);
  const std::string leaf = IssueLeaf(authority, ProfileId::kLsc, key.get(),
                                     {.common_name = "SEP1"}, {});
  EXPECT_EQ(ReasonOf(ReadIssuer(AsBytes(leaf)).status()), "ISSUER_INVALID");
  EXPECT_EQ(ReasonOf(ReadIssuer(AsBytes("x")).status()), "ISSUER_INVALID");
  EXPECT_EQ(
      ReasonOf(
          ReadIssuer(AsBytes(authority.issuer.certificate_der + "x")).status()),
      "ISSUER_INVALID");
}

// BR 7.1 asks 64 bits; ours are 128, never negative, never a counter.
TEST(CertificateBuilderTest, SerialsAreLongRandomAndPositive) {
  FakeRandom random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string serial = DrawSerial(0x7f, random);
    EXPECT_EQ(serial.size(), 17u);
    EXPECT_EQ(serial[0], 0x7f);
    EXPECT_TRUE(seen.insert(serial).second);
  }
  EXPECT_EQ(DrawSerial(0, random)[0], 1);
  EXPECT_EQ(DrawSerial(0xff, random)[0], 0x7f);
}

TEST(CertificateBuilderTest, ValidityKeepsWithinProfileAndIssuer) {
  const CertificateProfile& lsc = ProfileFor(ProfileId::kLsc);
  const auto plain = ChooseValidity(lsc, {}, kNow, std::nullopt);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->not_before, kNow - absl::Hours(1));
  // Both ends count: 365 days and not one second more (Let's Encrypt 2021-06).
  EXPECT_EQ(plain->not_after - plain->not_before + absl::Seconds(1),
            absl::Hours(24 * 365));
  EXPECT_EQ(
      ReasonOf(ChooseValidity(lsc, absl::Hours(24 * 3561), kNow, std::nullopt)
                   .status()),
      "VALIDITY_INVALID");
  EXPECT_EQ(
      ReasonOf(
          ChooseValidity(lsc, absl::Minutes(5), kNow, std::nullopt).status()),
      "VALIDITY_INVALID");
  // An hour asked for is an hour from now, not an hour that is over.
  const auto hour = ChooseValidity(lsc, absl::Hours(1), kNow, std::nullopt);
  ASSERT_TRUE(hour.ok());
  EXPECT_GT(hour->not_after, kNow + absl::Minutes(59));

  // What renews by itself may be short, and begins within itself.
  const auto brief = ChooseValidity(ProfileFor(ProfileId::kService),
                                    absl::Seconds(60), kNow, std::nullopt);
  ASSERT_TRUE(brief.ok());
  EXPECT_EQ(brief->not_before, kNow - absl::Seconds(6));
  EXPECT_EQ(brief->not_after, kNow + absl::Seconds(59));
  EXPECT_EQ(ReasonOf(ChooseValidity(ProfileFor(ProfileId::kSipServer),
                                    absl::Seconds(9), kNow, std::nullopt)
                         .status()),
            "VALIDITY_INVALID");

  TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  authority.issuer.not_after = kNow + absl::Hours(48);
  const auto cut = ChooseValidity(lsc, {}, kNow, authority.issuer);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->not_after, authority.issuer.not_after);
  authority.issuer.not_after = kNow + absl::Minutes(30);
  EXPECT_EQ(ReasonOf(ChooseValidity(lsc, {}, kNow, authority.issuer).status()),
            "ISSUER_EXPIRED");
}

TEST(CertificateBuilderTest, DatesPast2049AreGeneralized) {
  const TestAuthority authority = NewTestAuthority(
      KeyKind::kEcP256, absl::FromUnixSeconds(2398291200));  // 2045-12-31
  int code = 0;
  const std::string text =
      Shell("openssl x509 -noout -enddate -in " +
                WritePem("ca.pem", authority.issuer.certificate_der),
            code);
  EXPECT_NE(text.find("2055 GMT"), std::string::npos) << text;
}

TEST(CertificateBuilderTest, SignatureVerification) {
  const auto key = NewTestKey(KeyKind::kEcP256);
  const auto public_key =
      PublicKey::FromSpki(AsBytes(TestSpki(key.get())), KeyPolicy{});
  const std::string signature = TestSign(key.get(), AsBytes("data"));
  EXPECT_TRUE(VerifySignature(AsBytes("data"), SignatureAlgorithm::kEcdsaSha256,
                              AsBytes(signature), *public_key));
  EXPECT_FALSE(VerifySignature(AsBytes("date"),
                               SignatureAlgorithm::kEcdsaSha256,
                               AsBytes(signature), *public_key));
  EXPECT_FALSE(VerifySignature(AsBytes("data"),
                               SignatureAlgorithm::kEcdsaSha256,
                               AsBytes("not a signature"), *public_key));
}

}  // namespace
}  // namespace sallyport::capf
