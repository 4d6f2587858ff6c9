// Peers by names with IPv4 and IPv6 addresses (PeerEntry::address_family).
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kFour[] = "192.0.2.61:5060";
constexpr char kSix[] = "[2001:db8::61]:5060";

EdgeOptions WithV6(EdgeOptions options) {
  for (const SipTransport transport :
       {SipTransport::kUdp, SipTransport::kTcp}) {
    options.listeners.push_back({.transport = transport,
                                 .host = "2001:db8::e",
                                 .port = 5060,
                                 .logical_port = 5060,
                                 .v6 = true});
  }
  return options;
}

// 4.! goes to "four", which wants nothing special, and 6.! to "six", which
// wants IPv6, both at one name by UDP; 5.! to "stream", which wants IPv6 by
// TCP.
class CallAddressFamilyTest : public EdgeCoreTest {
 protected:
  CallAddressFamilyTest()
      : CallAddressFamilyTest(WithV6(EdgeHarness::Options())) {}
  explicit CallAddressFamilyTest(const EdgeOptions& options)
      : EdgeCoreTest(options) {
    auto plan = TestPlan();
    const auto add = [&](std::string name, std::string digit,
                         AddressFamily family) -> PeerEntry& {
      PeerEntry peer;
      peer.name = "tenants/t/peers/" + name;
      peer.dial_plan = "tenants/t/dialPlans/clear";
      peer.fqdn = "both.d.test";
      peer.port = peer.incoming_port = 5060;
      peer.transport = sallyport::SipTransport::kUdp;
      peer.outcalls_allowed = true;
      peer.address_family = family;
      plan->peers.push_back(peer);
      RoutePatternEntry pattern;
      pattern.name = "tenants/t/routePatterns/" + name;
      pattern.pattern = digit + ".!";
      pattern.peer = peer.name;
      pattern.transformation.discard = DiscardDigits::kPreDot;
      plan->route_patterns.push_back(pattern);
      return plan->peers.back();
    };
    add("four", "4", AddressFamily::kIpv4Only);
    add("six", "6", AddressFamily::kIpv6Only);
    add("stream", "5", AddressFamily::kIpv6Only).transport =
        sallyport::SipTransport::kTcp;
    ResolveDefaults(*plan);
    edge_.Load(plan);
    edge_.Forget();
  }

  void Dial(const std::string& number) {
    ++calls_;
    edge_.ReceiveUdp(kPbx, PbxInvite(number, TestSdp("192.0.2.10", 4000, false),
                                     "call" + std::to_string(calls_),
                                     std::to_string(calls_)));
    const auto trying = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(trying && trying->message.status_code() == 100);
  }
  // The last name that was asked for.
  void Found(const std::vector<const char*>& texts) {
    std::vector<SocketAddress> addresses;
    for (const char* text : texts) {
      addresses.push_back(SocketAddress::Parse(text)->WithPort(0));
    }
    edge_.Perform(edge_.core().OnHostResolved(
        edge_.resolves.back().query, std::move(addresses), edge_.now()));
  }

  int calls_ = 0;
};

class WithoutV6Test : public CallAddressFamilyTest {
 protected:
  WithoutV6Test() : CallAddressFamilyTest(EdgeHarness::Options()) {}
};

TEST_F(CallAddressFamilyTest, TwoPeersOfOneNameHaveTheirFamilies) {
  Dial("41");
  ASSERT_EQ(edge_.resolves.size(), 1u);
  EXPECT_EQ(edge_.resolves[0].host, "both.d.test");
  EXPECT_EQ(edge_.resolves[0].family, AddressFamily::kIpv4Only);
  Found({kFour});
  EXPECT_TRUE(edge_.TakeToUdp(kFour));
  // What was learnt for the one is not for the other.
  Dial("61");
  ASSERT_EQ(edge_.resolves.size(), 2u);
  EXPECT_EQ(edge_.resolves[1].host, "both.d.test");
  EXPECT_EQ(edge_.resolves[1].family, AddressFamily::kIpv6Only);
  Found({kSix});
  EXPECT_TRUE(edge_.TakeToUdp(kSix));
  Dial("42");
  EXPECT_TRUE(edge_.TakeToUdp(kFour));
  Dial("62");
  EXPECT_TRUE(edge_.TakeToUdp(kSix));
  EXPECT_EQ(edge_.resolves.size(), 2u);
}

TEST_F(CallAddressFamilyTest, WeAreCalledByTheListenerOfTheFamily) {
  Dial("41");
  Found({kFour});
  auto invite = edge_.TakeToUdp(kFour);
  ASSERT_TRUE(invite);
  EXPECT_TRUE(Has(invite->message.Value(HeaderId::kVia), "UDP 203.0.113.1;"));
  Dial("61");
  Found({kSix});
  invite = edge_.TakeToUdp(kSix);
  ASSERT_TRUE(invite);
  EXPECT_TRUE(Has(invite->message.Value(HeaderId::kVia), "UDP [2001:db8::e];"));
  EXPECT_TRUE(Has(invite->message.Value(HeaderId::kContact), "2001:db8::e"));
  Dial("51");
  Found({kSix});
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].to.ToString(), kSix);
  EXPECT_EQ(edge_.connects[0].listener, 6u);
}

// RFC 3261 section 8.1.3.4: to another port of the peer's.
TEST_F(CallAddressFamilyTest, ARedirectionKeepsTheFamily) {
  Dial("51");
  Found({kSix});
  const auto invite = edge_.TakeTo(edge_.AcceptDialled(""));
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 302, "a", "", "",
               {"Contact: <sip:2@both.d.test:5070;transport=tcp>"});
  ASSERT_EQ(edge_.resolves.size(), 2u);
  EXPECT_EQ(edge_.resolves[1].host, "both.d.test");
  EXPECT_EQ(edge_.resolves[1].family, AddressFamily::kIpv6Only);
  Found({kSix});
  ASSERT_EQ(edge_.connects.size(), 2u);
  EXPECT_EQ(edge_.connects[1].to.ToString(), "[2001:db8::61]:5070");
}

TEST_F(WithoutV6Test, ADatagramGoesWhereAListenerLeads) {
  Dial("61");
  Found({kSix, kFour});
  EXPECT_TRUE(edge_.TakeToUdp(kFour));
  EXPECT_FALSE(edge_.TakeToUdp(kSix));
}

TEST_F(WithoutV6Test, NoListenerLeadsThere) {
  Dial("61");
  Found({kSix});
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 503);
  EXPECT_EQ(edge_.Refusals(), "PEER_UNREACHABLE");
  // A connection needs no listener of its family.
  Dial("51");
  Found({kSix});
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].to.ToString(), kSix);
}

}  // namespace
}  // namespace sallyport::signaling_edge
