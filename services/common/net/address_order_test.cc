#include "services/common/net/address_order.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"

namespace sallyport {
namespace {

struct Case {
  const char* name;
  // Destinations and, after "<", the source for each; "-" for none.
  std::vector<std::pair<const char*, const char*>> given;
  const char* order;
};

class AddressOrderTest : public testing::TestWithParam<Case> {};

TEST_P(AddressOrderTest, Orders) {
  std::vector<SocketAddress> addresses;
  std::map<SocketAddress, std::optional<SocketAddress>> sources;
  for (const auto& [to, from] : GetParam().given) {
    addresses.push_back(SocketAddress::FromIp(to, 0).value());
    sources[addresses.back()] =
        std::string(from) == "-"
            ? std::nullopt
            : std::optional(SocketAddress::FromIp(from, 0).value());
  }
  std::string order;
  for (const SocketAddress& each : OrderAddresses(
           addresses,
           [&](const SocketAddress& to) { return sources.at(to); })) {
    order += (order.empty() ? "" : " ") + each.IpText();
  }
  EXPECT_EQ(order, GetParam().order);
}

// Those of RFC 6724 section 10.2 that have rules of ours, and what it leaves
// to the sorter.
INSTANTIATE_TEST_SUITE_P(
    Rfc6724Section10, AddressOrderTest,
    testing::Values(
        Case{"MatchingScopeOfIpv6",
             {{"2001:db8:1::1", "2001:db8:1::2"},
              {"198.51.100.121", "169.254.13.78"}},
             "2001:db8:1::1 198.51.100.121"},
        Case{"MatchingScopeOfIpv4",
             {{"2001:db8:1::1", "fe80::1"},
              {"198.51.100.121", "198.51.100.117"}},
             "198.51.100.121 2001:db8:1::1"},
        Case{"HigherPrecedence",
             {{"10.1.2.3", "10.1.2.4"}, {"2001:db8:1::1", "2001:db8:1::2"}},
             "2001:db8:1::1 10.1.2.3"},
        Case{"SmallerScope",
             {{"2001:db8:1::1", "2001:db8:1::2"}, {"fe80::1", "fe80::2"}},
             "fe80::1 2001:db8:1::1"},
        Case{"MatchingLabelOf6to4",
             {{"2001:db8:1::1", "2002:c633:6401::2"},
              {"2002:c633:6401::1", "2002:c633:6401::2"}},
             "2002:c633:6401::1 2001:db8:1::1"},
        Case{"HigherPrecedenceThan6to4",
             {{"2002:c633:6401::1", "2002:c633:6401::2"},
              {"2001:db8:1::1", "2001:db8:1::2"}},
             "2001:db8:1::1 2002:c633:6401::1"},
        Case{"UniqueLocalAfterIpv4",
             {{"fd00::1", "fd00::2"}, {"192.0.2.1", "192.0.2.2"}},
             "192.0.2.1 fd00::1"},
        Case{"WhatCannotBeReachedIsLast",
             {{"2001:db8::1", "-"}, {"192.0.2.1", "192.0.2.2"}},
             "192.0.2.1 2001:db8::1"},
        Case{"Loopback",
             {{"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}},
             "::1 127.0.0.1"},
        Case{"WhatIsAlikeStays",
             {{"192.0.2.9", "192.0.2.1"},
              {"192.0.2.2", "192.0.2.1"},
              {"192.0.2.5", "192.0.2.1"}},
             "192.0.2.9 192.0.2.2 192.0.2.5"},
        Case{"None", {}, ""}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(SourceForTest, IsTheSystemsOwn) {
  const auto source = SourceFor(SocketAddress::LoopbackV4(0));
  ASSERT_TRUE(source.has_value());
  EXPECT_EQ(source->ToString(), "127.0.0.1:0");
  // Multicast of no interface leads nowhere.
  EXPECT_FALSE(SourceFor(*SocketAddress::FromIp("ff02::1", 0)).has_value());
}

}  // namespace
}  // namespace sallyport
