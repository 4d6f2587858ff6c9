#include "services/common/metrics/metrics_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Sends `request` and reads until the server closes.
std::string Exchange(int port, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    close(fd);
    return "no connection";
  }
  EXPECT_EQ(write(fd, request.data(), request.size()),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof(buffer))) > 0) answer.append(buffer, n);
  close(fd);
  return answer;
}

std::string Get(int port, const std::string& path,
                const std::string& method = "GET") {
  return Exchange(port, absl::StrCat(method, " ", path,
                                     " HTTP/1.1\r\nHost: localhost\r\n"
                                     "Connection: close\r\n\r\n"));
}

class MetricsHttpTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = MetricsHttp::Start(
        "127.0.0.1:0",
        {{"/metrics", [] { return HttpAnswer{.body = "a_total 1\n"}; }},
         {"/readyz", [this] {
            return ready_ ? HttpAnswer{.body = "ok\n"}
                          : HttpAnswer{.code = 503, .body = "starting\n"};
          }}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    ASSERT_GT(server_->port(), 0);
  }

  std::atomic<bool> ready_ = false;
  std::unique_ptr<MetricsHttp> server_;
};

TEST_F(MetricsHttpTest, ServesItsPaths) {
  const std::string answer = Get(server_->port(), "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\na_total 1\n"));
}

TEST_F(MetricsHttpTest, AnswersFollowTheState) {
  EXPECT_THAT(Get(server_->port(), "/readyz"), StartsWith("HTTP/1.1 503 "));
  ready_ = true;
  EXPECT_THAT(Get(server_->port(), "/readyz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(MetricsHttpTest, NothingElseIsServed) {
  for (const char* path : {"/", "/etc/passwd", "/../../etc/passwd",
                           "/metrics/x", "//metrics/..%2f"}) {
    EXPECT_THAT(Get(server_->port(), path), Not(HasSubstr(" 200 "))) << path;
  }
  EXPECT_THAT(Get(server_->port(), "/metrics", "POST"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Get(server_->port(), "/metrics", "DELETE"),
              StartsWith("HTTP/1.1 405 "));
}

TEST_F(MetricsHttpTest, HeadHasNoBody) {
  const std::string answer = Get(server_->port(), "/metrics", "HEAD");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("a_total")));
}

TEST_F(MetricsHttpTest, ATakenAddressIsSaid) {
  const auto second =
      MetricsHttp::Start(absl::StrCat("127.0.0.1:", server_->port()), {});
  ASSERT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(absl::StrCat("127.0.0.1:", server_->port())));
}

TEST_F(MetricsHttpTest, GarbageDoesNotStopIt) {
  Exchange(server_->port(),
           std::string("\x16\x03\x01\x00\xff", 5) + "\r\n\r\n");
  Exchange(server_->port(), "GET\r\n\r\n");
  EXPECT_THAT(Get(server_->port(), "/metrics"), StartsWith("HTTP/1.1 200 "));
}

// civetweb reports a broken request through its log hook, long after Start()
// has returned: what the hook writes to must still be there.
TEST_F(MetricsHttpTest, WhatIsReportedLaterHarmsNothing) {
  for (int i = 0; i < 20; ++i) {
    for (const std::string& request :
         {std::string("GET"), std::string("\0\xff\x01 / HTTP/9\r\n\r\n", 17),
          std::string("GET /%zz%00 HTTP/1.1\r\n: :\r\n\r\n"),
          absl::StrCat("GET / HTTP/1.1\r\nHost: ", std::string(20000, 'x'),
                       "\r\n\r\n"),
          std::string("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\n\r\n")}) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address = {};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(server_->port()));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      ASSERT_EQ(
          connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
          0);
      send(fd, request.data(), request.size(), MSG_NOSIGNAL);
      shutdown(fd, SHUT_WR);
      close(fd);
    }
  }
  EXPECT_THAT(Get(server_->port(), "/healthz"), StartsWith("HTTP/1.1 "));
}

}  // namespace
}  // namespace sallyport
