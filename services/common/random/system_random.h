// The cryptographic random generator of BoringSSL.

#ifndef SALLYPORT_SERVICES_COMMON_RANDOM_SYSTEM_RANDOM_H_
#define SALLYPORT_SERVICES_COMMON_RANDOM_SYSTEM_RANDOM_H_

#include "absl/types/span.h"
#include "services/common/random/random_source.h"

namespace sallyport {

// Fit for keys and nonces. Safe after fork(). Thread-safe.
class SystemRandom final : public RandomSource {
 public:
  void Fill(absl::Span<uint8_t> out) override;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RANDOM_SYSTEM_RANDOM_H_
