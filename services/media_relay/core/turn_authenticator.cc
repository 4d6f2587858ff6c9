#include "services/media_relay/core/turn_authenticator.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
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
namespace {

namespace attr = stun_attribute;

// PASSWORD-ALGORITHM: number, then a parameter length, which is 0 for both.
std::optional<PasswordAlgorithm> ParseAlgorithm(
    absl::Span<const uint8_t> value) {
  if (value.size() != 4 || value[0] != 0 || value[2] != 0 || value[3] != 0) {
    return std::nullopt;
  }
  if (value[1] == 1) return PasswordAlgorithm::kMd5;
  if (value[1] == 2) return PasswordAlgorithm::kSha256;
  return std::nullopt;
}

size_t Padded(size_t size) { return (size + 3) & ~size_t{3}; }

}  // namespace

void AddIntegrity(StunIntegrity integrity, const LongTermKey& key,
                  StunWriter& writer) {
  if (integrity == StunIntegrity::kSha256) {
    writer.AddIntegritySha256(key.bytes());
  } else {
    writer.AddIntegritySha1(key.bytes());
  }
}

TurnAuthenticator::TurnAuthenticator(const TurnAuthenticatorOptions& options,
                                     RandomSource& random)
    : options_(options),
      nonce_(options.secret.has_value() ? *options.secret
                                        : RollingKeys::NewSecret(random),
             options.nonce_lifetime),
      limiter_(
          GcraLimit::PerSecond(
              options.unauthenticated_replies_per_second,
              std::max<int64_t>(1, options.unauthenticated_replies_per_second)),
          options.limited_sources, random) {}

bool TurnAuthenticator::MayAnswer(const IpAddress& client, MonoTime now) {
  ByteSpan prefix = client.bytes();
  if (client.is_v6()) prefix = prefix.first(8);
  return limiter_.Take(prefix, now).allowed;
}

void TurnAuthenticator::SetKeys(std::shared_ptr<const CredentialKeys> keys) {
  keys_ = std::move(keys);
}

absl::StatusOr<VerifiedCredential> TurnAuthenticator::Verify(
    std::string_view username, absl::Time now) const {
  if (keys_ == nullptr) {
    return absl::Status(absl::StatusCode::kUnauthenticated, "");
  }
  return keys_->Verify(username, now);
}

bool TurnAuthenticator::IsGood(std::string_view username,
                               absl::Time now) const {
  return keys_ != nullptr && keys_->Verify(username, now).ok();
}

