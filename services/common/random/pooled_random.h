// Random numbers drawn ahead, where many small ones are needed.

#ifndef SALLYPORT_SERVICES_COMMON_RANDOM_POOLED_RANDOM_H_
#define SALLYPORT_SERVICES_COMMON_RANDOM_POOLED_RANDOM_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "services/common/random/random_source.h"

namespace sallyport {

// Draws from `source` a pool at a time: a generator that reseeds itself with
// each request costs about as much for 8 octets as for a thousand. What was
// given is erased here at once. Not across fork(). Thread-compatible.
class PooledRandom final : public RandomSource {
 public:
  static constexpr size_t kPool = 1024;  // octets

  // `source` must outlive it.
  explicit PooledRandom(RandomSource& source) : source_(source) {}
  ~PooledRandom() override;
  PooledRandom(const PooledRandom&) = delete;
  PooledRandom& operator=(const PooledRandom&) = delete;

  void Fill(absl::Span<uint8_t> out) override;

 private:
  RandomSource& source_;
  std::array<uint8_t, kPool> pool_;
  size_t given_ = kPool;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RANDOM_POOLED_RANDOM_H_
