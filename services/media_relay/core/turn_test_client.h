// A TURN client for tests: writes requests and reads answers.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_TEST_CLIENT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_TEST_CLIENT_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"

namespace sallyport::media_relay {

inline Secret TestKey(char fill = 'k') {
  return Secret::CopyOf(std::string(kTurnKeySize, fill));
}

// A ring with key 7 ('k' 32 times) good for a day around `now`.
inline std::shared_ptr<const CredentialKeys> TestKeys(
    absl::Time now, Revocations revocations = {}, uint32_t id = 7) {
  std::vector<VerificationKey> keys(1);
  keys[0].id = id;
  keys[0].secret = TestKey();
  keys[0].not_before = now - absl::Hours(12);
  keys[0].not_after = now + absl::Hours(12);
  return std::make_shared<const CredentialKeys>(1, std::move(keys),
                                                std::move(revocations));
}

// Thread-compatible.
class TurnTestClient {
 public:
  using Fill = std::function<void(StunWriter&)>;

  TurnTestClient(absl::Time now, RandomSource& random,
                 absl::Duration lifetime = absl::Hours(1),
                 std::string_view subject = "subject",
                 std::string_view tenant = "default")
      : random_(random) {
    TurnClaims claims;
    claims.key_id = 7;
    claims.expiry = now + lifetime;
    claims.tenant = std::string(tenant);
    claims.subject = std::string(subject);
    TurnCredential credential =
        MintTurnCredential(claims, TestKey(), now, random).value();
    username = credential.username;
    password = std::string(credential.password.DangerousText());
  }

  // A request without credentials.
  std::string Bare(StunMethod method, const Fill& fill = nullptr,
                   StunClass message_class = StunClass::kRequest) {
    return Write(method, message_class, fill, false);
  }
  // With USERNAME, REALM, NONCE and integrity.
  std::string Signed(StunMethod method, const Fill& fill = nullptr) {
    return Write(method, StunClass::kRequest, fill, true);
  }

  // Takes realm, nonce and offer from a 401 or 438.
  void TakeChallenge(const std::string& answer) {
    const auto message = ParseStunMessage(AsBytes(answer));
    if (!message.ok()) return;
    realm = std::string(message->FindText(stun_attribute::kRealm).value_or(""));
    nonce = std::string(message->FindText(stun_attribute::kNonce).value_or(""));
    offered = message->Has(stun_attribute::kPasswordAlgorithms);
  }

  LongTermKey Key() const {
    return LongTermKey::Derive(
        use_sha256 ? PasswordAlgorithm::kSha256 : PasswordAlgorithm::kMd5,
        username, realm, password);
  }

  // 0 for success, the error code, or -1 for what is not an answer of ours.
  static int CodeOf(const std::string& answer) {
    const auto message = ParseStunMessage(AsBytes(answer));
    if (!message.ok()) return -1;
    if (message->message_class() == StunClass::kSuccess) return 0;
    const auto code = message->FindUint32(stun_attribute::kErrorCode);
    if (!code.has_value()) return -1;
    return static_cast<int>((*code >> 8) * 100 + (*code & 0xFF));
  }

  std::string username;
  std::string password;
  std::string realm;
  std::string nonce;
  bool offered = false;        // PASSWORD-ALGORITHMS was in the challenge
  bool approved_only = false;  // repeats the list of FIPS mode
  bool use_sha256 = false;     // answer with SHA-256 throughout
  bool software = false;       // adds SOFTWARE to bare requests
  bool fingerprint = false;
  std::string userhash;             // sent in place of the user name
  bool both_names = false;          // beside it
  bool repeat_transaction = false;  // keeps the last transaction id

 private:
  std::string Write(StunMethod method, StunClass message_class,
                    const Fill& fill, bool sign) {
    if (!repeat_transaction) random_.Fill(absl::MakeSpan(transaction_));
    std::vector<uint8_t> buffer(2048);
    StunWriter writer(absl::MakeSpan(buffer), message_class,
                      static_cast<uint16_t>(method), transaction_);
    if (fill) fill(writer);
    if (software) writer.AddText(stun_attribute::kSoftware, "test client");
    if (sign) {
      if (!userhash.empty()) {
        writer.AddText(stun_attribute::kUserhash, userhash);
      }
      if (userhash.empty() || both_names) {
        writer.AddText(stun_attribute::kUsername, username);
      }
      writer.AddText(stun_attribute::kRealm, realm);
      writer.AddText(stun_attribute::kNonce, nonce);
      if (use_sha256) {
        if (approved_only) {
          writer.AddPasswordAlgorithms(kApprovedPasswordAlgorithmsValue);
        } else {
          writer.AddPasswordAlgorithms();
        }
        writer.AddBytes(stun_attribute::kPasswordAlgorithm, {0, 2, 0, 0});
        writer.AddIntegritySha256(Key().bytes());
      } else {
        writer.AddIntegritySha1(Key().bytes());
      }
    }
    if (fingerprint) writer.AddFingerprint();
    return ToString(writer.finished());
  }

  RandomSource& random_;
  StunTransactionId transaction_ = {};
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_TURN_TEST_CLIENT_H_
