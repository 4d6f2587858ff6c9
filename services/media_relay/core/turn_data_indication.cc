#include "services/media_relay/core/turn_data_indication.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"

namespace sallyport::media_relay {
namespace {

StunWriter Begin(RandomSource& random, absl::Span<uint8_t> buffer) {
  StunTransactionId id;
  random.Fill(absl::MakeSpan(id));
  return StunWriter(buffer, StunClass::kIndication,
                    static_cast<uint16_t>(StunMethod::kData), id);
}

}  // namespace

bool WrapInDataIndication(const Endpoint& peer, RandomSource& random,
                          Packet& packet) {
  const size_t payload = packet.size;
  const size_t head = kStunHeaderSize + 4 + 4 + peer.ip.bytes().size() + 4;
  const size_t padding = (4 - payload % 4) % 4;
  if (packet.tailroom < padding || !packet.Prepend(head)) return false;
  packet.size += padding;
  packet.tailroom -= padding;
  StunWriter writer = Begin(random, absl::MakeSpan(packet.data, packet.size));
  writer.AddXorAddress(stun_attribute::kXorPeerAddress, peer);
  // The payload stands where the value of DATA goes: copied onto itself.
  writer.AddBytes(stun_attribute::kData,
                  absl::MakeConstSpan(packet.data + head, payload));
  return !writer.finished().empty();
}

absl::Span<const uint8_t> WriteIcmpIndication(const Endpoint& peer,
                                              const IcmpError& error,
                                              RandomSource& random,
                                              absl::Span<uint8_t> reply) {
  StunWriter writer = Begin(random, reply);
  writer.AddXorAddress(stun_attribute::kXorPeerAddress, peer);
  // Section 18.13: seven bits of type and nine of code behind sixteen that are
  // reserved. The types that are told are below 128.
  const auto type_and_code =
      static_cast<uint32_t>((error.type & 0x7F) << 9 | error.code);
  std::array<uint8_t, 8> value = {};
  value[2] = static_cast<uint8_t>(type_and_code >> 8);
  value[3] = static_cast<uint8_t>(type_and_code);
  value[4] = static_cast<uint8_t>(error.data >> 24);
  value[5] = static_cast<uint8_t>(error.data >> 16);
  value[6] = static_cast<uint8_t>(error.data >> 8);
  value[7] = static_cast<uint8_t>(error.data);
  writer.AddBytes(stun_attribute::kIcmp, value);
  return writer.finished();
}

}  // namespace sallyport::media_relay
