// A call that has several places to go: route lists and server groups. The
// next is tried when one fails, and the caller learns of the last only.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {
namespace {

// The test plan, with 6.! to two further PBXs in clear, one after the other.
class CallTargetsTest : public EdgeCoreTest {
 protected:
  CallTargetsTest() {
    plan_ = TestPlan();
    for (const char* id : {"one", "two"}) {
      PeerEntry peer;
      peer.name = std::string("tenants/t/peers/") + id;
      peer.dial_plan = "tenants/t/dialPlans/clear";
      peer.address = id == std::string("one") ? "192.0.2.41" : "192.0.2.42";
      peer.port = 5060;
      peer.transport = sallyport::SipTransport::kUdp;
      peer.incoming_port = 5060;
      peer.outcalls_allowed = true;
      plan_->peers.push_back(peer);
    }
    RouteListEntry list;
    list.name = "tenants/t/routeLists/l";
    list.members.resize(2);
    list.members[0].peer = "tenants/t/peers/one";
    list.members[1].peer = "tenants/t/peers/two";
    list.members[1].overrides_called = true;
    list.members[1].transformation.called_prefix = "00";
    plan_->route_lists = {list};
    RoutePatternEntry pattern;
    pattern.name = "tenants/t/routePatterns/list";
    pattern.pattern = "6.!";
    pattern.route_list = list.name;
    pattern.transformation.discard = DiscardDigits::kPreDot;
    plan_->route_patterns.push_back(pattern);
  }

  void Dial(const std::string& call = "pbx1") {
    ResolveDefaults(*plan_);
    edge_.Load(plan_);
    edge_.Forget();
    edge_.ReceiveUdp(
        kPbx,
        PbxInvite("65551234", TestSdp("192.0.2.10", 4000, false), call, call));
    auto trying = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(trying);
    EXPECT_EQ(trying->message.status_code(), 100);
  }

  // The INVITE that went there; what came first is forgotten.
  Sent InviteTo(const char* address) {
    for (;;) {
      auto sent = edge_.TakeToUdp(address);
      EXPECT_TRUE(sent) << address;
      if (!sent || sent->message.method() == SipMethod::kInvite) return *sent;
    }
  }

  std::shared_ptr<PlanSnapshot> plan_;
  static constexpr const char* kOne = "192.0.2.41:5060";
  static constexpr const char* kTwo = "192.0.2.42:5060";
};

TEST_F(CallTargetsTest, TheNextIsTriedWhenOneFails) {
  Dial();
  const Sent first = InviteTo(kOne);
  EXPECT_EQ(first.message.request_uri(), "sip:5551234@192.0.2.41");
  edge_.Answer(first, 503, "a");
  // protocols.md section 11.3: the member's change, not the pattern's.
  const Sent second = InviteTo(kTwo);
  EXPECT_EQ(second.message.request_uri(), "sip:0065551234@192.0.2.42");
  EXPECT_NE(second.message.Value(HeaderId::kCallId),
            first.message.Value(HeaderId::kCallId));
  edge_.Answer(second, 200, "b", TestSdp("192.0.2.42", 4000, false),
               "sip:two@192.0.2.42");
  auto answer = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 200);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallTargetsTest, TheCallerLearnsOfTheLast) {
  Dial();
  edge_.Answer(InviteTo(kOne), 486, "a");
  edge_.Answer(InviteTo(kTwo), 480, "b");
  auto answer = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 480);
}

TEST_F(CallTargetsTest, BusyAndUnallocatedEndItIfSoSet) {
  plan_->route_lists[0].stop_on_busy = true;
  plan_->route_lists[0].stop_on_unallocated_number = true;
  for (const int code : {486, 404}) {
    Dial(std::to_string(code));
    edge_.Answer(InviteTo(kOne), code, "a");
    auto answer = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->message.status_code(), code);
    edge_.Advance(absl::Seconds(40));  // the caller sends no ACK
    edge_.Forget();
  }
}

// RFC 3261 section 21.6: a global failure is everybody's answer.
TEST_F(CallTargetsTest, AGlobalFailureEndsIt) {
  Dial();
  edge_.Answer(InviteTo(kOne), 603, "a");
  auto answer = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(answer);
  EXPECT_GE(answer->message.status_code(), 400);
  EXPECT_FALSE(edge_.TakeToUdp(kTwo).has_value());
}

TEST_F(CallTargetsTest, WhatCannotBeCalledIsPassedOver) {
  // A name that resolves to nothing, then a peer that is full.
  plan_->peers[plan_->peers.size() - 2].address.clear();
  plan_->peers[plan_->peers.size() - 2].fqdn = "one.d.test";
  Dial();
  ASSERT_EQ(edge_.resolves.size(), 1u);
  edge_.Perform(edge_.core().OnHostResolved(
      edge_.resolves[0].query, absl::UnavailableError("no such name"),
      edge_.now()));
  InviteTo(kTwo);
}

TEST_F(CallTargetsTest, CancelledWhileTheSecondIsTried) {
  Dial();
  edge_.Answer(InviteTo(kOne), 500, "a");
  const Sent second = InviteTo(kTwo);
  edge_.Answer(second, 180, "b");
  auto ringing = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ringing);
  EXPECT_EQ(ringing->message.status_code(), 180);
  edge_.ReceiveUdp(kPbx, PbxCancel());
  const Sent cancel = *edge_.TakeToUdp(kTwo);
  EXPECT_EQ(cancel.message.method(), SipMethod::kCancel);
  edge_.Answer(second, 487, "b");
  // 200 to the CANCEL, 487 to the INVITE, and no third attempt.
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 200);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 487);
  EXPECT_EQ(edge_.TakeToUdp(kOne)->message.method(), SipMethod::kAck);
  EXPECT_FALSE(edge_.TakeToUdp(kOne).has_value());
}

TEST_F(CallTargetsTest, ServersOfAGroup) {
  plan_->server_groups = {{"tenants/t/serverGroups/g",
                           {{"192.0.2.41", 5060, 0, 1, 0, false},
                            {"192.0.2.42", 5060, 0, 2, 0, false}},
                           {}}};
  for (PeerEntry& peer : plan_->peers) {
    if (peer.name == "tenants/t/peers/one") {
      peer.server_group = "tenants/t/serverGroups/g";
    }
  }
  plan_->route_lists[0].members.pop_back();
  Dial();
  edge_.Answer(InviteTo(kOne), 503, "a");
  EXPECT_EQ(InviteTo(kTwo).message.request_uri(), "sip:5551234@192.0.2.42");
}

TEST_F(CallTargetsTest, AWithheldNumberIsTold) {
  plan_->route_patterns.back().transformation.restrict_presentation = true;
  Dial();
  const Sent first = InviteTo(kOne);
  EXPECT_NE(first.message.Value(HeaderId::kFrom).find("anonymous.invalid"),
            std::string_view::npos);
}

}  // namespace
}  // namespace sallyport::signaling_edge
