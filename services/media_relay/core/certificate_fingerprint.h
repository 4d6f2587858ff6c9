// The fingerprint of a certificate as SDP tells it: RFC 8122 section 5.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CERTIFICATE_FINGERPRINT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CERTIFICATE_FINGERPRINT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {

// SHA-1 and MD5 are refused: their collisions can be made. Immutable.
class CertificateFingerprint {
 public:
  enum class Hash : uint8_t { kSha256, kSha384, kSha512 };

  // "sha-256 AB:CD:..."; the name in any case, the octets in hex of any case.
  static std::optional<CertificateFingerprint> Parse(std::string_view text);
  static CertificateFingerprint Of(Hash hash, ByteSpan der);

  // Whether `der` is the certificate meant; constant time in the octets.
  bool Matches(ByteSpan der) const;
  // As Parse() reads it, in upper case.
  std::string ToString() const;

  friend bool operator==(const CertificateFingerprint&,
                         const CertificateFingerprint&) = default;

 private:
  ByteSpan octets() const { return {octets_.data(), size_}; }

  Hash hash_ = Hash::kSha256;
  size_t size_ = 0;
  std::array<uint8_t, 64> octets_ = {};
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_CERTIFICATE_FINGERPRINT_H_
