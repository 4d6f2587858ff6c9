// Why a datagram was not forwarded or answered: one enum, which is the metric
// label. Returned by value, so a flood costs no heap.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DROP_REASON_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DROP_REASON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::media_relay {

enum class DropReason : uint8_t {
  kNone,  // not dropped
  // On the client port.
  kNotTurn,           // neither STUN nor ChannelData
  kMalformedStun,     // RFC 3489, wrong length, cookie or FINGERPRINT
  kUnexpectedStun,    // a response, an unknown method or indication
  kMalformedChannel,  // ChannelData that does not parse
  kUnknownClient,     // data or indication of no allocation
  kWrongIntegrity,    // HMAC mismatch (AVE-16)
  kAnswerTooLarge,    // would amplify
  kRateLimited,       // too many answers to one source
  kUnboundChannel,    // ChannelData on a channel that is not bound
  kNoPermission,      // no permission for the peer (RFC 8656 section 9)
  kPeerRefused,       // peer_policy said no
  kMalformedSend,     // Send without peer, data, or with what it must not have
  // On a relayed address.
  kUnknownSocket,   // closed while the packet was under way
  kFamilyMismatch,  // peer of another family than the allocation
  kTooLarge,        // does not fit with its header
  // On a media leg.
  kNotMedia,  // neither RTP nor RTCP
  kMalformedRtp,
  kMalformedRtcp,
  kSourceRefused,   // not the signalled address or network
  kNotConfigured,   // keys or remote address not known yet
  kAuthFailed,      // SRTP tag does not match (AVE-57)
  kReplayed,        // SRTP replay list
  kTooManySources,  // SSRC changes beyond the limit
  kProtectFailed,   // the other leg could not protect it
  kDirection,       // the leg is not allowed to send or receive
  // On a media leg with ICE or DTLS.
  kIceUserUnknown,  // a check with another leg's user fragments, or none
  kConsentLost,     // no check for 30 s: nothing is sent (RFC 7675)
  kUnexpectedDtls,  // no ClientHello, or more of them than are answered
  kDraining,
  kNotAllowedInFipsMode,  // MS-TURN, whose keys are made with MD5
  // Towards a client's connection.
  kSlowReader,  // it does not take what it is sent
  // Beyond the octets a second that are allowed.
  kAllocationBandwidth,
  kSubjectBandwidth,
  kTenantBandwidth,
  kPlayback,  // the relay itself speaks on the leg that it was for
  kCount,
};

inline constexpr size_t kDropReasonCount =
    static_cast<size_t>(DropReason::kCount);

// The metric label. Stable.
constexpr std::string_view DropReasonName(DropReason reason) {
  constexpr std::array<std::string_view, kDropReasonCount> kNames = {
      "none",
      "not_turn",
      "malformed_stun",
      "unexpected_stun",
      "malformed_channel",
      "unknown_client",
      "wrong_integrity",
      "answer_too_large",
      "rate_limited",
      "unbound_channel",
      "no_permission",
      "peer_refused",
      "malformed_send",
      "unknown_socket",
      "family_mismatch",
      "too_large",
      "not_media",
      "malformed_rtp",
      "malformed_rtcp",
      "source_refused",
      "not_configured",
      "auth_failed",
      "replayed",
      "too_many_sources",
      "protect_failed",
      "direction",
      "ice_user_unknown",
      "consent_lost",
      "unexpected_dtls",
      "draining",
      "not_allowed_in_fips_mode",
      "slow_reader",
      "allocation_bandwidth",
      "subject_bandwidth",
      "tenant_bandwidth",
      "playback",
  };
  return kNames[static_cast<size_t>(reason)];
}

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DROP_REASON_H_
