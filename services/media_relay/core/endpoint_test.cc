#include "services/media_relay/core/endpoint.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace sallyport::media_relay {
namespace {

TEST(IpAddressTest, ParsesAndPrints) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::"}) {
    const std::optional<IpAddress> address = IpAddress::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(IpAddressTest, RefusesWhatIsNotAnAddress) {
  for (const char* text :
       {"", "192.0.2", "192.0.2.256", "[::1]", "::1%lo", "example.test"}) {
    EXPECT_FALSE(IpAddress::Parse(text).has_value()) << text;
  }
}

TEST(IpAddressTest, FamiliesDiffer) {
  const IpAddress v4 = *IpAddress::Parse("0.0.0.0");
  const IpAddress v6 = *IpAddress::Parse("::");
  EXPECT_NE(v4, v6);
  EXPECT_NE(v4, IpAddress());
  EXPECT_EQ(v4.bytes().size(), 4u);
  EXPECT_EQ(v6.bytes().size(), 16u);
  EXPECT_TRUE(IpAddress().bytes().empty());
  EXPECT_TRUE(v6.IsUnspecified());
  EXPECT_FALSE(IpAddress::Parse("::1")->IsUnspecified());
}

TEST(IpAddressTest, OddSizesGiveTheEmptyAddress) {
  const uint8_t bytes[5] = {1, 2, 3, 4, 5};
  EXPECT_EQ(IpAddress::FromBytes(bytes), IpAddress());
}

TEST(EndpointTest, PrintsWithPort) {
  EXPECT_EQ((Endpoint{*IpAddress::Parse("192.0.2.1"), 3478}).ToString(),
            "192.0.2.1:3478");
  EXPECT_EQ((Endpoint{*IpAddress::Parse("2001:db8::1"), 1}).ToString(),
            "[2001:db8::1]:1");
}

TEST(IpPrefixTest, RefusesMalformed) {
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "/8",
                           "10.0.0.0/-1", "10.0.0.0/8x", "fc00::1/7"}) {
    EXPECT_FALSE(IpPrefix::Parse(text).has_value()) << text;
  }
}

TEST(IpPrefixTest, Contains) {
  const IpPrefix ten = *IpPrefix::Parse("10.128.0.0/9");
  EXPECT_TRUE(ten.Contains(*IpAddress::Parse("10.128.0.0")));
  EXPECT_TRUE(ten.Contains(*IpAddress::Parse("10.255.255.255")));
  EXPECT_FALSE(ten.Contains(*IpAddress::Parse("10.127.255.255")));
  EXPECT_FALSE(ten.Contains(*IpAddress::Parse("::ffff:10.128.0.1")));
  const IpPrefix one = *IpPrefix::Parse("2001:db8::7");
  EXPECT_EQ(one.bits(), 128);
  EXPECT_TRUE(one.Contains(*IpAddress::Parse("2001:db8::7")));
  EXPECT_FALSE(one.Contains(*IpAddress::Parse("2001:db8::8")));
  const IpPrefix all = *IpPrefix::Parse("0.0.0.0/0");
  EXPECT_TRUE(all.Contains(*IpAddress::Parse("203.0.113.9")));
  EXPECT_FALSE(all.Contains(*IpAddress::Parse("::")));
}

}  // namespace
}  // namespace sallyport::media_relay
