// TURN credentials that the relay checks without any user table.
//
//   body     = version u8 (1) | key id u32 | expiry u64 (Unix seconds)
//            | tenant (u8 length, text) | subject (u8 length, text)
//            | nonce (12 octets)                           all big-endian
//   tag      = first 16 octets of HMAC-SHA-256(key, "sallyport turn tag" body)
//   username = base64url(body tag), without padding
//   password = base64url(HMAC-SHA-256(key, username)), without padding
//
// Mint and verify are one file, so that they cannot drift.

#ifndef SALLYPORT_SERVICES_COMMON_TURN_CREDENTIAL_TURN_CREDENTIAL_H_
#define SALLYPORT_SERVICES_COMMON_TURN_CREDENTIAL_TURN_CREDENTIAL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"

namespace sallyport {

// No credential lives longer (AVE: 480 minutes).
inline constexpr absl::Duration kMaxTurnCredentialLifetime = absl::Hours(8);
// How far the issuer's clock may be ahead of the relay's.
inline constexpr absl::Duration kTurnCredentialClockSkew = absl::Minutes(5);
// Octets of a key, and the longest texts: with these a username stays below
// the 509 octets of RFC 8489 section 14.3.
inline constexpr size_t kTurnKeySize = 32;
inline constexpr size_t kMaxTurnTenant = 64;
inline constexpr size_t kMaxTurnSubject = 255;
inline constexpr size_t kMaxTurnUsername = 483;

// What a credential says.
struct TurnClaims {
  uint32_t key_id = 0;
  absl::Time expiry;    // whole seconds
  std::string tenant;   // 1 to kMaxTurnTenant octets
  std::string subject;  // opaque; 1 to kMaxTurnSubject octets
};

// What the client is given.
struct TurnCredential {
  std::string username;
  Secret password;
  std::string credential_id;  // lower-case hex of the nonce; no secret
};

// Makes a credential under `key`, which is the one that claims.key_id names.
// INVALID_ARGUMENT if a text or the key has a wrong size, or the expiry is not
// after `now` or more than kMaxTurnCredentialLifetime after it. A fraction of a
// second of the expiry is cut off.
absl::StatusOr<TurnCredential> MintTurnCredential(const TurnClaims& claims,
                                                  const Secret& key,
                                                  absl::Time now,
                                                  RandomSource& random);

// The key that `username` asks to be checked with. Nothing of it is to be
// believed yet. nullopt if it is not of our form. Does not allocate.
std::optional<uint32_t> KeyIdOfTurnUsername(std::string_view username);

// A username that we did mint, in force at the time it was checked.
struct VerifiedTurnCredential {
  TurnClaims claims;
  Secret password;  // for the long-term credential key, RFC 8489 section 9.2.2
  std::string credential_id;  // what a revocation of one credential names
};

// Checks `username` under the key that KeyIdOfTurnUsername named. The bare
// codes, without messages so that a flood costs no allocation:
// INVALID_ARGUMENT not of our form; UNAUTHENTICATED not minted under this key,
// or living longer than allowed; FAILED_PRECONDITION expired, at `now` equal to
// the expiry already. Revocation is the caller's question. The time does not
// depend on where a wrong tag differs.
absl::StatusOr<VerifiedTurnCredential> VerifyTurnUsername(
    std::string_view username, const Secret& key, absl::Time now);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TURN_CREDENTIAL_TURN_CREDENTIAL_H_
