#include "services/common/crypto/constant_time.h"

#include <openssl/mem.h>

namespace sallyport {

bool ConstantTimeEquals(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() &&
         CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace sallyport
