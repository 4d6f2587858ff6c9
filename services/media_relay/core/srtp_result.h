// How protecting or unprotecting a packet went.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_RESULT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_RESULT_H_

#include <cstdint>

namespace sallyport::media_relay {

enum class SrtpResult : uint8_t {
  kOk,
  kAuthFailed,
  kReplayed,        // seen before, or too old to tell
  kTooManySources,  // a further SSRC; the list of those heard is full
  kMalformed,
  kNoRoom,  // the trailer does not fit behind the packet
  kFailed,
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_RESULT_H_
