// Charging headers between trunks (RFC 7315), which are for those alone whose
// security profile says so (CUC trunk profile).

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kVector =
    "icid-value=\"AyretyU0dm+6O2IrT5tAFrbHLso=023551024\";orig-ioi=home1.test";
constexpr std::string_view kAddresses = "ccf=192.0.2.71;ecf=192.0.2.72";
constexpr std::string_view kTheirVector =
    "icid-value=\"AyretyU0dm+6O2IrT5tAFrbHLso=023551024\";term-ioi=home2.test";

class CallChargingTest : public EdgeCoreTest {
 protected:
  // These peers' security profile allows it, that of the others does not.
  void Allow(const std::vector<std::string_view>& peers) {
    auto plan = TestPlan();
    plan->trunk_security_profiles.resize(2);
    plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
    plan->trunk_security_profiles[0].allow_charging_header = true;
    plan->trunk_security_profiles[1].name = "tenants/t/trunkSecurityProfiles/y";
    for (PeerEntry& each : plan->peers) {
      bool allowed = false;
      for (const std::string_view peer : peers) {
        allowed |= each.name == Cat("tenants/t/peers/", peer);
      }
      each.trunk_security_profile =
          plan->trunk_security_profiles[allowed ? 0 : 1].name;
    }
    edge_.Load(plan);
    edge_.Forget();
  }
  // From pbx, with charging headers; what was sent to `to`, or to gw.
  Sent Dial(std::string_view number, ConnectionId to = 0) {
    edge_.Forget();
    edge_.ReceiveUdp(
        kPbx,
        WithHeaders(PbxInvite(number, TestSdp("192.0.2.10", 4000, false)),
                    Cat("P-Charging-Vector: ", kVector,
                        "\nP-Charging-Function-Addresses: ", kAddresses)));
    const auto trying = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(trying && trying->message.status_code() == 100);
    EXPECT_EQ(Charging(trying->message), "");
    if (to == 0) to = edge_.AcceptDialled("gw.d.test");
    const auto sent = edge_.TakeTo(to);
    EXPECT_TRUE(sent && sent->message.method() == SipMethod::kInvite);
    return sent.has_value() ? *sent : Sent{};
  }
  static std::string Charging(const SipMessage& message) {
    std::string out;
    for (const std::string_view value :
         message.All(HeaderId::kPChargingVector)) {
      CatTo(out, "V ", value, "\n");
    }
    for (const std::string_view value :
         message.All(HeaderId::kPChargingFunctionAddresses)) {
      CatTo(out, "A ", value, "\n");
    }
    return out;
  }
  // What the caller is told of charging by the answer to this.
  std::string Answered(const Sent& invite, int code, std::string_view sdp,
                       const std::vector<std::string>& headers) {
    edge_.Answer(invite, code, "g1", sdp, "", headers);
    told_ = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(told_ && told_->message.status_code() == code);
    return told_ ? Charging(told_->message) : "nothing";
  }

  std::optional<Sent> told_;
};

TEST_F(CallChargingTest, BetweenTrunksThatMayTheyPass) {
  Allow({"pbx", "gw"});
  const Sent invite = Dial("95551234");
  EXPECT_EQ(Charging(invite.message),
            Cat("V ", kVector, "\nA ", kAddresses, "\n"));
  const std::string theirs = Cat("P-Charging-Vector: ", kTheirVector);
  // Each response has its own.
  EXPECT_EQ(Answered(invite, 180, "", {theirs}), Cat("V ", kTheirVector, "\n"));
  EXPECT_EQ(Answered(invite, 183, "", {}), "");
  // The relay is asked between.
  EXPECT_EQ(
      Answered(invite, 200, TestSdp("192.0.2.20", 6000, false),
               {theirs, Cat("P-Charging-Function-Addresses: ", kAddresses)}),
      Cat("V ", kTheirVector, "\nA ", kAddresses, "\n"));
  const auto ack = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(ack && ack->message.method() == SipMethod::kAck);
  EXPECT_EQ(Charging(ack->message), "");
}

TEST_F(CallChargingTest, ATrunkThatMayNotGivesNone) {
  Allow({"gw"});
  const Sent invite = Dial("95551234");
  EXPECT_EQ(Charging(invite.message), "");
  // Nor gets any; and neither is refused for what it sends.
  EXPECT_EQ(Answered(invite, 200, TestSdp("192.0.2.20", 6000, false),
                     {Cat("P-Charging-Vector: ", kTheirVector)}),
            "");
  EXPECT_EQ(edge_.Refusals(), "");
}

TEST_F(CallChargingTest, ATrunkThatMayNotGetsNone) {
  Allow({"pbx"});
  const Sent invite = Dial("95551234");
  EXPECT_EQ(Charging(invite.message), "");
  EXPECT_EQ(Answered(invite, 200, TestSdp("192.0.2.20", 6000, false),
                     {Cat("P-Charging-Vector: ", kTheirVector)}),
            "");
  EXPECT_EQ(edge_.Refusals(), "");
}

TEST_F(CallChargingTest, APhoneGetsNoneAndGivesNone) {
  Allow({"pbx", "gw"});
  const ConnectionId phone = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(phone, "alice"));
  const Sent invite = Dial("1001", phone);
  EXPECT_EQ(Charging(invite.message), "");
  edge_.Answer(invite, 200, "a", TestSdp("203.0.113.5", 4000, true),
               "<sip:alice@203.0.113.5:40000;transport=tls>",
               {Cat("P-Charging-Vector: ", kTheirVector)});
  for (;;) {
    const auto told = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(told);
    EXPECT_EQ(Charging(told->message), "");
    if (told->message.status_code() == 200) break;
  }
}

TEST_F(CallChargingTest, AFailureTellsNothing) {
  Allow({"pbx", "gw"});
  const Sent invite = Dial("95551234");
  edge_.Answer(invite, 500, "g1", "", "",
               {Cat("P-Charging-Vector: ", kTheirVector)});
  const auto failed = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(failed);
  EXPECT_GE(failed->message.status_code(), 500);
  EXPECT_EQ(Charging(failed->message), "");
}

// A transfer is a call of its own, by which nobody has said how it is charged.
TEST_F(CallChargingTest, ATransferHasNone) {
  Allow({"pbx", "gw", "far"});
  const Sent invite = Dial("95551234");
  Answered(invite, 200, TestSdp("192.0.2.20", 6000, false), {});
  const auto ack = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(ack);
  ASSERT_TRUE(told_);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*told_)));
  edge_.Forget();
  edge_.RequestFrom(invite, "g1", "REFER", 2, "",
                    {"Refer-To: <sip:75550000@203.0.113.1>",
                     Cat("P-Charging-Vector: ", kTheirVector)});
  ASSERT_EQ(edge_.resolves.size(), 1u);
  edge_.Perform(edge_.core().OnHostResolved(
      edge_.resolves[0].query,
      std::vector<SocketAddress>{*SocketAddress::FromIp("192.0.2.30", 0)},
      edge_.now()));
  const auto onward = edge_.TakeTo(edge_.AcceptDialled(""));
  ASSERT_TRUE(onward && onward->message.method() == SipMethod::kInvite);
  EXPECT_EQ(Charging(onward->message), "");
}

}  // namespace
}  // namespace sallyport::signaling_edge
