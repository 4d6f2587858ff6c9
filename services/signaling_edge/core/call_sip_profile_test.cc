// What the SIP profile of a peer does to its calls (CUC-25): session timers,
// early offer, PRACK; and the search space of what it refers from outside of a
// dialog (CUC-30).
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

class CallSipProfileTest : public EdgeCoreTest {
 protected:
  // `peer` gets a profile with these settings.
  void Use(const std::string& peer, const SipSettings& settings) {
    SipProfileEntry profile;
    profile.name = "tenants/t/sipProfiles/" + peer;
    profile.settings = settings;
    plan_->sip_profiles.push_back(profile);
    for (PeerEntry& each : plan_->peers) {
      if (each.name == "tenants/t/peers/" + peer) {
        each.sip_profile = profile.name;
      }
    }
    ResolveDefaults(*plan_);
    edge_.Load(plan_);
    edge_.Forget();
  }
  // pbx calls gw; the INVITE there.
  Sent Call(std::string_view sdp, std::string_view headers = "") {
    const std::string invite = PbxInvite("95551234", sdp);
    edge_.ReceiveUdp(kPbx,
                     headers.empty() ? invite : WithHeaders(invite, headers));
    edge_.TakeToUdp(kPbx);
    gateway_ = edge_.AcceptDialled("gw.d.test");
    const auto invited = edge_.TakeTo(gateway_);
    EXPECT_TRUE(invited.has_value());
    return invited.has_value() ? *invited : Sent{};
  }

  const std::string offer_ = TestSdp("192.0.2.10", 4000, false);
  const std::string answer_ = TestSdp("192.0.2.20", 6000, false);
  std::shared_ptr<PlanSnapshot> plan_ = TestPlan();
  ConnectionId gateway_ = 0;
};

TEST_F(CallSipProfileTest, SessionTimersAreThoseOfTheLegsProfile) {
  Use("gw", {.session_expires = absl::Minutes(10),
             .min_session_expires = absl::Minutes(2)});
  Use("pbx", {.session_expires = absl::Minutes(5)});
  const Sent invite = Call(offer_, "Supported: timer\nSession-Expires: 3600");
  EXPECT_EQ(invite.message.Value(HeaderId::kSessionExpires), "600");
  EXPECT_EQ(invite.message.Value(HeaderId::kMinSe), "120");
  edge_.Answer(invite, 200, "g1", answer_);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.Value(HeaderId::kSessionExpires),
            "300;refresher=uac");
}

TEST_F(CallSipProfileTest, TooShortASessionIsOfTheProfileToo) {
  Use("pbx", {.min_session_expires = absl::Minutes(15)});
  edge_.ReceiveUdp(kPbx, WithHeaders(PbxInvite("95551234", offer_),
                                     "Supported: timer\nSession-Expires: 600"));
  edge_.TakeToUdp(kPbx);
  edge_.AcceptDialled("gw.d.test");
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 422);
  EXPECT_EQ(refused->message.Value(HeaderId::kMinSe), "900");
}

TEST_F(CallSipProfileTest, WithoutPrackItIsNeitherOfferedNorTaken) {
  Use("gw", {.rel1xx = Rel1xx::kDisabled});
  const Sent invite = Call(offer_, "Supported: 100rel");
  EXPECT_EQ(invite.message.Value(HeaderId::kSupported), "timer");
  edge_.Answer(invite, 183, "g1", answer_);
  EXPECT_FALSE(edge_.TakeToUdp(kPbx)->message.Has(HeaderId::kRseq));
}

TEST_F(CallSipProfileTest, ACallerThatNeedsPrackAndMayNotIsTold) {
  Use("pbx", {.rel1xx = Rel1xx::kDisabled});
  edge_.ReceiveUdp(
      kPbx, WithHeaders(PbxInvite("95551234", offer_), "Require: 100rel"));
  edge_.TakeToUdp(kPbx);
  edge_.AcceptDialled("gw.d.test");
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 420);
  EXPECT_EQ(refused->message.Value(HeaderId::kUnsupported), "100rel");
}

TEST_F(CallSipProfileTest, AlwaysMeansWhateverTheCallerHas) {
  Use("gw", {.rel1xx = Rel1xx::kAlways});
  const Sent invite = Call(offer_);  // pbx says nothing of PRACK
  EXPECT_EQ(invite.message.Value(HeaderId::kSupported), "timer, 100rel");
  edge_.Answer(invite, 180, "g1", "", "", {"Require: 100rel", "RSeq: 5"});
  const auto prack = edge_.TakeTo(gateway_);
  ASSERT_TRUE(prack);
  EXPECT_EQ(prack->message.method(), SipMethod::kPrack);
  EXPECT_EQ(prack->message.Value(HeaderId::kRack), "5 1 INVITE");
  EXPECT_FALSE(edge_.TakeToUdp(kPbx)->message.Has(HeaderId::kRseq));
}

