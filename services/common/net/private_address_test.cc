#include "services/common/net/private_address.h"

#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"

namespace sallyport {
namespace {

bool IsPrivate(const char* text) {
  return IsPrivateAddress(*SocketAddress::Parse(text));
}

TEST(PrivateAddressTest, WhatOthersDoNotReach) {
  for (const char* text : {"127.0.0.1:1",
                           "127.255.0.1:1",
                           "0.0.0.0:1",
                           "0.1.2.3:1",
                           "10.0.0.1:1",
                           "172.16.0.1:1",
                           "172.31.255.255:1",
                           "192.168.7.7:1",
                           "169.254.169.254:1",
                           "100.64.0.1:1",
                           "100.127.0.1:1",
                           "224.0.0.1:1",
                           "[::1]:1",
                           "[::]:1",
                           "[fc00::1]:1",
                           "[fdff::1]:1",
                           "[fe80::1]:1",
                           "[febf::1]:1",
                           "[ff02::1]:1",
                           "[::ffff:10.0.0.1]:1",
                           "[::ffff:127.0.0.1]:1"}) {
    EXPECT_TRUE(IsPrivate(text)) << text;
  }
}

TEST(PrivateAddressTest, WhatEverybodyReaches) {
  for (const char* text :
       {"192.0.2.1:1", "172.15.0.1:1", "172.32.0.1:1", "100.63.0.1:1",
        "100.128.0.1:1", "169.253.0.1:1", "11.0.0.1:1", "[2001:db8::1]:1",
        "[fec0::1]:1", "[::ffff:192.0.2.1]:1"}) {
    EXPECT_FALSE(IsPrivate(text)) << text;
  }
}

}  // namespace
}  // namespace sallyport
