// The port through which cores draw random numbers.

#ifndef SALLYPORT_SERVICES_COMMON_RANDOM_RANDOM_SOURCE_H_
#define SALLYPORT_SERVICES_COMMON_RANDOM_RANDOM_SOURCE_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"

namespace sallyport {

// Unpredictable octets. A core is given one at construction; tests give it
// FakeRandom. Thread-compatible unless the implementation says more.
class RandomSource {
 public:
  virtual ~RandomSource() = default;

  // Fills all of `out`; never fails.
  virtual void Fill(absl::Span<uint8_t> out) = 0;

  // 64 random bits.
  uint64_t NextU64() {
    std::array<uint8_t, 8> bytes;
    Fill(absl::MakeSpan(bytes));
    uint64_t value = 0;
    for (uint8_t byte : bytes) value = value << 8 | byte;
    return value;
  }

  // Uniform in [0, n), without bias; 0 when n is 0. Draws again while the draw
  // falls in the incomplete last interval.
  uint64_t Uniform(uint64_t n) {
    if (n <= 1) return 0;
    const uint64_t excess = (UINT64_MAX % n + 1) % n;  // 2^64 mod n
    uint64_t value;
    do {
      value = NextU64();
    } while (value > UINT64_MAX - excess);
    return value % n;
  }
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RANDOM_RANDOM_SOURCE_H_
