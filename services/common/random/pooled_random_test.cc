#include "services/common/random/pooled_random.h"

#include <cstdint>
#include <set>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/random/random_source.h"
#include "services/common/random/system_random.h"

namespace sallyport {
namespace {

// Counts what is asked of it, and gives each octet its number.
class CountingSource final : public RandomSource {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    ++calls;
    for (uint8_t& octet : out) octet = static_cast<uint8_t>(next++);
  }
  int calls = 0;
  uint32_t next = 0;
};

TEST(PooledRandomTest, GivesTheOctetsOfItsSourceOnceEach) {
  CountingSource source;
  PooledRandom random(source);
  uint32_t expected = 0;
  for (int i = 0; i < 64; ++i) {  // 16 octets fit a pool without a rest
    std::vector<uint8_t> out(16);
    random.Fill(absl::MakeSpan(out));
    for (const uint8_t octet : out) {
      EXPECT_EQ(octet, static_cast<uint8_t>(expected++));
    }
  }
  EXPECT_EQ(source.calls, 1);
  EXPECT_EQ(expected, PooledRandom::kPool);
  random.NextU64();
  EXPECT_EQ(source.calls, 2);
}

TEST(PooledRandomTest, RestTooShortIsNotGivenTwice) {
  CountingSource source;
  PooledRandom random(source);
  std::vector<uint8_t> out(200);
  for (int i = 0; i < 5; ++i) random.Fill(absl::MakeSpan(out));  // 24 are left
  ASSERT_EQ(source.calls, 1);
  random.Fill(absl::MakeSpan(out));
  EXPECT_EQ(source.calls, 2);
  EXPECT_EQ(out[0], static_cast<uint8_t>(PooledRandom::kPool));
}

TEST(PooledRandomTest, LongDrawsGoToTheSource) {
  CountingSource source;
  PooledRandom random(source);
  std::vector<uint8_t> out(PooledRandom::kPool + 1);
  random.Fill(absl::MakeSpan(out));
  EXPECT_EQ(source.calls, 1);
  EXPECT_EQ(source.next, out.size());
  random.Fill({});
  EXPECT_EQ(source.calls, 1);
}

TEST(PooledRandomTest, SystemRandomsNumbersDiffer) {
  SystemRandom system;
  PooledRandom random(system);
  std::set<uint64_t> seen;
  for (int i = 0; i < 10000; ++i) seen.insert(random.NextU64());
  EXPECT_EQ(seen.size(), 10000u);
}

}  // namespace
}  // namespace sallyport
