#include "services/media_relay/core/media_bridge.h"

#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/packet_classifier.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/srtp_session.h"

namespace sallyport::media_relay {

MediaBridge::MediaBridge(const MediaLegOptions& a, const MediaLegOptions& b,
                         const SrtpLibrary& library, const PeerPolicy& policy,
                         RandomSource& random)
    : legs_{MediaLeg(a, library, policy, random),
            MediaLeg(b, library, policy, random)} {}

PacketAction MediaBridge::OnPacket(LegSide side, bool rtcp_socket,
                                   const Endpoint& from, Packet& packet,
                                   absl::Span<uint8_t> reply, Now now) {
  MediaLeg& in = leg(side);
  const PacketKind kind = ClassifyPacket(packet.bytes());
  if (kind == PacketKind::kStun || kind == PacketKind::kDtls) {
    return OnSetupPacket(side, kind, from, packet, reply, now);
  }
  const bool rtcp = kind == PacketKind::kRtcp;
  // Without rtcp-mux each socket carries its own kind only.
  const bool expected =
      in.options().rtcp_mux
          ? (rtcp || kind == PacketKind::kRtp)
          : kind == (rtcp_socket ? PacketKind::kRtcp : PacketKind::kRtp);
  if (!expected) {
    in.CountDrop(DropReason::kNotMedia);
    return PacketAction::Drop(DropReason::kNotMedia);
  }
  const DropReason refused = in.Accept(rtcp, from, packet, now);
  if (refused != DropReason::kNone) return PacketAction::Drop(refused);

  const LegSide other = Other(side);
  MediaLeg& out = leg(other);
  Endpoint to;
  const DropReason stopped = out.Emit(rtcp, packet, now, to);
  if (stopped != DropReason::kNone) return PacketAction::Drop(stopped);
  const Sockets& sockets = this->sockets(other);
  const bool apart = rtcp && !out.options().rtcp_mux;
  PacketAction action = PacketAction::Send(apart ? sockets.rtcp : sockets.rtp,
                                           to, packet.bytes());
  if (!apart) action.route = sockets.route;
  action.delay = &in.stats().delay;
  return action;
}

PacketAction MediaBridge::OnSetupPacket(LegSide side, PacketKind kind,
                                        const Endpoint& from,
                                        const Packet& packet,
                                        absl::Span<uint8_t> reply, Now now) {
  MediaLeg& in = leg(side);
  if (kind == PacketKind::kStun && in.ice() != nullptr) {
    absl::Span<const uint8_t> answer;
    const DropReason refused = in.OnStun(from, packet, reply, now, answer);
    return refused != DropReason::kNone
               ? PacketAction::Drop(refused)
               : PacketAction::Send(sockets(side).rtp, from, answer);
  }
  if (kind == PacketKind::kDtls && in.dtls() != nullptr) {
    const DropReason refused = in.OnDtls(from, packet, now);
    return refused != DropReason::kNone ? PacketAction::Drop(refused)
                                        : PacketAction();
  }
  in.CountDrop(DropReason::kNotMedia);
  return PacketAction::Drop(DropReason::kNotMedia);
}

}  // namespace sallyport::media_relay
