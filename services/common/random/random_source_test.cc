#include "services/common/random/random_source.h"

#include <array>
#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/random/system_random.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;

TEST(FakeRandomTest, RepeatsFromItsSeed) {
  FakeRandom a(3), b(3), c(4);
  const uint64_t first = a.NextU64();
  EXPECT_EQ(first, b.NextU64());
  EXPECT_NE(first, c.NextU64());
  EXPECT_NE(first, a.NextU64());
}

TEST(FakeRandomTest, GivesPushedOctetsFirst) {
  FakeRandom random;
  random.Push("\x01\x02\x03");
  std::array<uint8_t, 3> out;
  random.Fill(absl::MakeSpan(out));
  EXPECT_THAT(out, ElementsAre(1, 2, 3));
}

TEST(RandomSourceTest, UniformStaysInRangeAndCoversIt) {
  FakeRandom random(11);
  std::array<int, 10> seen = {};
  for (int i = 0; i < 10000; ++i) {
    const uint64_t value = random.Uniform(10);
    ASSERT_LT(value, 10u);
    ++seen[value];
  }
  // Expected 1000 each; 5 standard deviations are about 150.
  for (int count : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST(RandomSourceTest, UniformOfNothingAndOne) {
  FakeRandom random;
  EXPECT_EQ(random.Uniform(0), 0u);
  EXPECT_EQ(random.Uniform(1), 0u);
}

TEST(RandomSourceTest, UniformDrawsAgainInTheIncompleteInterval) {
  FakeRandom random;
  // 2^64 mod 3 is 1, so only the greatest draw must be thrown away.
  random.Push(std::string(8, '\xff'));
  random.Push(std::string("\0\0\0\0\0\0\0\x05", 8));
  EXPECT_EQ(random.Uniform(3), 2u);
}

TEST(RandomSourceTest, UniformOfAPowerOfTwoKeepsEveryDraw) {
  FakeRandom random;
  random.Push(std::string(8, '\xff'));
  EXPECT_EQ(random.Uniform(uint64_t{1} << 63), (uint64_t{1} << 63) - 1);
}

TEST(SystemRandomTest, FillsDifferently) {
  SystemRandom random;
  std::array<uint8_t, 32> a = {}, b = {};
  random.Fill(absl::MakeSpan(a));
  random.Fill(absl::MakeSpan(b));
  EXPECT_NE(a, b);
  random.Fill({});  // nothing to fill is fine
}

}  // namespace
}  // namespace sallyport
