#include "services/media_relay/core/packet_classifier.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace sallyport::media_relay {
namespace {

PacketKind Of(int first, int second) {
  const uint8_t bytes[2] = {static_cast<uint8_t>(first),
                            static_cast<uint8_t>(second)};
  return ClassifyPacket(bytes);
}

// RFC 7983 section 7, every first byte; it leaves 80 to 127, the rest of RFC
// 5766's channels, without a meaning of their own.
TEST(ClassifyPacketTest, FirstByteRanges) {
  for (int first = 0; first < 256; ++first) {
    PacketKind expected = PacketKind::kUnknown;
    if (first <= 3) expected = PacketKind::kStun;
    if (first >= 20 && first <= 63) expected = PacketKind::kDtls;
    if (first >= 64 && first <= 127) expected = PacketKind::kChannelData;
    if (first >= 128 && first <= 191) expected = PacketKind::kRtp;
    EXPECT_EQ(Of(first, 0), expected) << first;
  }
}

// RFC 5761 section 4: packet types 192 to 223 are RTCP.
TEST(ClassifyPacketTest, RtpAgainstRtcp) {
  for (int second = 0; second < 256; ++second) {
    EXPECT_EQ(Of(0x80, second), second >= 192 && second <= 223
                                    ? PacketKind::kRtcp
                                    : PacketKind::kRtp)
        << second;
  }
}

TEST(ClassifyPacketTest, ShortIsUnknown) {
  const uint8_t byte = 0;
  EXPECT_EQ(ClassifyPacket({}), PacketKind::kUnknown);
  EXPECT_EQ(ClassifyPacket({&byte, 1}), PacketKind::kUnknown);
}

}  // namespace
}  // namespace sallyport::media_relay
