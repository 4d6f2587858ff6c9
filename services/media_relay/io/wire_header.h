// The Ethernet, IP and UDP heads that stand before a payload, prepared once
// for a path and completed in place for each datagram.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_WIRE_HEADER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_WIRE_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

// Destination, source and type of an Ethernet frame.
using LinkHeader = std::array<uint8_t, 14>;

// Thread-compatible.
class WireHeader {
 public:
  // Ethernet, IPv6 and UDP.
  static constexpr size_t kMaxSize = 14 + 40 + 8;

  WireHeader() = default;
  // Both of one family.
  WireHeader(const Endpoint& from, const Endpoint& to);

  // Where the frame goes next; a packet without needs a raw socket.
  void SetLink(const LinkHeader& link);

  // Of the IP packet without payload: 28 or 48.
  size_t ip_size() const { return ip_size_ + kUdpSize; }

  // Writes the heads into the bytes before `payload`, kMaxSize of which must
  // be writable, and returns the frame that begins with the link head, or the
  // IP packet without it. Fragmentation by routers is allowed but where
  // `dont_fragment` (RFC 8656 section 15: DF is only what a client asks for).
  absl::Span<const uint8_t> Frame(uint8_t* payload, size_t size, bool with_link,
                                  bool dont_fragment = false);

 private:
  static constexpr size_t kUdpSize = 8;

  // The heads end at the end of `bytes_`.
  std::array<uint8_t, kMaxSize> bytes_ = {};
  uint8_t ip_size_ = 0;
  uint16_t identification_ = 0;
  // Sums of 16-bit words: of the IPv4 head without length and identification,
  // of the UDP pseudo head and ports without the two lengths.
  uint32_t ip_sum_ = 0;
  uint32_t udp_sum_ = 0;
};

// The ones' complement sum of 16-bit words in memory order, not yet folded
// into one; for checksums (RFC 1071).
uint64_t WordSum(const uint8_t* data, size_t size);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_WIRE_HEADER_H_
