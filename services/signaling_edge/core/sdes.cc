#include "services/signaling_edge/core/sdes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

struct SuiteRow {
  SrtpSuite suite;
  std::string_view name;
  size_t key_salt_length;
};

constexpr std::array<SuiteRow, 6> kSuites = {{
    {SrtpSuite::kAesCm128HmacSha1_80, "AES_CM_128_HMAC_SHA1_80", 30},
    {SrtpSuite::kAesCm128HmacSha1_32, "AES_CM_128_HMAC_SHA1_32", 30},
    {SrtpSuite::kAesCm256HmacSha1_80, "AES_256_CM_HMAC_SHA1_80", 46},
    {SrtpSuite::kAesCm256HmacSha1_32, "AES_256_CM_HMAC_SHA1_32", 46},
    {SrtpSuite::kAeadAes128Gcm, "AEAD_AES_128_GCM", 28},
    {SrtpSuite::kAeadAes256Gcm, "AEAD_AES_256_GCM", 44},
}};

constexpr std::string_view kInline = "inline:";
constexpr size_t kMaxKeys = 4;
constexpr uint64_t kMaxLifetime = uint64_t{1} << 48;

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SDES_MALFORMED", what);
}

const SuiteRow& RowOf(SrtpSuite suite) {
  for (const SuiteRow& row : kSuites) {
    if (row.suite == suite) return row;
  }
  return kSuites[0];
}

// 1*9DIGIT: a tag (RFC 4568 section 9.1) and an MKI of ours.
bool ParseNumber(std::string_view text, uint32_t& out) {
  const std::optional<uint32_t> number = ParseUint(text, 999'999'999);
  if (text.size() > 9 || !number.has_value()) return false;
  out = *number;
  return true;
}

// "2^n" or a decimal number of packets.
bool ParseLifetime(std::string_view text, uint64_t& out) {
  if (ConsumePrefix(text, "2^")) {
    uint32_t power = 0;
    if (text.size() > 2 || !ParseNumber(text, power) || power > 48) {
      return false;
    }
    out = uint64_t{1} << power;
    return true;
  }
  if (text.empty() || text.size() > 15) return false;
  out = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return false;
    out = out * 10 + static_cast<uint64_t>(c - '0');
  }
  return out >= 1 && out <= kMaxLifetime;
}

// Strict base64 of exactly `length` octets; padding may be left out.
bool DecodeKey(std::string_view text, size_t length, std::string& out) {
  std::string_view digits = text;
  while (digits.ends_with('=')) digits.remove_suffix(1);
  const size_t padding = text.size() - digits.size();
  const size_t want_digits = (length * 8 + 5) / 6;
  const size_t want_padding = (4 - want_digits % 4) % 4;
  if (digits.size() != want_digits ||
      (padding != 0 && padding != want_padding)) {
    return false;
  }
  const bool clean = std::all_of(digits.begin(), digits.end(), [](char c) {
    return (IsDigit(c) || IsAlpha(c)) || c == '+' || c == '/';
  });
  return clean && absl::Base64Unescape(AbslView(digits), &out) &&
         out.size() == length;
}

absl::StatusOr<SdesKey> ParseKey(std::string_view text, size_t length) {
  if (!ConsumePrefix(text, kInline)) {
    return Malformed("key method is not inline");
  }
  const std::vector<std::string_view> parts = Split(text, '|');
  SdesKey key;
  if (!DecodeKey(parts[0], length, key.key_salt)) {
    return Malformed("key length or alphabet");
  }
  size_t next = 1;
  if (next < parts.size() && parts[next].find(':') == std::string_view::npos) {
    uint64_t lifetime = 0;
    if (!ParseLifetime(parts[next], lifetime)) return Malformed("lifetime");
    key.lifetime = lifetime;
    ++next;
  }
  if (next < parts.size()) {
    const std::vector<std::string_view> mki = Split(parts[next], ':');
    uint32_t value = 0;
    uint32_t octets = 0;
    if (mki.size() != 2 || !ParseNumber(mki[0], value) ||
        !ParseNumber(mki[1], octets) || octets < 1 || octets > 128) {
      return Malformed("MKI");
    }
    if (octets < 4 && (value >> (8 * octets)) != 0) return Malformed("MKI");
    key.mki = value;
    key.mki_length = static_cast<uint8_t>(octets);
    ++next;
  }
  if (next != parts.size()) return Malformed("key parameters");
  return key;
}

