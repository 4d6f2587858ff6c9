// The long-term credential mechanism of TURN: RFC 8489 section 9.2, with
// passwords derived from the user name, so that no user table exists (AVE-15).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_AUTHENTICATOR_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_AUTHENTICATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/rolling_keys.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_nonce.h"

namespace sallyport::media_relay {

struct TurnAuthenticatorOptions {
  std::string realm = "sallyport";
  absl::Duration nonce_lifetime = absl::Minutes(10);
  // A wrong HMAC is answered with 401; false: dropped (AVE-16).
  bool answer_wrong_integrity = false;
  // The highest MS-Version that clients of the A/V Edge dialect are told: 2, 3
  // (SHA-256) or 4 (IPv6 beside IPv4).
  uint32_t ms_turn_version = 4;
  // For nonces, the same in each loop of a relay; none: its own.
  std::optional<RollingKeys::Key> secret;
  // To one source prefix, before it has authenticated. 0: no limit.
  uint32_t unauthenticated_replies_per_second = 50;
  // How many prefixes are told apart.
  size_t limited_sources = 16384;
  // FIPS mode: no key is made with MD5. SHA-256 is offered in every challenge,
  // and a request without it is refused with 400 (IMP-70).
  bool approved_only = false;
};

// A request whose credential is in force and whose HMAC matches.
struct AuthenticatedRequest {
  AuthenticatedStunMessage message;
  VerifiedCredential credential;
  LongTermKey key;
};

// What an unauthenticated request is answered with, or why it is not.
struct TurnChallenge {
  DropReason drop = DropReason::kNone;
  StunError error = StunError::kUnauthenticated;
  absl::Span<const uint8_t> answer;  // in the lent reply buffer
};

// Stores nothing for a source that has not authenticated. No answer to a
// datagram of one is longer than 2.6 times its question (2.9 times with
// `approved_only`), with a realm of up to 12 characters, and each source prefix
// gets a bounded number of them. Thread-compatible.
class TurnAuthenticator {
 public:
  // `random` must outlive the authenticator.
  TurnAuthenticator(const TurnAuthenticatorOptions& options,
                    RandomSource& random);

  // Either the authenticated request, or `refused` says what to do instead.
  std::optional<AuthenticatedRequest> Authenticate(const StunMessage& message,
                                                   const ClientPath& path,
                                                   absl::Span<uint8_t> reply,
                                                   Now now,
                                                   TurnChallenge& refused);

  // For the dialect that has rules of its own.
  TurnNonce::Text MakeNonce(const Endpoint& client, MonoTime now) {
    return nonce_.Make(client, /*offer_algorithms=*/false, now);
  }
  bool IsNonceValid(std::string_view nonce, const Endpoint& client,
                    MonoTime now) {
    return nonce_.Verify(nonce, client, now).verdict ==
           TurnNonce::Verdict::kValid;
  }
  // As CredentialKeys::Verify(); UNAUTHENTICATED while there are no keys.
  absl::StatusOr<VerifiedCredential> Verify(std::string_view username,
                                            absl::Time now) const;
  const std::string& realm() const { return options_.realm; }
  bool approved_only() const { return options_.approved_only; }
  uint32_t ms_turn_version() const { return options_.ms_turn_version; }
  bool answers_wrong_integrity() const {
    return options_.answer_wrong_integrity;
  }

  // One more answer to this source before it authenticates? Per address in
  // IPv4, per /64 in IPv6.
  bool MayAnswer(const IpAddress& client, MonoTime now);

  void SetKeys(std::shared_ptr<const CredentialKeys> keys);
  // Still good, as of the keys in force?
  bool IsGood(std::string_view username, absl::Time now) const;

 private:
  // The value of PASSWORD-ALGORITHMS.
  absl::Span<const uint8_t> Offered() const {
    if (options_.approved_only) return kApprovedPasswordAlgorithmsValue;
    return kPasswordAlgorithmsValue;
  }
  TurnChallenge Challenge(const StunMessage& message, StunError error,
                          const ClientPath& path, absl::Span<uint8_t> reply,
                          Now now);

  TurnAuthenticatorOptions options_;
  TurnNonce nonce_;
  GcraTable limiter_;
  std::shared_ptr<const CredentialKeys> keys_;
};

// Protects an answer as its question was protected.
void AddIntegrity(StunIntegrity integrity, const LongTermKey& key,
                  StunWriter& writer);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_AUTHENTICATOR_H_
