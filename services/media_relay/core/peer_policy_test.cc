#include "services/media_relay/core/peer_policy.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/media_relay/core/address_forms.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

Endpoint At(const char* ip, uint16_t port = 40000) {
  return {*IpAddress::Parse(ip), port};
}

TEST(PeerPolicyTest, AllForbiddenFormsAreRefusedByDefault) {
  const PeerPolicy policy({});
  for (const char* form : kForbiddenAddressForms) {
    EXPECT_NE(policy.Check(At(form)), PeerVerdict::kAllowed) << form;
  }
}

// An operator who opens every IPv4 address still opens no IPv6 spelling.
TEST(PeerPolicyTest, AllowedIpv4NeverOpensAnEmbeddedForm) {
  PeerPolicyOptions options;
  options.allowed = {*IpPrefix::Parse("0.0.0.0/0"), *IpPrefix::Parse("::/0")};
  const PeerPolicy policy(std::move(options));
  for (const char* form :
       {"::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::5efe:7f00:1",
        "::ffff:8.8.8.8"}) {
    EXPECT_EQ(policy.Check(At(form)), PeerVerdict::kEmbeddedForm) << form;
  }
}

TEST(PeerPolicyTest, PublicAddressesAreAllowed) {
  const PeerPolicy policy({});
  for (const char* ip :
       {"8.8.8.8", "1.1.1.1", "192.0.1.1", "172.15.255.255", "172.32.0.0",
        "100.63.255.255", "100.128.0.0", "198.17.255.255", "198.20.0.0",
        "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:4860::1"}) {
    EXPECT_EQ(policy.Check(At(ip)), PeerVerdict::kAllowed) << ip;
  }
}

TEST(PeerPolicyTest, AllowListOpensExactlyItsBlock) {
  PeerPolicyOptions options;
  options.allowed = {*IpPrefix::Parse("127.0.0.1/32")};
  const PeerPolicy policy(std::move(options));
  EXPECT_EQ(policy.Check(At("127.0.0.1")), PeerVerdict::kAllowed);
  EXPECT_EQ(policy.Check(At("127.0.0.2")), PeerVerdict::kSpecialPurpose);
  EXPECT_EQ(policy.Check(At("::1")), PeerVerdict::kSpecialPurpose);
  EXPECT_EQ(policy.Check(At("::ffff:127.0.0.1")), PeerVerdict::kEmbeddedForm);
}

TEST(PeerPolicyTest, DenyListIsStrongerAndSeesThroughEmbedding) {
  PeerPolicyOptions options;
  options.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
  options.denied = {*IpPrefix::Parse("10.1.0.0/16"),
                    *IpPrefix::Parse("8.8.8.8")};
  const PeerPolicy policy(std::move(options));
  EXPECT_EQ(policy.Check(At("10.2.0.1")), PeerVerdict::kAllowed);
  EXPECT_EQ(policy.Check(At("10.1.0.1")), PeerVerdict::kDeniedPrefix);
  EXPECT_EQ(policy.Check(At("8.8.8.8")), PeerVerdict::kDeniedPrefix);
  EXPECT_EQ(policy.Check(At("::ffff:8.8.8.8")), PeerVerdict::kDeniedPrefix);
}

TEST(PeerPolicyTest, LowPorts) {
  const PeerPolicy policy({});
  EXPECT_EQ(policy.Check(At("8.8.8.8", 1023)), PeerVerdict::kDeniedPort);
  EXPECT_EQ(policy.Check(At("8.8.8.8", 1024)), PeerVerdict::kAllowed);
  PeerPolicyOptions open;
  open.lowest_port = 0;
  EXPECT_EQ(PeerPolicy(open).Check(At("8.8.8.8", 0)), PeerVerdict::kDeniedPort);
  EXPECT_EQ(PeerPolicy(open).Check(At("8.8.8.8", 53)), PeerVerdict::kAllowed);
  // CreatePermission's port means nothing (RFC 8656 section 10.1).
  EXPECT_EQ(policy.CheckAddress(At("8.8.8.8").ip), PeerVerdict::kAllowed);
}

