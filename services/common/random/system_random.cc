#include "services/common/random/system_random.h"

#include <openssl/rand.h>

#include "services/common/status/check.h"

namespace sallyport {

void SystemRandom::Fill(absl::Span<uint8_t> out) {
  // BoringSSL aborts rather than fail; checked all the same.
  SP_CHECK(RAND_bytes(out.data(), out.size()) == 1);
}

}  // namespace sallyport
