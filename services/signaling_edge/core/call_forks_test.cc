// Users that ring at once, hunts, forwards and redirections: one caller, one
// answer (protocols.md sections 12 and 13).
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

// Lines 4001 of bob, 4002 of carol, 4003 of both; the voicemail at 4999 is the
// peer "vm" (UDP, 192.0.2.50). 4100 hunts bob, then carol.
class CallForksTest : public EdgeCoreTest {
 protected:
  CallForksTest() {
    plan_ = TestPlan();
    PeerEntry vm;
    vm.name = "tenants/t/peers/vm";
    vm.kind = PeerKind::kVoicemail;
    vm.dial_plan = "tenants/t/dialPlans/clear";
    vm.address = "192.0.2.50";
    vm.port = vm.incoming_port = 5060;
    vm.transport = sallyport::SipTransport::kUdp;
    vm.outcalls_allowed = vm.diversion_outbound = true;
    plan_->peers.push_back(vm);
    RoutePatternEntry to_vm;
    to_vm.name = "tenants/t/routePatterns/vm";
    to_vm.pattern = "4999";
    to_vm.peer = vm.name;
    plan_->route_patterns.push_back(to_vm);
    for (const auto& [number, users] :
         std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"4001", {"bob"}},
             {"4002", {"carol"}},
             {"4003", {"bob", "carol"}}}) {
      LineEntry line;
      line.name = "tenants/t/lines/" + number;
      line.directory_number = number;
      for (const std::string& user : users) {
        line.users.push_back("tenants/t/users/" + user);
      }
      plan_->lines.push_back(line);
    }
    plan_->voicemail_pilots = {{.name = "tenants/t/voicemailPilots/p",
                                .number = "4999",
                                .is_default = true}};
    plan_->voicemail_profiles = {
        {.name = "tenants/t/voicemailProfiles/p",
         .voicemail_pilot = "tenants/t/voicemailPilots/p",
         .mailbox_mask = "55XXXX",
         .is_default = true}};
    LineGroupEntry group;
    group.name = "tenants/t/lineGroups/g";
    group.lines = {"tenants/t/lines/4001", "tenants/t/lines/4002"};
    group.algorithm = HuntAlgorithm::kTopDown;
    group.ring_no_answer_reversion = absl::Seconds(10);
    plan_->line_groups = {group};
    HuntListEntry list;
    list.name = "tenants/t/huntLists/l";
    list.line_groups = {group.name};
    plan_->hunt_lists = {list};
    HuntPilotEntry pilot;
    pilot.name = "tenants/t/huntPilots/p";
    pilot.pattern = "4100";
    pilot.hunt_list = list.name;
    plan_->hunt_pilots = {pilot};
  }

  void Load() {
    ResolveDefaults(*plan_);
    edge_.Load(plan_);
  }
  void Connect() {
    bob_ = edge_.ConnectTcp("198.51.100.1");
    carol_ = edge_.ConnectTcp("198.51.100.2");
    ASSERT_TRUE(edge_.Register(bob_, "bob"));
    ASSERT_TRUE(edge_.Register(carol_, "carol"));
    edge_.Forget();
  }
  void Dial(const std::string& number, const std::string& id = "pbx1") {
    edge_.ReceiveUdp(kPbx, PbxInvite(number, offer_, id, id));
    edge_.TakeToUdp(kPbx);  // 100
  }
  // The next message to a phone, which must be this.
  Sent To(ConnectionId phone, SipMethod method) {
    auto sent = edge_.TakeTo(phone);
    EXPECT_TRUE(sent.has_value()) << MethodName(method);
    if (!sent) return {};
    EXPECT_EQ(sent->message.method(), method);
    return *sent;
  }
  int ToPbx() {
    auto sent = edge_.TakeToUdp(kPbx);
    return sent ? sent->message.status_code() : 0;
  }
  Sent ToVoicemail() {
    auto sent = edge_.TakeToUdp("192.0.2.50:5060");
    EXPECT_TRUE(sent.has_value());
    return sent ? *sent : Sent{};
  }
  std::string Reasons() {
    std::string out;
    for (const EdgeEvent& event : edge_.events) {
      if (event.type != EdgeEvent::Type::kCallEnded) continue;
      CatTo(out, out.empty() ? "" : " ", event.reason);
    }
    return out;
  }

  std::shared_ptr<PlanSnapshot> plan_;
  ConnectionId bob_ = 0, carol_ = 0;
  const std::string offer_ = TestSdp("192.0.2.10", 4000, false);
  const std::string answer_ = TestSdp("198.51.100.1", 5000, false);
  const char* contact_ = "<sip:x@198.51.100.1>";
};

