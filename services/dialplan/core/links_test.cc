#include "services/dialplan/core/links.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kPeer[] = "tenants/t/peers/gw";

class LinksTest : public testing::Test {
 protected:
  LinksTest() {
    snapshot_.tenants = {TestTenant()};
    snapshot_.dial_plans = {TestPlan(SecurityMode::kSecured, "secured"),
                            TestPlan(SecurityMode::kSipSecured, "sip"),
                            TestPlan(SecurityMode::kUnsecured, "clear")};
  }

  LinkRow Of(const std::string& component) {
    PlanSnapshot resolved = snapshot_;
    ResolveDefaults(resolved);
    for (const LinkRow& row : LinksOf(resolved)) {
      if (row.component == component) return row;
    }
    ADD_FAILURE() << "no link to " << component;
    return {};
  }

  PlanSnapshot snapshot_;
};

// UM-21: every type of link is there, with the method in force.
TEST_F(LinksTest, EveryTypeOfLinkHasItsMethod) {
  const struct {
    PeerKind kind;
    const char* plan;
    const char* name;
    LinkMethod signalling;
    LinkMethod media;
  } kRows[] = {
      {PeerKind::kIpGateway, "secured", "IP gateway", LinkMethod::kMutualTls,
       LinkMethod::kSrtp},
      {PeerKind::kIpPbx, "sip", "IP PBX", LinkMethod::kMutualTls,
       LinkMethod::kNone},
      {PeerKind::kSipTrunk, "clear", "SIP trunk", LinkMethod::kNone,
       LinkMethod::kNone},
      {PeerKind::kVoicemail, "secured", "voicemail server",
       LinkMethod::kMutualTls, LinkMethod::kSrtp},
  };
  for (const auto& row : kRows) {
    snapshot_.peers = {TestPeer("gw", row.plan)};
    snapshot_.peers[0].kind = row.kind;
    const LinkRow found = Of(kPeer);
    EXPECT_EQ(found.kind, row.name);
    EXPECT_EQ(found.signalling, row.signalling) << row.name;
    EXPECT_EQ(found.media, row.media) << row.name;
  }
  snapshot_.users = {TestUser("u", "secured"), TestUser("v", "secured"),
                     TestUser("w", "clear")};
  EXPECT_EQ(Of("tenants/t/dialPlans/secured").signalling,
            LinkMethod::kTlsAndDigest);
  EXPECT_EQ(Of("tenants/t/dialPlans/secured").detail, "2 users");
  EXPECT_EQ(Of("tenants/t/dialPlans/clear").signalling, LinkMethod::kNone);
  // UM-64: what other roles are to the documents are services here.
  EXPECT_EQ(Of("signaling_edge to credential_issuer").signalling,
            LinkMethod::kMutualTls);
  EXPECT_EQ(Of("dialplan to capf").media, LinkMethod::kNotUsed);
}

// UM-17, UM-20: mutual TLS first, and why.
TEST_F(LinksTest, Um20MutualTlsOutranksIpsec) {
  snapshot_.peers = {TestPeer("gw", "sip")};
  snapshot_.peers[0].ipsec_enabled = true;
  snapshot_.peers[0].network_link.ipsec_at_peer = true;
  EXPECT_EQ(Of(kPeer).signalling, LinkMethod::kMutualTls);
  EXPECT_EQ(Of(kPeer).media, LinkMethod::kIpsec);
  const std::string why(LinkPreference());
  EXPECT_THAT(why, HasSubstr("not every gateway or PBX supports IPsec"));
  EXPECT_THAT(why, HasSubstr("additional processing"));
}

// UM-18, UM-74: IPsec is recorded for each link, and holds at both ends only.
TEST_F(LinksTest, Um74PolicyAtOneEndProtectsNothing) {
  for (const PeerKind kind : {PeerKind::kIpGateway, PeerKind::kVoicemail}) {
    snapshot_.peers = {TestPeer("gw", "clear")};
    snapshot_.peers[0].kind = kind;
    snapshot_.peers[0].ipsec_enabled = true;
    EXPECT_EQ(Of(kPeer).signalling, LinkMethod::kNone);
    EXPECT_THAT(Of(kPeer).detail, HasSubstr("none at the peer"));
    snapshot_.peers[0].network_link.ipsec_at_peer = true;
    EXPECT_EQ(Of(kPeer).signalling, LinkMethod::kIpsec);
    EXPECT_EQ(Of(kPeer).media, LinkMethod::kIpsec);
    snapshot_.peers[0].ipsec_enabled = false;
    EXPECT_EQ(Of(kPeer).signalling, LinkMethod::kNone);
    EXPECT_THAT(Of(kPeer).detail, HasSubstr("none of ours"));
  }
}

// UM-73: each of the documents' scenarios can be recorded and is told apart.
TEST_F(LinksTest, Um73Scenarios) {
  snapshot_.peers = {TestPeer("gw", "clear")};
  EXPECT_THAT(std::string(Of(kPeer).scenario), IsEmpty());
  const char* const kTexts[] = {
      "LAN, client and server",      "LAN, two servers",
      "LAN, server and VoIP device", "WAN, two routers",
      "WAN, two gateways",           "remote access, dial-up client",
      "remote access, Internet"};
  for (int i = 0; i < 7; ++i) {
    snapshot_.peers[0].network_link.scenario = static_cast<LinkScenario>(i + 1);
    EXPECT_EQ(Of(kPeer).scenario, kTexts[i]);
  }
}

// UM-76: the choice for an address is explicit, and shown.
TEST_F(LinksTest, Um76EncryptionOfTheNetworkBelow) {
  snapshot_.peers = {TestPeer("gw", "secured")};
  EXPECT_THAT(Of(kPeer).detail, IsEmpty());
  snapshot_.peers[0].network_link.network_encryption =
      NetworkEncryption::kExempt;
  EXPECT_THAT(Of(kPeer).detail, HasSubstr("exempt"));
  snapshot_.peers[0].network_link.network_encryption =
      NetworkEncryption::kCovered;
  EXPECT_THAT(Of(kPeer).detail, HasSubstr("as chosen"));
  snapshot_.peers[0].status = PeerStatus::kDisabled;
  ResolveDefaults(snapshot_);
  for (const LinkRow& row : LinksOf(snapshot_)) {
    EXPECT_NE(row.component, kPeer);
  }
}

}  // namespace
}  // namespace sallyport::dialplan
