#include "services/media_relay/core/certificate_fingerprint.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/constant_time.h"

namespace sallyport::media_relay {
namespace {

struct HashInfo {
  std::string_view name;
  size_t size;
};

HashInfo InfoOf(CertificateFingerprint::Hash hash) {
  switch (hash) {
    case CertificateFingerprint::Hash::kSha256:
      return {"sha-256", SHA256_DIGEST_LENGTH};
    case CertificateFingerprint::Hash::kSha384:
      return {"sha-384", SHA384_DIGEST_LENGTH};
    case CertificateFingerprint::Hash::kSha512:
      return {"sha-512", SHA512_DIGEST_LENGTH};
  }
  return {"", 0};
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::optional<CertificateFingerprint> CertificateFingerprint::Parse(
    std::string_view text) {
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view name = text.substr(0, space);
  const std::string_view hex = text.substr(space + 1);
  for (const Hash hash : {Hash::kSha256, Hash::kSha384, Hash::kSha512}) {
    const HashInfo info = InfoOf(hash);
    if (!std::equal(name.begin(), name.end(), info.name.begin(),
                    info.name.end(),
                    [](char a, char b) { return Lower(a) == b; })) {
      continue;
    }
    if (hex.size() != info.size * 3 - 1) return std::nullopt;
    CertificateFingerprint out;
    out.hash_ = hash;
    out.size_ = info.size;
    for (size_t i = 0; i < info.size; ++i) {
      const int high = HexValue(hex[3 * i]);
      const int low = HexValue(hex[3 * i + 1]);
      if (high < 0 || low < 0) return std::nullopt;
      if (i + 1 < info.size && hex[3 * i + 2] != ':') return std::nullopt;
      out.octets_[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return out;
  }
  return std::nullopt;
}

CertificateFingerprint CertificateFingerprint::Of(Hash hash, ByteSpan der) {
  CertificateFingerprint out;
  out.hash_ = hash;
  out.size_ = InfoOf(hash).size;
  switch (hash) {
    case Hash::kSha256:
      SHA256(der.data(), der.size(), out.octets_.data());
      break;
    case Hash::kSha384:
      SHA384(der.data(), der.size(), out.octets_.data());
      break;
    case Hash::kSha512:
      SHA512(der.data(), der.size(), out.octets_.data());
      break;
  }
  return out;
}

bool CertificateFingerprint::Matches(ByteSpan der) const {
  return ConstantTimeEquals(Of(hash_, der).octets(), octets());
}

std::string CertificateFingerprint::ToString() const {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out(InfoOf(hash_).name);
  out.push_back(' ');
  for (size_t i = 0; i < size_; ++i) {
    if (i != 0) out.push_back(':');
    out.push_back(kDigits[octets_[i] >> 4]);
    out.push_back(kDigits[octets_[i] & 0xF]);
  }
  return out;
}

}  // namespace sallyport::media_relay