TEST_F(CallForksTest, AllRingAndOneAnswers) {
  Load();
  Connect();
  Dial("4003");
  const Sent b = To(bob_, SipMethod::kInvite);
  const Sent c = To(carol_, SipMethod::kInvite);
  // Each has its own relay session and keys; RFC 5393: half the breadth each.
  EXPECT_EQ(edge_.created.size(), 2u);
  EXPECT_NE(b.message.body(), c.message.body());
  EXPECT_EQ(b.message.Value(HeaderId::kMaxBreadth), "30");
  edge_.Answer(b, 180, "b", "", contact_);
  edge_.Answer(c, 180, "c", "", contact_);
  EXPECT_EQ(ToPbx(), 180);
  EXPECT_EQ(ToPbx(), 180);
  edge_.Answer(c, 200, "c", answer_, contact_);
  To(carol_, SipMethod::kAck);
  const Sent cancel = To(bob_, SipMethod::kCancel);
  EXPECT_TRUE(Has(cancel.message.Value(HeaderId::kReason),
                  "Call completed elsewhere"));  // RFC 3326
  EXPECT_EQ(ToPbx(), 200);
  edge_.Answer(b, 487, "b");
  To(bob_, SipMethod::kAck);
  EXPECT_EQ(ToPbx(), 0);  // and no second answer
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  EXPECT_EQ(edge_.deleted.size(), 1u);
  EXPECT_EQ(Reasons(), "ANSWERED_ELSEWHERE");
}

