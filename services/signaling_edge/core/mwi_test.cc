#include "services/signaling_edge/core/mwi.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

class MwiTest : public EdgeCoreTest {
 protected:
  MwiTest() {
    plan_ = TestPlan();
    LineEntry line;
    line.name = "tenants/t/lines/4001";
    line.directory_number = "4001";
    line.users = {"tenants/t/users/bob"};
    plan_->lines = {line};
    for (const bool lights : {false, true}) {
      MessageWaitingNumberEntry entry;
      entry.name = lights ? "tenants/t/messageWaitingNumbers/on"
                          : "tenants/t/messageWaitingNumbers/off";
      entry.number = lights ? "4998" : "4997";
      entry.lights = lights;
      plan_->message_waiting_numbers.push_back(entry);
    }
    Pbx().message_waiting_allowed = true;
  }
  PeerEntry& Pbx() {
    for (PeerEntry& peer : plan_->peers) {
      if (peer.name == "tenants/t/peers/pbx") return peer;
    }
    return plan_->peers[0];
  }
  void Load() {
    ResolveDefaults(*plan_);
    edge_.Load(plan_);
    edge_.events.clear();
  }
  void Connect() {
    bob_ = edge_.ConnectTcp("198.51.100.1");
    ASSERT_TRUE(edge_.Register(bob_, "bob"));
  }
  // A NOTIFY from pbx; the status it gets.
  int Notify(std::string_view number, std::string_view body,
             std::string_view event = "message-summary") {
    ++count_;
    edge_.ReceiveUdp(
        kPbx,
        Cat("NOTIFY sip:", number,
            "@203.0.113.1 SIP/2.0\n"
            "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKn",
            count_, "\nMax-Forwards: 70\nFrom: <sip:vm@192.0.2.10>;tag=n\n",
            "To: <sip:", number, "@203.0.113.1>\nCall-ID: n", count_,
            "\nCSeq: 1 NOTIFY\nContact: <sip:vm@192.0.2.10>\nEvent: ", event,
            "\nContent-Type: application/simple-message-summary\n\n", body));
    auto answer = edge_.TakeToUdp(kPbx);
    return answer ? answer->message.status_code() : 0;
  }
  // A NOTIFY to bob, answered.
  Sent Lamp() {
    auto sent = edge_.TakeTo(bob_);
    EXPECT_TRUE(sent.has_value());
    if (!sent) return {};
    EXPECT_EQ(sent->message.method(), SipMethod::kNotify);
    edge_.Answer(*sent, 200, "b");
    return *sent;
  }
  std::string Subscribe(int cseq, int expires, std::string_view to_tag = "") {
    return Cat(
        "SUBSCRIBE sip:bob@d.test SIP/2.0\n"
        "Via: SIP/2.0/TCP 198.51.100.1;branch=z9hG4bKs",
        call_id_, cseq, "\nMax-Forwards: 70\nFrom: <sip:bob@d.test>;tag=s\n",
        "To: <sip:bob@d.test>", to_tag.empty() ? "" : ";tag=", to_tag,
        "\nCall-ID: ", call_id_, "\nCSeq: ", cseq,
        " SUBSCRIBE\nContact: <sip:bob@198.51.100.1>\n"
        "Event: message-summary\nExpires: ",
        expires);
  }

  // bob's phone subscribes; the 200 that it gets.
  Sent Subscribed(std::string_view call_id = "sub") {
    call_id_ = call_id;
    // A peer by address needs no digest: bob's is the one of his REGISTER, so
    // the challenge comes first.
    edge_.Receive(bob_, Subscribe(1, 600));
    auto challenge = edge_.TakeTo(bob_);
    if (!challenge) return {};
    EXPECT_EQ(challenge->message.status_code(), 407);
    edge_.Receive(bob_, edge_.WithDigest(Subscribe(2, 600), *challenge, "bob",
                                         "SUBSCRIBE", "sip:bob@d.test"));
    auto ok = edge_.TakeTo(bob_);
    if (!ok) return {};
    EXPECT_EQ(ok->message.status_code(), 200);
    EXPECT_EQ(ok->message.Value(HeaderId::kExpires), "600");
    const Sent first = Lamp();  // at once
    EXPECT_EQ(first.message.Value(HeaderId::kSubscriptionState),
              "active;expires=600");
    EXPECT_TRUE(Has(first.message.body(), "Messages-Waiting: no"));
    return *ok;
  }

