// Stateless, address-bound nonces (RFC 8489 sections 9.2 and 14.10, RFC 8656
// section 20.1): checking one needs no memory of having sent it, so a flood of
// first requests costs no state (AVE-12).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_NONCE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_NONCE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/rolling_keys.h"

namespace sallyport::media_relay {

// Makes and checks the NONCE of the long-term credential mechanism.
//
// On the wire: the RFC 8489 nonce cookie "obMatJos2", four characters of
// security features, then eleven base64url characters of
//   16 bits   seconds, modulo 65536
//   48 bits   HMAC-SHA-256(key, seconds | features | address | port), cut
// 24 characters, so that the challenge to a 28-byte Allocate is 72 bytes.
//
// A forged nonce gains an attacker only the next check, which is the integrity
// of the request; 48 bits are plenty for that. The key changes every four
// hours; the one before stays good for as long, so that no live client sees
// more than one 438, and all loops of a relay have the same.
//
// Thread-compatible.
class TurnNonce {
 public:
  static constexpr size_t kSize = 24;
  using Text = std::array<char, kSize>;

  enum class Verdict : uint8_t {
    kValid,
    kStale,    // ours for this address, but older than `lifetime`
    kForeign,  // not of our two keys for this address
  };
  struct Check {
    Verdict verdict;
    // The PASSWORD-ALGORITHMS bit was set when this nonce was made: the client
    // was offered SHA-256 (RFC 8489 section 9.2.1).
    bool offered_algorithms;
  };

  static constexpr absl::Duration kKeyLifetime = absl::Hours(4);

  // `lifetime` is at most that of a key.
  TurnNonce(const RollingKeys::Key& secret, absl::Duration lifetime);

  Text Make(const Endpoint& client, bool offer_algorithms, MonoTime now);
  Check Verify(std::string_view nonce, const Endpoint& client, MonoTime now);

 private:
  // The first 48 bits of the HMAC.
  static std::array<uint8_t, 6> Tag(const RollingKeys::Key& key,
                                    uint16_t seconds, bool offered,
                                    const Endpoint& client);

  absl::Duration lifetime_;
  RollingKeys keys_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_NONCE_H_
