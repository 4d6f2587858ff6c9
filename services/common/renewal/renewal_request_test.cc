#include "services/common/renewal/renewal_request.h"

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"

namespace sallyport {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TestCertificateSpec Spec() {
  TestCertificateSpec spec;
  spec.common_name = "media_relay";
  spec.dns_names = {"relay.example.test"};
  spec.uris = {"spiffe://t.test/media_relay"};
  spec.ips = {"192.0.2.7"};
  return spec;
}

CertificateInfo InfoOf(const TestCertificate& certificate) {
  return ParseCertificate(AsBytes(certificate.der)).value();
}

TEST(RenewalRequestTest, TheOldKeySignsForTheNewOne) {
  TestCa ca;
  const TestCertificate old = ca.Issue(Spec());
  SP_ASSERT_OK_AND_ASSIGN(const RenewalRequest request,
                          MakeRenewalRequest(old.pem, old.KeySecret()));
  EXPECT_TRUE(VerifyRenewalProof(AsBytes(old.der), AsBytes(request.csr_der),
                                 AsBytes(request.proof)));
  EXPECT_FALSE(VerifyRenewalProof(AsBytes(old.der), AsBytes(old.der),
                                  AsBytes(request.proof)));
  const TestCertificate other = ca.Issue(Spec());
  EXPECT_FALSE(VerifyRenewalProof(AsBytes(other.der), AsBytes(request.csr_der),
                                  AsBytes(request.proof)));
  EXPECT_FALSE(VerifyRenewalProof(AsBytes("x"), AsBytes(request.csr_der),
                                  AsBytes(request.proof)));
  // The key is new each time.
  SP_ASSERT_OK_AND_ASSIGN(const RenewalRequest again,
                          MakeRenewalRequest(old.pem, old.KeySecret()));
  EXPECT_FALSE(again.key_pem == request.key_pem);
  EXPECT_FALSE(KeyBelongs(old.pem, request.key_pem));
  EXPECT_TRUE(KeyBelongs(old.pem, old.KeySecret()));
}

TEST(RenewalRequestTest, APairThatDoesNotBelongTogetherIsRefused) {
  TestCa ca;
  const TestCertificate one = ca.Issue(Spec());
  const TestCertificate two = ca.Issue(Spec());
  EXPECT_THAT(MakeRenewalRequest(one.pem, two.KeySecret()),
              HasReason("CERTIFICATE_UNUSABLE"));
  EXPECT_THAT(MakeRenewalRequest("nothing", two.KeySecret()),
              HasReason("CERTIFICATE_UNUSABLE"));
  EXPECT_THAT(MakeRenewalRequest(one.pem, Secret()),
              HasReason("CERTIFICATE_UNUSABLE"));
}

// Whoever meets us would refuse the same: nothing of it may take the place of
// a certificate that works.
TEST(RenewalRequestTest, WhatCameBackIsLookedAt) {
  TestCa ca;
  TestCa stranger("Stranger");
  const TestCertificate old = ca.Issue(Spec());
  const CertificateInfo info = InfoOf(old);
  const auto check = [&](TestCa& issuer, const TestCertificateSpec& spec) {
    const TestCertificate renewed = issuer.Issue(spec);
    return CheckRenewed(renewed.pem, renewed.KeySecret(), info, ca.pem(), kNow);
  };
  EXPECT_THAT(check(ca, Spec()), IsOk());
  TestCertificateSpec spec = Spec();
  spec.dns_names.push_back("other.example.test");
  EXPECT_THAT(check(ca, spec), HasReason("RENEWED_UNUSABLE"));
  spec = Spec();
  spec.uris = {"spiffe://t.test/capf"};
  EXPECT_THAT(check(ca, spec), HasReason("RENEWED_UNUSABLE"));
  spec = Spec();
  spec.ips.clear();
  EXPECT_THAT(check(ca, spec), HasReason("RENEWED_UNUSABLE"));
  spec = Spec();
  spec.client_auth = false;
  EXPECT_THAT(check(ca, spec), HasReason("RENEWED_UNUSABLE"));
  spec = Spec();
  spec.not_after = kNow - absl::Seconds(1);
  EXPECT_THAT(check(ca, spec), HasReason("RENEWED_UNUSABLE"));
  spec = Spec();
  spec.not_before = kNow + absl::Hours(1);
  EXPECT_THAT(check(ca, spec), HasReason("RENEWED_UNUSABLE"));
  EXPECT_THAT(check(stranger, Spec()), HasReason("RENEWED_UNUSABLE"));
  // For another key.
  const TestCertificate renewed = ca.Issue(Spec());
  EXPECT_THAT(CheckRenewed(renewed.pem, old.KeySecret(), info, ca.pem(), kNow),
              HasReason("RENEWED_UNUSABLE"));
  EXPECT_THAT(CheckRenewed("", old.KeySecret(), info, ca.pem(), kNow),
              HasReason("RENEWED_UNUSABLE"));
  // Without roots the chain is for peers to judge.
  const TestCertificate elsewhere = stranger.Issue(Spec());
  EXPECT_THAT(
      CheckRenewed(elsewhere.pem, elsewhere.KeySecret(), info, "", kNow),
      IsOk());
}

}  // namespace
}  // namespace sallyport
