#include "services/credential_issuer/core/issuer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/hmac.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/revocation_list.h"

namespace sallyport::credential_issuer {
namespace {

// Octets of the hash that stands for a subject.
constexpr size_t kOpaqueBytes = 16;

std::string OpaqueName(const Secret& key, std::string_view tenant,
                       std::string_view subject, uint32_t generation) {
  ByteBuilder input;
  input.WriteU32(generation);
  input.WriteU8(static_cast<uint8_t>(tenant.size()));
  input.WriteText(tenant);
  input.WriteText(subject);
  const auto code = HmacSha256(key.DangerousBytes(), input.written());
  return HexEncode(ByteSpan(code).subspan(0, kOpaqueBytes));
}

}  // namespace

Issuer::Issuer(IssueLimits limits, const Secret& subject_key,
               std::shared_ptr<const IssuerState> state)
    : limits_(limits), subject_key_(subject_key), state_(std::move(state)) {}

std::string Issuer::OpaqueSubject(std::string_view tenant,
                                  std::string_view subject) const {
  // The first generation that is not revoked. A revocation is dropped once all
  // that it revokes has expired, so its generation can then be used again.
  for (uint32_t generation = 0;; ++generation) {
    std::string name = OpaqueName(subject_key_, tenant, subject, generation);
    if (!state_->revocations.Contains(RevocationKind::kSubject, tenant, name)) {
      return name;
    }
  }
}

absl::StatusOr<IssuedCredential> Issuer::Issue(const IssueRequest& request,
                                               absl::Time now,
                                               RandomSource& random) const {
  SP_RETURN_IF_ERROR(CheckIssueRequest(request));
  SP_RETURN_IF_ERROR(CheckTenantEnabled(limits_, request.tenant));
  const RingKey* const key = state_->ring.ActiveAt(now);
  if (key == nullptr) {
    return MakeError(absl::StatusCode::kUnavailable, "NO_ACTIVE_KEY",
                     "there is no key to make credentials with");
  }
  TurnClaims claims;
  claims.key_id = key->id;
  claims.expiry =
      std::min(now + LifetimeFor(limits_, request.tenant, request.lifetime),
               key->not_after);
  // User names hold whole seconds; what we tell is what they hold.
  claims.expiry = absl::FromUnixSeconds(absl::ToUnixSeconds(claims.expiry));
  if (claims.expiry <= now) claims.expiry += absl::Seconds(1);
  claims.tenant = request.tenant;
  claims.subject = OpaqueSubject(request.tenant, request.subject);
  SP_ASSIGN_OR_RETURN(TurnCredential minted,
                      MintTurnCredential(claims, *key->secret, now, random));
  IssuedCredential out;
  out.username = std::move(minted.username);
  out.password = std::move(minted.password);
  out.expire_time = claims.expiry;
  out.lifetime = claims.expiry - now;
  out.key_id = key->id;
  out.key_version = key->made_version;
  out.credential_id = std::move(minted.credential_id);
  out.opaque_subject = std::move(claims.subject);
  return out;
}

absl::StatusOr<std::string> Issuer::CredentialIdOf(std::string_view tenant,
                                                   std::string_view username,
                                                   absl::Time now) const {
  const auto invalid = [] {
    return MakeError(absl::StatusCode::kInvalidArgument, "USERNAME_INVALID",
                     "no credential of this tenant in force has this user name",
                     {{"username", "was not made here, or has expired"}});
  };
  const std::optional<uint32_t> key_id = KeyIdOfTurnUsername(username);
  if (!key_id) return invalid();
  const RingKey* const key = state_->ring.Find(*key_id);
  if (key == nullptr || key->revoked) return invalid();
  auto verified = VerifyTurnUsername(username, *key->secret, now);
  if (!verified.ok() || verified->claims.tenant != tenant) return invalid();
  return std::move(verified->credential_id);
}

}  // namespace sallyport::credential_issuer
