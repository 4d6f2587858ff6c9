// In the clear, against servers that are a few lines each; over TLS it is
// tried by capf's revocation_process_test.

#include "services/common/http/http_get.h"

#include <atomic>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/http/http_url.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_http_server.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

HttpUrl UrlOf(const TestHttpServer& server, const std::string& path) {
  return {"127.0.0.1", server.port(), path};
}

HttpGetOptions Options() {
  HttpGetOptions options;
  options.timeout = absl::Seconds(5);
  options.allow_private = true;
  return options;
}

TEST(HttpGetTest, AsksOnceWithTheHeadersGiven) {
  TestHttpServer server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd",
                        true);
  HttpGetOptions options = Options();
  options.headers = {{"Metadata-Flavor", "Google"}, {"X", "y"}};
  EXPECT_THAT(HttpGet(UrlOf(server, "/a?b=c"), options), IsOkAndHolds("abcd"));
  const std::string& asked = server.Asked();
  EXPECT_THAT(asked, StartsWith("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"));
  EXPECT_THAT(asked, HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(asked, HasSubstr("\r\nMetadata-Flavor: Google\r\nX: y\r\n\r\n"));
}

TEST(HttpGetTest, TakesWhatAnOldServerEndsWithTheConnection) {
  TestHttpServer server("HTTP/1.0 200 OK\r\n\r\nabcd");
  EXPECT_THAT(HttpGet(UrlOf(server, "/"), Options()), IsOkAndHolds("abcd"));
}

TEST(HttpGetTest, EachFailureHasAName) {
  const auto get = [](const std::string& answer, bool holds = false) {
    TestHttpServer server(answer, holds);
    HttpGetOptions options = Options();
    options.max_bytes = 1000;
    if (holds) options.timeout = absl::Milliseconds(200);
    return HttpGet(UrlOf(server, "/"), options).status();
  };
  EXPECT_THAT(get("HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx"),
              HasReason("HTTP_STATUS"));
  EXPECT_THAT(get("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"),
              HasReason("HTTP_STATUS"));
  EXPECT_THAT(get("SSH-2.0\r\n"), HasReason("HTTP_MALFORMED"));
  EXPECT_THAT(get("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
              HasReason("HTTP_MALFORMED"));
  EXPECT_THAT(get("HTTP/1.1 200 OK\r\n\r\n" + std::string(2000, 'x')),
              HasReason("HTTP_TOO_LARGE"));
  EXPECT_THAT(get(""), HasReason("HTTP_UNREACHABLE"));
  EXPECT_THAT(get("HTTP/1.1 200 OK\r\n", true), HasReason("HTTP_TIMEOUT"));
  EXPECT_THAT(HttpGet({"127.0.0.1", 1, "/"}, Options()),
              HasReason("HTTP_UNREACHABLE"));
  EXPECT_THAT(HttpGet({"no-such-name.invalid", 80, "/"}, Options()),
              HasReason("HTTP_UNREACHABLE"));
  HttpGetOptions strict = Options();
  strict.allow_private = false;
  EXPECT_THAT(HttpGet({"127.0.0.1", 80, "/"}, strict),
              HasReason("HTTP_ADDRESS_PRIVATE"));
  // Nobody is believed without roots.
  EXPECT_THAT(HttpGet({"127.0.0.1", 1, "/", true}, Options()),
              HasReason("HTTP_UNTRUSTED"));
}

// "localhost" is ::1 first where there is one; the server is on 127.0.0.1.
TEST(HttpGetTest, TriesTheNextAddress) {
  TestHttpServer server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
  HttpUrl url = UrlOf(server, "/");
  url.host = "localhost";
  EXPECT_THAT(HttpGet(url, Options()), IsOkAndHolds("x"));
}

TEST(HttpGetTest, EndsWhenItIsToldTo) {
  TestHttpServer server("", true);
  std::atomic<bool> stop = false;
  HttpGetOptions options = Options();
  options.timeout = absl::Seconds(60);
  options.stop = &stop;
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(100));
    stop = true;
  });
  const absl::Time begin = absl::Now();
  EXPECT_FALSE(HttpGet(UrlOf(server, "/"), options).ok());
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
  other.join();
}

}  // namespace
}  // namespace sallyport
