#include "services/capf/core/est_message.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

// RFC 7030 sections 3.2.2, 4.1.1 and 4.2.1.
TEST(EstMessageTest, RequestsAsTheRfcHasThem) {
  EXPECT_EQ(SerializeEstRequest(
                {.host = "ca.test:8443", .path_prefix = "/.well-known/est"}),
            "GET /.well-known/est/cacerts HTTP/1.1\r\nHost: ca.test:8443\r\n"
            "Accept: application/pkcs7-mime\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(SerializeEstRequest({.operation = EstOperation::kSimpleReenroll,
                                 .host = "ca.test",
                                 .path_prefix = "/.well-known/est/x",
                                 .csr_der = "\x30\x01z",
                                 .credentials = "user:pass"}),
            "POST /.well-known/est/x/simplereenroll HTTP/1.1\r\n"
            "Host: ca.test\r\nAccept: application/pkcs7-mime\r\n"
            "Connection: close\r\nAuthorization: Basic dXNlcjpwYXNz\r\n"
            "Content-Type: application/pkcs10\r\n"
            "Content-Transfer-Encoding: base64\r\nContent-Length: 4\r\n\r\n"
            "MAF6");
}

TEST(EstMessageTest, Urls) {
  const auto url = ParseEstUrl("https://CA.test:8443/.well-known/est/x");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->host, "ca.test");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path_prefix, "/.well-known/est/x");
  EXPECT_EQ(ParseEstUrl("https://ca.test/est")->port, 443);
  for (const char* bad :
       {"http://ca.test/est", "https://ca.test", "https://ca.test/est/",
        "https://ca.test:0/est", "https://ca.test:70000/est",
        "https://ca.test/e st", "https://ca.test/est\r\nX: y",
        "https://u@ca.test/est", "https:///est", ""}) {
    EXPECT_FALSE(ParseEstUrl(bad).has_value()) << bad;
  }
}

TEST(EstMessageTest, EachStatusHasAName) {
  const auto reason = [](int status) {
    return CertificatesOfAnswer({.status = status});
  };
  EXPECT_THAT(reason(202), HasReason("EST_PENDING"));
  EXPECT_THAT(reason(401), HasReason("EST_UNAUTHORIZED"));
  EXPECT_THAT(reason(403), HasReason("EST_UNAUTHORIZED"));
  EXPECT_THAT(reason(400), HasReason("EST_REFUSED"));
  EXPECT_THAT(reason(404), HasReason("EST_REFUSED"));
  EXPECT_THAT(reason(500), HasReason("EST_UNAVAILABLE"));
  EXPECT_THAT(reason(503), HasReason("EST_UNAVAILABLE"));
  EXPECT_THAT(reason(204), HasReason("EST_MALFORMED"));
  EXPECT_THAT(reason(302), HasReason("EST_MALFORMED"));
  const auto body = [](const std::string& type, const std::string& text) {
    return CertificatesOfAnswer(
        {.status = 200, .content_type = type, .body = text});
  };
  EXPECT_THAT(body("text/html", "MAA="), HasReason("EST_MALFORMED"));
  for (const char* text : {"", "?", "MAA=", "MIIB"}) {
    EXPECT_THAT(body("application/pkcs7-mime", text),
                HasReason("EST_MALFORMED"))
        << text;
  }
}

}  // namespace
}  // namespace sallyport::capf