// The session parameters that change nothing for us: a replay window hint,
// and a key derivation rate that says "once".
bool IsHarmless(std::string_view parameter) {
  return parameter.starts_with("WSH=") || parameter == "KDR=0" ||
         parameter.starts_with("-");
}

// Media that anybody could read or write: what vendors call "authenticated" or
// less.
bool IsUnprotected(const SdesCrypto& crypto) {
  return crypto.suite_name.find("NULL") != std::string::npos ||
         std::any_of(crypto.session_parameters.begin(),
                     crypto.session_parameters.end(),
                     [](std::string_view parameter) {
                       return parameter == "UNENCRYPTED_SRTP" ||
                              parameter == "UNENCRYPTED_SRTCP" ||
                              parameter == "UNAUTHENTICATED_SRTP";
                     });
}

absl::Status NullCipher() {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "NULL_CIPHER_NOT_ALLOWED",
                   "SRTP without encryption or authentication was asked for");
}

}  // namespace

size_t KeySaltLength(SrtpSuite suite) { return RowOf(suite).key_salt_length; }

std::string_view SrtpSuiteName(SrtpSuite suite) { return RowOf(suite).name; }

std::optional<SrtpSuite> SrtpSuiteFromName(std::string_view name) {
  for (const SuiteRow& row : kSuites) {
    if (row.name == name) return row.suite;
  }
  return std::nullopt;
}

absl::StatusOr<SdesCrypto> ParseSdesCrypto(std::string_view value) {
  const std::vector<std::string_view> words = Words(value);
  if (words.size() < 3) return Malformed("crypto attribute is incomplete");
  SdesCrypto crypto;
  if (!ParseNumber(words[0], crypto.tag)) return Malformed("crypto tag");
  crypto.suite_name = words[1];
  crypto.suite = SrtpSuiteFromName(words[1]);
  for (size_t i = 3; i < words.size(); ++i) {
    crypto.session_parameters.emplace_back(words[i]);
  }
  if (!crypto.suite.has_value()) return crypto;
  const std::vector<std::string_view> keys = Split(words[2], ';');
  if (keys.size() > kMaxKeys) return Malformed("too many keys");
  for (const std::string_view text : keys) {
    auto key = ParseKey(text, KeySaltLength(*crypto.suite));
    if (!key.ok()) return key.status();
    crypto.keys.push_back(*std::move(key));
  }
  // Several keys are told apart by MKIs of one length (RFC 4568 section 6.1).
  if (crypto.keys.size() > 1) {
    for (const SdesKey& key : crypto.keys) {
      if (!key.mki.has_value() || key.mki_length != crypto.keys[0].mki_length) {
        return Malformed("several keys without MKI");
      }
    }
  }
  return crypto;
}

std::string WriteSdesCrypto(const SdesCrypto& crypto) {
  std::string out = Cat(crypto.tag, " ", crypto.suite_name, " ");
  for (size_t i = 0; i < crypto.keys.size(); ++i) {
    const SdesKey& key = crypto.keys[i];
    CatTo(out, i == 0 ? "" : ";", kInline, absl::Base64Escape(key.key_salt));
    if (key.lifetime.has_value()) CatTo(out, "|", *key.lifetime);
    if (key.mki.has_value()) {
      CatTo(out, "|", *key.mki, ":", int{key.mki_length});
    }
  }
  for (const std::string& parameter : crypto.session_parameters) {
    CatTo(out, " ", parameter);
  }
  return out;
}

