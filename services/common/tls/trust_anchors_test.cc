#include "services/common/tls/trust_anchors.h"

#include <openssl/nid.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"

namespace sallyport {
namespace {

constexpr auto kClient = CertificatePurpose::kTlsClient;
constexpr auto kServer = CertificatePurpose::kTlsServer;
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

std::shared_ptr<const TrustAnchors> Trust(const std::string& pem) {
  return *TrustAnchors::FromPem(pem);
}

TEST(TrustAnchorsTest, AcceptsADirectAndAnIndirectChain) {
  TestCa root("Root");
  TestCa middle = root.IssueCa("Middle");
  const auto trust = Trust(root.pem());
  EXPECT_THAT(trust->Verify({root.IssueDns("a.test").der}, kServer, kNow),
              IsOk());
  const TestCertificate leaf = middle.IssueDns("b.test");
  EXPECT_THAT(
      trust->Verify({leaf.der, middle.certificate().der}, kServer, kNow),
      IsOk());
  // The root itself may be sent too, to no effect.
  EXPECT_THAT(trust->Verify(
                  {leaf.der, middle.certificate().der, root.certificate().der},
                  kServer, kNow),
              IsOk());
  // Without the intermediate there is no path.
  EXPECT_THAT(trust->Verify({leaf.der}, kServer, kNow),
              HasReason("PEER_CERTIFICATE_UNTRUSTED"));
}

// A change of trust costs what lives on no signature.
TEST(TrustAnchorsTest, NoSignatureIsComputedTwice) {
  TestCa root("Root"), other("Other");
  TestCa middle = root.IssueCa("Middle");
  const auto first = *TrustAnchors::FromDer({root.certificate().der}, nullptr);
  std::vector<std::string> leaves;
  for (int i = 0; i < 5; ++i) {
    leaves.push_back(middle.IssueDns(absl::StrCat(i, ".test")).der);
    EXPECT_THAT(
        first->Verify({leaves.back(), middle.certificate().der}, kServer, kNow),
        IsOk());
  }
  EXPECT_EQ(first->signatures_checked(), 6u) << "five leaves, one above them";
  // The anchor is now the one in between, and then gone, and then back.
  const auto verify = [&](const TrustAnchors& trust) {
    int good = 0;
    for (const std::string& leaf : leaves) {
      good += trust.Verify({leaf, middle.certificate().der}, kServer, kNow).ok()
                  ? 1
                  : 0;
    }
    return good;
  };
  const auto second =
      *TrustAnchors::FromDer({middle.certificate().der}, first.get());
  EXPECT_EQ(second->remembered(), 0u);
  EXPECT_EQ(verify(*second), 5);
  const auto third =
      *TrustAnchors::FromDer({other.certificate().der}, second.get());
  EXPECT_EQ(verify(*third), 0);
  const auto fourth =
      *TrustAnchors::FromDer({root.certificate().der}, third.get());
  EXPECT_EQ(verify(*fourth), 5);
  EXPECT_EQ(fourth->signatures_checked(), 6u);
  // Another key is another matter, whatever its name.
  TestCa same_name("Root");
  const auto fifth =
      *TrustAnchors::FromDer({same_name.certificate().der}, fourth.get());
  EXPECT_EQ(verify(*fifth), 0);
}

// IMP-21: a self-signed certificate of the other side is enough.
TEST(TrustAnchorsTest, EveryMemberIsAnAnchorAsItStands) {
  TestCa root("Root");
  TestCa middle = root.IssueCa("Middle");
  const TestCertificate leaf = middle.IssueDns("b.test");
  const TestCertificate alone = SelfSigned({.common_name = "alone"});
  // An intermediate, and the peer's very certificate.
  EXPECT_THAT(Trust(middle.pem())->Verify({leaf.der}, kClient, kNow), IsOk());
  EXPECT_THAT(Trust(leaf.pem)->Verify({leaf.der}, kClient, kNow), IsOk());
  EXPECT_THAT(Trust(alone.pem)->Verify({alone.der}, kClient, kNow), IsOk());
}

TEST(TrustAnchorsTest, RefusesAnotherCaOfTheSameName) {
  TestCa ours("Same Name"), theirs("Same Name");
  EXPECT_THAT(
      Trust(ours.pem())->Verify({theirs.IssueDns("a.test").der}, kServer, kNow),
      HasReason("PEER_CERTIFICATE_UNTRUSTED"));
  // Nor when they present their own root along with it.
  EXPECT_THAT(
      Trust(ours.pem())
          ->Verify({theirs.IssueDns("a.test").der, theirs.certificate().der},
                   kServer, kNow),
      HasReason("PEER_CERTIFICATE_UNTRUSTED"));
}

TEST(TrustAnchorsTest, RefusesALeafThatActsAsACa) {
  TestCa root("Root");
  const auto trust = Trust(root.pem());
  // A certificate authority in all but what the root allowed it to be.
  TestCa fake("leaf.test");
  const TestCertificate leaf = root.IssueDns("leaf.test");
  EXPECT_THAT(trust->Verify({fake.IssueDns("victim.test").der, leaf.der},
                            kServer, kNow),
              HasReason("PEER_CERTIFICATE_UNTRUSTED"));
}

TEST(TrustAnchorsTest, TimeBounds) {
  TestCa root("Root");
  const auto trust = Trust(root.pem());
  const absl::Time start = kNow, end = kNow + absl::Hours(1);
  const std::string leaf =
      root.Issue({.common_name = "t", .not_before = start, .not_after = end})
          .der;
  EXPECT_THAT(trust->Verify({leaf}, kServer, start - absl::Seconds(1)),
              HasReason("PEER_CERTIFICATE_NOT_YET_VALID"));
  EXPECT_THAT(trust->Verify({leaf}, kServer, start + absl::Seconds(1)), IsOk());
  EXPECT_THAT(trust->Verify({leaf}, kServer, end - absl::Seconds(1)), IsOk());
  EXPECT_THAT(trust->Verify({leaf}, kServer, end + absl::Seconds(1)),
              HasReason("PEER_CERTIFICATE_EXPIRED"));
}

TEST(TrustAnchorsTest, WhatWasGoodIsStillHeldToItsTimePurposeAndOctets) {
  TestCa root("Root");
  const auto trust = Trust(root.pem());
  const std::string leaf = root.Issue({.common_name = "t",
                                       .not_before = kNow,
                                       .not_after = kNow + absl::Hours(1),
                                       .client_auth = false})
                               .der;
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(trust->Verify({leaf}, kServer, kNow), IsOk());
    EXPECT_THAT(trust->Verify({leaf}, kClient, kNow),
                HasReason("PEER_CERTIFICATE_WRONG_USAGE"));
    EXPECT_THAT(trust->Verify({leaf}, kServer, kNow - absl::Seconds(1)),
                HasReason("PEER_CERTIFICATE_NOT_YET_VALID"));
    EXPECT_THAT(trust->Verify({leaf}, kServer, kNow + absl::Hours(2)),
                HasReason("PEER_CERTIFICATE_EXPIRED"));
    std::string forged = leaf;
    forged.back() = static_cast<char>(forged.back() ^ 1);
    EXPECT_FALSE(trust->Verify({forged}, kServer, kNow).ok());
  }
}

TEST(TrustAnchorsTest, Purpose) {
  TestCa root("Root");
  const auto trust = Trust(root.pem());
  const std::string server_only = root.Issue({.client_auth = false}).der;
  const std::string client_only = root.Issue({.server_auth = false}).der;
  const std::string silent = root.Issue({.no_extended_key_usage = true}).der;
  EXPECT_THAT(trust->Verify({server_only}, kServer, kNow), IsOk());
  EXPECT_THAT(trust->Verify({server_only}, kClient, kNow),
              HasReason("PEER_CERTIFICATE_WRONG_USAGE"));
  EXPECT_THAT(trust->Verify({client_only}, kClient, kNow), IsOk());
  EXPECT_THAT(trust->Verify({client_only}, kServer, kNow),
              HasReason("PEER_CERTIFICATE_WRONG_USAGE"));
  EXPECT_THAT(trust->Verify({silent}, kClient, kNow), IsOk());
  EXPECT_THAT(trust->Verify({client_only}, CertificatePurpose::kAny, kNow),
              IsOk());
  // RFC 5924: what is for SIP domains is for SIP peers, and for nobody else.
  const std::string sip =
      root.Issue({.no_extended_key_usage = true,
                  .extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.20"}}})
          .der;
  for (const auto purpose :
       {CertificatePurpose::kSipClient, CertificatePurpose::kSipServer}) {
    EXPECT_THAT(trust->Verify({sip}, purpose, kNow), IsOk());
    EXPECT_THAT(trust->Verify({silent}, purpose, kNow), IsOk());
  }
  for (const auto purpose : {kClient, kServer}) {
    EXPECT_THAT(trust->Verify({sip}, purpose, kNow),
                HasReason("PEER_CERTIFICATE_WRONG_USAGE"));
  }
  EXPECT_THAT(
      trust->Verify({client_only}, CertificatePurpose::kSipServer, kNow),
      HasReason("PEER_CERTIFICATE_WRONG_USAGE"));
}

TEST(TrustAnchorsTest, MissingAndMalformed) {
  TestCa root("Root");
  const auto trust = Trust(root.pem());
  EXPECT_THAT(trust->Verify({}, kServer, kNow),
              HasReason("PEER_CERTIFICATE_MISSING"));
  EXPECT_THAT(trust->Verify({"junk"}, kServer, kNow),
              HasReason("PEER_CERTIFICATE_MALFORMED"));
  const std::string leaf = root.IssueDns("a.test").der;
  EXPECT_THAT(trust->Verify({leaf, "junk"}, kServer, kNow),
              HasReason("PEER_CERTIFICATE_MALFORMED"));
  EXPECT_THAT(trust->Verify(std::vector<std::string>(11, leaf), kServer, kNow),
              HasReason("PEER_CERTIFICATE_MALFORMED"));
  EXPECT_THAT(trust->Verify({"junk"}, kServer, kNow),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST(TrustAnchorsTest, TheEmptySetTrustsNobody) {
  TestCa root("Root");
  SP_ASSERT_OK_AND_ASSIGN(auto nobody, TrustAnchors::FromDer({}));
  EXPECT_EQ(nobody->size(), 0u);
  EXPECT_THAT(nobody->Verify({root.certificate().der}, kServer, kNow),
              HasReason("PEER_CERTIFICATE_UNTRUSTED"));
}

TEST(TrustAnchorsTest, LoadsSeveralAndToleratesARepetition) {
  TestCa a("A"), b("B");
  const auto trust = Trust(absl::StrCat(a.pem(), b.pem(), a.pem()));
  EXPECT_THAT(trust->Verify({a.IssueDns("x").der}, kServer, kNow), IsOk());
  EXPECT_THAT(trust->Verify({b.IssueDns("x").der}, kServer, kNow), IsOk());
  EXPECT_FALSE(TrustAnchors::FromPem("nothing").ok());
  EXPECT_FALSE(TrustAnchors::FromDer({"junk"}).ok());
}

// What was verified under an anchor stays good while that anchor is there, so
// that new trust costs thousands of live connections little; nothing else does.
TEST(TrustAnchorsTest, RemembersAcrossGenerationsByAnchor) {
  TestCa a("A"), b("B"), c("C");
  const auto der = [](const TestCa& ca) { return ca.certificate().der; };
  SP_ASSERT_OK_AND_ASSIGN(auto first, TrustAnchors::FromDer({der(a), der(b)}));
  const std::string of_a = a.IssueDns("x").der, of_b = b.IssueDns("x").der;
  EXPECT_THAT(first->Verify({of_a}, kServer, kNow), IsOk());
  EXPECT_THAT(first->Verify({of_b}, kServer, kNow), IsOk());
  EXPECT_EQ(first->remembered(), 2u);
  SP_ASSERT_OK_AND_ASSIGN(auto second,
                          TrustAnchors::FromDer({der(c), der(a)}, first.get()));
  EXPECT_EQ(second->remembered(), 1u);
  EXPECT_THAT(second->Verify({of_a}, kServer, kNow), IsOk());
  EXPECT_THAT(second->Verify({of_b}, kServer, kNow),
              HasReason("PEER_CERTIFICATE_UNTRUSTED"));
  SP_ASSERT_OK_AND_ASSIGN(auto third,
                          TrustAnchors::FromDer({der(b)}, second.get()));
  EXPECT_EQ(third->remembered(), 0u);
  EXPECT_THAT(third->Verify({of_b}, kServer, kNow), IsOk());
}

}  // namespace
}  // namespace sallyport