TEST_F(CallSipProfileTest, AlwaysMeansWhateverTheCalledDoes) {
  Use("pbx", {.rel1xx = Rel1xx::kAlways});
  const Sent invite = Call(offer_, "Supported: 100rel");
  edge_.Answer(invite, 180, "g1");
  const Sent ringing = *edge_.TakeToUdp(kPbx);
  EXPECT_EQ(ringing.message.status_code(), 180);
  EXPECT_EQ(ringing.message.Value(HeaderId::kRequire), "100rel");
  const std::string rack =
      Cat("RAck: ", ringing.message.Value(HeaderId::kRseq), " 1 INVITE");
  edge_.ReceiveUdp(kPbx,
                   WithHeaders(PbxInDialog("PRACK", 2, Tag(ringing)), rack));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 200);
  EXPECT_TRUE(edge_.Idle());  // gw knows nothing of it
}

// The peer has an offer at once, the caller is asked with what it answered.
TEST_F(CallSipProfileTest, EarlyOfferForACallerWithoutOne) {
  Use("gw", {.early_offer = EarlyOffer::kMandatory});
  const Sent invite = Call("");
  EXPECT_TRUE(Has(invite.message.body(), "m=audio "));
  EXPECT_TRUE(Has(invite.message.body(), "203.0.113.1"));
  EXPECT_TRUE(Has(invite.message.body(), "PCMU/8000"));
  EXPECT_TRUE(Has(invite.message.body(), "telephone-event/8000"));
  EXPECT_TRUE(Has(invite.message.body(), "a=sendrecv"));
  // Early media has nobody yet to hear it.
  edge_.Answer(invite, 183, "g1", answer_);
  const Sent progress = *edge_.TakeToUdp(kPbx);
  EXPECT_EQ(progress.message.status_code(), 183);
  EXPECT_TRUE(progress.message.body().empty());
  edge_.Answer(invite, 200, "g1", answer_);
  // gw is done with it.
  const Sent ack = *edge_.TakeTo(gateway_);
  EXPECT_EQ(ack.message.method(), SipMethod::kAck);
  EXPECT_TRUE(ack.message.body().empty());
  const Sent ok = *edge_.TakeToUdp(kPbx);
  EXPECT_EQ(ok.message.status_code(), 200);
  EXPECT_TRUE(Has(ok.message.body(), "m=audio "));
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok), offer_));
  EXPECT_TRUE(edge_.Idle());  // no second ACK
  // The relay has both sides.
  ASSERT_FALSE(edge_.updated.empty());
  const RelayLegs& legs = edge_.updated.back().legs;
  ASSERT_TRUE(legs[0].remote.has_value() && legs[1].remote.has_value());
  EXPECT_EQ(legs[0].remote->ip, "192.0.2.10");
  EXPECT_EQ(legs[0].remote->rtp_port, 4000);
  EXPECT_EQ(legs[1].remote->ip, "192.0.2.20");
  EXPECT_EQ(legs[1].remote->rtp_port, 6000);
  // And it ends as any other.
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok)));
  edge_.TakeToUdp(kPbx);
  edge_.Answer(*edge_.TakeTo(gateway_), 200, "g1");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(CallSipProfileTest, EarlyOfferLeavesAnOfferAlone) {
  Use("gw", {.early_offer = EarlyOffer::kMandatory});
  const Sent invite = Call(offer_);
  edge_.Answer(invite, 200, "g1", answer_);
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kAck);
  EXPECT_TRUE(Has(edge_.TakeToUdp(kPbx)->message.body(), "m=audio "));
}

TEST_F(CallSipProfileTest, EarlyOfferThatTheCallerDoesNotAnswerEndsTheCall) {
  Use("gw", {.early_offer = EarlyOffer::kMandatory});
  const Sent invite = Call("");
  edge_.Answer(invite, 200, "g1", answer_);
  edge_.TakeTo(gateway_);
  const Sent ok = *edge_.TakeToUdp(kPbx);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok)));
  const auto bye = edge_.TakeTo(gateway_);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Answer(*bye, 200, "g1");
  edge_.Answer(*edge_.TakeToUdp(kPbx), 200, "");
  ExpectOver("MEDIA_REFUSED", CallDisposition::kRefused);
}