  std::shared_ptr<PlanSnapshot> plan_;
  ConnectionId bob_ = 0;
  std::string call_id_ = "sub";
  int count_ = 0;
};

TEST_F(MwiTest, UnaskedToUnasked) {
  Load();
  Connect();
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\nVoice-Message: 2/1\n"), 200);
  const Sent lamp = Lamp();
  EXPECT_TRUE(Has(lamp.message.body(), "Messages-Waiting: yes"));
  EXPECT_TRUE(Has(lamp.message.body(), "Message-Account: sip:bob@d.test"));
  EXPECT_TRUE(Has(lamp.message.body(), "Voice-Message: 2/1"));
  EXPECT_EQ(lamp.message.Value(HeaderId::kEvent), "message-summary");
  // The same again is no news.
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\nVoice-Message: 2/1\n"), 200);
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(Notify("4001", "Messages-Waiting: no\n"), 200);
  EXPECT_TRUE(Has(Lamp().message.body(), "Messages-Waiting: no"));
}

// protocols.md section 13: also when a phone registers.
TEST_F(MwiTest, APhoneThatComesLater) {
  Load();
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n"), 200);
  Connect();
  EXPECT_TRUE(Has(Lamp().message.body(), "Messages-Waiting: yes"));
}

TEST_F(MwiTest, WhoMayLight) {
  Pbx().message_waiting_allowed = false;
  Load();
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n"), 403);
  plan_ = std::make_shared<PlanSnapshot>(*plan_);
  Pbx().message_waiting_allowed = true;
  plan_->trunk_security_profiles.resize(1);
  plan_->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
  Pbx().trunk_security_profile = plan_->trunk_security_profiles[0].name;
  Load();
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n"), 403);
  plan_ = std::make_shared<PlanSnapshot>(*plan_);
  plan_->trunk_security_profiles[0].accept_unsolicited_notification = true;
  Load();
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n"), 200);
  EXPECT_EQ(Notify("4002", "Messages-Waiting: yes\n"), 404);
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n", "presence"), 489);
  EXPECT_EQ(Notify("4001", "hello\n"), 415);
}

