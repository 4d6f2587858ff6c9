#include "services/credential_issuer/core/key_ring.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"

namespace sallyport::credential_issuer {
namespace {

bool Expired(const RingKey& key, absl::Time now) {
  return key.not_after <= now;
}

bool Activated(const RingKey& key) {
  return key.activate_time != absl::InfiniteFuture();
}

}  // namespace

KeyRing::KeyRing(KeyRingPolicy policy, uint32_t next_id,
                 std::vector<RingKey> keys)
    : policy_(policy), next_id_(next_id), keys_(std::move(keys)) {
  std::sort(keys_.begin(), keys_.end(),
            [](const RingKey& a, const RingKey& b) { return a.id < b.id; });
}

const RingKey* KeyRing::ActiveAt(absl::Time now) const {
  const RingKey* active = nullptr;
  for (const RingKey& key : keys_) {
    if (!key.revoked && !Expired(key, now) && Activated(key) &&
        key.not_before <= now + kRingClockSkew) {
      active = &key;
    }
  }
  return active;
}

const RingKey* KeyRing::PendingAt(absl::Time now) const {
  const RingKey* pending = nullptr;
  for (const RingKey& key : keys_) {
    if (!key.revoked && !Expired(key, now) && !Activated(key) &&
        key.not_before <= now + policy_.activation_delay + kRingClockSkew) {
      pending = &key;
    }
  }
  return pending;
}

const RingKey* KeyRing::Find(uint32_t id) const {
  for (const RingKey& key : keys_) {
    if (key.id == id) return &key;
  }
  return nullptr;
}

KeyPhase KeyRing::PhaseAt(const RingKey& key, absl::Time now) const {
  if (key.revoked) return KeyPhase::kRevoked;
  if (Expired(key, now)) return KeyPhase::kExpired;
  if (!Activated(key)) return KeyPhase::kPending;
  const RingKey* const active = ActiveAt(now);
  return active != nullptr && active->id == key.id ? KeyPhase::kActive
                                                   : KeyPhase::kRetiring;
}

std::vector<const RingKey*> KeyRing::VerificationKeys() const {
  std::vector<const RingKey*> out;
  for (const RingKey& key : keys_) {
    if (!key.revoked) out.push_back(&key);
  }
  return out;
}

absl::StatusOr<KeyRing> KeyRing::Rotate(Secret secret,
                                        std::string_view request_id,
                                        int64_t version, absl::Time now) const {
  const auto live = std::count_if(
      keys_.begin(), keys_.end(),
      [now](const RingKey& key) { return !key.revoked && !Expired(key, now); });
  if (static_cast<size_t>(live) >= kMaxKeys) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, "KEY_RING_FULL",
        absl::StrCat("there are ", kMaxKeys, " keys that have not expired"));
  }
  RingKey fresh;
  fresh.id = next_id_;
  fresh.secret = std::make_shared<const Secret>(std::move(secret));
  fresh.create_time = now;
  const RingKey* const active = ActiveAt(now);
  const bool bridged =
      active != nullptr && active->not_after > now + policy_.activation_delay;
  fresh.not_before = bridged ? now + policy_.activation_delay : now;
  if (!bridged) fresh.activate_time = now;
  // Enough for a successor that is made on time and waited for; a later one
  // shortens the credentials of the last hours, and never outlives the key.
  fresh.not_after = fresh.not_before + policy_.rotation_interval +
                    policy_.activation_delay + policy_.acknowledge_timeout +
                    kMaxCredentialLifetime;
  fresh.made_version = version;
  fresh.version = version;
  fresh.request_id = std::string(request_id);
  std::vector<RingKey> keys = keys_;
  keys.push_back(std::move(fresh));
  return KeyRing(policy_, next_id_ + 1, std::move(keys));
}

KeyRing KeyRing::Activate(uint32_t id, int64_t version, absl::Time now,
                          absl::Time last_use) const {
  std::vector<RingKey> keys = keys_;
  for (RingKey& key : keys) {
    if (key.id == id && !Activated(key)) {
      key.activate_time = now;
      key.not_before = std::min(key.not_before, now);
      key.version = version;
    }
    const absl::Time end = last_use + kMaxCredentialLifetime;
    if (key.id < id && !key.revoked && key.not_after > end) {
      key.not_after = end;
      key.version = version;
    }
  }
  return KeyRing(policy_, next_id_, std::move(keys));
}

const RingKey* KeyRing::MadeBy(std::string_view request_id) const {
  if (request_id.empty()) return nullptr;
  for (const RingKey& key : keys_) {
    if (key.request_id == request_id) return &key;
  }
  return nullptr;
}

absl::StatusOr<KeyRing> KeyRing::Revoke(uint32_t id, int64_t version,
                                        absl::Time now) const {
  if (Find(id) == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "KEY_NOT_FOUND",
                     absl::StrCat("there is no keys/", id));
  }
  std::vector<RingKey> keys = keys_;
  for (RingKey& key : keys) {
    if (key.id != id || key.revoked) continue;
    key.revoked = true;
    key.not_after = std::min(key.not_after, now);
    key.version = version;
  }
  return KeyRing(policy_, next_id_, std::move(keys));
}

KeyRing KeyRing::Purge(absl::Time now) const {
  std::vector<RingKey> keys;
  for (const RingKey& key : keys_) {
    if (key.not_after + kKeepExpired > now) keys.push_back(key);
  }
  return KeyRing(policy_, next_id_, std::move(keys));
}

absl::Time KeyRing::RotationTime(absl::Time now) const {
  const RingKey* newest = ActiveAt(now);
  if (newest == nullptr) return absl::InfinitePast();
  const RingKey* const pending = PendingAt(now);
  if (pending != nullptr && pending->id > newest->id) newest = pending;
  // The second is for a key that was shortened and serves again, as when its
  // successor was revoked.
  return std::min(
      newest->not_before + policy_.rotation_interval - policy_.activation_delay,
      newest->not_after - kMaxCredentialLifetime - policy_.acknowledge_timeout -
          policy_.activation_delay);
}

absl::Time KeyRing::purge_time() const {
  absl::Time first = absl::InfiniteFuture();
  for (const RingKey& key : keys_) {
    first = std::min(first, key.not_after + kKeepExpired);
  }
  return first;
}

}  // namespace sallyport::credential_issuer