// CUC-63: a phone is told how secure its call is, by the weakest leg, and so is
// a peer with "transmit security status"; others are not.
TEST_F(CallSipProfileTest, Cuc63PhonesAreToldTheSecurityOfTheCall) {
  plan_->trunk_security_profiles.resize(1);
  plan_->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
  plan_->trunk_security_profiles[0].transmit_security_status = true;
  for (PeerEntry& each : plan_->peers) {
    if (each.name == "tenants/t/peers/gw") {
      each.trunk_security_profile = plan_->trunk_security_profiles[0].name;
    }
  }
  edge_.Load(plan_);
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(phone, "alice"));
  edge_.Forget();
  // From a PBX in clear to a phone with SRTP.
  edge_.ReceiveUdp(kPbx, PbxInvite("1001", TestSdp("192.0.2.10", 4000, false)));
  const auto ring = edge_.TakeTo(phone);
  ASSERT_TRUE(ring);
  EXPECT_EQ(ring->message.Value(HeaderId::kCallInfo),
            "<urn:x-cisco-remotecc:callinfo>;security=NotAuthenticated"
            ";orientation=from");
  edge_.Answer(*ring, 180, "a", "",
               "<sip:alice@203.0.113.5:40000;transport=tls>");
  for (int i = 0; i < 2; ++i) {
    const auto told = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(told);
    EXPECT_FALSE(told->message.Has(HeaderId::kCallInfo));  // 100, 180
  }
  // From a gateway with TLS and RTP to the same phone.
  edge_.Forget();
  const ConnectionId gateway = edge_.ConnectTls("gw.d.test", "");
  edge_.Receive(gateway, Cat("INVITE sip:1001@203.0.113.1 SIP/2.0\n"
                             "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw\n"
                             "Max-Forwards: 70\n"
                             "From: <sip:222@gw.d.test>;tag=gw2\n"
                             "To: <sip:1001@203.0.113.1>\nCall-ID: gw2\n"
                             "CSeq: 1 INVITE\nContact: <sip:222@192.0.2.20>\n"
                             "Content-Type: application/sdp\n\n",
                             TestSdp("192.0.2.20", 6000, false)));
  const auto second = edge_.TakeTo(phone);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->message.Value(HeaderId::kCallInfo),
            "<urn:x-cisco-remotecc:callinfo>;security=Authenticated"
            ";orientation=from");
  edge_.Answer(*second, 180, "b", "",
               "<sip:alice@203.0.113.5:40000;transport=tls>");
  std::string told;
  while (const auto sent = edge_.TakeTo(gateway)) {
    if (sent->message.status_code() == 180) {
      told = sent->message.Value(HeaderId::kCallInfo);
    }
  }
  EXPECT_EQ(told,
            "<urn:x-cisco-remotecc:callinfo>;security=Authenticated"
            ";orientation=to");
}

// CUC-63.
TEST(CallSecurityTest, IsThatOfTheWeakestLeg) {
  CallRecord record;
  EXPECT_EQ(record.security(), CallSecurity::kNotAuthenticated);
  record.legs.resize(2);
  for (LegRecord& leg : record.legs) {
    leg.flow.transport = SipTransport::kTls;
    leg.suite = SrtpSuite::kAeadAes256Gcm;
  }
  EXPECT_EQ(record.security(), CallSecurity::kEncrypted);
  EXPECT_TRUE(record.secure());
  record.legs[1].suite.reset();
  EXPECT_EQ(record.security(), CallSecurity::kAuthenticated);
  EXPECT_FALSE(record.secure());
  // Nobody is at the other side of a call that waits in a queue.
  record.legs[1].party.kind = Party::Kind::kNobody;
  EXPECT_EQ(record.security(), CallSecurity::kEncrypted);
  record.legs[0].flow.transport = SipTransport::kTcp;
  EXPECT_EQ(record.security(), CallSecurity::kNotAuthenticated);
}

// A peer without a profile has the standard one, which changes nothing.
TEST_F(CallSipProfileTest, TheStandardProfileHasNothingSet) {
  for (PeerEntry& each : plan_->peers) {
    each.sip_profile = "tenants/t/sipProfiles/standard";
  }
  ResolveDefaults(*plan_);
  edge_.Load(plan_);
  const Sent invite = Call("");
  EXPECT_TRUE(invite.message.body().empty());
  EXPECT_EQ(invite.message.Value(HeaderId::kSupported), "timer");
  EXPECT_EQ(invite.message.Value(HeaderId::kSessionExpires), "1800");
}

}  // namespace
}  // namespace sallyport::signaling_edge
