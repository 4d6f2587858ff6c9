#include "services/common/http/http_response.h"

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795255200);

absl::StatusOr<std::optional<HttpResponse>> Parse(const std::string& text,
                                                  bool ended = false) {
  return ParseHttpResponse(text, ended, kNow);
}

TEST(HttpResponseTest, AnswersInEveryFraming) {
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
      EXPECT_THAT(Parse(text.substr(0, i), true), HasReason("HTTP_MALFORMED"));
    }
    const auto whole = Parse(text);
    ASSERT_THAT(whole, IsOk());
    EXPECT_EQ((*whole)->body, "abcd");
  }
  EXPECT_EQ((*Parse(length))->content_type, "application/pkcs7-mime");
  EXPECT_FALSE(Parse(until_end)->has_value());
  EXPECT_EQ((*Parse(until_end, true))->body, "abcd");
}

TEST(HttpResponseTest, GarbageIsRefused) {
  for (const std::string text :
       {"SSH-2.0-x\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"}) {
    EXPECT_THAT(Parse(text), HasReason("HTTP_MALFORMED")) << text;
  }
  EXPECT_THAT(Parse("HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n"),
              HasReason("HTTP_TOO_LARGE"));
  EXPECT_THAT(Parse(std::string(300 * 1024, 'H')), HasReason("HTTP_TOO_LARGE"));
}

// RFC 9110 section 10.2.3.
TEST(HttpResponseTest, RetryAfterInSecondsOrAsADate) {
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

}  // namespace
}  // namespace sallyport