std::optional<AuthenticatedRequest> TurnAuthenticator::Authenticate(
    const StunMessage& message, const ClientPath& path,
    absl::Span<uint8_t> reply, Now now, TurnChallenge& refused) {
  // RFC 8489 section 9.2.4, in its order but for the nonce: it is checked
  // before the HMAC, as it proves the address at a lower price.
  const auto challenge = [&](StunError error) {
    refused = Challenge(message, error, path, reply, now);
    return std::nullopt;
  };
  if (message.integrity_sha256_offset() == 0 &&
      message.integrity_offset() == 0) {
    return challenge(StunError::kUnauthenticated);
  }
  const std::optional<std::string_view> username =
      message.FindText(attr::kUsername);
  const std::optional<std::string_view> nonce = message.FindText(attr::kNonce);
  // One name, and the rest of what a signed request has.
  const bool hashed = message.Has(attr::kUserhash);
  if (username.has_value() == hashed || !nonce.has_value() ||
      !message.Has(attr::kRealm)) {
    return challenge(StunError::kBadRequest);
  }

  const TurnNonce::Check check = nonce_.Verify(*nonce, path.client, now.mono);
  if (check.verdict != TurnNonce::Verdict::kValid) {
    return challenge(StunError::kStaleNonce);
  }

  PasswordAlgorithm algorithm = PasswordAlgorithm::kMd5;
  const auto chosen = message.Find(attr::kPasswordAlgorithm);
  const auto offered = message.Find(attr::kPasswordAlgorithms);
  if (chosen.has_value() || (check.offered_algorithms && offered)) {
    // The client repeats our list, so that a changed one is found out.
    if (!chosen.has_value() || !offered.has_value() || *offered != Offered()) {
      return challenge(StunError::kBadRequest);
    }
    const std::optional<PasswordAlgorithm> parsed = ParseAlgorithm(*chosen);
    if (!parsed.has_value()) return challenge(StunError::kBadRequest);
    algorithm = *parsed;
  }
  if (options_.approved_only && algorithm != PasswordAlgorithm::kSha256) {
    return challenge(StunError::kBadRequest);
  }

  // No hash is one of a name that we know: our names are told by clients alone,
  // so that there is nothing to look a hash up in, and the nonce never offers
  // username anonymity (bit 1, RFC 8489 sections 9.2.1 and 14.4).
  if (keys_ == nullptr || hashed) {
    return challenge(StunError::kUnauthenticated);
  }
  absl::StatusOr<VerifiedCredential> credential =
      keys_->Verify(*username, now.wall);
  if (!credential.ok()) return challenge(StunError::kUnauthenticated);
  const LongTermKey key =
      LongTermKey::Derive(algorithm, *username, options_.realm,
                          credential->password.DangerousText());
  const std::optional<AuthenticatedStunMessage> authenticated =
      VerifyIntegrity(message, key.bytes());
  if (!authenticated.has_value()) {
    if (options_.answer_wrong_integrity) {
      return challenge(StunError::kUnauthenticated);
    }
    refused.drop = DropReason::kWrongIntegrity;
    return std::nullopt;
  }
  return AuthenticatedRequest{*authenticated, *std::move(credential), key};
}

TurnChallenge TurnAuthenticator::Challenge(const StunMessage& message,
                                           StunError error,
                                           const ClientPath& path,
                                           absl::Span<uint8_t> reply, Now now) {
  TurnChallenge challenge;
  challenge.error = error;
  if (!MayAnswer(path.client.ip, now.mono)) {
    challenge.drop = DropReason::kRateLimited;
    return challenge;
  }
  const bool with_nonce =
      error == StunError::kUnauthenticated || error == StunError::kStaleNonce;
  // Without the algorithms 72 bytes for a realm of up to 12 characters: 2.6
  // times the shortest Allocate (28 bytes), to which an answer is due whatever
  // its size. The algorithms are offered to requests that are long enough; to
  // leave them out weakens nothing, as no password has under 128 bits.
  const size_t algorithms = 4 + Offered().size();
  // Who has a connection has proved the address, so nothing is amplified.
  const size_t budget =
      path.has_connection() ? reply.size() : message.bytes().size() * 26 / 10;
  bool offer = false;
  if (with_nonce) {
    const size_t size = kStunHeaderSize + 8 + 4 + TurnNonce::kSize + 4 +
                        Padded(options_.realm.size());
    offer = options_.approved_only || size + algorithms <= budget;
    const bool due = message.Is(StunClass::kRequest, StunMethod::kAllocate) &&
                     message.Has(attr::kRequestedTransport);
    if (size > budget && !due) {
      challenge.drop = DropReason::kAnswerTooLarge;
      return challenge;
    }
  }

  StunWriter writer(reply, StunClass::kError, message.method(),
                    message.transaction_id());
  writer.AddErrorCode(error);
  if (with_nonce) {
    const TurnNonce::Text nonce = nonce_.Make(path.client, offer, now.mono);
    writer.AddText(attr::kRealm, options_.realm);
    writer.AddText(attr::kNonce, std::string_view(nonce.data(), nonce.size()));
    if (offer) writer.AddPasswordAlgorithms(Offered());
  }
  challenge.answer = writer.finished();
  return challenge;
}

}  // namespace sallyport::media_relay
