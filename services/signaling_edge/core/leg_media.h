// What one leg of a call is told about media: the other leg's description with
// everything of that side taken out and our relay put in (design.md section 6,
// topology hiding). The first usable audio line is anchored; any further line
// is refused with port 0 (RFC 3264 section 6).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LEG_MEDIA_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LEG_MEDIA_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/signaling_edge/core/media_setup.h"
#include "services/signaling_edge/core/sdes.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {

// An RTP and an RTCP port at one IP literal.
struct MediaAddress {
  std::string ip;
  uint16_t rtp_port = 0;
  uint16_t rtcp_port = 0;

  bool operator==(const MediaAddress&) const = default;
};

// The m= line of `session` that a relay session can carry: the first audio
// line with a port and a profile of RTP or SRTP. Returns
// kFailedPrecondition with MEDIA_NOT_SUPPORTED when there is none.
absl::StatusOr<size_t> AnchoredLine(const SdpSession& session);

// Where that line wants its media, from c=, m= and a=rtcp (RFC 3605). Returns
// MEDIA_NOT_SUPPORTED when the address is a name or multicast: the relay is
// never made to resolve what a peer wrote.
absl::StatusOr<MediaAddress> MediaAddressOf(const SdpSession& session,
                                            size_t line);

// The codec of a payload type of the line, as "pcmu/8000" or "opus/48000/2": by
// rtpmap, or by the static types of RFC 3551; empty when neither says.
std::string CodecOf(const SdpMedia& media, std::string_view format);

// What the line offers of what `other` knows as well, in its order, with the
// attributes of that, to be sent `direction`. No formats: they have no codec
// in common.
SdpMedia CommonOf(const SdpMedia& media, const SdpMedia& other,
                  SdpDirection direction);

// What a relay can play by itself, and by which payload type.
struct PromptFormat {
  enum class Codec : uint8_t { kPcmu, kPcma, kG722 };
  Codec codec = Codec::kPcmu;
  uint8_t payload_type = 0;

  bool operator==(const PromptFormat&) const = default;
};

// Those of the line's formats, in its order: by rtpmap, or by the static types
// of RFC 3551.
std::vector<PromptFormat> PromptFormatsOf(const SdpMedia& media);

// Whether a side that says this takes media, or gives it.
constexpr bool Receives(SdpDirection direction) {
  return direction == SdpDirection::kSendRecv ||
         direction == SdpDirection::kRecvOnly;
}
constexpr bool Sends(SdpDirection direction) {
  return direction == SdpDirection::kSendRecv ||
         direction == SdpDirection::kSendOnly;
}

// What stands on our side of a leg.
struct LegMedia {
  SdpOrigin origin;    // ours
  MediaAddress relay;  // the relay's address for this leg
  std::string protocol = "RTP/AVP";
  // Our transmit keys, on a secured leg: of an offer each suite has one, of an
  // answer there is one.
  std::vector<SdesCrypto> cryptos;
  std::optional<SdpDtls> dtls;  // instead, on one with DTLS-SRTP
  std::optional<IceDescription> ice;
  bool rtcp_mux = false;
  bool rtcp_mux_only = false;  // RFC 8858: of an offer that has no other port
  std::optional<SdpDirection> direction;  // instead of the other side's
};

// `other` as this leg shall see it. Of the anchored line, only codecs, packet
// time and direction are kept; origin, addresses, keys, candidates and names
// of the other side are not.
SdpSession DescribeForLeg(const SdpSession& other, size_t line,
                          const LegMedia& leg);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LEG_MEDIA_H_