TEST(PeerPolicyTest, OwnControlPortsAreDenied) {
  PeerPolicyOptions options;
  options.allowed = {*IpPrefix::Parse("127.0.0.0/8")};
  options.denied_endpoints = {At("127.0.0.1", 7003)};
  const PeerPolicy policy(std::move(options));
  EXPECT_EQ(policy.Check(At("127.0.0.1", 7003)), PeerVerdict::kDeniedPort);
  EXPECT_EQ(policy.Check(At("127.0.0.1", 7004)), PeerVerdict::kAllowed);
}

// AVE-04, AVE-49: relays of a partner, by the ports of its way alone.
TEST(PeerPolicyTest, EachPartnerIsHeldToItsWay) {
  PeerPolicyOptions options;
  options.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
  options.denied_endpoints = {At("10.2.0.1", 3478)};
  PartnerWay r2;
  r2.prefixes = {*IpPrefix::Parse("10.2.0.0/16"),
                 *IpPrefix::Parse("192.168.1.1")};
  r2.udp = {3478, 3478};
  r2.tcp = {443, 443};
  PartnerWay former;
  former.prefixes = {*IpPrefix::Parse("10.1.0.0/16"),
                     *IpPrefix::Parse("2606:4700::/32")};
  former.udp = former.tcp = {50000, 59999};
  former.tcp_comes_in = true;
  options.partners = {r2, former};
  const PeerPolicy policy(std::move(options));
  constexpr PeerTransport kTcp = PeerTransport::kTcp;
  EXPECT_EQ(policy.Check(At("10.2.0.7", 3478)), PeerVerdict::kAllowed);
  EXPECT_EQ(policy.Check(At("10.2.0.7", 50000)), PeerVerdict::kPartnerWay);
  EXPECT_EQ(policy.Check(At("10.2.0.7", 443)), PeerVerdict::kPartnerWay);
  EXPECT_EQ(policy.Check(At("10.2.0.7", 0)), PeerVerdict::kPartnerWay);
  EXPECT_EQ(policy.Check(At("10.2.0.7", 443), kTcp), PeerVerdict::kAllowed);
  EXPECT_EQ(policy.Check(At("10.2.0.7", 3478), kTcp), PeerVerdict::kPartnerWay);
  EXPECT_EQ(policy.CheckAccepted(At("10.2.0.7").ip), PeerVerdict::kPartnerWay);
  EXPECT_TRUE(policy.MaySend(At("10.2.0.7", 3478)));
  EXPECT_FALSE(policy.MaySend(At("10.2.0.7", 50000)));
  for (const char* const ip : {"10.1.0.7", "2606:4700::7"}) {
    for (const PeerTransport transport : {PeerTransport::kUdp, kTcp}) {
      for (const uint16_t port : {50000, 55555, 59999}) {
        EXPECT_EQ(policy.Check(At(ip, port), transport), PeerVerdict::kAllowed);
      }
      for (const uint16_t port : {443, 3478, 49999, 60000}) {
        EXPECT_EQ(policy.Check(At(ip, port), transport),
                  PeerVerdict::kPartnerWay);
      }
    }
    EXPECT_EQ(policy.CheckAccepted(At(ip).ip), PeerVerdict::kAllowed);
    EXPECT_TRUE(policy.MaySend(At(ip, 50000)));
    EXPECT_FALSE(policy.MaySend(At(ip, 3478)));
  }
  // Permissions have no port; being a partner allows no address and none of
  // ours; all others are as they were.
  EXPECT_EQ(policy.CheckAddress(At("10.2.0.7").ip), PeerVerdict::kAllowed);
  EXPECT_EQ(policy.Check(At("192.168.1.1", 3478)),
            PeerVerdict::kSpecialPurpose);
  EXPECT_EQ(policy.Check(At("10.2.0.1", 3478)), PeerVerdict::kDeniedPort);
  EXPECT_EQ(policy.Check(At("10.3.0.1", 4000)), PeerVerdict::kAllowed);
  EXPECT_TRUE(policy.MaySend(At("10.3.0.1", 53)));
  EXPECT_EQ(policy.CheckAccepted(At("10.3.0.1").ip), PeerVerdict::kAllowed);
  EXPECT_EQ(PeerVerdictName(PeerVerdict::kPartnerWay), "partner_way");
}

