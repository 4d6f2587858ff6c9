#include "services/common/net/host_port.h"

#include <optional>

#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(SplitHostPort, TakesNamesAndAddresses) {
  EXPECT_EQ(SplitHostPort("relay-0.test:7003"),
            (HostPort{"relay-0.test", 7003}));
  EXPECT_EQ(SplitHostPort("192.0.2.1:1"), (HostPort{"192.0.2.1", 1}));
  EXPECT_EQ(SplitHostPort("[2001:db8::1]:65535"),
            (HostPort{"2001:db8::1", 65535}));
  EXPECT_EQ(SplitHostPort("h:80", 443), (HostPort{"h", 80}));
  EXPECT_EQ(SplitHostPort("h", 443), (HostPort{"h", 443}));
  EXPECT_EQ(SplitHostPort("[::1]", 443), (HostPort{"::1", 443}));
}

TEST(SplitHostPort, RefusesAllElse) {
  for (const char* text :
       {"", ":", ":80", "h", "h:", "h:0", "h:65536", "h:x", "h:80 x", "[]:80",
        "[::1", "[::1]80", "[::1]:", "::1", "2001:db8::1:80", "h:80:90"}) {
    EXPECT_EQ(SplitHostPort(text), std::nullopt) << text;
  }
  EXPECT_EQ(SplitHostPort("h:", 443), std::nullopt);
  EXPECT_EQ(SplitHostPort("", 443), std::nullopt);
}

}  // namespace
}  // namespace sallyport
