#include "services/media_relay/core/turn_nonce.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/hmac.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/rolling_keys.h"

namespace sallyport::media_relay {
namespace {

// RFC 8489 section 9.2: the cookie, then 24 bits of features in base64. Bit 0,
// the most significant, is "Password algorithms"; no other is offered.
constexpr std::string_view kCookie = "obMatJos2";
constexpr std::string_view kFeaturesNone = "AAAA";
constexpr std::string_view kFeaturesPasswordAlgorithms = "gAAA";
constexpr size_t kPrefix = 13;
constexpr size_t kBytes = 8;

constexpr char kAlphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Eight bytes are eleven characters without padding; the last two bits are 0.
void Encode(const std::array<uint8_t, kBytes>& bytes, char* out) {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = (value << 8) | byte;
  for (int i = 0; i < 11; ++i) {
    const int shift = 64 - 6 * (i + 1);
    const uint64_t sextet = shift >= 0 ? value >> shift : value << -shift;
    out[i] = kAlphabet[sextet & 63];
  }
}

int Sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

std::optional<std::array<uint8_t, kBytes>> Decode(std::string_view text) {
  uint64_t value = 0;
  for (size_t i = 0; i < 11; ++i) {
    const int sextet = Sextet(text[i]);
    if (sextet < 0) return std::nullopt;
    if (i < 10) {
      value = (value << 6) | static_cast<uint64_t>(sextet);
    } else {
      if ((sextet & 3) != 0) return std::nullopt;  // one spelling only
      value = (value << 4) | static_cast<uint64_t>(sextet >> 2);
    }
  }
  std::array<uint8_t, kBytes> bytes;
  for (size_t i = 0; i < kBytes; ++i) {
    bytes[i] = static_cast<uint8_t>(value >> (8 * (kBytes - 1 - i)));
  }
  return bytes;
}

uint16_t Seconds(MonoTime now) {
  return static_cast<uint16_t>(absl::ToInt64Seconds(now.since_origin()));
}

}  // namespace

TurnNonce::TurnNonce(const RollingKeys::Key& secret, absl::Duration lifetime)
    : lifetime_(std::min(lifetime, kKeyLifetime)),
      keys_(secret, "TURN nonce", kKeyLifetime) {}

std::array<uint8_t, 6> TurnNonce::Tag(const RollingKeys::Key& key,
                                      uint16_t seconds, bool offered,
                                      const Endpoint& client) {
  std::array<uint8_t, 5> head = {static_cast<uint8_t>(seconds >> 8),
                                 static_cast<uint8_t>(seconds),
                                 static_cast<uint8_t>(offered ? 1 : 0),
                                 static_cast<uint8_t>(client.port >> 8),
                                 static_cast<uint8_t>(client.port)};
  const auto mac = HmacSha256(key, {head, client.ip.bytes()});
  std::array<uint8_t, 6> tag;
  std::copy_n(mac.begin(), tag.size(), tag.begin());
  return tag;
}

TurnNonce::Text TurnNonce::Make(const Endpoint& client, bool offer_algorithms,
                                MonoTime now) {
  keys_.Advance(now);
  const uint16_t seconds = Seconds(now);
  const std::array<uint8_t, 6> tag =
      Tag(keys_.current(), seconds, offer_algorithms, client);
  std::array<uint8_t, kBytes> bytes;
  bytes[0] = static_cast<uint8_t>(seconds >> 8);
  bytes[1] = static_cast<uint8_t>(seconds);
  std::copy(tag.begin(), tag.end(), bytes.begin() + 2);

  Text text;
  const std::string_view features =
      offer_algorithms ? kFeaturesPasswordAlgorithms : kFeaturesNone;
  std::copy(kCookie.begin(), kCookie.end(), text.begin());
  std::copy(features.begin(), features.end(), text.begin() + kCookie.size());
  Encode(bytes, text.data() + kPrefix);
  return text;
}

TurnNonce::Check TurnNonce::Verify(std::string_view nonce,
                                   const Endpoint& client, MonoTime now) {
  keys_.Advance(now);
  const Check foreign = {Verdict::kForeign, false};
  if (nonce.size() != kSize || nonce.substr(0, kCookie.size()) != kCookie) {
    return foreign;
  }
  const std::string_view features =
      nonce.substr(kCookie.size(), kPrefix - kCookie.size());
  const bool offered = features == kFeaturesPasswordAlgorithms;
  if (!offered && features != kFeaturesNone) return foreign;
  const std::optional<std::array<uint8_t, kBytes>> bytes =
      Decode(nonce.substr(kPrefix));
  if (!bytes.has_value()) return foreign;

  const uint16_t seconds =
      static_cast<uint16_t>(((*bytes)[0] << 8) | (*bytes)[1]);
  bool ours = false;
  for (const RollingKeys::Key* key : {&keys_.current(), &keys_.former()}) {
    const std::array<uint8_t, 6> tag = Tag(*key, seconds, offered, client);
    ours |= ConstantTimeEquals(tag, absl::MakeConstSpan(*bytes).subspan(2));
  }
  if (!ours) return foreign;
  const uint16_t age = static_cast<uint16_t>(Seconds(now) - seconds);
  if (absl::Seconds(age) > lifetime_) return {Verdict::kStale, offered};
  return {Verdict::kValid, offered};
}

}  // namespace sallyport::media_relay