// Both answer at the same moment: the second is taken and hung up.
TEST_F(CallForksTest, GlareOfTwoAnswers) {
  Load();
  Connect();
  Dial("4003");
  const Sent b = To(bob_, SipMethod::kInvite);
  const Sent c = To(carol_, SipMethod::kInvite);
  edge_.Answer(b, 180, "b", "", contact_);
  edge_.Forget();
  edge_.Answer(c, 200, "c", answer_, contact_);
  To(carol_, SipMethod::kAck);
  To(bob_, SipMethod::kCancel);
  EXPECT_EQ(ToPbx(), 200);
  edge_.Answer(b, 200, "b", answer_, contact_);
  To(bob_, SipMethod::kAck);
  edge_.Answer(To(bob_, SipMethod::kBye), 200, "b");
  EXPECT_EQ(ToPbx(), 0);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallForksTest, TheBestOfTheFailures) {
  Load();
  Connect();
  Dial("4003");
  const Sent b = To(bob_, SipMethod::kInvite);
  const Sent c = To(carol_, SipMethod::kInvite);
  edge_.Answer(c, 486, "c");
  EXPECT_EQ(ToPbx(), 0);  // bob may still answer
  edge_.Answer(b, 480, "b");
  EXPECT_EQ(ToPbx(), 486);
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

TEST_F(CallForksTest, AGlobalFailureStopsTheOthers) {
  Load();
  Connect();
  Dial("4003");
  const Sent b = To(bob_, SipMethod::kInvite);
  const Sent c = To(carol_, SipMethod::kInvite);
  edge_.Answer(c, 180, "c", "", contact_);
  ToPbx();
  edge_.Answer(b, 603, "b");
  To(carol_, SipMethod::kCancel);
  EXPECT_EQ(ToPbx(), 603);
}

TEST_F(CallForksTest, CancelledByTheCaller) {
  Load();
  Connect();
  edge_.ReceiveUdp(kPbx, PbxInvite("4003", offer_));
  ToPbx();
  const Sent b = To(bob_, SipMethod::kInvite);
  const Sent c = To(carol_, SipMethod::kInvite);
  edge_.Answer(b, 180, "b", "", contact_);
  edge_.Answer(c, 180, "c", "", contact_);
  ToPbx();
  ToPbx();
  std::string cancel = PbxCancel();
  edge_.ReceiveUdp(kPbx, cancel);
  EXPECT_EQ(ToPbx(), 200);
  EXPECT_EQ(ToPbx(), 487);
  EXPECT_EQ(ToPbx(), 0);
  To(bob_, SipMethod::kCancel);
  To(carol_, SipMethod::kCancel);
  EXPECT_EQ(Reasons(), "CANCELLED CANCELLED");
}

TEST_F(CallForksTest, AHuntGoesToTheNextWhoAnswers) {
  Load();
  Connect();
  Dial("4100");
  const Sent b = To(bob_, SipMethod::kInvite);
  edge_.Answer(b, 180, "b", "", contact_);
  EXPECT_EQ(ToPbx(), 180);
  EXPECT_EQ(edge_.TakeTo(carol_), std::nullopt);
  edge_.Advance(absl::Seconds(10));  // ring_no_answer_reversion
  To(bob_, SipMethod::kCancel);
  const Sent c = To(carol_, SipMethod::kInvite);
  EXPECT_EQ(ToPbx(), 0);
  edge_.Answer(c, 200, "c", answer_, contact_);
  EXPECT_EQ(ToPbx(), 200);
  edge_.Answer(b, 487, "b");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  EXPECT_EQ(Reasons(), "NO_ANSWER");
}

TEST_F(CallForksTest, ABroadcastHunt) {
  plan_->line_groups[0].algorithm = HuntAlgorithm::kBroadcast;
  Load();
  Connect();
  Dial("4100");
  To(bob_, SipMethod::kInvite);
  const Sent c = To(carol_, SipMethod::kInvite);
  edge_.Answer(c, 200, "c", answer_, contact_);
  EXPECT_EQ(ToPbx(), 200);
}

TEST_F(CallForksTest, HuntingPassesOverWhoIsNotThere) {
  Load();
  carol_ = edge_.ConnectTcp("198.51.100.2");
  ASSERT_TRUE(edge_.Register(carol_, "carol"));
  edge_.Forget();
  Dial("4100");
  To(carol_, SipMethod::kInvite);
}

// CUC: to the mailbox of who did not answer.
TEST_F(CallForksTest, NoAnswerGoesToVoicemail) {
  plan_->lines[0].forward_no_answer.voicemail = true;
  plan_->lines[0].no_answer_duration = absl::Seconds(8);
  Load();
  Connect();
  Dial("4001");
  const Sent b = To(bob_, SipMethod::kInvite);
  edge_.Answer(b, 180, "b", "", contact_);
  ToPbx();
  edge_.Advance(absl::Seconds(8));
  To(bob_, SipMethod::kCancel);
  const Sent vm = ToVoicemail();
  EXPECT_EQ(vm.message.method(), SipMethod::kInvite);
  EXPECT_EQ(vm.message.request_uri(), "sip:4999@192.0.2.50");
  // RFC 5806; the profile's mask is on the redirecting number.
  EXPECT_EQ(vm.message.Value(HeaderId::kDiversion),
            "<sip:554001@d.test>;reason=no-answer;counter=1");
  // RFC 7044, with the causes of RFC 4458.
  const auto history = vm.message.Items(HeaderId::kHistoryInfo);
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0], "<sip:4001@d.test?Reason=SIP%3Bcause%3D408>;index=1");
  EXPECT_EQ(history[1], "<sip:4999@192.0.2.50;cause=408>;index=1.1;mp=1");
  edge_.Answer(vm, 200, "v", answer_, "<sip:vm@192.0.2.50>");
  EXPECT_EQ(ToPbx(), 200);
}

TEST_F(CallForksTest, BusyAndUnregisteredGoToVoicemail) {
  plan_->lines[0].forward_busy.voicemail = true;
  plan_->lines[0].forward_unregistered.voicemail = true;
  Load();
  Dial("4001", "away");
  EXPECT_TRUE(Has(ToVoicemail().message.Value(HeaderId::kDiversion),
                  "reason=unavailable"));
  Connect();
  Dial("4001", "busy");
  edge_.Answer(To(bob_, SipMethod::kInvite), 486, "b");
  EXPECT_TRUE(Has(ToVoicemail().message.Value(HeaderId::kDiversion),
                  "reason=user-busy"));
}

