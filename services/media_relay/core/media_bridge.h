// Two media legs that are joined: what one accepts in the clear the other
// protects and sends.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEDIA_BRIDGE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEDIA_BRIDGE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "services/common/memory/block_pool.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/packet_classifier.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/srtp_session.h"

namespace sallyport::media_relay {

enum class LegSide : uint8_t { kA = 0, kB = 1 };

constexpr LegSide Other(LegSide side) {
  return side == LegSide::kA ? LegSide::kB : LegSide::kA;
}

// Always unprotects, then protects: no packet crosses that has not been
// authenticated where its leg is SRTP. Payload, clock, sequence and SSRC stay
// as they are. Thread-compatible.
class MediaBridge final : public Pooled<MediaBridge> {
 public:
  struct Sockets {
    SocketId rtp = kNoSocket;
    SocketId rtcp = kNoSocket;  // kNoSocket with rtcp-mux
    uint32_t route = 0;         // of what `rtp` sends
  };

  MediaBridge(const MediaLegOptions& a, const MediaLegOptions& b,
              const SrtpLibrary& library, const PeerPolicy& policy,
              RandomSource& random);

  MediaLeg& leg(LegSide side) { return legs_[static_cast<size_t>(side)]; }
  const MediaLeg& leg(LegSide side) const {
    return legs_[static_cast<size_t>(side)];
  }
  Sockets& sockets(LegSide side) { return sockets_[static_cast<size_t>(side)]; }

  // Fetches into the cache what OnPacket() needs of both legs; then of their
  // keys.
  void Prefetch() const {
    for (const MediaLeg& leg : legs_) leg.Prefetch();
    __builtin_prefetch(&sockets_);
  }
  void PrefetchKeys(LegSide side) const {
    leg(side).PrefetchInbound();
    leg(Other(side)).PrefetchOutbound();
  }

  // Ahead of OnPacket(), once the keys are in the cache: see MediaLeg.
  bool Foresee(LegSide side, const Endpoint& from, const Packet& packet,
               HmacSha1Job& job) const {
    return ClassifyPacket(packet.bytes()) == PacketKind::kRtp &&
           leg(side).Foresee(from, packet, job);
  }

  // A datagram that arrived on a leg's RTP or RTCP socket; answers to ICE
  // checks are written into `reply`. What the legs have to tell and to send
  // afterwards is asked of them.
  PacketAction OnPacket(LegSide side, bool rtcp_socket, const Endpoint& from,
                        Packet& packet, absl::Span<uint8_t> reply, Now now);

 private:
  PacketAction OnSetupPacket(LegSide side, PacketKind kind,
                             const Endpoint& from, const Packet& packet,
                             absl::Span<uint8_t> reply, Now now);

  std::array<MediaLeg, 2> legs_;
  std::array<Sockets, 2> sockets_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEDIA_BRIDGE_H_
