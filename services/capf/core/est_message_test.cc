#include "services/capf/core/est_message.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795255200);

absl::StatusOr<std::optional<HttpAnswer>> Parse(const std::string& text,
                                                bool ended = false) {
  return ParseHttpAnswer(text, ended, kNow);
}

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

TEST(EstMessageTest, AnswersInEveryFraming) {
  const std::string length =
      "HTTP/1.1 200 OK\r\nContent-Type: application/pkcs7-mime; "
      "smime-type=certs-only\r\nContent-LENGTH: 4\r\n\r\nabcd";
  const std::string chunks =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2;x=y\r\nab\r\n2\r\ncd\r\n0\r\nTrailer: x\r\n\r\n";
  const std::string until_end = "HTTP/1.0 200 OK\r\n\r\nabcd";
  for (const std::string& text : {length, chunks}) {
    // Octet by octet: whole only at the end.
    for (size_t i = 0; i < text.size(); ++i) {
      const auto part = Parse(text.substr(0, i));
      ASSERT_THAT(part, IsOk());
      EXPECT_FALSE(part->has_value()) << i;
      EXPECT_THAT(
          Parse(text.substr(0, i), true),
          i == 0 ? HasReason("EST_MALFORMED") : HasReason("EST_MALFORMED"));
    }
    const auto whole = Parse(text);
    ASSERT_THAT(whole, IsOk());
    EXPECT_EQ((*whole)->body, "abcd");
  }
  EXPECT_EQ((*Parse(length))->content_type, "application/pkcs7-mime");
  EXPECT_FALSE(Parse(until_end)->has_value());
  EXPECT_EQ((*Parse(until_end, true))->body, "abcd");
}

TEST(EstMessageTest, GarbageIsRefused) {
  for (const std::string text :
       {"SSH-2.0-x\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"}) {
    EXPECT_THAT(Parse(text), HasReason("EST_MALFORMED")) << text;
  }
  EXPECT_THAT(Parse(std::string(300 * 1024, 'H')), HasReason("EST_MALFORMED"));
}

// RFC 7030 section 4.2.3.
TEST(EstMessageTest, RetryAfterInSecondsOrAsADate) {
  const auto retry = [](const std::string& value) {
    return (*Parse("HTTP/1.1 202 Accepted\r\nRetry-After: " + value +
                   "\r\nContent-Length: 0\r\n\r\n"))
        ->retry_after;
  };
  EXPECT_EQ(retry("120"), absl::Seconds(120));
  EXPECT_EQ(
      retry(absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT",
                             kNow + absl::Minutes(3), absl::UTCTimeZone())),
      absl::Minutes(3));
  EXPECT_EQ(retry("soon"), std::nullopt);
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
