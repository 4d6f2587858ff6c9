// The servers of one name, tried in their order before the next target of the
// route: RFC 3263 section 4.3.
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

// 6.! goes to "named" (UDP, two servers), then to pbx; 7.! to far (TCP).
class CallServersTest : public EdgeCoreTest {
 protected:
  CallServersTest() {
    auto plan = TestPlan();
    PeerEntry named;
    named.name = "tenants/t/peers/named";
    named.dial_plan = "tenants/t/dialPlans/clear";
    named.fqdn = "named.d.test";
    named.port = named.incoming_port = 5060;
    named.transport = sallyport::SipTransport::kUdp;
    named.outcalls_allowed = true;
    plan->peers.push_back(named);
    PeerEntry last = named;
    last.name = "tenants/t/peers/last";
    last.fqdn.clear();
    last.address = "192.0.2.69";
    plan->peers.push_back(last);
    RouteListEntry list;
    list.name = "tenants/t/routeLists/l";
    list.members.resize(2);
    list.members[0].peer = named.name;
    list.members[1].peer = last.name;
    plan->route_lists = {list};
    RoutePatternEntry pattern;
    pattern.name = "tenants/t/routePatterns/list";
    pattern.pattern = "6.!";
    pattern.route_list = list.name;
    pattern.transformation.discard = DiscardDigits::kPreDot;
    plan->route_patterns.push_back(pattern);
    ResolveDefaults(*plan);
    edge_.Load(plan);
    edge_.Forget();
  }

  void Dial(const std::string& number) {
    edge_.ReceiveUdp(kPbx,
                     PbxInvite(number, TestSdp("192.0.2.10", 4000, false)));
    const auto trying = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(trying && trying->message.status_code() == 100);
    ASSERT_EQ(edge_.resolves.size(), 1u);
    edge_.Perform(edge_.core().OnHostResolved(
        edge_.resolves[0].query,
        std::vector<SocketAddress>{*SocketAddress::Parse("192.0.2.61:5060"),
                                   *SocketAddress::Parse("192.0.2.62:5060")},
        edge_.now()));
  }
  std::optional<Sent> InviteTo(const char* address) {
    for (;;) {
      auto sent = edge_.TakeToUdp(address);
      if (!sent || sent->message.method() == SipMethod::kInvite) return sent;
    }
  }
};

TEST_F(CallServersTest, AnOverloadedServerIsFollowedByTheNextOfItsName) {
  Dial("65551234");
  auto invite = InviteTo("192.0.2.61:5060");
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 503, "a");
  invite = InviteTo("192.0.2.62:5060");
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.request_uri(), "sip:5551234@named.d.test");
  edge_.Answer(*invite, 503, "b");
  // None is left: the next target.
  invite = InviteTo("192.0.2.69:5060");
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 503, "c");
  const auto failed = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(failed);
  EXPECT_GE(failed->message.status_code(), 500);
  EXPECT_EQ(edge_.resolves.size(), 1u);  // asked once
}

TEST_F(CallServersTest, ASilentServerIsFollowedByTheNextOfItsName) {
  Dial("65551234");
  ASSERT_TRUE(InviteTo("192.0.2.61:5060"));
  edge_.Advance(absl::Seconds(33));  // timer B
  const auto invite = InviteTo("192.0.2.62:5060");
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 200, "b", TestSdp("192.0.2.62", 4000, false),
               "sip:two@192.0.2.62");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallServersTest, AnyOtherAnswerIsTheNamesOwn) {
  Dial("65551234");
  const auto invite = InviteTo("192.0.2.61:5060");
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 480, "a");
  EXPECT_FALSE(InviteTo("192.0.2.62:5060"));
  EXPECT_TRUE(InviteTo("192.0.2.69:5060"));
}

TEST_F(CallServersTest, AResetConnectionIsFollowedByTheNextServer) {
  Dial("75551234");
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].to.ToString(), "192.0.2.61:5060");
  const ConnectionId first = edge_.AcceptDialled("");
  const auto invite = edge_.TakeTo(first);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 503, "a");
  ASSERT_EQ(edge_.connects.size(), 2u);
  EXPECT_EQ(edge_.connects[1].to.ToString(), "192.0.2.62:5060");
  const ConnectionId second = edge_.AcceptDialled("");
  EXPECT_TRUE(edge_.TakeTo(second));
}

TEST_F(CallServersTest, ARefusedConnectionIsFollowedAtOnce) {
  Dial("75551234");
  ASSERT_EQ(edge_.connects.size(), 1u);
  const MonoTime begun = edge_.now();
  edge_.Close(edge_.connects[0].connection,
              absl::UnavailableError("connection refused"));
  ASSERT_EQ(edge_.connects.size(), 2u);
  EXPECT_EQ(edge_.connects[1].to.ToString(), "192.0.2.62:5060");
  EXPECT_EQ(edge_.now(), begun);
}

}  // namespace
}  // namespace sallyport::signaling_edge
