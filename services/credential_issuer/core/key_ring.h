// The keys that make credentials, and when each is good.
//
//   pending --activation--> active --next key active--> retiring --8 h-->
//   expired
//
// A key is known to the relays before it is used, and good for 8 hours after
// it was last used: as long as the longest credential made with it (AVE-18).

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_RING_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_RING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypto/secret.h"

namespace sallyport::credential_issuer {

// No credential lives longer, whatever is configured (AVE-18).
inline constexpr absl::Duration kMaxCredentialLifetime = absl::Hours(8);

// Octets of a key's secret.
inline constexpr size_t kKeyBytes = 32;

// One key.
struct RingKey {
  uint32_t id = 0;
  std::shared_ptr<const Secret> secret;  // shared by snapshots, never changed
  absl::Time create_time;
  absl::Time not_before;  // credentials are made with it from then on
  absl::Time not_after;   // its last credential has expired by then
  bool revoked = false;
  int64_t version = 0;     // of the state in which it changed last
  std::string request_id;  // of the RotateKey that made it; empty: the schedule
};

enum class KeyPhase { kPending, kActive, kRetiring, kExpired, kRevoked };

struct KeyRingPolicy {
  absl::Duration rotation_interval = absl::Hours(24);
  // Between a key's making and its first use, so that relays know it first.
  absl::Duration activation_delay = absl::Seconds(10);
};

// A ring as it is at one version; each change gives another ring, so that a
// change can be made durable before anyone sees it. Ids ascend and are never
// used again. Immutable.
class KeyRing {
 public:
  // More keys that have not expired are not kept; rotations by command that
  // would exceed it are refused.
  static constexpr size_t kMaxKeys = 16;
  // Expired and revoked keys can still be listed for so long.
  static constexpr absl::Duration kKeepExpired = absl::Hours(24);

  // `keys` in any order; `next_id` is above all of theirs.
  KeyRing(KeyRingPolicy policy, uint32_t next_id, std::vector<RingKey> keys);

  // By id, ascending.
  const std::vector<RingKey>& keys() const { return keys_; }
  uint32_t next_id() const { return next_id_; }

  // The key with which to make credentials, or nullptr: the one that became
  // active last and is neither revoked nor expired.
  const RingKey* ActiveAt(absl::Time now) const;
  const RingKey* Find(uint32_t id) const;
  KeyPhase PhaseAt(const RingKey& key, absl::Time now) const;
  // Keys that a relay must know: pending, active and retiring.
  std::vector<const RingKey*> VerificationKeysAt(absl::Time now) const;

  // A ring with a new key of `secret`, active after the activation delay, or
  // at once when no other key can serve until then. The key that it follows
  // stays good for 8 hours after that. RESOURCE_EXHAUSTED with KEY_RING_FULL.
  absl::StatusOr<KeyRing> Rotate(Secret secret, std::string_view request_id,
                                 int64_t version, absl::Time now) const;

  // The key that a RotateKey with `request_id` made, or nullptr.
  const RingKey* MadeBy(std::string_view request_id) const;

  // A ring in which `id` is revoked; revoking again changes nothing. NOT_FOUND
  // with KEY_NOT_FOUND. If no key is active then, Rotate next.
  absl::StatusOr<KeyRing> Revoke(uint32_t id, int64_t version,
                                 absl::Time now) const;

  // A ring without keys that expired kKeepExpired ago.
  KeyRing Purge(absl::Time now) const;

  // When the schedule wants the next Rotate; InfinitePast() when now.
  absl::Time rotation_time() const;
  // When the next Purge removes something; InfiniteFuture() when never.
  absl::Time purge_time() const;

 private:
  KeyRingPolicy policy_;
  uint32_t next_id_;
  std::vector<RingKey> keys_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_RING_H_
