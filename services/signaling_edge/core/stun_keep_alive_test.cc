#include "services/signaling_edge/core/stun_keep_alive.h"

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

const std::string kId(
    "\x21\x12\xA4\x42"
    "0123456789ab",
    16);

std::string Request(const std::string& attributes = "") {
  std::string out("\0\1", 2);
  out.push_back(static_cast<char>(attributes.size() >> 8));
  out.push_back(static_cast<char>(attributes.size()));
  return out + kId + attributes;
}
SocketAddress From(const char* ip, uint16_t port) {
  return *SocketAddress::FromIp(ip, port);
}

TEST(StunKeepAliveTest, TellsTheAddressThatItSees) {  // RFC 5389 section 15.2
  const auto answer = AnswerStun(Request(), From("192.0.2.1", 32853));
  ASSERT_TRUE(answer.has_value());
  // RFC 5769 section 2.2 has this very value for this address.
  EXPECT_EQ(*answer, std::string("\x01\x01\0\x0c", 4) + kId +
                         std::string("\0\x20\0\x08\0\x01\xa1\x47\xe1\x12"
                                     "\xa6\x43",
                                     12));
  const auto v6 = AnswerStun(Request(), From("2001:db8::1", 32853));
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->size(), 20u + 24);
  EXPECT_EQ((*v6)[25], 2);
  // XORed with the cookie, then the transaction id.
  EXPECT_EQ(v6->substr(28, 4), std::string("\x01\x13\xa9\xfa", 4));
}

TEST(StunKeepAliveTest, WhatMustBeUnderstoodIsRefused) {  // section 7.3.1
  const auto answer = AnswerStun(Request(std::string("\0\x06\0\x01z\0\0\0", 8)),
                                 From("192.0.2.1", 1));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->substr(0, 2), std::string("\x01\x11", 2));
  EXPECT_EQ(answer->substr(20),
            std::string("\0\x09\0\x04\0\0\4\x14\0\x0a\0\x02\0\x06\0\0", 16));
  // Optional ones are not minded: SOFTWARE, FINGERPRINT.
  EXPECT_EQ(AnswerStun(Request(std::string("\x80\x22\0\x02xy\0\0", 8)),
                       From("192.0.2.1", 1))
                ->substr(0, 2),
            std::string("\x01\x01", 2));
}

TEST(StunKeepAliveTest, AnythingElseIsLeftAlone) {
  const SocketAddress from = From("192.0.2.1", 1);
  EXPECT_FALSE(AnswerStun("", from).has_value());
  EXPECT_FALSE(AnswerStun("OPTIONS sip:a@b SIP/2.0\r\n\r\n", from).has_value());
  EXPECT_FALSE(IsStun("REGISTER sip:example.test SIP/2.0"));
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_FALSE(AnswerStun(Request().substr(0, i), from).has_value());
  }
  std::string response = Request();
  response[0] = 1;
  EXPECT_TRUE(IsStun(response));
  EXPECT_FALSE(AnswerStun(response, from).has_value());
  std::string cookie = Request();
  cookie[4] = 0;
  EXPECT_FALSE(IsStun(cookie));
  // An attribute that runs past the end.
  EXPECT_FALSE(AnswerStun(Request(std::string("\x80\x22\0\x09xxxx", 8)), from)
                   .has_value());
}

}  // namespace
}  // namespace sallyport::signaling_edge
