// In the clear; over TLS it is tried by capf's est_client_test.

#include "services/common/http/http_exchange.h"

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_http_server.h"
#include "services/common/tls/peer_certificate.h"

namespace sallyport {
namespace {

HttpExchange Exchange(uint16_t port, HttpExchangeOptions options = {}) {
  return ExchangeHttp(SocketAddress::LoopbackV4(port), "GET / HTTP/1.1\r\n\r\n",
                      options);
}

TEST(HttpExchangeTest, AnAnswerOfAnyStatusIsOne) {
  TestHttpServer server(
      "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno",
      /*holds=*/true);
  const HttpExchange got = Exchange(server.port());
  EXPECT_TRUE(got.reached);
  ASSERT_THAT(got.answer, IsOk());
  EXPECT_EQ(got.answer->status, 503);
  EXPECT_EQ(got.answer->body, "no");
  EXPECT_EQ(got.answer->retry_after, absl::Seconds(7));
  EXPECT_EQ(server.Asked(), "GET / HTTP/1.1\r\n\r\n");
}

TEST(HttpExchangeTest, WhoHangsUpWasReachedAndWhoIsNotThereWasNot) {
  TestHttpServer server("");
  HttpExchange got = Exchange(server.port());
  EXPECT_TRUE(got.reached);
  EXPECT_THAT(got.answer, HasReason("HTTP_UNREACHABLE"));
  got = Exchange(1);
  EXPECT_FALSE(got.reached);
  EXPECT_THAT(got.answer, HasReason("HTTP_UNREACHABLE"));
}

TEST(HttpExchangeTest, BoundsOfTimeAndSize) {
  TestHttpServer slow("HTTP/1.1 200 OK\r\n", /*holds=*/true);
  EXPECT_THAT(
      Exchange(slow.port(), {.timeout = absl::Milliseconds(200)}).answer,
      HasReason("HTTP_TIMEOUT"));
  TestHttpServer large("HTTP/1.1 200 OK\r\n\r\n" + std::string(2000, 'x'));
  EXPECT_THAT(Exchange(large.port(), {.max_bytes = 1000}).answer,
              HasReason("HTTP_TOO_LARGE"));
}

TEST(HttpExchangeTest, TheNameAskedForHasToBeBorne) {
  PeerCertificate peer;
  peer.leaf.alt_names = {{SubjectAltName::Type::kDns, "EST.example"},
                         {SubjectAltName::Type::kDns, "*.other.example"}};
  EXPECT_THAT(CheckHttpServerName(peer, "est.example"), IsOk());
  EXPECT_THAT(CheckHttpServerName(peer, "www.other.example"),
              HasReason("HTTP_UNTRUSTED"));
}

}  // namespace
}  // namespace sallyport
