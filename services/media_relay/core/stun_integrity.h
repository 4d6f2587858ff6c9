// MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 (RFC 8489 sections 9, 14.5
// and 14.6). The only way from a parsed message to an authenticated one.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_INTEGRITY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_INTEGRITY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/types/span.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {

enum class StunIntegrity : uint8_t { kSha1, kSha256 };

// PASSWORD-ALGORITHM numbers (RFC 8489 section 18.5).
enum class PasswordAlgorithm : uint16_t { kMd5 = 0x0001, kSha256 = 0x0002 };

// What this relay offers: SHA-256, then MD5, both without parameters.
inline constexpr std::array<uint8_t, 8> kPasswordAlgorithmsValue = {
    0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00};
// The same in FIPS mode: SHA-256.
inline constexpr std::array<uint8_t, 4> kApprovedPasswordAlgorithmsValue = {
    0x00, 0x02, 0x00, 0x00};

// The long-term key H(user ":" realm ":" password), erased at its end.
// Thread-compatible.
class LongTermKey {
 public:
  LongTermKey() = default;
  LongTermKey(const LongTermKey&) = default;
  LongTermKey& operator=(const LongTermKey&) = default;
  ~LongTermKey();

  // RFC 8489 section 9.2.2 (MD5) and 18.5.1.2 (SHA-256). The strings are used
  // as they are: our user names and passwords are base64url, which SASLprep
  // and OpaqueString leave unchanged.
  static LongTermKey Derive(PasswordAlgorithm algorithm,
                            std::string_view username, std::string_view realm,
                            std::string_view password);

  absl::Span<const uint8_t> bytes() const {
    return absl::MakeConstSpan(bytes_.data(), size_);
  }

 private:
  std::array<uint8_t, 32> bytes_ = {};
  size_t size_ = 0;
};

// A message whose integrity attribute was verified with a key of ours. Only
// VerifyIntegrity() makes one; turn_server takes nothing else for the methods
// that need authentication. Immutable.
class AuthenticatedStunMessage {
 public:
  const StunMessage& message() const { return message_; }
  // How it was protected: the answer is protected likewise.
  StunIntegrity integrity() const { return integrity_; }

 private:
  friend std::optional<AuthenticatedStunMessage> VerifyIntegrity(
      const StunMessage& message, absl::Span<const uint8_t> key);
  AuthenticatedStunMessage(const StunMessage& message, StunIntegrity integrity)
      : message_(message), integrity_(integrity) {}

  StunMessage message_;
  StunIntegrity integrity_;
};

// Checks the strongest integrity attribute present (RFC 8489 section 9.2.4:
// the other one is ignored) in constant time. Nothing when it is absent or
// does not match. No heap.
std::optional<AuthenticatedStunMessage> VerifyIntegrity(
    const StunMessage& message, absl::Span<const uint8_t> key);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_INTEGRITY_H_
