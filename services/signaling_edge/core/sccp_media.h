// What a description says to a voicemail port, and what a port says in one:
// between SDP with a=crypto (RFC 4568) and the fields of OpenReceiveChannel and
// StartMediaTransmission. Encrypted ports have SRTP or nothing, others have RTP
// or nothing (CUC-18).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_MEDIA_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_MEDIA_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/signaling_edge/core/sccp_message.h"
#include "services/signaling_edge/core/sccp_writer.h"
#include "services/signaling_edge/core/sdes.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {

// One way of coding, as both sides name it.
struct SccpFormat {
  SccpCodec codec = SccpCodec::kPcmu;
  uint32_t payload = 0;
  uint32_t telephone_event = 0;  // payload type; 0: none
  uint32_t packet_ms = 20;

  bool operator==(const SccpFormat&) const = default;
};

// What the other side has said, that can be carried to a port.
struct SccpStream {
  SdpSession session;  // as it was said
  size_t line = 0;     // the one that is carried
  std::string ip;
  uint16_t port = 0;
  SccpFormat format;
  SdpDirection direction = SdpDirection::kSendRecv;  // seen from there
  std::optional<SdesCrypto> crypto;                  // of what comes from there
};

// What a port has, besides the stream that it answers.
struct SccpPortMedia {
  SdpOrigin origin;
  std::string ip;
  uint16_t port = 0;
  SdpDirection direction = SdpDirection::kSendRecv;
  std::optional<SdesCrypto> crypto;  // of what the port sends
};

// An offer (`answered` is empty), or the answer to an offer of ours with that
// crypto attribute. kFailedPrecondition with MEDIA_NOT_SUPPORTED when there is
// no line or codec for the port, SECURITY_MODE_SRTP_REQUIRED and
// SECURITY_MODE_SRTP_NOT_ALLOWED when it is not as the port must have it;
// errors of ParseSdp().
absl::StatusOr<SccpStream> ReadSccpStream(
    std::string_view body, absl::Span<const SccpCapability> capabilities,
    bool encrypted, const std::optional<SdesCrypto>& answered);

// The answer to `offer`, or an offer of one codec.
std::string WriteSccpAnswer(const SccpStream& offer,
                            const SccpPortMedia& media);
std::string WriteSccpOffer(const SccpFormat& format,
                           const SccpPortMedia& media);

// The codec that the port is best offered with; kPcmu if it has none of ours.
SccpFormat PreferredFormat(absl::Span<const SccpCapability> capabilities);

// What the one who answers says for this, when nobody stops media.
SdpDirection Mirrored(SdpDirection direction);

// A key as the port is told it.
SccpEncryption EncryptionOf(const std::optional<SdesCrypto>& crypto);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_MEDIA_H_
