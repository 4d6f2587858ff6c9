#include "services/signaling_edge/io/own_certificate.h"

#include <openssl/nid.h>
#include <sys/stat.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OwnCertificateTest : public ::testing::Test {
 protected:
  OwnCertificateTest() : ca_("PKI Root") {
    const std::string base = absl::StrCat(
        ::testing::TempDir(), "/",
        ::testing::UnitTest::GetInstance()->current_test_info()->name());
    files_ = {base + ".pem",
              base + ".key",
              base + ".self",
              {"edge.test", "sip.edge.test"}};
    for (const std::string& file :
         {files_.certificate_file, files_.key_file, files_.self_signed_file}) {
      std::remove(file.c_str());
    }
  }

  void Install(const TestCertificateSpec& spec) {
    const TestCertificate made = ca_.Issue(spec);
    EXPECT_THAT(WriteDurableFile(files_.certificate_file, made.pem), IsOk());
    EXPECT_THAT(WriteDurableFile(files_.key_file, made.key_pem), IsOk());
  }
  OwnCertificate Choose() {
    auto own = ChooseOwnCertificate(files_, now_);
    EXPECT_THAT(own.status(), IsOk());
    return own.ok() ? *own : OwnCertificate();
  }

  TestCa ca_;
  OwnCertificateFiles files_;
  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

// UM-32, UM-109, UM-124: with nothing there, a self-signed one is made, once.
TEST_F(OwnCertificateTest, Um32MakesASelfSignedOneIfThereIsNoOther) {
  const OwnCertificate first = Choose();
  EXPECT_TRUE(first.self_signed);
  EXPECT_TRUE(first.made_now);
  EXPECT_THAT(first.configured, HasReason("OWN_CERTIFICATE_NOT_FOUND"));
  EXPECT_TRUE(first.info.self_signed);
  EXPECT_EQ(first.info.subject, "CN=edge.test");
  EXPECT_THAT(first.info.AltNames(SubjectAltName::Type::kDns),
              ElementsAre("edge.test", "sip.edge.test"));
  EXPECT_TRUE(first.info.server_auth);
  EXPECT_TRUE(first.info.client_auth);
  EXPECT_EQ(first.info.not_after, now_ + absl::Hours(24 * 365));
  struct stat status = {};
  ASSERT_EQ(stat(files_.self_signed_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  const OwnCertificate again = Choose();
  EXPECT_TRUE(again.self_signed);
  EXPECT_FALSE(again.made_now);
  EXPECT_EQ(again.info.sha256, first.info.sha256);

  // Over: another one.
  const auto later = ChooseOwnCertificate(files_, now_ + absl::Hours(24 * 366));
  ASSERT_THAT(later.status(), IsOk());
  EXPECT_TRUE(later->made_now);
  EXPECT_NE(later->info.sha256, first.info.sha256);
}

// UM-33: nobody trusts it before its import; then its issuer is its subject.
TEST_F(OwnCertificateTest, Um33IsTrustedByImportAlone) {
  const OwnCertificate own = Choose();
  SP_ASSERT_OK_AND_ASSIGN(const std::string pem,
                          ReadWholeFile(own.certificate_file, 1 << 16));
  SP_ASSERT_OK_AND_ASSIGN(const auto chain, CertificatesFromPem(pem));
  SP_ASSERT_OK_AND_ASSIGN(const auto strangers,
                          TrustAnchors::FromPem(ca_.pem()));
  EXPECT_FALSE(
      strangers->Verify(chain, CertificatePurpose::kTlsServer, now_).ok());
  SP_ASSERT_OK_AND_ASSIGN(const auto imported, TrustAnchors::FromPem(pem));
  EXPECT_THAT(imported->Verify(chain, CertificatePurpose::kTlsServer, now_),
              IsOk());
}

// UM-109: what an authority has signed comes first, as long as it is valid.
TEST_F(OwnCertificateTest, Um109ThatOfAnAuthorityComesFirst) {
  Choose();
  Install({.common_name = "edge.test", .dns_names = {"edge.test"}});
  const OwnCertificate own = Choose();
  EXPECT_FALSE(own.self_signed);
  EXPECT_THAT(own.configured, IsOk());
  EXPECT_EQ(own.info.issuer, "CN=PKI Root");
  EXPECT_EQ(own.certificate_file, files_.certificate_file);
}

// RFC 5924: one for SIP domains is one for SIP.
TEST_F(OwnCertificateTest, OneForSipDomainsAloneIsGood) {
  Install({.dns_names = {"edge.test"},
           .no_extended_key_usage = true,
           .extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.20"}}});
  const OwnCertificate own = Choose();
  EXPECT_FALSE(own.self_signed);
  EXPECT_THAT(own.configured, IsOk());
}

// UM-60, UM-125: what is there and invalid is told as that, and not shown while
// there is a choice. UM-24: nor is one of another key.
TEST_F(OwnCertificateTest, Um60InvalidOnes) {
  const std::string names[] = {"edge.test"};
  const auto expect = [&](const char* why) {
    const OwnCertificate own = Choose();
    EXPECT_TRUE(own.self_signed) << why;
    EXPECT_THAT(own.configured, HasReason("OWN_CERTIFICATE_INVALID")) << why;
    EXPECT_THAT(std::string(own.configured.message()), HasSubstr(why));
  };
  Install({.dns_names = {names[0]}, .not_after = now_ - absl::Seconds(1)});
  expect("has expired");
  Install({.dns_names = {names[0]}, .not_before = now_ + absl::Seconds(1)});
  expect("not valid yet");
  Install({.dns_names = {names[0]}, .server_auth = false});
  expect("allows neither server authentication nor SIP domains");
  Install({.dns_names = {names[0]}});
  EXPECT_THAT(
      WriteDurableFile(files_.key_file, ca_.IssueDns("other.test").key_pem),
      IsOk());
  expect("");
  EXPECT_THAT(WriteDurableFile(files_.key_file, "no key"), IsOk());
  expect("");
}

// Without leave to make one: the configured one as it is, or an error.
TEST_F(OwnCertificateTest, Um60WithoutASelfSignedOne) {
  files_.self_signed_file.clear();
  EXPECT_THAT(ChooseOwnCertificate(files_, now_).status(),
              HasReason("OWN_CERTIFICATE_NOT_FOUND"));
  Install({.dns_names = {"edge.test"}, .not_after = now_ - absl::Hours(1)});
  const OwnCertificate own = Choose();
  EXPECT_FALSE(own.self_signed);
  EXPECT_THAT(own.configured, HasReason("OWN_CERTIFICATE_INVALID"));
  EXPECT_EQ(own.info.issuer, "CN=PKI Root");
  EXPECT_THAT(WriteDurableFile(files_.key_file, "no key"), IsOk());
  EXPECT_THAT(ChooseOwnCertificate(files_, now_).status(),
              HasReason("OWN_CERTIFICATE_INVALID"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
