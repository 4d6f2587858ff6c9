// Random numbers that repeat, for tests.

#ifndef SALLYPORT_SERVICES_COMMON_RANDOM_FAKE_RANDOM_H_
#define SALLYPORT_SERVICES_COMMON_RANDOM_FAKE_RANDOM_H_

#include <cstdint>
#include <deque>
#include <string_view>

#include "absl/types/span.h"
#include "services/common/random/random_source.h"

namespace sallyport {

// Gives first the octets that Push queued, then those of SplitMix64 from
// `seed`. Thread-compatible.
class FakeRandom final : public RandomSource {
 public:
  explicit FakeRandom(uint64_t seed = 1) : state_(seed) {}

  // Queues octets to be given next, so that a test can name a nonce exactly.
  void Push(std::string_view octets) {
    for (char c : octets) queued_.push_back(static_cast<uint8_t>(c));
  }

  void Fill(absl::Span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = NextByte();
  }

 private:
  uint8_t NextByte() {
    if (!queued_.empty()) {
      const uint8_t byte = queued_.front();
      queued_.pop_front();
      return byte;
    }
    if (left_ == 0) {
      state_ += 0x9e3779b97f4a7c15;
      word_ = state_;
      word_ = (word_ ^ (word_ >> 30)) * 0xbf58476d1ce4e5b9;
      word_ = (word_ ^ (word_ >> 27)) * 0x94d049bb133111eb;
      word_ ^= word_ >> 31;
      left_ = 8;
    }
    const uint8_t byte = static_cast<uint8_t>(word_);
    word_ >>= 8;
    --left_;
    return byte;
  }

  uint64_t state_;
  uint64_t word_ = 0;
  int left_ = 0;
  std::deque<uint8_t> queued_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RANDOM_FAKE_RANDOM_H_
