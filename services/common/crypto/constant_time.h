// Comparison that takes the same time wherever the difference is.

#ifndef SALLYPORT_SERVICES_COMMON_CRYPTO_CONSTANT_TIME_H_
#define SALLYPORT_SERVICES_COMMON_CRYPTO_CONSTANT_TIME_H_

#include "services/common/bytes/byte_span.h"

namespace sallyport {

// True if equal. The time depends on the sizes only, which are not secret.
// For text: ConstantTimeEquals(AsBytes(a), AsBytes(b)).
bool ConstantTimeEquals(ByteSpan a, ByteSpan b);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CRYPTO_CONSTANT_TIME_H_
