#include "services/media_relay/core/icmp_error.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

using Bytes = std::vector<uint8_t>;

void Put16(Bytes& bytes, size_t at, unsigned value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

// An ICMP error of 192.0.2.1 about a datagram from 10.0.0.1:50000 to
// 203.0.113.9:4000, with `options` bytes of options in each IPv4 header.
Bytes V4(uint8_t type, uint8_t code, unsigned info = 0, size_t options = 0) {
  const size_t head = 20 + options;
  Bytes p(head + 8 + head + 8);
  p[0] = static_cast<uint8_t>(0x40 | head / 4);
  p[9] = 1;
  p[head] = type;
  p[head + 1] = code;
  Put16(p, head + 6, info);
  const size_t inner = head + 8;
  p[inner] = p[0];
  p[inner + 9] = 17;
  const uint8_t addresses[8] = {10, 0, 0, 1, 203, 0, 113, 9};
  for (size_t i = 0; i < 8; ++i) p[inner + 12 + i] = addresses[i];
  Put16(p, inner + head, 50000);
  Put16(p, inner + head + 2, 4000);
  return p;
}

Bytes Summed(Bytes p) {
  const size_t head = static_cast<size_t>(p[0] & 0xF) * 4;
  Put16(p, head + 2, 0);
  uint32_t sum = 0;
  for (size_t i = head; i < p.size(); i += 2) {
    sum += static_cast<uint32_t>(p[i] << 8 | (i + 1 < p.size() ? p[i + 1] : 0));
  }
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  Put16(p, head + 2, ~sum & 0xFFFF);
  return p;
}

Bytes V6(uint8_t type, uint8_t code, unsigned info = 0, bool fragment = false) {
  const size_t extra = fragment ? 8 : 0;
  Bytes p(8 + 40 + extra + 8);
  p[0] = type;
  p[1] = code;
  Put16(p, 6, info);
  p[8] = 0x60;
  p[8 + 6] = fragment ? 44 : 17;
  p[8 + 8] = 0x20;   // 2000::
  p[8 + 24] = 0x30;  // 3000::
  if (fragment) p[48] = 17;
  Put16(p, 48 + extra, 50001);
  Put16(p, 48 + extra + 2, 4001);
  return p;
}

TEST(IcmpErrorTest, TellsWhichDatagramItIsAbout) {
  const auto v4 = ParseIcmpv4(Summed(V4(3, 3)));
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(v4->error, (IcmpError{3, 3, 0}));
  EXPECT_EQ(v4->from.ToString(), "10.0.0.1:50000");
  EXPECT_EQ(v4->to.ToString(), "203.0.113.9:4000");
  const auto v6 = ParseIcmpv6(V6(1, 4));
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->error, (IcmpError{1, 4, 0}));
  EXPECT_EQ(v6->from.ToString(), "[2000::]:50001");
  EXPECT_EQ(v6->to.ToString(), "[3000::]:4001");
}

TEST(IcmpErrorTest, OptionsAndFragmentHeadersAreStepped) {
  const auto v4 = ParseIcmpv4(Summed(V4(11, 0, 0, 8)));
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(v4->error.type, 11);
  EXPECT_EQ(v4->to.port, 4000);
  const auto v6 = ParseIcmpv6(V6(3, 0, 0, true));
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->to.port, 4001);
}

// RFC 8656 section 18.13: the MTU goes with these two, and nothing with others.
TEST(IcmpErrorTest, TheMtuGoesWithTooBigAlone) {
  EXPECT_EQ(ParseIcmpv4(Summed(V4(3, 4, 1280)))->error,
            (IcmpError{3, 4, 1280}));
  EXPECT_EQ(ParseIcmpv4(Summed(V4(3, 1, 1280)))->error, (IcmpError{3, 1, 0}));
  EXPECT_EQ(ParseIcmpv6(V6(2, 0, 1400))->error, (IcmpError{2, 0, 1400}));
  EXPECT_EQ(ParseIcmpv6(V6(1, 0, 1400))->error, (IcmpError{1, 0, 0}));
}

// Section 11.5: 3 and 11, or 1, 2 and 3.
TEST(IcmpErrorTest, OtherTypesAreNotTold) {
  for (int type = 0; type < 256; ++type) {
    const auto t = static_cast<uint8_t>(type);
    EXPECT_EQ(ParseIcmpv4(Summed(V4(t, 0))).has_value(),
              type == 3 || type == 11);
    EXPECT_EQ(ParseIcmpv6(V6(t, 0)).has_value(), type >= 1 && type <= 3);
  }
}

TEST(IcmpErrorTest, WhatIsNotAboutUdpOrALaterFragmentIsNotTold) {
  Bytes tcp = V4(3, 3);
  tcp[28 + 9] = 6;
  EXPECT_FALSE(ParseIcmpv4(Summed(tcp)).has_value());
  Bytes later = V4(3, 3);
  later[28 + 7] = 1;
  EXPECT_FALSE(ParseIcmpv4(Summed(later)).has_value());
  Bytes tcp6 = V6(1, 4);
  tcp6[8 + 6] = 6;
  EXPECT_FALSE(ParseIcmpv6(tcp6).has_value());
  Bytes later6 = V6(1, 4, 0, true);
  later6[48 + 3] = 8;
  EXPECT_FALSE(ParseIcmpv6(later6).has_value());
}

TEST(IcmpErrorTest, AWrongChecksumAndWhatIsCutAreNotTold) {
  Bytes wrong = Summed(V4(3, 3));
  wrong[22] ^= 1;
  EXPECT_FALSE(ParseIcmpv4(wrong).has_value());
  const Bytes v4 = V4(3, 3);
  for (size_t size = 24; size < v4.size() - 4; ++size) {
    EXPECT_FALSE(
        ParseIcmpv4(Summed(Bytes(v4.begin(), v4.begin() + size))).has_value());
  }
  for (size_t size = 0; size < 24; ++size) {
    EXPECT_FALSE(ParseIcmpv4(absl::MakeConstSpan(v4).first(size)).has_value());
  }
  const Bytes v6 = V6(1, 4, 0, true);
  for (size_t size = 0; size < v6.size() - 4; ++size) {
    EXPECT_FALSE(ParseIcmpv6(absl::MakeConstSpan(v6).first(size)).has_value());
  }
}

}  // namespace
}  // namespace sallyport::media_relay
