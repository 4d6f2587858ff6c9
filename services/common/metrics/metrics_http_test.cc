#include "services/common/metrics/metrics_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
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

// What civetweb would answer by itself, were it asked.
TEST_F(MetricsHttpTest, NothingButOurAnswersIsReached) {
  ready_ = true;
  const std::string upgrade =
      " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n";
  EXPECT_THAT(Exchange(server_->port(), "GET /readyz" + upgrade),
              StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain"));
  EXPECT_THAT(Exchange(server_->port(), "GET /" + upgrade),
              StartsWith("HTTP/1.1 404 "));
  const std::string preflight =
      Exchange(server_->port(),
               "OPTIONS /readyz HTTP/1.1\r\nHost: x\r\nOrigin: http://e\r\n"
               "Access-Control-Request-Method: GET\r\n\r\n");
  EXPECT_THAT(preflight, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(preflight, Not(HasSubstr("Access-Control")));
}

// Two threads, and more who are slow than that: everybody else is answered as
// soon as their time is over.
TEST(MetricsHttpSlowTest, WhoIsSlowHoldsAThreadForItsTimeOnly) {
  const std::string big(64 << 20, 'x');
  const auto server = MetricsHttp::Start(
      "127.0.0.1:0",
      {{"/big", [&] { return HttpAnswer{.body = big}; }},
       {"/small", [] { return HttpAnswer{.body = "small\n"}; }}},
      {}, {.threads = 2, .patience = absl::Milliseconds(300)});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();
  const auto connected = [port] {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(
        connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  };
  // One piece of what they send, then an octet each 50 ms.
  struct Slow {
    const char* what;
    std::string begin;
    bool reads;  // the answer, as slowly
  };
  for (const Slow& slow :
       {Slow{"a head", "GET /small HTTP/1.1\r\nX: ", false},
        Slow{"a body", "GET /small HTTP/1.1\r\nContent-Length: 9999\r\n\r\n",
             false},
        Slow{"chunks",
             "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
             false},
        Slow{"an answer", "GET /big HTTP/1.1\r\n\r\n", true},
        Slow{"nothing", "", false}}) {
    std::vector<int> fds;
    for (int i = 0; i < 4; ++i) {
      fds.push_back(connected());
      send(fds.back(), slow.begin.data(), slow.begin.size(), MSG_NOSIGNAL);
    }
    std::atomic<bool> stop = false;
    std::thread trickle([&] {
      char buffer[1];
      while (!stop) {
        for (const int fd : fds) {
          if (slow.reads) {
            recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
          } else {
            send(fd, "1", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
          }
        }
        absl::SleepFor(absl::Milliseconds(50));
      }
    });
    const absl::Time begin = absl::Now();
    EXPECT_THAT(Get(port, "/small"), StartsWith("HTTP/1.1 200 ")) << slow.what;
    // civetweb looks at the time every two seconds.
    EXPECT_LT(absl::Now() - begin, absl::Seconds(7)) << slow.what;
    stop = true;
    trickle.join();
    for (const int fd : fds) close(fd);
  }
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
