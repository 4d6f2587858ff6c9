// The SRTP suites that a leg may speak (RFC 4568 section 6.2, RFC 6188,
// RFC 7714). NULL ciphers and F8 do not exist here.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_POLICY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::media_relay {

enum class SrtpSuite : uint8_t {
  kAesCm128HmacSha1_80,
  kAesCm128HmacSha1_32,
  kAes256CmHmacSha1_80,
  kAeadAes128Gcm,
  kAeadAes256Gcm,
};

// Sizes in bytes.
struct SrtpSuiteInfo {
  std::string_view name;  // as in SDP
  size_t key_size;
  size_t salt_size;
  size_t rtp_tag_size;
  size_t rtcp_tag_size;
};

constexpr SrtpSuiteInfo InfoOf(SrtpSuite suite) {
  switch (suite) {
    case SrtpSuite::kAesCm128HmacSha1_80:
      return {"AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10};
    case SrtpSuite::kAesCm128HmacSha1_32:
      // RFC 4568 section 6.2.2: SRTCP keeps the 80-bit tag.
      return {"AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10};
    case SrtpSuite::kAes256CmHmacSha1_80:
      return {"AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10};
    case SrtpSuite::kAeadAes128Gcm:
      return {"AEAD_AES_128_GCM", 16, 12, 16, 16};
    case SrtpSuite::kAeadAes256Gcm:
      return {"AEAD_AES_256_GCM", 32, 12, 16, 16};
  }
  return {"", 0, 0, 0, 0};
}

// Master key with salt, as the inline parameter of SDES holds it.
constexpr size_t KeySaltSize(SrtpSuite suite) {
  return InfoOf(suite).key_size + InfoOf(suite).salt_size;
}

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_POLICY_H_
