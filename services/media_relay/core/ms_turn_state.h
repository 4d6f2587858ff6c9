// What an allocation of the A/V Edge dialect remembers beside the rest.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_STATE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_STATE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ms_turn_message.h"
#include "services/media_relay/core/stun_integrity.h"

namespace sallyport::media_relay {

// Which sequence numbers were seen (AVE-14): each is good once, and one that is
// 64 or more behind the highest not at all. Thread-compatible.
class MsSequenceWindow {
 public:
  // Takes `number` if it is new.
  bool Take(uint32_t number) {
    if (!any_ || number > highest_) {
      const uint64_t ahead = any_ ? uint64_t{number} - highest_ : 64;
      seen_ = ahead >= 64 ? 1 : seen_ << ahead | 1;
      highest_ = number;
      any_ = true;
      return true;
    }
    const uint32_t behind = highest_ - number;
    if (behind >= 64 || (seen_ >> behind & 1) != 0) return false;
    seen_ |= uint64_t{1} << behind;
    return true;
  }

 private:
  bool any_ = false;
  uint32_t highest_ = 0;
  uint64_t seen_ = 0;  // bit n: highest_ - n
};

// Both halves of a dual allocation have the same one. Thread-compatible.
struct MsTurnState {
  // How the client protects what it says, and how it is answered: never less
  // than it once did.
  LongTermKey key;
  MsTurnIntegrity integrity = MsTurnIntegrity::kSha1;
  std::string username;                   // octets, as on the wire
  std::array<uint8_t, 20> connection_id;  // drawn at the allocation
  MsSequenceWindow window;
  uint32_t version = 0;            // as the client says; 0: it does not
  std::optional<Endpoint> active;  // Set Active Destination
  MsTurnId active_id = {};         // of the request that set it
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MS_TURN_STATE_H_
