#include "services/credential_issuer/core/issuer_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status/status_macros.h"

namespace sallyport::credential_issuer {
namespace {

IssuerState Next(const IssuerState& state, KeyRing ring,
                 RevocationList revocations, absl::Time now) {
  return {state.version + 1, std::max(now, state.version_time), std::move(ring),
          std::move(revocations)};
}

Revocation MakeRevocation(const IssuerState& state, RevocationKind kind,
                          std::string_view tenant, std::string_view target,
                          RevocationOrder order, absl::Time now) {
  Revocation out;
  out.id = std::move(order.id);
  out.tenant = std::string(tenant);
  out.kind = kind;
  out.target = std::string(target);
  out.reason = std::move(order.reason);
  out.create_time = now;
  // Whatever exists now has expired by then; the second is for rounding.
  out.expire_time = std::max(now, state.version_time) + kMaxCredentialLifetime +
                    absl::Seconds(1);
  out.version = state.version + 1;
  return out;
}

}  // namespace

absl::StatusOr<IssuerState> WithNewKey(const IssuerState& state, Secret secret,
                                       std::string_view request_id,
                                       absl::Time now) {
  SP_ASSIGN_OR_RETURN(
      KeyRing ring,
      state.ring.Rotate(std::move(secret), request_id, state.version + 1, now));
  return Next(state, std::move(ring), state.revocations, now);
}

IssuerState WithKeyActivated(const IssuerState& state, uint32_t id,
                             absl::Time now) {
  return Next(state,
              state.ring.Activate(id, state.version + 1, now,
                                  std::max(now, state.version_time)),
              state.revocations, now);
}

absl::StatusOr<IssuerState> WithKeyRevoked(const IssuerState& state,
                                           uint32_t id, RevocationOrder order,
                                           Secret fresh, absl::Time now) {
  const int64_t version = state.version + 1;
  const RingKey* const key = state.ring.Find(id);
  if (key != nullptr && key->revoked) return state;
  SP_ASSIGN_OR_RETURN(KeyRing ring, state.ring.Revoke(id, version, now));
  if (ring.ActiveAt(now) == nullptr) {
    if (const RingKey* const pending = ring.PendingAt(now)) {
      ring = ring.Activate(pending->id, version, now,
                           std::max(now, state.version_time));
    } else {
      SP_ASSIGN_OR_RETURN(ring,
                          ring.Rotate(std::move(fresh), "", version, now));
    }
  }
  SP_ASSIGN_OR_RETURN(
      RevocationList revocations,
      state.revocations.With(MakeRevocation(state, RevocationKind::kKey, "-",
                                            std::string(absl::StrCat(id)),
                                            std::move(order), now)));
  return Next(state, std::move(ring), std::move(revocations), now);
}

absl::StatusOr<IssuerState> WithRevocation(
    const IssuerState& state, RevocationKind kind, std::string_view tenant,
    std::string_view target, RevocationOrder order, absl::Time now) {
  if (state.revocations.Contains(kind, tenant, target)) return state;
  SP_ASSIGN_OR_RETURN(RevocationList revocations,
                      state.revocations.With(MakeRevocation(
                          state, kind, tenant, target, std::move(order), now)));
  return Next(state, state.ring, std::move(revocations), now);
}

IssuerState WithoutExpired(const IssuerState& state, absl::Time now) {
  if (state.ring.purge_time() > now && state.revocations.purge_time() > now) {
    return state;
  }
  return Next(state, state.ring.Purge(now), state.revocations.Purge(now), now);
}

absl::Time NextDeadline(const IssuerState& state, absl::Time now) {
  const RingKey* const pending = state.ring.PendingAt(now);
  return std::min(
      {state.ring.RotationTime(now), state.ring.purge_time(),
       state.revocations.purge_time(),
       pending == nullptr ? absl::InfiniteFuture() : pending->not_before});
}

}  // namespace sallyport::credential_issuer
