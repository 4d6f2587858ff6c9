#include "services/media_relay/io/wire_header.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

Endpoint At(const char* ip, uint16_t port) {
  return {*IpAddress::Parse(ip), port};
}

// RFC 1071, the plain way.
uint16_t Checksum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(bytes[i]) << 8;
    if (i + 1 < bytes.size()) sum += bytes[i + 1];
  }
  while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

uint16_t At16(absl::Span<const uint8_t> bytes, size_t offset) {
  return static_cast<uint16_t>((bytes[offset] << 8) | bytes[offset + 1]);
}

// UDP head and payload with the pseudo head of RFC 768 or RFC 8200 section 8.1
// before them sum up to zero.
uint16_t UdpChecksumOf(absl::Span<const uint8_t> packet) {
  const bool v6 = packet[0] >> 4 == 6;
  const size_t head = v6 ? 40 : 20;
  const auto addresses = v6 ? packet.subspan(8, 32) : packet.subspan(12, 8);
  std::vector<uint8_t> bytes(addresses.begin(), addresses.end());
  const size_t size = packet.size() - head;
  bytes.insert(bytes.end(), {0, 17, static_cast<uint8_t>(size >> 8),
                             static_cast<uint8_t>(size)});
  bytes.insert(bytes.end(), packet.begin() + head, packet.end());
  return Checksum(bytes);
}

TEST(WireHeaderTest, Ipv4FramesOfAllSizesAreWhole) {
  WireHeader header(At("192.0.2.1", 50007), At("198.51.100.9", 4000));
  LinkHeader link;
  for (size_t i = 0; i < link.size(); ++i) link[i] = static_cast<uint8_t>(i);
  header.SetLink(link);
  EXPECT_EQ(header.ip_size(), 28u);
  std::vector<uint8_t> buffer(WireHeader::kMaxSize + 1500);
  uint8_t* const payload = buffer.data() + WireHeader::kMaxSize;
  uint16_t last_id = 0;
  for (size_t size = 0; size <= 1472; ++size) {
    for (size_t i = 0; i < size; ++i) {
      payload[i] = static_cast<uint8_t>(i * 7 + size);
    }
    const auto frame = header.Frame(payload, size, /*with_link=*/true);
    ASSERT_EQ(frame.size(), 14 + 28 + size);
    EXPECT_EQ(std::memcmp(frame.data(), link.data(), 14), 0);
    const auto packet = frame.subspan(14);
    EXPECT_EQ(packet[0], 0x45);
    EXPECT_EQ(At16(packet, 2), packet.size());
    EXPECT_EQ(At16(packet, 6), 0);  // may be fragmented, is none
    EXPECT_NE(At16(packet, 4), last_id);
    last_id = At16(packet, 4);
    EXPECT_EQ(Checksum({packet.begin(), packet.begin() + 20}), 0);
    EXPECT_EQ(At16(packet, 20), 50007);
    EXPECT_EQ(At16(packet, 22), 4000);
    EXPECT_EQ(At16(packet, 24), size + 8);
    ASSERT_NE(At16(packet, 26), 0);
    ASSERT_EQ(UdpChecksumOf(packet), 0) << size;
  }
}

TEST(WireHeaderTest, DontFragmentIsSetWhereItIsAskedFor) {
  WireHeader header(At("192.0.2.1", 50007), At("198.51.100.9", 4000));
  std::vector<uint8_t> buffer(WireHeader::kMaxSize + 100);
  uint8_t* const payload = buffer.data() + WireHeader::kMaxSize;
  for (const bool whole : {true, false, true}) {
    const auto packet = header.Frame(payload, 100, /*with_link=*/false, whole);
    EXPECT_EQ(At16(packet, 6), whole ? 0x4000 : 0);
    EXPECT_EQ(Checksum({packet.begin(), packet.begin() + 20}), 0);
    EXPECT_EQ(UdpChecksumOf(packet), 0);
  }
}

TEST(WireHeaderTest, Ipv6FramesOfAllSizesAreWhole) {
  WireHeader header(At("2001:db8::1", 50001), At("2001:db8:5::9", 65535));
  EXPECT_EQ(header.ip_size(), 48u);
  std::vector<uint8_t> buffer(WireHeader::kMaxSize + 1500, 0xA5);
  uint8_t* const payload = buffer.data() + WireHeader::kMaxSize;
  for (size_t size = 0; size <= 1452; ++size) {
    const auto packet = header.Frame(payload, size, /*with_link=*/false);
    ASSERT_EQ(packet.size(), 48 + size);
    EXPECT_EQ(packet[0], 0x60);
    EXPECT_EQ(At16(packet, 4), size + 8);
    EXPECT_EQ(packet[6], 17);
    EXPECT_EQ(At16(packet, 40), 50001);
    EXPECT_EQ(At16(packet, 42), 65535);
    ASSERT_EQ(UdpChecksumOf(packet), 0) << size;
  }
}

// RFC 768: a sum of zero is sent as all ones, zero means none.
TEST(WireHeaderTest, NoDatagramIsWithoutChecksum) {
  WireHeader header(At("192.0.2.1", 50007), At("198.51.100.9", 4000));
  std::vector<uint8_t> buffer(WireHeader::kMaxSize + 4);
  uint8_t* const payload = buffer.data() + WireHeader::kMaxSize;
  int all_ones = 0;
  for (uint32_t value = 0; value < 0x10000; ++value) {
    payload[0] = static_cast<uint8_t>(value >> 8);
    payload[1] = static_cast<uint8_t>(value);
    const auto packet = header.Frame(payload, 2, false);
    ASSERT_NE(At16(packet, 26), 0);
    all_ones += At16(packet, 26) == 0xFFFF ? 1 : 0;
  }
  EXPECT_GE(all_ones, 1);
}

}  // namespace
}  // namespace sallyport::media_relay
