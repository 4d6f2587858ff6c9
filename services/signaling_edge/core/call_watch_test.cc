// What calls make of what relays tell by themselves.
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/media_session.h"

namespace sallyport::signaling_edge {
namespace {

class CallWatchTest : public EdgeCoreTest {
 protected:
  CallWatchTest() = default;
  using EdgeCoreTest::EdgeCoreTest;
  using Kind = MediaEvent::Kind;

  static EdgeOptions Silence() {
    EdgeOptions options = EdgeHarness::Options();
    options.media_silence = absl::Seconds(20);
    return options;
  }

  void Tell(Kind kind, LegSide leg = LegSide::kA, uint64_t packets = 0) {
    MediaEvent event;
    event.kind = kind;
    event.relay = "relay1";
    event.session = Newest();
    event.leg = leg;
    if (packets != 0) {
      event.statistics.emplace();
      (*event.statistics)[0].packets_received = packets;
      (*event.statistics)[1].mean_opinion_score = 4.2;
    }
    edge_.Perform(edge_.core().OnMediaEvent(event, edge_.now()));
  }

  // As the harness names the session that was made last.
  std::string Newest() const {
    return "tenants/t/sessions/" + std::to_string(edge_.created.back().request);
  }

  // The far sides of a BYE each, answered.
  void AnswerByes(ConnectionId gateway) {
    for (const auto& bye : {edge_.TakeToUdp(kPbx), edge_.TakeTo(gateway)}) {
      ASSERT_TRUE(bye.has_value());
      EXPECT_EQ(bye->message.method(), SipMethod::kBye);
      edge_.Answer(*bye, 200, "");
    }
  }

  void Hold(const Sent& ok, int cseq, const char* direction) {
    edge_.ReceiveUdp(
        kPbx, PbxInDialog("INVITE", cseq, Tag(ok),
                          TestSdp("192.0.2.10", 4000, false, direction)));
    EXPECT_TRUE(edge_.TakeToUdp(kPbx).has_value());  // 100
    auto there = edge_.TakeTo(gateway_);
    ASSERT_TRUE(there.has_value());
    edge_.Answer(*there, 200, "", TestSdp("192.0.2.20", 6000, false));
    EXPECT_TRUE(edge_.TakeTo(gateway_).has_value());  // ACK
    EXPECT_TRUE(edge_.TakeToUdp(kPbx).has_value());   // 200
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", cseq, Tag(ok)));
  }

  Sent Up() {
    Sent invite;
    Sent ok = Established(invite);
    gateway_ = invite.connection;
    return ok;
  }

  const CallRecord& Record() { return *edge_.core().calls().Find(1); }

  ConnectionId gateway_ = 0;
};

class SilentCallTest : public CallWatchTest {
 protected:
  SilentCallTest() : CallWatchTest(Silence()) {}
};

TEST_F(CallWatchTest, StatisticsOfALiveCallAreSeen) {
  Up();
  EXPECT_EQ(Record().legs[0].statistics.packets_received, 0u);
  Tell(Kind::kStatistics, LegSide::kA, 512);
  EXPECT_EQ(Record().legs[0].statistics.packets_received, 512u);
  EXPECT_DOUBLE_EQ(Record().legs[1].statistics.mean_opinion_score, 4.2);
}

TEST_F(CallWatchTest, WhatIsOfNoCallIsPassedOver) {
  Up();
  MediaEvent event;
  event.kind = Kind::kLost;
  event.relay = "another";
  event.session = "tenants/t/sessions/1";
  edge_.Perform(edge_.core().OnMediaEvent(event, edge_.now()));
  EXPECT_EQ(edge_.created.size(), 1u);
  EXPECT_TRUE(edge_.Idle());
}

TEST_F(CallWatchTest, SilenceAloneEndsNothingUnlessConfigured) {
  Up();
  Tell(Kind::kSilent, LegSide::kB);
  edge_.Advance(absl::Minutes(5));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallWatchTest, ThePlansLongestCallEnds) {
  auto plan = TestPlan();
  for (DialPlanEntry& entry : plan->dial_plans) {
    entry.max_call_duration = absl::Minutes(10);
  }
  edge_.Load(plan);
  Up();
  edge_.Advance(absl::Minutes(9));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(Record().reason, "MAX_CALL_DURATION");
}

TEST_F(CallWatchTest, AnotherRelayTakesOverByReinvites) {
  Up();
  Tell(Kind::kLost);
  ASSERT_EQ(edge_.created.size(), 2u);
  // Both far sides are told to the new relay, so that it need not learn them.
  EXPECT_EQ(edge_.created[1].legs[0].remote->rtp_port, 4000);
  EXPECT_EQ(edge_.created[1].legs[1].remote->rtp_port, 6000);
  const auto first = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->message.method(), SipMethod::kInvite);
  EXPECT_TRUE(Has(first->message.body(), "m=audio 50012 "));
  EXPECT_TRUE(edge_.Idle());
  edge_.Answer(*first, 200, "", TestSdp("192.0.2.10", 4000, false));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kAck);
  const auto second = edge_.TakeTo(gateway_);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->message.method(), SipMethod::kInvite);
  EXPECT_TRUE(Has(second->message.body(), "m=audio 50014 "));
  edge_.Answer(*second, 200, "", TestSdp("192.0.2.20", 6000, false));
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kAck);
  edge_.Advance(absl::Minutes(1));
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(Record().media_session, Newest());
  EXPECT_EQ(Record().state, CallState::kAnswered);
  // And it is that session whose news count, and which is ended.
  Tell(Kind::kStatistics, LegSide::kA, 7);
  EXPECT_EQ(Record().legs[0].statistics.packets_received, 7u);
  edge_.Perform(edge_.core().OnEndCall(1, "ENDED_BY_OPERATOR", edge_.now()));
  ASSERT_EQ(edge_.deleted.size(), 1u);
  EXPECT_EQ(edge_.deleted[0].session, Newest());
}