bool IsUsable(const SdesCrypto& crypto, absl::Span<const SrtpSuite> allowed) {
  if (!crypto.suite.has_value() || std::find(allowed.begin(), allowed.end(),
                                             *crypto.suite) == allowed.end()) {
    return false;
  }
  if (crypto.keys.size() != 1 || crypto.keys[0].mki.has_value()) return false;
  return std::all_of(crypto.session_parameters.begin(),
                     crypto.session_parameters.end(), IsHarmless);
}

absl::StatusOr<SdesCrypto> ChooseOfferedCrypto(
    const SdpMedia& media, absl::Span<const SrtpSuite> allowed) {
  std::vector<uint32_t> tags;
  std::optional<SdesCrypto> chosen;
  bool unprotected = false;
  for (const SdpAttribute& attribute : media.attributes) {
    if (attribute.name != "crypto" || !attribute.value.has_value()) continue;
    auto crypto = ParseSdesCrypto(*attribute.value);
    if (!crypto.ok()) continue;
    if (std::find(tags.begin(), tags.end(), crypto->tag) != tags.end()) {
      return Malformed("two crypto attributes share a tag");
    }
    tags.push_back(crypto->tag);
    unprotected |= IsUnprotected(*crypto);
    if (!chosen.has_value() && IsUsable(*crypto, allowed)) {
      chosen = *std::move(crypto);
    }
  }
  if (!chosen.has_value()) {
    if (unprotected) return NullCipher();
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "SECURITY_MODE_SRTP_REQUIRED",
                     "no usable SRTP key was offered");
  }
  return *std::move(chosen);
}

absl::StatusOr<SdesCrypto> ChooseCryptoByPolicy(
    const SdpMedia& media, absl::Span<const SrtpSuite> allowed) {
  absl::StatusOr<SdesCrypto> chosen = ChooseOfferedCrypto(media, allowed);
  if (!chosen.ok()) return chosen;
  for (const SrtpSuite& suite : allowed) {
    auto one = ChooseOfferedCrypto(media, absl::MakeConstSpan(&suite, 1));
    if (one.ok()) return one;
  }
  return chosen;
}

absl::StatusOr<SdesCrypto> AnsweredCrypto(
    const SdpMedia& media, absl::Span<const OfferedSuite> offered) {
  const auto refused = [](std::string_view reason, std::string_view what) {
    return MakeError(absl::StatusCode::kFailedPrecondition, reason, what);
  };
  std::optional<SdesCrypto> answer;
  for (const SdpAttribute& attribute : media.attributes) {
    if (attribute.name != "crypto" || !attribute.value.has_value()) continue;
    if (answer.has_value()) {
      return refused("SDES_ANSWER_AMBIGUOUS",
                     "an answer holds one crypto attribute");
    }
    auto crypto = ParseSdesCrypto(*attribute.value);
    if (!crypto.ok()) return crypto.status();
    answer = *std::move(crypto);
  }
  if (!answer.has_value()) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "SECURITY_MODE_SRTP_REQUIRED",
                     "the answer holds no SRTP key");
  }
  const auto* const ours = std::find_if(
      offered.begin(), offered.end(),
      [&](const OfferedSuite& one) { return one.tag == answer->tag; });
  if (ours == offered.end()) {
    return refused("SDES_TAG_NOT_OFFERED",
                   "the answer names a crypto attribute that was not offered");
  }
  if (IsUnprotected(*answer)) return NullCipher();
  if (answer->suite != ours->suite) {
    return refused("SDES_SUITE_NOT_OFFERED",
                   "the answer changes the suite of a crypto attribute");
  }
  if (!IsUsable(*answer, absl::MakeConstSpan(&ours->suite, 1))) {
    return Malformed("the answered key cannot be used");
  }
  return *std::move(answer);
}

}  // namespace sallyport::signaling_edge
