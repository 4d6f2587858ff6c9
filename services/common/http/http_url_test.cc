#include "services/common/http/http_url.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(HttpUrlTest, HttpAndWhole) {
  EXPECT_EQ(ParseHttpUrl("http://CRL.example.test/a.crl?x=1#f"),
            (HttpUrl{"crl.example.test", 80, "/a.crl?x=1"}));
  EXPECT_EQ(ParseHttpUrl("HTTP://192.0.2.1:8080"),
            (HttpUrl{"192.0.2.1", 8080, "/"}));
  EXPECT_EQ(ParseHttpUrl("https://a.test/x"),
            (HttpUrl{"a.test", 443, "/x", true}));
  EXPECT_EQ(ParseHttpUrl("http://[2001:DB8::1]:8080/x"),
            (HttpUrl{"2001:db8::1", 8080, "/x"}));
  EXPECT_EQ(ParseHttpUrl("http://[::1]"), (HttpUrl{"::1", 80, "/"}));
  for (const char* const bad :
       {"", "http://", "https://", "ldap://a.test/x", "http://a b/",
        "http://a.test:0/", "http://a.test:70000/", "http://a.test:/",
        "http://user@a.test/", "http://a.test/\r\nX: y", "http:///x",
        "http://*.a.test/", "http://[a.test]/", "http://2001:db8::1/",
        "http://a..b/", "http://[::1]x/"}) {
    EXPECT_EQ(ParseHttpUrl(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(ParseHttpUrl("http://a.test/" + std::string(2000, 'x')),
            std::nullopt);
}

TEST(HttpUrlTest, TheHostHeaderHasThePortThatIsNotUsual) {
  EXPECT_EQ(HostHeader({"a.test", 80, "/"}), "a.test");
  EXPECT_EQ(HostHeader({"a.test", 443, "/", true}), "a.test");
  EXPECT_EQ(HostHeader({"a.test", 443, "/"}), "a.test:443");
  EXPECT_EQ(HostHeader({"::1", 8080, "/"}), "[::1]:8080");
}

}  // namespace
}  // namespace sallyport
