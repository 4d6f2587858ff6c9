#include "services/dialplan/core/source_prefix.h"

#include <string>

#include "gtest/gtest.h"

namespace sallyport::dialplan {
namespace {

SourcePrefix Of(const char* text) {
  const auto out = SourcePrefix::Parse(text);
  EXPECT_TRUE(out.has_value()) << text;
  return out.value_or(SourcePrefix());
}

TEST(SourcePrefix, OneSpellingForEachAddress) {
  EXPECT_EQ(Of("2001:db8::1").Key(), Of("2001:DB8:0:0::1").Key());
  EXPECT_EQ(Of("192.0.2.7").Key(), Of("192.0.2.7/32").Key());
  EXPECT_EQ(Of("192.0.2.7/24").Key(), Of("192.0.2.0/24").Key());
  EXPECT_EQ(Of("192.0.2.7").Key(), Of("::ffff:192.0.2.7").Key());
  EXPECT_NE(Of("192.0.2.0").Key(), Of("192.0.2.0/24").Key());
}

TEST(SourcePrefix, WhatLiesWithinStandsBetweenFirstAndLast) {
  const SourcePrefix net = Of("192.0.2.0/24");
  for (const char* inside :
       {"192.0.2.0", "192.0.2.255", "192.0.2.128/25", "192.0.2.0/24"}) {
    const std::string key = Of(inside).Key();
    EXPECT_LE(net.First(), key) << inside;
    EXPECT_LE(key, net.Last()) << inside;
  }
  for (const char* outside :
       {"192.0.1.255", "192.0.3.0", "192.0.3.0/24", "2001:db8::1"}) {
    const std::string key = Of(outside).Key();
    EXPECT_TRUE(key < net.First() || key > net.Last()) << outside;
  }
}

TEST(SourcePrefix, WidensToTheOnesThatHoldIt) {
  EXPECT_EQ(Of("192.0.2.77").Widened(96 + 24).Key(), Of("192.0.2.0/24").Key());
  EXPECT_EQ(Of("2001:db8:1::1").Widened(32).Key(), Of("2001:db8::/32").Key());
  EXPECT_EQ(Of("2001:db8::1").Widened(0).Key(), Of("::/0").Key());
}

TEST(SourcePrefix, ComesBackFromItsKey) {
  for (const char* text : {"192.0.2.0/24", "2001:db8::1", "::/0"}) {
    const SourcePrefix prefix = Of(text);
    const auto back = SourcePrefix::FromKey("source/5060/" + prefix.Key());
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->Key(), prefix.Key());
    EXPECT_EQ(back->length(), prefix.length());
    EXPECT_EQ(back->Last(), prefix.Last());
  }
  EXPECT_FALSE(SourcePrefix::FromKey("short").has_value());
  EXPECT_FALSE(SourcePrefix::FromKey(std::string(35, 'x')).has_value());
}

TEST(SourcePrefix, KnowsItsFamily) {
  EXPECT_TRUE(Of("10.0.0.0/8").is_v4());
  EXPECT_TRUE(Of("0.0.0.0/0").is_v4());
  EXPECT_FALSE(Of("2001:db8::/32").is_v4());
  EXPECT_EQ(Of("10.0.0.0/8").length(), 104);
}

TEST(SourcePrefix, RefusesWhatIsNone) {
  for (const char* text : {"", "192.0.2", "192.0.2.0/33", "gw.example.test",
                           "2001:db8::/129", "192.0.2.0/", "1.2.3.4/8 "}) {
    EXPECT_FALSE(SourcePrefix::Parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sallyport::dialplan
