#include "services/signaling_edge/core/refusal_steps.h"

#include <string_view>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;

TlsFacts Shown() {
  TlsFacts facts;
  facts.certificate.emplace();
  facts.certificate->alt_names = {{SubjectAltName::Type::kDns, "a.test"},
                                  {SubjectAltName::Type::kDns, "b.test"}};
  return facts;
}

TEST(RefusalStepsTest, ACertificateIsCheckedInOrder) {  // CUC-69
  const TlsFacts facts = Shown();
  EXPECT_THAT(
      ConnectionSteps("PEER_CERTIFICATE_EXPIRED", ConnectionStage::kHandshake,
                      &facts),
      ElementsAre("certificate: ok", "chain: PEER_CERTIFICATE_EXPIRED"));
  EXPECT_THAT(
      ConnectionSteps("PEER_CERTIFICATE_UNTRUSTED", ConnectionStage::kHandshake,
                      &facts),
      ElementsAre("certificate: ok", "chain: PEER_CERTIFICATE_UNTRUSTED"));
  EXPECT_THAT(ConnectionSteps("PEER_IDENTITY_MISMATCH",
                              ConnectionStage::kIdentity, &facts),
              ElementsAre("certificate: ok", "chain: ok", "usage: ok",
                          "identity: 0 of 2 names match"));
  // Of another peer now, not of nobody.
  EXPECT_THAT(
      ConnectionSteps("PEER_IDENTITY_MISMATCH", ConnectionStage::kLive, &facts)
          .back(),
      "identity: PEER_IDENTITY_MISMATCH");
  EXPECT_THAT(
      ConnectionSteps("PEER_CERTIFICATE_UNTRUSTED", ConnectionStage::kIdentity,
                      &facts),
      ElementsAre("certificate: ok", "chain: ok", "usage: ok", "identity: ok",
                  "trust_store: PEER_CERTIFICATE_UNTRUSTED"));
  EXPECT_THAT(ConnectionSteps("TLS_CIPHER_NOT_ALLOWED",
                              ConnectionStage::kIdentity, &facts)
                  .back(),
              "tls_context: TLS_CIPHER_NOT_ALLOWED");
}

TEST(RefusalStepsTest, WhereNoCertificateWasSeenNothingIsSaidOfOne) {
  EXPECT_THAT(ConnectionSteps("HANDSHAKE_TIMEOUT", ConnectionStage::kHandshake,
                              nullptr),
              ElementsAre("handshake: HANDSHAKE_TIMEOUT"));
  const TlsFacts none;
  EXPECT_THAT(ConnectionSteps("PEER_CERTIFICATE_MISSING",
                              ConnectionStage::kIdentity, &none),
              ElementsAre("certificate: PEER_CERTIFICATE_MISSING"));
  EXPECT_THAT(
      ConnectionSteps("of tomorrow", ConnectionStage::kHandshake, &none),
      ElementsAre("connection: of tomorrow"));
}

TEST(RefusalStepsTest, ThatNobodyIsExpectedStandsBeforeTheLast) {
  TlsFacts facts;
  facts.certificate.emplace();
  EXPECT_THAT(
      ConnectionSteps("PEER_IDENTITY_MISMATCH", ConnectionStage::kIdentity,
                      &facts, "no peer is declared there"),
      ElementsAre("certificate: ok", "chain: ok", "usage: ok",
                  "address: no peer is declared there",
                  "identity: 0 of 0 names match"));
  EXPECT_THAT(
      ConnectionSteps("PEER_CERTIFICATE_MISSING", ConnectionStage::kHandshake,
                      nullptr, "no peer is declared there"),
      ElementsAre("address: no peer is declared there",
                  "certificate: PEER_CERTIFICATE_MISSING"));
  EXPECT_THAT(
      RequestSteps(LoadClass::kStranger, "IDENTITY_NOT_ALLOWED", "request",
                   "no peer is declared there"),
      ElementsAre("source: stranger", "address: no peer is declared there",
                  "identity: IDENTITY_NOT_ALLOWED"));
}

