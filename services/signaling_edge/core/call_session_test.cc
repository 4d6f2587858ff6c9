// Calls whose ends die silently end: session timers (RFC 4028) on both legs,
// by UPDATE or by re-INVITE.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

class CallSessionTest : public EdgeCoreTest {
 protected:
  // A call from pbx to gw that was answered; `caller` and `called` are header
  // lines of the INVITE of pbx and of the 200 of gw. Returns the 200 to pbx.
  Sent Call(std::string_view caller, const std::vector<std::string>& called) {
    const std::string invite =
        PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false));
    edge_.ReceiveUdp(kPbx,
                     caller.empty() ? invite : WithHeaders(invite, caller));
    edge_.TakeToUdp(kPbx);
    gateway_ = edge_.AcceptDialled("gw.d.test");
    invite_ = *edge_.TakeTo(gateway_);
    edge_.Answer(invite_, 200, "g1", TestSdp("192.0.2.20", 6000, false), "",
                 called);
    edge_.TakeTo(gateway_);
    const Sent ok = *edge_.TakeToUdp(kPbx);
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok)));
    EXPECT_TRUE(edge_.Idle());
    return ok;
  }

  ConnectionId gateway_ = 0;
  Sent invite_;
};

TEST_F(CallSessionTest, BothLegsNegotiateForThemselves) {
  const Sent ok = Call("Supported: timer\nSession-Expires: 600", {});
  // Section 7.1 and 9.
  EXPECT_EQ(invite_.message.Value(HeaderId::kSessionExpires), "1800");
  EXPECT_EQ(invite_.message.Value(HeaderId::kMinSe), "90");
  EXPECT_EQ(invite_.message.Value(HeaderId::kSupported), "timer");
  EXPECT_EQ(ok.message.Value(HeaderId::kSessionExpires), "600;refresher=uac");
  EXPECT_EQ(ok.message.Value(HeaderId::kRequire), "timer");
}

TEST_F(CallSessionTest, ASilentCallerIsGivenUp) {
  Call("Supported: timer\nSession-Expires: 600",
       {"Session-Expires: 3600;refresher=uas", "Require: timer"});
  edge_.Advance(absl::Seconds(600 - 33));
  EXPECT_TRUE(edge_.Idle());
  edge_.Advance(absl::Seconds(2));
  // Section 10: a BYE before the session would be over, on both legs.
  auto bye = edge_.TakeTo(gateway_);
  auto other = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye && other);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(other->message.method(), SipMethod::kBye);
  edge_.Answer(*bye, 200, "g1");
  edge_.Advance(absl::Minutes(3));
  edge_.Forget();
  ExpectOver("SESSION_EXPIRED", CallDisposition::kAnswered);
}

TEST_F(CallSessionTest, ThePeersUpdateKeepsItAlive) {
  const Sent ok = Call("Supported: timer\nSession-Expires: 600",
                       {"Session-Expires: 7200;refresher=uas"});
  for (int cseq = 2; cseq < 6; ++cseq) {
    edge_.Advance(absl::Seconds(300));
    edge_.ReceiveUdp(kPbx, WithHeaders(PbxInDialog("UPDATE", cseq, Tag(ok)),
                                       "Supported: timer\n"
                                       "Session-Expires: 600;refresher=uac"));
    auto answer = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->message.status_code(), 200);
    EXPECT_EQ(answer->message.Value(HeaderId::kSessionExpires),
              "600;refresher=uac");
    EXPECT_TRUE(edge_.Idle());  // it needs nobody else
  }
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallSessionTest, WeRefreshByUpdateWhereThePeerKnowsIt) {
  Call("Supported: timer\nSession-Expires: 86400\nMin-SE: 86400",
       {"Session-Expires: 600;refresher=uac", "Require: timer",
        "Allow: INVITE, ACK, BYE, UPDATE"});
  for (int i = 0; i < 3; ++i) {
    edge_.Advance(absl::Seconds(301));
    auto update = edge_.TakeTo(gateway_);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->message.method(), SipMethod::kUpdate);
    EXPECT_TRUE(update->message.body().empty());
    EXPECT_EQ(update->message.Value(HeaderId::kSessionExpires),
              "600;refresher=uac");
    edge_.Answer(*update, 200, "g1", "", "",
                 {"Session-Expires: 600;refresher=uac"});
  }
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  // The gateway has forgotten the call.
  edge_.Advance(absl::Seconds(301));
  edge_.Answer(*edge_.TakeTo(gateway_), 481, "g1");
  auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Advance(absl::Minutes(3));
  edge_.Forget();
  ExpectOver("DIALOG_LOST", CallDisposition::kAnswered);
}

TEST_F(CallSessionTest, WeRefreshByReInviteWhereItDoesNot) {
  // It has no session timers at all: we look whether it still lives.
  Call("Supported: timer\nSession-Expires: 86400\nMin-SE: 86400", {});
  const size_t updates = edge_.updated.size();
  edge_.Advance(absl::Seconds(901));
  auto again = edge_.TakeTo(gateway_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->message.method(), SipMethod::kInvite);
  // The very description it has: RFC 4028 section 7.4, same o= version.
  EXPECT_EQ(again->message.body(), invite_.message.body());
  edge_.Answer(*again, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  auto ack = edge_.TakeTo(gateway_);
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_TRUE(edge_.Idle());
  EXPECT_EQ(edge_.updated.size(), updates);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  // Then it is silent: timer B, and the call ends.
  edge_.Advance(absl::Seconds(901));
  ASSERT_TRUE(edge_.TakeTo(gateway_));
  edge_.Advance(absl::Seconds(33));
  auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Advance(absl::Minutes(3));
  edge_.Forget();
  ExpectOver("DIALOG_LOST", CallDisposition::kAnswered);
}

TEST_F(CallSessionTest, TooSmallIsRefusedAndLearnt) {
  edge_.ReceiveUdp(
      kPbx, WithHeaders(PbxInvite("95551234", TestSdp("1.2.3.4", 4000, false)),
                        "Supported: timer\nSession-Expires: 60"));
  edge_.TakeToUdp(kPbx);
  auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 422);
  EXPECT_EQ(refused->message.Value(HeaderId::kMinSe), "90");
  edge_.Forget();

  edge_.ReceiveUdp(
      kPbx, PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false), "pbx2",
                      "pbx2"));
  edge_.TakeToUdp(kPbx);
  gateway_ = edge_.AcceptDialled("gw.d.test");
  const Sent invite = *edge_.TakeTo(gateway_);
  edge_.Answer(invite, 422, "g1", "", "", {"Min-SE: 3600"});
  EXPECT_EQ(edge_.TakeTo(gateway_)->message.method(), SipMethod::kAck);
  const Sent again = *edge_.TakeTo(gateway_);
  EXPECT_EQ(again.message.Value(HeaderId::kSessionExpires), "3600");
  EXPECT_EQ(again.message.Value(HeaderId::kMinSe), "3600");
  EXPECT_EQ(again.message.Value(HeaderId::kCallId),
            invite.message.Value(HeaderId::kCallId));
  EXPECT_EQ(again.message.Value(HeaderId::kCseq), "2 INVITE");
  EXPECT_TRUE(edge_.Idle());  // the caller hears nothing of it
  edge_.Answer(again, 200, "g2", TestSdp("192.0.2.20", 6000, false));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 200);
}

}  // namespace
}  // namespace sallyport::signaling_edge