// 4001 forwards to 4002, and that to voicemail: the first redirecting number
// is the mailbox, and topmost is the latest.
TEST_F(CallForksTest, SeveralForwards) {
  plan_->lines[0].forward_busy.number = "4002";
  plan_->lines[1].forward_unregistered.voicemail = true;
  Load();
  bob_ = edge_.ConnectTcp("198.51.100.1");
  ASSERT_TRUE(edge_.Register(bob_, "bob"));
  edge_.Forget();
  Dial("4001");
  edge_.Answer(To(bob_, SipMethod::kInvite), 486, "b");
  const Sent vm = ToVoicemail();
  const auto diversions = vm.message.Items(HeaderId::kDiversion);
  ASSERT_EQ(diversions.size(), 2u);
  EXPECT_TRUE(Has(diversions[0], "<sip:4002@d.test>;reason=unavailable"));
  EXPECT_TRUE(Has(diversions[1], "<sip:554001@d.test>;reason=user-busy"));
  EXPECT_EQ(vm.message.Items(HeaderId::kHistoryInfo).size(), 3u);
}

TEST_F(CallForksTest, ForwardsInACircleEnd) {
  plan_->lines[0].forward_unregistered.number = "4002";
  plan_->lines[1].forward_unregistered.number = "4001";
  Load();
  Dial("4001");
  EXPECT_EQ(ToPbx(), 480);
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

TEST_F(CallForksTest, DiversionOnlyToWhoIsMeantToSeeIt) {
  plan_->peers.back().diversion_outbound = false;
  plan_->lines[0].forward_unregistered.voicemail = true;
  Load();
  Dial("4001");
  const Sent vm = ToVoicemail();
  EXPECT_FALSE(vm.message.Has(HeaderId::kDiversion));
  EXPECT_FALSE(vm.message.Has(HeaderId::kHistoryInfo));
}

// CUC-28: a peer's own diversions count where its trunk believes them, so that
// the voicemail server finds the mailbox that the peer means.
TEST_F(CallForksTest, DiversionsOfAPeerGoOnWhereTheyAreBelieved) {
  for (const bool believed : {false, true}) {
    for (PeerEntry& peer : plan_->peers) {
      if (peer.name != plan_->peers.back().name) {
        peer.diversion_inbound = believed;
      }
    }
    plan_->version += 1;
    Load();
    const std::string id = believed ? "believed" : "not";
    edge_.ReceiveUdp(
        kPbx, WithHeaders(PbxInvite("4999", offer_, id, id),
                          "Diversion: <sip:7001@192.0.2.10>;reason=no-answer"));
    EXPECT_EQ(ToPbx(), 100);
    const Sent vm = ToVoicemail();
    EXPECT_EQ(Has(vm.message.Value(HeaderId::kDiversion), "sip:7001@"),
              believed);
  }
}

// protocols.md section 7: a gateway must follow the 302 to a worker.
TEST_F(CallForksTest, APeerPointsToItsOtherPort) {
  Load();
  Dial("4999");
  const Sent first = ToVoicemail();
  edge_.Answer(first, 302, "v", "", "",
               {"Contact: <sip:4999@192.0.2.50:5065;transport=udp>"});
  ToVoicemail();  // ACK
  auto second = edge_.TakeToUdp("192.0.2.50:5065");
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->message.request_uri(), "sip:4999@192.0.2.50:5065");
  EXPECT_EQ(ToPbx(), 0);
  edge_.Answer(*second, 200, "w", answer_, "<sip:w@192.0.2.50:5065>");
  EXPECT_EQ(ToPbx(), 200);
}

