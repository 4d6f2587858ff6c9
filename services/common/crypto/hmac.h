// HMAC (RFC 2104) over SHA-1 and SHA-256.

#ifndef SALLYPORT_SERVICES_COMMON_CRYPTO_HMAC_H_
#define SALLYPORT_SERVICES_COMMON_CRYPTO_HMAC_H_

#include <initializer_list>

#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/digest.h"

namespace sallyport {

// The code of the concatenation of `parts`. Nothing is allocated, so packet
// paths may use it before they know who is asking; the parts serve STUN, where
// a header with a changed length precedes the rest of the message.
// Compare the result by ConstantTimeEquals only.
Sha1Digest HmacSha1(ByteSpan key, std::initializer_list<ByteSpan> parts);
Sha256Digest HmacSha256(ByteSpan key, std::initializer_list<ByteSpan> parts);

inline Sha1Digest HmacSha1(ByteSpan key, ByteSpan data) {
  return HmacSha1(key, {data});
}
inline Sha256Digest HmacSha256(ByteSpan key, ByteSpan data) {
  return HmacSha256(key, {data});
}

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CRYPTO_HMAC_H_
