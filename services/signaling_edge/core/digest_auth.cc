#include "services/signaling_edge/core/digest_auth.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/hmac.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kKeySize = 32;
constexpr size_t kNonceTagSize = 16;
constexpr size_t kNonceSize = 8 + 8 + kNonceTagSize;
constexpr size_t kMaxCnonce = 256;

uint64_t Micros(absl::Duration time) {
  const int64_t us = absl::ToInt64Microseconds(time);
  return us < 0 ? 0 : static_cast<uint64_t>(us);
}

// What the shared keys are for elsewhere must not make nonces.
std::vector<Secret> KeysOf(RandomSource& random,
                           const DigestAuth::Options& options) {
  std::vector<Secret> keys;
  if (options.keys == nullptr) {
    keys.push_back(Secret::Random(random, kKeySize));
    return keys;
  }
  for (const Secret& shared : options.keys->all()) {
    const Sha256Digest key =
        HmacSha256(shared.DangerousBytes(), AsBytes("digest nonces"));
    keys.push_back(Secret::CopyOf(ByteSpan(key)));
  }
  return keys;
}

// H() of RFC 7616 section 3.3, in hex.
std::string HashHex(DigestAlgorithm algorithm, std::string_view text) {
  if (algorithm == DigestAlgorithm::kMd5) {
    const Md5Digest digest = Md5(AsBytes(text));
    return HexEncode(digest);
  }
  const Sha256Digest digest = Sha256(AsBytes(text));
  return HexEncode(digest);
}

// "00000001": exactly eight hexadecimal digits.
std::optional<uint32_t> ParseCount(std::string_view text) {
  if (text.size() != 8) return std::nullopt;
  uint32_t count = 0;
  for (const char c : text) {
    const int digit = HexValue(c);
    if (digit < 0) return std::nullopt;
    count = count << 4 | static_cast<uint32_t>(digit);
  }
  return count;
}

// "user" or "user@realm": some phones send their address.
bool SameUser(std::string_view sent, const DigestAuth::Expected& expected) {
  if (sent == expected.username) return true;
  return sent.size() == expected.username.size() + 1 + expected.realm.size() &&
         sent.starts_with(expected.username) &&
         sent[expected.username.size()] == '@' &&
         EqualsIgnoreCase(sent.substr(expected.username.size() + 1),
                          expected.realm);
}

}  // namespace

std::string_view DigestAlgorithmName(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::kMd5 ? "MD5" : "SHA-256";
}

DigestAuth::DigestAuth(RandomSource& random, Options options)
    : random_(random),
      options_(std::move(options)),
      keys_(KeysOf(random, options_)),
      // Who shares the counts is one maker.
      mark_(static_cast<uint16_t>(
          options_.node.edge ^ (options_.counts != nullptr
                                    ? 0
                                    : options_.node.loop * uint64_t{0x9e37}))),
      counts_(options_.counts != nullptr
                  ? *options_.counts
                  : own_counts_.emplace(options_.max_tracked_nonces)) {}

uint64_t DigestAuth::SharedMicros(MonoTime now) const {
  return Micros(now.since_origin() + options_.to_shared_time);
}

std::string DigestAuth::NonceText(const Secret& key, const NonceId& id,
                                  std::string_view realm) {
  ByteBuilder builder;
  builder.WriteU64(id.made);
  builder.WriteU64(id.random);
  const Sha256Digest tag =
      HmacSha256(key.DangerousBytes(),
                 {AsBytes("nonce"), builder.written(), AsBytes(realm)});
  builder.WriteBytes(ByteSpan(tag).first(kNonceTagSize));
  return HexEncode(builder.written());
}

bool DigestAuth::ReadNonce(std::string_view text, std::string_view realm,
                           NonceId& id) const {
  if (text.size() != 2 * kNonceSize) return false;
  const absl::StatusOr<std::string> bytes = HexDecode(text);
  if (!bytes.ok()) return false;
  id = {};
  for (size_t i = 0; i < 8; ++i) {
    id.made = id.made << 8 | static_cast<uint8_t>((*bytes)[i]);
    id.random = id.random << 8 | static_cast<uint8_t>((*bytes)[8 + i]);
  }
  for (const Secret& key : keys_) {
    if (ConstantTimeEquals(AsBytes(NonceText(key, id, realm)), AsBytes(text))) {
      return true;
    }
  }
  return false;
}