TEST_F(MwiTest, MessageWaitingNumbers) {
  Load();
  Connect();
  const auto call = [&](std::string_view number, std::string_view id) {
    std::string invite = PbxInvite(number, "", id, id);
    const std::string from = "sip:5551000@192.0.2.10>;tag";
    invite.replace(invite.find(from), from.size(), "sip:4001@192.0.2.10>;tag");
    edge_.ReceiveUdp(kPbx, invite);
    edge_.TakeToUdp(kPbx);
    return edge_.TakeToUdp(kPbx);
  };
  auto cleared = call("4998", "on");
  ASSERT_TRUE(cleared);
  EXPECT_EQ(cleared->message.status_code(), 480);
  EXPECT_TRUE(Has(cleared->message.Value(HeaderId::kReason), "cause=16"));
  EXPECT_TRUE(Has(Lamp().message.body(), "Messages-Waiting: yes"));
  call("4997", "off");
  EXPECT_TRUE(Has(Lamp().message.body(), "Messages-Waiting: no"));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

TEST_F(MwiTest, Subscribed) {
  Load();
  Connect();
  const Sent ok = Subscribed();
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n"), 200);
  const Sent second = Lamp();
  EXPECT_EQ(second.message.Value(HeaderId::kCallId), "sub");
  EXPECT_TRUE(edge_.Idle());  // and not unasked as well
  // Refreshed, then given up.
  edge_.Advance(absl::Seconds(500));
  edge_.Receive(bob_, Subscribe(3, 600, Tag(ok)));
  EXPECT_EQ(edge_.TakeTo(bob_)->message.status_code(), 200);
  Lamp();
  edge_.Receive(bob_, Subscribe(4, 0, Tag(ok)));
  EXPECT_EQ(edge_.TakeTo(bob_)->message.status_code(), 200);
  EXPECT_EQ(Lamp().message.Value(HeaderId::kSubscriptionState),
            "terminated;reason=timeout");
  edge_.Receive(bob_, Subscribe(5, 600, Tag(ok)));
  EXPECT_EQ(edge_.TakeTo(bob_)->message.status_code(), 481);
}

// A phone whose connection is lost registers by another, and need not subscribe
// anew for its lamp to be right.
TEST_F(MwiTest, ASubscriptionOutlivesItsConnection) {
  Load();
  Connect();
  const Sent ok = Subscribed();
  edge_.Close(bob_);
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n"), 200);
  EXPECT_TRUE(edge_.Idle());
  Connect();
  const Sent back = Lamp();
  EXPECT_EQ(back.message.Value(HeaderId::kCallId), "sub");
  EXPECT_TRUE(Has(back.message.body(), "Messages-Waiting: yes"));
  EXPECT_EQ(Notify("4001", "Messages-Waiting: no\n"), 200);
  const Sent next = Lamp();
  EXPECT_EQ(next.message.Value(HeaderId::kCallId), "sub");
  EXPECT_TRUE(Has(next.message.body(), "Messages-Waiting: no"));
  EXPECT_TRUE(edge_.Idle());
  // It is the phone's own there.
  edge_.Receive(bob_, Subscribe(3, 600, Tag(ok)));
  EXPECT_EQ(edge_.TakeTo(bob_)->message.status_code(), 200);
  Lamp();
}

// A phone that subscribes anew has done with what it had.
TEST_F(MwiTest, ANewSubscriptionTakesThePlaceOfALostOne) {
  Load();
  Connect();
  Subscribed();
  edge_.Close(bob_);
  bob_ = edge_.ConnectTcp("198.51.100.1");
  Subscribed("again");
  ASSERT_TRUE(edge_.Register(bob_, "bob"));
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n"), 200);
  EXPECT_EQ(Lamp().message.Value(HeaderId::kCallId), "again");
  EXPECT_TRUE(edge_.Idle());
}

// What another phone of the user subscribed to and left keeps nobody from
// being told.
TEST_F(MwiTest, ALostSubscriptionIsNotTheNextPhones) {
  Load();
  Connect();
  Subscribed();
  edge_.Close(bob_);
  EXPECT_EQ(Notify("4001", "Messages-Waiting: yes\n"), 200);
  bob_ = edge_.ConnectTcp("198.51.100.2");
  const auto text = [](int cseq) {
    return Cat(
        "REGISTER sip:d.test SIP/2.0\n"
        "Via: SIP/2.0/TCP 198.51.100.2;branch=z9hG4bKr",
        cseq,
        "\nMax-Forwards: 70\nFrom: <sip:bob@d.test>;tag=r\n"
        "To: <sip:bob@d.test>\nCall-ID: other\nCSeq: ",
        cseq, " REGISTER\nContact: <sip:desk2@198.51.100.2>\nExpires: 600");
  };
  edge_.Receive(bob_, text(1));
  const auto challenge = edge_.TakeTo(bob_);
  ASSERT_TRUE(challenge);
  edge_.Receive(bob_, edge_.WithDigest(text(2), *challenge, "bob", "REGISTER",
                                       "sip:d.test"));
  EXPECT_EQ(edge_.TakeTo(bob_)->message.status_code(), 200);
  const Sent lamp = Lamp();
  EXPECT_NE(lamp.message.Value(HeaderId::kCallId), "sub");
  EXPECT_TRUE(Has(lamp.message.body(), "Messages-Waiting: yes"));
  EXPECT_EQ(Notify("4001", "Messages-Waiting: no\n"), 200);
  EXPECT_NE(Lamp().message.Value(HeaderId::kCallId), "sub");
  EXPECT_TRUE(edge_.Idle());
}

}  // namespace
}  // namespace sallyport::signaling_edge
