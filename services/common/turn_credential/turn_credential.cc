#include "services/common/turn_credential/turn_credential.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/hmac.h"

namespace sallyport {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;
constexpr std::string_view kTagLabel = "sallyport turn tag";
// version, key id, expiry, two lengths, nonce, tag
constexpr size_t kFixedSize = 1 + 4 + 8 + 1 + 1 + kNonceSize + kTagSize;
constexpr size_t kMaxRaw = kFixedSize + kMaxTurnTenant + kMaxTurnSubject;
static_assert((kMaxRaw * 8 + 5) / 6 == kMaxTurnUsername);
// Beyond the year 9999; keeps absl::Time far from its infinities.
constexpr uint64_t kMaxUnixSeconds = 253'402'300'799;

// The value of one base64url digit (RFC 4648 section 5), or -1.
int DigitValue(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

// Without allocation, which absl's does, and strict: no padding, and the bits
// left over are zero, so that each username has one spelling.
std::optional<ByteSpan> DecodeBase64Url(std::string_view text,
                                        std::array<uint8_t, kMaxRaw>& out) {
  if (text.size() > kMaxTurnUsername || text.size() % 4 == 1) {
    return std::nullopt;
  }
  uint32_t bits = 0;
  int count = 0;
  size_t size = 0;
  for (char c : text) {
    const int value = DigitValue(c);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out[size++] = static_cast<uint8_t>(bits >> count);
      bits &= (1u << count) - 1;
    }
  }
  if (bits != 0) return std::nullopt;
  return ByteSpan(out.data(), size);
}

std::string EncodeBase64Url(ByteSpan bytes) {
  return absl::WebSafeBase64Escape(AbslView(AsText(bytes)));  // no padding
}

// A username taken apart, borrowed from its decoded form.
struct Parts {
  ByteSpan body;
  ByteSpan tag;
  uint32_t key_id;
  uint64_t expiry;
  ByteSpan tenant;
  ByteSpan subject;
  ByteSpan nonce;
};

std::optional<Parts> Parse(ByteSpan raw) {
  if (raw.size() < kFixedSize) return std::nullopt;
  Parts parts;
  parts.body = raw.subspan(0, raw.size() - kTagSize);
  parts.tag = raw.subspan(raw.size() - kTagSize);
  ByteReader in(parts.body);
  const auto version = in.ReadU8();
  const auto key_id = in.ReadU32();
  const auto expiry = in.ReadU64();
  const auto tenant = in.ReadU8Prefixed();
  const auto subject = in.ReadU8Prefixed();
  const auto nonce = in.ReadBytes(kNonceSize);
  if (version != kVersion || !key_id || !expiry || !tenant || !subject ||
      !nonce || !in.empty() || tenant->empty() ||
      tenant->size() > kMaxTurnTenant || subject->empty() ||
      *expiry > kMaxUnixSeconds) {
    return std::nullopt;
  }
  parts.key_id = *key_id;
  parts.expiry = *expiry;
  parts.tenant = *tenant;
  parts.subject = *subject;
  parts.nonce = *nonce;
  return parts;
}

Sha256Digest TagOf(ByteSpan body, const Secret& key) {
  return HmacSha256(key.DangerousBytes(), {AsBytes(kTagLabel), body});
}

Secret PasswordOf(std::string_view username, const Secret& key) {
  const Sha256Digest code = HmacSha256(key.DangerousBytes(), AsBytes(username));
  return Secret::Take(EncodeBase64Url(code));
}

}  // namespace

absl::StatusOr<TurnCredential> MintTurnCredential(const TurnClaims& claims,
                                                  const Secret& key,
                                                  absl::Time now,
                                                  RandomSource& random) {
  if (key.size() != kTurnKeySize) {
    return absl::InvalidArgumentError("the TURN key has a wrong size");
  }
  if (claims.tenant.empty() || claims.tenant.size() > kMaxTurnTenant ||
      claims.subject.empty() || claims.subject.size() > kMaxTurnSubject) {
    return absl::InvalidArgumentError("tenant or subject has a wrong size");
  }
  const absl::Duration lifetime = claims.expiry - now;
  if (lifetime <= absl::ZeroDuration() ||
      lifetime > kMaxTurnCredentialLifetime) {
    return absl::InvalidArgumentError("the lifetime is out of bounds");
  }
  const int64_t expiry = absl::ToUnixSeconds(claims.expiry);
  if (expiry < 0 || static_cast<uint64_t>(expiry) > kMaxUnixSeconds) {
    return absl::InvalidArgumentError("the expiry is out of bounds");
  }

  std::array<uint8_t, kNonceSize> nonce;
  random.Fill(absl::MakeSpan(nonce));
  ByteBuilder raw;
  raw.WriteU8(kVersion);
  raw.WriteU32(claims.key_id);
  raw.WriteU64(static_cast<uint64_t>(expiry));
  raw.WriteU8(static_cast<uint8_t>(claims.tenant.size()));
  raw.WriteText(claims.tenant);
  raw.WriteU8(static_cast<uint8_t>(claims.subject.size()));
  raw.WriteText(claims.subject);
  raw.WriteBytes(nonce);
  const Sha256Digest tag = TagOf(raw.written(), key);
  raw.WriteBytes(ByteSpan(tag).subspan(0, kTagSize));

  TurnCredential out;
  out.username = EncodeBase64Url(raw.written());
  out.password = PasswordOf(out.username, key);
  out.credential_id = HexEncode(nonce);
  return out;
}

std::optional<uint32_t> KeyIdOfTurnUsername(std::string_view username) {
  std::array<uint8_t, kMaxRaw> memory;
  const auto raw = DecodeBase64Url(username, memory);
  if (!raw) return std::nullopt;
  const auto parts = Parse(*raw);
  if (!parts) return std::nullopt;
  return parts->key_id;
}

absl::StatusOr<VerifiedTurnCredential> VerifyTurnUsername(
    std::string_view username, const Secret& key, absl::Time now) {
  std::array<uint8_t, kMaxRaw> memory;
  const auto raw = DecodeBase64Url(username, memory);
  const auto parts = raw ? Parse(*raw) : std::nullopt;
  if (!parts) return absl::Status(absl::StatusCode::kInvalidArgument, "");
  if (key.size() != kTurnKeySize) {
    return absl::Status(absl::StatusCode::kUnauthenticated, "");
  }
  const Sha256Digest tag = TagOf(parts->body, key);
  if (!ConstantTimeEquals(ByteSpan(tag).subspan(0, kTagSize), parts->tag)) {
    return absl::Status(absl::StatusCode::kUnauthenticated, "");
  }
  const absl::Time expiry =
      absl::FromUnixSeconds(static_cast<int64_t>(parts->expiry));
  if (now >= expiry) {
    return absl::Status(absl::StatusCode::kFailedPrecondition, "");
  }
  if (expiry - now > kMaxTurnCredentialLifetime + kTurnCredentialClockSkew) {
    return absl::Status(absl::StatusCode::kUnauthenticated, "");
  }
  VerifiedTurnCredential out;
  out.claims = {.key_id = parts->key_id,
                .expiry = expiry,
                .tenant = ToString(parts->tenant),
                .subject = ToString(parts->subject)};
  out.password = PasswordOf(username, key);
  out.credential_id = HexEncode(parts->nonce);
  return out;
}

}  // namespace sallyport