TEST_F(CallWatchTest, AReinviteThatIsRefusedIsTriedAgain) {
  Up();
  Tell(Kind::kLost);
  auto first = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(first.has_value());
  edge_.Answer(*first, 491, "");
  EXPECT_TRUE(edge_.TakeToUdp(kPbx).has_value());  // ACK
  edge_.Advance(absl::Seconds(3));
  first = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->message.method(), SipMethod::kInvite);
  EXPECT_TRUE(Has(first->message.body(), "m=audio 50012 "));
  EXPECT_EQ(edge_.created.size(), 2u);  // it is the same session
}

TEST_F(CallWatchTest, WithoutAnyRelayTheCallEnds) {
  Up();
  edge_.relay_works = false;
  Tell(Kind::kLost);
  edge_.Advance(absl::Seconds(20));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  EXPECT_GT(edge_.created.size(), 3u);
  edge_.Advance(absl::Seconds(15));
  EXPECT_EQ(Record().reason, "MEDIA_RELAY_LOST");
  AnswerByes(gateway_);
}

TEST_F(SilentCallTest, ADeadEndIsNoticedAndTheCallEnds) {
  Up();
  Tell(Kind::kSilent, LegSide::kB);
  edge_.Advance(absl::Seconds(19));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.Advance(absl::Seconds(2));
  AnswerByes(gateway_);
  edge_.Forget();  // they were sent again before they were answered
  ExpectOver("MEDIA_SILENT", CallDisposition::kAnswered);
}

TEST_F(SilentCallTest, WhoSpeaksAgainIsForgiven) {
  Up();
  Tell(Kind::kSilent, LegSide::kB);
  edge_.Advance(absl::Seconds(19));
  Tell(Kind::kHeard, LegSide::kB);
  edge_.Advance(absl::Minutes(5));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(SilentCallTest, WhoIsOnHoldMayBeSilent) {
  const Sent ok = Up();
  Hold(ok, 2, "a=inactive\r\n");
  ASSERT_EQ(Record().state, CallState::kHeld);
  Tell(Kind::kSilent, LegSide::kA);
  edge_.Advance(absl::Minutes(5));
  ASSERT_EQ(edge_.core().calls().live(), 1u);
  // Back from it, the time begins anew.
  Hold(ok, 3, "a=sendrecv\r\n");
  edge_.Advance(absl::Seconds(15));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.Advance(absl::Seconds(6));
  EXPECT_EQ(Record().reason, "MEDIA_SILENT");
}

TEST_F(SilentCallTest, ThePlanSaysAnotherTime) {
  auto plan = TestPlan();
  for (DialPlanEntry& entry : plan->dial_plans) {
    entry.media_silence_timeout = absl::Minutes(2);
  }
  edge_.Load(plan);
  Up();
  Tell(Kind::kSilent, LegSide::kB);
  edge_.Advance(absl::Minutes(1));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(Record().reason, "MEDIA_SILENT");
}

// The gateway's plan has DTLS-SRTP: suite and keys are told by the relay.
class CallKeyingTest : public CallWatchTest {
 protected:
  void Up() {
    auto plan = TestPlan();
    plan->version = 2;
    for (DialPlanEntry& each : plan->dial_plans) {
      if (each.name != "tenants/t/dialPlans/gateway") continue;
      each.security_mode = SecurityMode::kSecured;
      each.srtp_keying = SrtpKeying::kDtls;
    }
    edge_.Load(plan);
    const Sent invite = PbxCallsGateway();
    edge_.Answer(invite, 200, "g1",
                 TestDtlsSdp("192.0.2.20", 6000, 'A', "passive"));
    ASSERT_TRUE(edge_.TakeTo(invite.connection).has_value());  // ACK
    auto ok = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(ok.has_value());
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
    gateway_ = invite.connection;
  }
  void TellKeying(Kind kind, std::optional<SrtpSuite> suite) {
    MediaEvent event;
    event.kind = kind;
    event.relay = "relay1";
    event.session = Newest();
    event.leg = LegSide::kB;
    event.suites[1] = suite;
    edge_.Perform(edge_.core().OnMediaEvent(event, edge_.now()));
  }
};

TEST_F(CallKeyingTest, TheSuiteIsShownOnceItIsAgreedOn) {
  Up();
  EXPECT_TRUE(Record().legs[1].dtls);
  EXPECT_FALSE(Record().legs[1].suite.has_value());
  // One failure may be an attacker's; the next handshake counts.
  TellKeying(Kind::kKeyingFailed, std::nullopt);
  edge_.Advance(absl::Seconds(9));
  TellKeying(Kind::kKeyed, SrtpSuite::kAeadAes128Gcm);
  EXPECT_EQ(Record().legs[1].suite, SrtpSuite::kAeadAes128Gcm);
  EXPECT_FALSE(Record().legs[0].dtls);
  edge_.Advance(absl::Seconds(60));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallKeyingTest, WithoutKeysACallEnds) {
  Up();
  TellKeying(Kind::kKeyingFailed, std::nullopt);
  edge_.Advance(absl::Seconds(5));
  TellKeying(Kind::kKeyingFailed, std::nullopt);  // again
  edge_.Advance(absl::Seconds(4));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.Advance(absl::Seconds(2));
  AnswerByes(gateway_);
  const EdgeEvent* end = edge_.Last(EdgeEvent::Type::kCallEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->reason, "DTLS_HANDSHAKE_FAILED");
  EXPECT_EQ(end->record->disposition, CallDisposition::kAnswered);
}

}  // namespace
}  // namespace sallyport::signaling_edge