TEST_F(CallForksTest, APhonePointsElsewhere) {
  Load();
  Connect();
  Dial("4001");
  edge_.Answer(To(bob_, SipMethod::kInvite), 302, "b", "", "",
               {"Contact: <sip:4002@203.0.113.1>"});
  To(bob_, SipMethod::kAck);
  const Sent c = To(carol_, SipMethod::kInvite);
  EXPECT_TRUE(Has(c.message.Value(HeaderId::kDiversion), "unconditional"));
  edge_.Answer(c, 302, "c", "", "", {"Contact: <sip:4001@203.0.113.1>"});
  To(carol_, SipMethod::kAck);
  // In circles, but not for ever.
  for (int i = 0; i < 20; ++i) {
    for (const ConnectionId phone : {bob_, carol_}) {
      while (auto sent = edge_.TakeTo(phone)) {
        if (sent->message.method() != SipMethod::kInvite) continue;
        edge_.Answer(*sent, 302, "x", "", "",
                     {phone == bob_ ? "Contact: <sip:4002@203.0.113.1>"
                                    : "Contact: <sip:4001@203.0.113.1>"});
      }
    }
  }
  EXPECT_EQ(ToPbx(), 480);
}

TEST_F(CallForksTest, WhereARedirectionLeadsNowhere) {
  Load();
  Connect();
  Dial("4001");
  edge_.Answer(To(bob_, SipMethod::kInvite), 302, "b", "", "",
               {"Contact: <mailto:x@y>, <sip:12345@elsewhere.test>"});
  EXPECT_EQ(ToPbx(), 480);
}

TEST_F(CallForksTest, NoBreadthIsLeft) {
  Load();
  Connect();
  edge_.ReceiveUdp(kPbx,
                   WithHeaders(PbxInvite("4003", offer_), "Max-Breadth: 0"));
  ToPbx();
  EXPECT_EQ(ToPbx(), 440);  // RFC 5393 section 5.3.3
  edge_.ReceiveUdp(kPbx, WithHeaders(PbxInvite("4003", offer_, "b1", "b1"),
                                     "Max-Breadth: 1"));
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

// RFC 3891 section 3: another phone of bob takes what rings at both.
TEST_F(CallForksTest, WhatIsPickedUpRingsNowhereElse) {
  Load();
  Connect();
  Dial("4003");
  const Sent to_bob = To(bob_, SipMethod::kInvite);
  const Sent to_carol = To(carol_, SipMethod::kInvite);
  edge_.Answer(to_bob, 180, "b1");
  edge_.Answer(to_carol, 180, "c1");
  EXPECT_EQ(ToPbx(), 180);
  EXPECT_EQ(ToPbx(), 180);
  const ConnectionId other = edge_.ConnectTcp("198.51.100.3");
  const auto from = ParseNameAddr(to_bob.message.Value(HeaderId::kFrom));
  const auto invite = [&](int cseq) {
    return Cat(
        "INVITE sip:4003@d.test SIP/2.0\n"
        "Via: SIP/2.0/TCP 198.51.100.3:40000;branch=z9hG4bKtake",
        cseq, "\nMax-Forwards: 70\nReplaces: ",
        to_bob.message.Value(HeaderId::kCallId), ";to-tag=", from->tag(),
        ";from-tag=b1\nFrom: <sip:bob@d.test>;tag=t1\n"
        "To: <sip:4003@d.test>\nCall-ID: take\nCSeq: ",
        cseq,
        " INVITE\nContact: <sip:bob@198.51.100.3:40000>\n"
        "Content-Type: application/sdp\n\n",
        TestSdp("198.51.100.3", 7000, false));
  };
  edge_.Receive(other, invite(1));
  const auto challenge = edge_.TakeTo(other);
  ASSERT_TRUE(challenge.has_value());
  ASSERT_EQ(challenge->message.status_code(), 407) << edge_.Refusals();
  edge_.Receive(other, EdgeHarness::WithDigest(invite(2), *challenge, "bob",
                                               "INVITE", "sip:4003@d.test"));
  edge_.TakeTo(other);  // 100
  const auto ok = edge_.TakeTo(other);
  ASSERT_TRUE(ok.has_value());
  EXPECT_EQ(ok->message.status_code(), 200);
  EXPECT_EQ(ToPbx(), 200);
  EXPECT_EQ(ToPbx(), 0);  // by one of them alone
  To(bob_, SipMethod::kCancel);
  const Sent cancel = To(carol_, SipMethod::kCancel);
  EXPECT_TRUE(Has(cancel.message.Value(HeaderId::kReason), "elsewhere"));
  edge_.Answer(to_bob, 487, "b1");
  edge_.Answer(to_carol, 487, "c1");
  EXPECT_EQ(Reasons(), "ANSWERED_ELSEWHERE");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
