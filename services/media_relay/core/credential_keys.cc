#include "services/media_relay/core/credential_keys.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/turn_credential/turn_credential.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;

// The nonce stands before the tag at the end of the decoded user name.
std::string CredentialId(std::string_view username) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(AbslView(username), &bytes) ||
      bytes.size() < kNonceSize + kTagSize) {
    return "";
  }
  return HexEncode(
      AsBytes(bytes).subspan(bytes.size() - kNonceSize - kTagSize, kNonceSize));
}

absl::Status Refused() {
  return absl::Status(absl::StatusCode::kUnauthenticated, "");
}

}  // namespace

std::string RevokedSubjectKey(std::string_view tenant,
                              std::string_view subject) {
  std::string key(tenant);
  key.push_back('\0');
  key.append(subject);
  return key;
}

CredentialKeys::CredentialKeys(int64_t version,
                               std::vector<VerificationKey> keys,
                               Revocations revocations)
    : version_(version), revocations_(std::move(revocations)) {
  for (VerificationKey& key : keys) {
    const uint32_t id = key.id;
    keys_[id] = std::move(key);
  }
}

absl::StatusOr<VerifiedCredential> CredentialKeys::Verify(
    std::string_view username, absl::Time now) const {
  const std::optional<uint32_t> key_id = KeyIdOfTurnUsername(username);
  if (!key_id.has_value()) {
    return absl::Status(absl::StatusCode::kInvalidArgument, "");
  }
  const auto it = keys_.find(*key_id);
  if (it == keys_.end() || revocations_.key_ids.contains(*key_id)) {
    return Refused();
  }
  const VerificationKey& key = it->second;
  if (now + kTurnCredentialClockSkew < key.not_before || now >= key.not_after) {
    return Refused();
  }
  absl::StatusOr<VerifiedTurnCredential> verified =
      VerifyTurnUsername(username, key.secret, now);
  if (!verified.ok()) return verified.status();
  VerifiedCredential credential;
  credential.id = CredentialId(username);
  if (revocations_.credential_ids.contains(credential.id) ||
      revocations_.subjects.contains(RevokedSubjectKey(
          verified->claims.tenant, verified->claims.subject))) {
    return Refused();
  }
  credential.username = std::string(username);
  credential.tenant = std::move(verified->claims.tenant);
  credential.subject = std::move(verified->claims.subject);
  credential.key_id = *key_id;
  credential.expiry = verified->claims.expiry;
  credential.password = std::move(verified->password);
  return credential;
}

std::vector<uint32_t> CredentialKeys::key_ids() const {
  std::vector<uint32_t> ids;
  for (const auto& [id, key] : keys_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace sallyport::media_relay