TEST(RefusalStepsTest, ARequestIsJudgedByItsSourceOrItsSender) {
  EXPECT_THAT(RequestSteps(LoadClass::kStranger, "DIGEST_FAILED", "request"),
              ElementsAre("source: stranger", "password: DIGEST_FAILED"));
  EXPECT_THAT(RequestSteps(LoadClass::kProven, "of tomorrow", "parser"),
              ElementsAre("source: proven", "parser: of tomorrow"));
  Party sender;
  sender.authentication = Authentication::kPeerCertificate;
  sender.dial_plan = "tenants/t/dialPlans/d";
  EXPECT_THAT(PartySteps(sender, "DIAL_PLAN_NOT_SERVED", "request"),
              ElementsAre("sender: PEER_CERTIFICATE",
                          "dial_plan: tenants/t/dialPlans/d",
                          "dial_plan: DIAL_PLAN_NOT_SERVED"));
}

TEST(RefusalStepsTest, AnAttemptTellsWhereItHasBeen) {
  Attempt attempt;
  attempt.caller.authentication = Authentication::kSourceAddress;
  EXPECT_THAT(AttemptSteps(attempt, "CALL_LIMIT"),
              ElementsAre("sender: SOURCE_ADDRESS", "loop: none",
                          "admission: CALL_LIMIT"));
  EXPECT_EQ(AttemptSteps(attempt, "TENANT_CALL_LIMIT").back(),
            "admission: TENANT_CALL_LIMIT");
  attempt.query.called = "95551234";
  EXPECT_THAT(AttemptSteps(attempt, "ROUTE_NOT_FOUND"),
              ElementsAre("sender: SOURCE_ADDRESS", "loop: none",
                          "route: ROUTE_NOT_FOUND"));
  attempt.resolution.outcome = Resolution::Outcome::kPeer;
  attempt.resolution.pattern_name = "tenants/t/routePatterns/out";
  attempt.admitted = true;
  EXPECT_THAT(AttemptSteps(attempt, "TOLL_CALL_RATE"),
              ElementsAre("sender: SOURCE_ADDRESS", "loop: none",
                          "route: tenants/t/routePatterns/out", "admission: ok",
                          "toll: TOLL_CALL_RATE"));
  const auto down = MakeError(absl::StatusCode::kUnavailable,
                              "PEER_UNREACHABLE", "no OPTIONS");
  attempt.PassOver("tenants/t/peers/a", down);
  attempt.PassOver("tenants/t/peers/b", down);
  EXPECT_THAT(AttemptSteps(attempt, "PEER_UNREACHABLE"),
              ElementsAre("sender: SOURCE_ADDRESS", "loop: none",
                          "route: tenants/t/routePatterns/out", "admission: ok",
                          "tenants/t/peers/a: PEER_UNREACHABLE",
                          "tenants/t/peers/b: PEER_UNREACHABLE"));
  attempt.last_branch = 7;
  attempt.turns = 2;
  attempt.transfer = 3;
  attempt.passed_over.clear();
  EXPECT_THAT(AttemptSteps(attempt, "QUEUE_FULL"),
              ElementsAre("sender: SOURCE_ADDRESS",
                          "route: tenants/t/routePatterns/out", "forwarded: 2",
                          "admission: ok", "called: without success",
                          "queue: QUEUE_FULL"));
}

TEST(RefusalStepsTest, ALongRouteListIsCutOff) {
  Attempt attempt;
  for (int i = 0; i < 1000; ++i) {
    attempt.PassOver("tenants/t/peers/a", absl::UnavailableError("down"));
  }
  EXPECT_LE(AttemptSteps(attempt, "PEER_UNREACHABLE").size(), 20u);
}

TEST(RefusalStepsTest, ACallTellsWhoseMessageBrokeARule) {
  CallRecord call;
  call.legs.resize(2);
  call.legs[0].party.authentication = Authentication::kLscAndDigestMd5;
  call.legs[1].party.resource = "tenants/t/peers/gw";
  call.matched_resource = "tenants/t/routePatterns/out";
  EXPECT_THAT(CallSteps(call, LegSide::kB, "SECURITY_MODE_SRTP_REQUIRED"),
              ElementsAre("sender: LSC_AND_DIGEST_MD5",
                          "route: tenants/t/routePatterns/out",
                          "called: tenants/t/peers/gw", "leg: called",
                          "security_mode: SECURITY_MODE_SRTP_REQUIRED"));
  call.answered.emplace();
  EXPECT_THAT(CallSteps(call, LegSide::kA, "of tomorrow"),
              ElementsAre("sender: LSC_AND_DIGEST_MD5",
                          "route: tenants/t/routePatterns/out",
                          "called: tenants/t/peers/gw", "call: answered",
                          "leg: caller", "media: of tomorrow"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
