#include "services/media_relay/io/wire_header.h"

#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

constexpr uint8_t kUdp = 17;
constexpr uint16_t kDontFragment = 0x4000;
constexpr uint8_t kTimeToLive = 64;  // the kernel's own default

uint16_t Fold(uint64_t sum) {
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xFFFF) + (sum >> 16));
}

void Put16(uint8_t* out, uint16_t network_order) {
  std::memcpy(out, &network_order, sizeof(network_order));
}

}  // namespace

uint64_t WordSum(const uint8_t* data, size_t size) {
  uint64_t a = 0;
  uint64_t b = 0;
  size_t i = 0;
  for (; i + 16 <= size; i += 16) {
    uint64_t low;
    uint64_t high;
    std::memcpy(&low, data + i, 8);
    std::memcpy(&high, data + i + 8, 8);
    a += (low & 0xFFFFFFFF) + (low >> 32);
    b += (high & 0xFFFFFFFF) + (high >> 32);
  }
  uint8_t tail[16] = {};
  std::memcpy(tail, data + i, size - i);
  uint64_t low;
  uint64_t high;
  std::memcpy(&low, tail, 8);
  std::memcpy(&high, tail + 8, 8);
  a += (low & 0xFFFFFFFF) + (low >> 32);
  b += (high & 0xFFFFFFFF) + (high >> 32);
  return a + b;
}

WireHeader::WireHeader(const Endpoint& from, const Endpoint& to)
    : ip_size_(to.ip.is_v6() ? 40 : 20) {
  uint8_t* const udp = bytes_.data() + kMaxSize - kUdpSize;
  uint8_t* const ip = udp - ip_size_;
  Put16(udp, htons(from.port));
  Put16(udp + 2, htons(to.port));
  const absl::Span<const uint8_t> source = from.ip.bytes();
  const absl::Span<const uint8_t> destination = to.ip.bytes();
  if (ip_size_ == 40) {
    ip[0] = 0x60;
    ip[6] = kUdp;
    ip[7] = kTimeToLive;
    std::memcpy(ip + 8, source.data(), 16);
    std::memcpy(ip + 24, destination.data(), 16);
    udp_sum_ = Fold(WordSum(ip + 8, 32));
  } else {
    ip[0] = 0x45;
    ip[8] = kTimeToLive;
    ip[9] = kUdp;
    std::memcpy(ip + 12, source.data(), 4);
    std::memcpy(ip + 16, destination.data(), 4);
    ip_sum_ = Fold(WordSum(ip, 20));
    udp_sum_ = Fold(WordSum(ip + 12, 8));
    // Nothing that an observer could count from zero.
    identification_ = static_cast<uint16_t>(from.port * 40503u ^ to.port);
  }
  udp_sum_ += Fold(WordSum(udp, 4)) + htons(kUdp);
  SetLink({});
}

void WireHeader::SetLink(const LinkHeader& link) {
  std::memcpy(bytes_.data() + kMaxSize - kUdpSize - ip_size_ - link.size(),
              link.data(), link.size());
}

absl::Span<const uint8_t> WireHeader::Frame(uint8_t* payload, size_t size,
                                            bool with_link,
                                            bool dont_fragment) {
  // One copy of constant size; what it writes too much is ours to write.
  std::memcpy(payload - kMaxSize, bytes_.data(), kMaxSize);
  uint8_t* const udp = payload - kUdpSize;
  uint8_t* const ip = udp - ip_size_;
  const uint16_t udp_length = htons(static_cast<uint16_t>(size + kUdpSize));
  if (ip_size_ == 40) {
    Put16(ip + 4, udp_length);
  } else {
    const uint16_t length = htons(static_cast<uint16_t>(size + kUdpSize + 20));
    const uint16_t identification = htons(++identification_);
    Put16(ip + 2, length);
    const uint16_t fragment = dont_fragment ? htons(kDontFragment) : 0;
    Put16(ip + 4, identification);
    Put16(ip + 6, fragment);
    Put16(ip + 10, static_cast<uint16_t>(~Fold(uint64_t{ip_sum_} + length +
                                               identification + fragment)));
  }
  Put16(udp + 4, udp_length);
  // The length counts twice: in the head and in the pseudo head.
  const uint16_t checksum = static_cast<uint16_t>(~Fold(
      uint64_t{udp_sum_} + udp_length + udp_length + WordSum(payload, size)));
  Put16(udp + 6, checksum == 0 ? 0xFFFF : checksum);
  uint8_t* const begin = with_link ? ip - 14 : ip;
  return absl::MakeConstSpan(begin,
                             static_cast<size_t>(payload + size - begin));
}

}  // namespace sallyport::media_relay
