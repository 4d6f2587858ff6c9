#include "services/dialplan/core/host_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::dialplan {
namespace {

TEST(HostTextTest, Addresses) {
  for (const char* good :
       {"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1",
        "1:2:3:4:5:6:7:8", "1::8", "::ffff:192.0.2.1", "1:2:3:4:5:6:1.2.3.4",
        "2001:DB8:0:0::1"}) {
    EXPECT_TRUE(IsAddress(good)) << good;
    EXPECT_FALSE(IsHostName(good)) << good;
  }
  for (const char* bad : {"",
                          "192.0.2",
                          "192.0.2.1.1",
                          "192.0.2.256",
                          "192.0.02.1",
                          "192.0.2.",
                          "1.2.3.4 ",
                          ":",
                          ":::",
                          "1:2:3:4:5:6:7",
                          "1:2:3:4:5:6:7:8:9",
                          "1::2::3",
                          "12345::",
                          "g::",
                          "1:2:3:4:5:6:7::8",
                          "[::1]",
                          "fe80::1%eth0",
                          "1.2.3.4::",
                          ":1::",
                          "::1.2.3"}) {
    EXPECT_FALSE(IsAddress(bad)) << bad;
  }
}

TEST(HostTextTest, Prefixes) {
  for (const char* good : {"192.0.2.0/24", "0.0.0.0/0", "10.0.0.1/32",
                           "2001:db8::/32", "::/128", "192.0.2.1"}) {
    EXPECT_TRUE(IsAddressOrPrefix(good)) << good;
  }
  for (const char* bad : {"192.0.2.0/33", "192.0.2.0/", "/24", "::/129",
                          "10.0.0.0/-1", "10.0.0.0/024", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(IsAddressOrPrefix(bad)) << bad;
  }
}

// RFC 1123 section 2.1, RFC 5922 section 7.2.
TEST(HostTextTest, HostNames) {
  for (const char* good : {"a", "gw1.example.test", "3com.example.test",
                           "a-b.c", "xn--bcher-kva.example"}) {
    EXPECT_TRUE(IsHostName(good)) << good;
  }
  for (const char* bad :
       {"", ".", "a.", ".a", "a..b", "-a.test", "a-.test", "*.test", "a_b.test",
        "a b", "1.2.3", "host.123", "a/b", "b\xc3\xbc.test"}) {
    EXPECT_FALSE(IsHostName(bad)) << bad;
  }
  EXPECT_TRUE(IsHostName(std::string(63, 'a') + ".test"));
  EXPECT_FALSE(IsHostName(std::string(64, 'a') + ".test"));
  std::string longest;
  while (longest.size() < 250) longest += "a.";
  EXPECT_TRUE(IsHostName(longest + "bcd"));
  EXPECT_FALSE(IsHostName(longest + "bcde"));
}

TEST(HostTextTest, SubjectNames) {
  EXPECT_TRUE(IsSubjectName("example.test"));
  EXPECT_TRUE(IsSubjectName("sip:example.test"));
  EXPECT_FALSE(IsSubjectName("sip:alice@example.test"));
  EXPECT_FALSE(IsSubjectName("sip:example.test:5061"));
  EXPECT_FALSE(IsSubjectName("sips:example.test"));
  EXPECT_FALSE(IsSubjectName("*.example.test"));
  EXPECT_FALSE(IsSubjectName("192.0.2.1"));
}

}  // namespace
}  // namespace sallyport::dialplan
