#include "services/common/crypto/x509_name.h"

#include <openssl/nid.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/digest.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Type = SubjectAltName::Type;

TEST(X509NameTest, ReadsEveryName) {
  TestCa ca("Gate CA");
  const TestCertificate cert = ca.Issue({
      .common_name = "gw.example.test",
      .dns_names = {"gw.example.test", "*.Example.test"},
      .uris = {"sip:example.test", "sip:alice@example.test"},
      .ips = {"192.0.2.1", "2001:db8::1"},
  });
  SP_ASSERT_OK_AND_ASSIGN(auto info, ParseCertificate(AsBytes(cert.der)));
  EXPECT_THAT(info.common_names, ElementsAre("gw.example.test"));
  EXPECT_THAT(info.AltNames(Type::kDns),
              ElementsAre("gw.example.test", "*.Example.test"));
  EXPECT_THAT(info.AltNames(Type::kUri),
              ElementsAre("sip:example.test", "sip:alice@example.test"));
  EXPECT_THAT(info.AltNames(Type::kIp),
              ElementsAre(std::string("\xc0\x00\x02\x01", 4), SizeIs(16)));
  EXPECT_THAT(info.alt_names, SizeIs(6));
  EXPECT_EQ(info.subject, "CN=gw.example.test");
  EXPECT_EQ(info.issuer, "CN=Gate CA");
  EXPECT_EQ(info.serial_hex, "1001");
  EXPECT_EQ(info.not_before, absl::FromUnixSeconds(1'577'836'800));
  EXPECT_EQ(info.not_after, absl::FromUnixSeconds(4'102'444'800));
  EXPECT_EQ(info.sha1, Sha1(AsBytes(cert.der)));
  EXPECT_EQ(info.sha256, Sha256(AsBytes(cert.der)));
  EXPECT_FALSE(info.is_ca);
  EXPECT_FALSE(info.self_issued);
  EXPECT_TRUE(info.server_auth);
  EXPECT_TRUE(info.client_auth);
}

TEST(X509NameTest, ReadsUsages) {
  TestCa ca;
  const auto usage = [&](const TestCertificateSpec& spec) {
    const auto info = *ParseCertificate(AsBytes(ca.Issue(spec).der));
    return std::make_pair(info.server_auth, info.client_auth);
  };
  EXPECT_EQ(usage({.client_auth = false}), std::make_pair(true, false));
  EXPECT_EQ(usage({.server_auth = false}), std::make_pair(false, true));
  EXPECT_EQ(usage({.server_auth = false, .client_auth = false}),
            std::make_pair(false, false));
  EXPECT_EQ(usage({.no_extended_key_usage = true}), std::make_pair(true, true));
}

// UM-23: what a certificate may be used for, by both extensions.
TEST(X509NameTest, Um23PermittedFunctions) {
  TestCa ca;
  const auto functions = [&](TestCertificateSpec spec) {
    return PermittedFunctions(*ParseCertificate(AsBytes(ca.Issue(spec).der)));
  };
  TestCertificateSpec spec = {.common_name = "a",
                              .key_usage = "critical,digitalSignature"};
  EXPECT_THAT(functions(spec), ElementsAre("web server authentication",
                                           "web user authentication", "TLS"));
  spec.client_auth = false;
  EXPECT_THAT(functions(spec), ElementsAre("web server authentication", "TLS"));
  // Its key may not take part in a handshake.
  spec.key_usage = "critical,cRLSign";
  EXPECT_THAT(functions(spec), IsEmpty());
  // Neither extension: everything.
  spec = {.common_name = "a", .no_extended_key_usage = true};
  spec.key_usage = "-";
  EXPECT_THAT(functions(spec), ElementsAre("web server authentication",
                                           "web user authentication", "S/MIME",
                                           "IPsec", "TLS", "code signing"));
  spec.key_usage = "critical,digitalSignature,keyAgreement";
  spec.extensions = {
      {NID_ext_key_usage, "codeSigning,emailProtection,1.3.6.1.5.5.7.3.17"}};
  EXPECT_THAT(functions(spec), ElementsAre("S/MIME", "IPsec", "code signing"));
  SP_ASSERT_OK_AND_ASSIGN(auto info,
                          ParseCertificate(AsBytes(ca.Issue(spec).der)));
  EXPECT_THAT(KeyUsageNames(info),
              ElementsAre("digitalSignature", "keyAgreement"));
}

// UM-30: issuer and subject alike is not enough, its own key must verify it.
TEST(X509NameTest, Um30SelfSigned) {
  TestCa ca("Gate CA");
  SP_ASSERT_OK_AND_ASSIGN(auto root,
                          ParseCertificate(AsBytes(ca.certificate().der)));
  EXPECT_TRUE(root.self_issued);
  EXPECT_TRUE(root.self_signed);
  SP_ASSERT_OK_AND_ASSIGN(
      auto namesake,
      ParseCertificate(AsBytes(ca.Issue({.common_name = "Gate CA"}).der)));
  EXPECT_TRUE(namesake.self_issued);
  EXPECT_FALSE(namesake.self_signed);
  SP_ASSERT_OK_AND_ASSIGN(
      auto leaf, ParseCertificate(AsBytes(ca.IssueDns("gw.test").der)));
  EXPECT_FALSE(leaf.self_signed);
}

TEST(X509NameTest, ReadsACa) {
  TestCa ca("Root, with \"quotes\"");
  SP_ASSERT_OK_AND_ASSIGN(auto info,
                          ParseCertificate(AsBytes(ca.certificate().der)));
  EXPECT_TRUE(info.is_ca);
  EXPECT_TRUE(info.self_issued);
  EXPECT_EQ(info.subject, "CN=Root\\, with \\\"quotes\\\"");  // RFC 2253
  EXPECT_THAT(info.alt_names, IsEmpty());
}

TEST(X509NameTest, NoNameAtAllIsNotAnError) {
  TestCa ca;
  SP_ASSERT_OK_AND_ASSIGN(auto info,
                          ParseCertificate(AsBytes(ca.Issue({}).der)));
  EXPECT_THAT(info.common_names, IsEmpty());
  EXPECT_THAT(info.alt_names, IsEmpty());
  EXPECT_EQ(info.subject, "");
}

// A name that a C string would cut short ("good.test\0.evil.test").
TEST(X509NameTest, ANulInANameIsRefused) {
  TestCa ca;
  const std::string name("good.test\0.evil.test", 20);
  for (const TestCertificateSpec& spec :
       {TestCertificateSpec{.dns_names = {name}},
        TestCertificateSpec{.uris = {name}},
        TestCertificateSpec{.common_name = name}}) {
    EXPECT_THAT(ParseCertificate(AsBytes(ca.Issue(spec).der)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(X509NameTest, RefusesWhatIsNotExactlyACertificate) {
  TestCa ca;
  const std::string der = ca.certificate().der;
  EXPECT_FALSE(ParseCertificate({}).ok());
  EXPECT_FALSE(ParseCertificate(AsBytes("junk")).ok());
  EXPECT_FALSE(ParseCertificate(AsBytes(der + "x")).ok());
  for (size_t i = 0; i < der.size(); ++i) {
    EXPECT_FALSE(ParseCertificate(AsBytes(der.substr(0, i))).ok()) << i;
  }
}

TEST(X509NameTest, ADamagedCertificateNeverCrashes) {
  TestCa ca;
  const std::string der =
      ca.Issue({.common_name = "x", .dns_names = {"a"}, .uris = {"sip:b"}}).der;
  for (size_t i = 0; i < der.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = der;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const auto info = ParseCertificate(AsBytes(damaged));
      if (!info.ok()) continue;
      EXPECT_NE(info->sha256, Sha256(AsBytes(der)));
    }
  }
}

TEST(PemTest, ReadsEveryCertificateAndSkipsTheRest) {
  TestCa ca;
  const TestCertificate leaf = ca.IssueDns("a.test");
  const std::string pem =
      absl::StrCat("a comment\n", leaf.pem, leaf.key_pem, "more\n", ca.pem());
  EXPECT_THAT(CertificatesFromPem(pem),
              IsOkAndHolds(ElementsAre(leaf.der, ca.certificate().der)));
  EXPECT_EQ(CertificateToPem(AsBytes(leaf.der)), leaf.pem);
}

TEST(PemTest, RefusesNoneAndBroken) {
  TestCa ca;
  for (const std::string& bad :
       {std::string(), std::string("nothing here"), ca.certificate().key_pem,
        ca.pem().substr(0, ca.pem().size() / 2),
        std::string("-----BEGIN CERTIFICATE-----\nAAAA\n"
                    "-----END CERTIFICATE-----\n"),
        ca.pem() + "-----BEGIN CERTIFICATE-----\n!!\n"
                   "-----END CERTIFICATE-----\n"}) {
    EXPECT_THAT(CertificatesFromPem(bad),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
}

// RFC 5924.
TEST(X509NameTest, SipDomainsAreAUsage) {
  TestCa ca;
  const auto read = [&](const std::string& usages) {
    TestCertificateSpec spec{.dns_names = {"a.test"},
                             .no_extended_key_usage = true};
    if (!usages.empty()) spec.extensions = {{NID_ext_key_usage, usages}};
    return *ParseCertificate(AsBytes(ca.Issue(spec).der));
  };
  const CertificateInfo none = read("");
  EXPECT_TRUE(none.client_auth);
  EXPECT_FALSE(none.sip_domain);
  EXPECT_FALSE(none.any_usage);
  const CertificateInfo sip = read("1.3.6.1.5.5.7.3.20");
  EXPECT_TRUE(sip.sip_domain);
  EXPECT_FALSE(sip.client_auth);
  EXPECT_FALSE(sip.server_auth);
  EXPECT_FALSE(sip.any_usage);
  EXPECT_FALSE(read("1.3.6.1.5.5.7.3.21").sip_domain);
  EXPECT_FALSE(read("1.3.6.1.5.5.7.3.20.1").sip_domain);
  const CertificateInfo any = read("codeSigning,anyExtendedKeyUsage");
  EXPECT_TRUE(any.any_usage);
  EXPECT_FALSE(any.sip_domain);
  EXPECT_TRUE(any.client_auth);
}

}  // namespace
}  // namespace sallyport