TEST(PeerPolicyTest, PublicMayBeDeniedAsAWhole) {
  PeerPolicyOptions options;
  options.allowed = {*IpPrefix::Parse("8.8.8.0/24")};
  options.deny_public = true;
  const PeerPolicy policy(std::move(options));
  EXPECT_EQ(policy.Check(At("8.8.8.8")), PeerVerdict::kAllowed);
  EXPECT_EQ(policy.Check(At("1.1.1.1")), PeerVerdict::kSpecialPurpose);
}

TEST(CanonicalizeTest, FindsTheIpv4Address) {
  struct Case {
    const char* from;
    const char* to;
    EmbeddedForm form;
  };
  for (const Case& c :
       {Case{"::ffff:192.0.2.33", "192.0.2.33", EmbeddedForm::kMapped},
        Case{"::ffff:0:192.0.2.33", "192.0.2.33", EmbeddedForm::kMapped},
        Case{"::192.0.2.33", "192.0.2.33", EmbeddedForm::kCompatible},
        Case{"64:ff9b::192.0.2.33", "192.0.2.33", EmbeddedForm::kNat64},
        Case{"64:ff9b:1::192.0.2.33", "192.0.2.33", EmbeddedForm::kNat64},
        Case{"2002:c000:221::1", "192.0.2.33", EmbeddedForm::k6to4},
        // RFC 4380 section 4: the client of the example is 192.0.2.45.
        Case{"2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45",
             EmbeddedForm::kTeredo},
        Case{"fe80::5efe:192.0.2.33", "192.0.2.33", EmbeddedForm::kIsatap},
        Case{"fe80::200:5efe:192.0.2.33", "192.0.2.33", EmbeddedForm::kIsatap},
        Case{"::1", "::1", EmbeddedForm::kNone},
        Case{"::", "::", EmbeddedForm::kNone},
        Case{"2606:4700::1", "2606:4700::1", EmbeddedForm::kNone},
        Case{"192.0.2.33", "192.0.2.33", EmbeddedForm::kNone}}) {
    const CanonicalAddress got = Canonicalize(*IpAddress::Parse(c.from));
    EXPECT_EQ(got.address.ToString(), c.to) << c.from;
    EXPECT_EQ(got.form, c.form) << c.from;
  }
}

// An embedded form is never more allowed than what it stands for.
TEST(PeerPolicyTest, PropertyCanonicalFormIsAtLeastAsAllowed) {
  FakeRandom random(7);
  PeerPolicyOptions options;
  options.allowed = {*IpPrefix::Parse("127.0.0.0/8")};
  options.denied = {*IpPrefix::Parse("8.0.0.0/8")};
  const PeerPolicy policy(std::move(options));
  const uint8_t prefixes[][12] = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF},
                                  {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
                                  {0, 0x64, 0xFF, 0x9B},
                                  {0x20, 0x02},
                                  {0x20, 0x01},
                                  {0x26, 0x06}};
  for (int i = 0; i < 20000; ++i) {
    uint8_t bytes[16];
    random.Fill(absl::MakeSpan(bytes));
    const auto& prefix = prefixes[random.Uniform(std::size(prefixes))];
    std::copy_n(prefix, 12, bytes);
    const IpAddress address = IpAddress::FromBytes(bytes);
    if (policy.CheckAddress(address) == PeerVerdict::kAllowed) {
      EXPECT_EQ(policy.CheckAddress(Canonicalize(address).address),
                PeerVerdict::kAllowed)
          << address.ToString();
    }
  }
}

TEST(PeerPolicyTest, EmptyAddressIsRefused) {
  EXPECT_EQ(PeerPolicy({}).CheckAddress(IpAddress()),
            PeerVerdict::kSpecialPurpose);
}

TEST(PeerVerdictNameTest, AreDistinct) {
  std::set<std::string> names;
  for (const PeerVerdict verdict :
       {PeerVerdict::kAllowed, PeerVerdict::kEmbeddedForm,
        PeerVerdict::kSpecialPurpose, PeerVerdict::kDeniedPrefix,
        PeerVerdict::kDeniedPort}) {
    names.insert(std::string(PeerVerdictName(verdict)));
  }
  EXPECT_EQ(names.size(), 5u);
}

}  // namespace
}  // namespace sallyport::media_relay
