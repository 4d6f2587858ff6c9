// Any bytes: the parsers agree with the classifier about what may be theirs.

#include "services/media_relay/core/packet_classifier.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"
#include "services/media_relay/core/channel_data.h"
#include "services/media_relay/core/rtcp_header.h"
#include "services/media_relay/core/rtp_header.h"
#include "services/media_relay/core/stun_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace relay = sallyport::media_relay;
  using Kind = relay::PacketKind;
  const auto bytes = absl::MakeConstSpan(data, size);
  const Kind kind = relay::ClassifyPacket(bytes);
  if (relay::ParseStunMessage(bytes).ok() && data[0] <= 3 &&
      kind != Kind::kStun) {
    abort();
  }
  if (relay::ParseChannelData(bytes).ok() && kind != Kind::kChannelData) {
    abort();
  }
  if (relay::ParseRtcpHeader(bytes).ok() && kind != Kind::kRtcp) abort();
  if (relay::ParseRtpHeader(bytes).ok() && kind != Kind::kRtp &&
      kind != Kind::kRtcp) {
    abort();
  }
  return 0;
}
