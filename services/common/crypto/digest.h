// Message digests. MD5 and SHA-1 are for protocols that name them, no more.

#ifndef SALLYPORT_SERVICES_COMMON_CRYPTO_DIGEST_H_
#define SALLYPORT_SERVICES_COMMON_CRYPTO_DIGEST_H_

#include <array>
#include <cstdint>

#include "services/common/bytes/byte_span.h"

namespace sallyport {

using Md5Digest = std::array<uint8_t, 16>;
using Sha1Digest = std::array<uint8_t, 20>;
using Sha256Digest = std::array<uint8_t, 32>;
using Sha512Digest = std::array<uint8_t, 64>;
using Sha512_256Digest = std::array<uint8_t, 32>;

// None of these allocates. For text: Md5(AsBytes(text)).
Md5Digest Md5(ByteSpan data);                // RFC 1321
Sha1Digest Sha1(ByteSpan data);              // FIPS 180-4
Sha256Digest Sha256(ByteSpan data);          // FIPS 180-4
Sha512Digest Sha512(ByteSpan data);          // FIPS 180-4
Sha512_256Digest Sha512_256(ByteSpan data);  // FIPS 180-4 section 5.3.6.2

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CRYPTO_DIGEST_H_