std::string DigestAuth::Challenge(std::string_view realm,
                                  DigestAlgorithm algorithm, bool stale,
                                  MonoTime now) {
  const NonceId id = {SharedMicros(now),
                      (random_.NextU64() & ~uint64_t{0xffff}) | mark_};
  return Cat("Digest realm=", Quote(realm), ", nonce=\"",
             NonceText(keys_.front(), id, realm),
             "\", qop=\"auth\", algorithm=", DigestAlgorithmName(algorithm),
             stale ? ", stale=true" : "");
}

DigestAuth::Verdict DigestAuth::Verify(std::string_view credentials,
                                       std::string_view method,
                                       const Expected& expected, MonoTime now) {
  const absl::StatusOr<AuthValue> value = ParseAuthValue(credentials);
  if (!value.ok() || !EqualsIgnoreCase(value->scheme, "Digest")) {
    return Verdict::kFailed;
  }
  const auto get = [&](std::string_view name) {
    return value->Get(name).value_or("");
  };
  const std::string nonce = get("nonce");
  const std::string uri = get("uri");
  const std::string cnonce = get("cnonce");
  const std::string nc = get("nc");
  std::string response = get("response");
  for (char& c : response) c = ToLower(c);
  const std::string algorithm = value->Get("algorithm").value_or("MD5");

  // Who is refused anyway still costs the hashes below, and fails after them.
  const bool refuse = expected.refuse || expected.ha1.empty();
  const std::string ha2 = HashHex(expected.algorithm, Cat(method, ":", uri));
  const std::string want = HashHex(
      expected.algorithm,
      Cat(expected.ha1, ":", nonce, ":", nc, ":", cnonce, ":auth:", ha2));
  const bool right = ConstantTimeEquals(AsBytes(want), AsBytes(response));

  const std::optional<uint32_t> count = ParseCount(nc);
  if (refuse || !right || !SameUser(get("username"), expected) ||
      get("realm") != expected.realm ||
      !EqualsIgnoreCase(algorithm, DigestAlgorithmName(expected.algorithm)) ||
      get("qop") != "auth" || !count.has_value() || *count == 0 ||
      cnonce.empty() || cnonce.size() > kMaxCnonce || uri.empty()) {
    return Verdict::kFailed;
  }
  NonceId id;
  if (!ReadNonce(nonce, expected.realm, id)) return Verdict::kStale;
  const absl::Duration lifetime = expected.nonce_lifetime > absl::ZeroDuration()
                                      ? expected.nonce_lifetime
                                      : options_.nonce_lifetime;
  return TakeCount(id, *count, lifetime, now) ? Verdict::kAccepted
                                              : Verdict::kStale;
}

bool DigestAuth::TakeCount(const NonceId& id, uint32_t count,
                           absl::Duration lifetime, MonoTime now) {
  const uint64_t now_us = SharedMicros(now);
  const uint64_t lifetime_us = Micros(lifetime);
  const bool own = (id.random & 0xffff) == mark_;
  const uint64_t allowed_us =
      own ? lifetime_us : std::min(lifetime_us, Micros(kForeignLifetime));
  // Loops of one edge read the clock at moments of their own.
  const uint64_t latest_us =
      own && options_.counts == nullptr ? now_us : now_us + Micros(kSkew);
  if (id.made > latest_us) return false;
  return counts_.Take(id, count, now_us > allowed_us ? now_us - allowed_us : 0);
}

uint64_t DigestAuth::Draw(std::string_view username,
                          std::string_view realm) const {
  const Sha256Digest tag = HmacSha256(
      keys_.front().DangerousBytes(),
      {AsBytes("decoy"), AsBytes(username), AsBytes("@"), AsBytes(realm)});
  uint64_t draw = 0;
  for (size_t i = 0; i < 8; ++i) draw = draw << 8 | tag[i];
  return draw;
}

}  // namespace sallyport::signaling_edge
