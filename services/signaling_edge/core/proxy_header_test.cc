#include "services/signaling_edge/core/proxy_header.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

using std::string_literals::operator""s;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string kV4 = "\xcb\x00\x71\x07\x0a\x00\x00\x01\xc0\x01\x13\xc5"s;

std::string Header(char command, char family, const std::string& payload) {
  return kSignature + command + family +
         static_cast<char>(payload.size() >> 8) +
         static_cast<char>(payload.size() & 0xff) + payload;
}

absl::StatusOr<ProxyHeader> Parse(const std::string& octets) {
  return ParseProxyHeader(AsBytes(octets));
}

void ExpectInvalid(const std::string& octets) {
  const auto header = Parse(octets);
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(ReasonOf(header.status()), "PROXY_HEADER_INVALID");
}

TEST(ProxyHeaderTest, TellsTheClient) {
  const auto v4 = Parse(Header('\x21', '\x11', kV4));
  ASSERT_TRUE(v4.ok()) << v4.status();
  EXPECT_EQ(v4->source->ToString(), "203.0.113.7:49153");
  const std::string v6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07" +
                         std::string(16, '\0') + "\xc0\x01\x13\xc5";
  const auto six = Parse(Header('\x21', '\x21', v6));
  ASSERT_TRUE(six.ok()) << six.status();
  EXPECT_EQ(six->source->ToString(), "[2001:db8::7]:49153");
}

// An IPv4 client of a balancer on IPv6 is the same client.
TEST(ProxyHeaderTest, MappedAddressesAreCanonical) {
  const std::string mapped = std::string(10, '\0') +
                             "\xff\xff\xcb\x00\x71\x07"s +
                             std::string(16, '\0') + "\xc0\x01\x13\xc5";
  EXPECT_EQ(Parse(Header('\x21', '\x21', mapped))->source->ToString(),
            "203.0.113.7:49153");
}

TEST(ProxyHeaderTest, LocalAndUnspecSayNothing) {
  for (const std::string& header :
       {Header('\x20', '\x00', ""), Header('\x20', '\x11', kV4),
        Header('\x21', '\x00', "anything"), Header('\x20', '\x00', "\x01")}) {
    const auto parsed = Parse(header);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_FALSE(parsed->source.has_value());
  }
}

TEST(ProxyHeaderTest, TlvsArePassedOver) {
  EXPECT_TRUE(
      Parse(Header('\x21', '\x11', kV4 + "\x02\x00\x03sip\x04\x00\x00"s)).ok());
  ExpectInvalid(Header('\x21', '\x11', kV4 + "\x02\x00\x04sip"s));
  ExpectInvalid(Header('\x21', '\x11', kV4 + "\x02\x00"s));
}

TEST(ProxyHeaderTest, EverythingElseIsRefused) {
  const std::string good = Header('\x21', '\x11', kV4);
  for (size_t i = 0; i < good.size(); ++i) ExpectInvalid(good.substr(0, i));
  for (size_t i = 0; i < 12; ++i) {
    std::string broken = good;
    broken[i] ^= 1;
    ExpectInvalid(broken);
  }
  ExpectInvalid(good + "x");
  ExpectInvalid(Header('\x11', '\x11', kV4));                    // version 1
  ExpectInvalid(Header('\x22', '\x11', kV4));                    // command
  ExpectInvalid(Header('\x21', '\x12', kV4));                    // UDP
  ExpectInvalid(Header('\x21', '\x31', std::string(216, 'a')));  // AF_UNIX
  ExpectInvalid(Header('\x21', '\x41', kV4));
  ExpectInvalid(Header('\x21', '\x11', kV4.substr(0, 11)));
  ExpectInvalid(Header('\x21', '\x21', kV4));
  ExpectInvalid(Header('\x21', '\x11', std::string(4, '\0') + kV4.substr(4)));
  ExpectInvalid(Header('\x21', '\x11', "\xe0"s + kV4.substr(1)));
  ExpectInvalid("PROXY TCP4 203.0.113.7 10.0.0.1 49153 5061\r\n");
}

TEST(ProxyHeaderTest, LengthIsBoundedBeforeItIsRead) {
  const std::string long_header = kSignature + "\x21\x11\x10\x01"s;
  EXPECT_FALSE(ProxyHeaderSize(AsBytes(long_header)).ok());
  EXPECT_EQ(*ProxyHeaderSize(AsBytes(kSignature + "\x21\x11\x10\x00"s)),
            kProxyPrefixSize + kMaxProxyPayload);
}

TEST(ProxyHeaderTest, IsNotTakenForSip) {
  EXPECT_TRUE(LooksLikeProxyHeader(Header('\x21', '\x11', kV4)));
  EXPECT_TRUE(LooksLikeProxyHeader(kSignature.substr(0, 5)));
  EXPECT_FALSE(LooksLikeProxyHeader("\r\n\r\n"));
  EXPECT_FALSE(LooksLikeProxyHeader("\r\n\r\nOPTIONS sip:a SIP/2.0\r\n"));
  EXPECT_FALSE(LooksLikeProxyHeader("\r\n\r\n\r\nOPTIONS"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
