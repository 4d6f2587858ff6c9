#include "services/signaling_edge/core/source_prefix.h"

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

bool In(std::string_view ip, std::string_view prefix) {
  return InPrefix(*SocketAddress::FromIp(ip, 5060), prefix);
}

TEST(SourcePrefixTest, Matches) {
  EXPECT_TRUE(In("192.0.2.7", "192.0.2.7"));
  EXPECT_TRUE(In("192.0.2.7", "192.0.2.0/29"));
  EXPECT_TRUE(In("192.0.2.7", "0.0.0.0/0"));
  EXPECT_TRUE(In("2001:db8::9", "2001:db8::/32"));
  EXPECT_FALSE(In("192.0.2.8", "192.0.2.0/29"));
  EXPECT_FALSE(In("192.0.2.7", "::/0"));
  EXPECT_FALSE(In("2001:db9::9", "2001:db8::/32"));
}

TEST(SourcePrefixTest, WhatIsNoneMatchesNothing) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/x",
                           "::/129", "host", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(IsPrefix(text)) << text;
    EXPECT_FALSE(In("10.0.0.1", text)) << text;
  }
  EXPECT_TRUE(IsPrefix("10.0.0.0/8"));
  EXPECT_TRUE(IsPrefix("::1"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
