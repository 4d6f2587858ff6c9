// The keys that make credentials, and when each is good.
//
//   pending --Activate--> active --next key active--> retiring --8 h--> expired
//
// A key is known to the relays before it is used: its owner activates it once
// they all have it. It is good for 8 hours after it was last used: as long as
// the longest credential made with it (AVE-18).

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

// How far the clocks of replicas and relays may differ.
inline constexpr absl::Duration kRingClockSkew = absl::Minutes(5);

// Octets of a key's secret.
inline constexpr size_t kKeyBytes = 32;

// One key.
struct RingKey {
  uint32_t id = 0;
  std::shared_ptr<const Secret> secret;  // shared by snapshots, never changed
  absl::Time create_time;
  absl::Time not_before;  // it may be activated from then on
  absl::Time not_after;   // its last credential has expired by then
  // Credentials were made with it from then on; InfiniteFuture(): not yet.
  absl::Time activate_time = absl::InfiniteFuture();
  bool revoked = false;
  int64_t made_version = 0;  // of the state in which it was made
  int64_t version = 0;       // of the state in which it changed last
  std::string request_id;  // of the RotateKey that made it; empty: the schedule
};

enum class KeyPhase { kPending, kActive, kRetiring, kExpired, kRevoked };

struct KeyRingPolicy {
  absl::Duration rotation_interval = absl::Hours(24);
  // Between a key's making and its first use, at least.
  absl::Duration activation_delay = absl::Seconds(10);
  // Relays that have not acknowledged a key so long after that are waited for
  // no more.
  absl::Duration acknowledge_timeout = absl::Seconds(60);
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

  // The key with which to make credentials, or nullptr: the newest that was
  // activated and is neither revoked nor expired. One whose time has not come,
  // because it was made while a clock was ahead, is passed over.
  const RingKey* ActiveAt(absl::Time now) const;
  // The newest key that waits to be activated, or nullptr.
  const RingKey* PendingAt(absl::Time now) const;
  const RingKey* Find(uint32_t id) const;
  KeyPhase PhaseAt(const RingKey& key, absl::Time now) const;
  // Keys that a relay must know: all but revoked ones. Those that have expired
  // are among them until they are purged, as a relay sees to that by its own
  // clock, and ours may have jumped.
  std::vector<const RingKey*> VerificationKeys() const;

  // A ring with a new key of `secret`: pending, or active at once when no other
  // key can serve until then. RESOURCE_EXHAUSTED with KEY_RING_FULL.
  absl::StatusOr<KeyRing> Rotate(Secret secret, std::string_view request_id,
                                 int64_t version, absl::Time now) const;
  // A ring in which pending key `id` is the active one. The keys before it stay
  // good for 8 hours more, counted from `last_use`, which is `now` or later.
  KeyRing Activate(uint32_t id, int64_t version, absl::Time now,
                   absl::Time last_use) const;

  // The key that a RotateKey with `request_id` made, or nullptr.
  const RingKey* MadeBy(std::string_view request_id) const;

  // A ring in which `id` is revoked; revoking again changes nothing. NOT_FOUND
  // with KEY_NOT_FOUND. If no key is active then, Activate or Rotate next.
  absl::StatusOr<KeyRing> Revoke(uint32_t id, int64_t version,
                                 absl::Time now) const;

  // A ring without keys that expired kKeepExpired ago.
  KeyRing Purge(absl::Time now) const;

  // When the schedule wants the next Rotate; InfinitePast() when no key can
  // serve. As seen at `now`.
  absl::Time RotationTime(absl::Time now) const;
  // When the next Purge removes something; InfiniteFuture() when never.
  absl::Time purge_time() const;

 private:
  KeyRingPolicy policy_;
  uint32_t next_id_;
  std::vector<RingKey> keys_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_KEY_RING_H_
