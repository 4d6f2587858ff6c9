#include "services/media_relay/core/port_pool.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {
namespace {

const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(1));

PortPoolOptions Small(uint16_t first, uint16_t last) {
  PortPoolOptions options;
  options.first = first;
  options.last = last;
  return options;
}

TEST(PortPoolTest, DefaultRangeIsThatOfTheEdge) {  // AVE-02
  FakeRandom random;
  PortPool pool(random, {});
  EXPECT_EQ(pool.size(), 10000u);
  std::set<uint16_t> seen;
  for (int i = 0; i < 10000; ++i) {
    const std::optional<uint16_t> port = pool.Take(kStart);
    ASSERT_TRUE(port.has_value());
    EXPECT_GE(*port, 50000);
    EXPECT_LE(*port, 59999);
    EXPECT_TRUE(seen.insert(*port).second) << *port;
  }
  EXPECT_FALSE(pool.Take(kStart).has_value());
  EXPECT_EQ(pool.out_count(), 10000u);
}

// AVE-26: chi-square over 100 bins of 100 ports, 50 000 draws, each given back
// at once. 99 degrees of freedom: the 0.1 % quantile is 148.2.
TEST(PortPoolTest, ChoiceIsUniform) {
  FakeRandom random(42);
  PortPoolOptions options;
  options.quarantine = absl::ZeroDuration();
  PortPool pool(random, options);
  constexpr int kBins = 100;
  constexpr int kDraws = 50000;
  std::vector<int> bins(kBins);
  MonoTime now = kStart;
  int ascending = 0;
  uint16_t last = 0;
  for (int i = 0; i < kDraws; ++i) {
    const uint16_t port = *pool.Take(now);
    ++bins[(port - 50000) / (10000 / kBins)];
    if (port > last) ++ascending;
    last = port;
    pool.Release(port, now);
  }
  double chi_square = 0;
  constexpr double kExpected = static_cast<double>(kDraws) / kBins;
  for (const int count : bins) {
    chi_square += (count - kExpected) * (count - kExpected) / kExpected;
  }
  EXPECT_LT(chi_square, 148.2);
  EXPECT_GT(chi_square, 61.1);  // too even would be no random choice either
  // No order: about half of the steps go up (6 sigma).
  EXPECT_NEAR(ascending, kDraws / 2, 6 * std::sqrt(kDraws / 12.0));
}

TEST(PortPoolTest, PairsAreUniform) {
  FakeRandom random(43);
  PortPoolOptions options = Small(50000, 50039);
  options.quarantine = absl::ZeroDuration();
  PortPool pool(random, options);
  std::map<uint16_t, int> count;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const uint16_t port = *pool.TakePair(kStart);
    ASSERT_EQ(port % 2, 0);
    ++count[port];
    pool.Release(port, kStart);
    pool.Release(port + 1, kStart);
  }
  EXPECT_EQ(count.size(), 20u);
  double chi_square = 0;
  for (const auto& [port, n] : count) {
    chi_square += (n - 1000.0) * (n - 1000.0) / 1000.0;
  }
  EXPECT_LT(chi_square, 43.8);  // 19 degrees of freedom, 0.1 %
}

TEST(PortPoolTest, FreedPortsRest60Seconds) {
  FakeRandom random;
  PortPool pool(random, Small(50000, 50000));
  ASSERT_EQ(pool.Take(kStart), 50000);
  pool.Release(50000, kStart);
  EXPECT_EQ(pool.out_count(), 0u);
  EXPECT_FALSE(pool.Take(kStart + absl::Seconds(59)).has_value());
  EXPECT_EQ(pool.Take(kStart + absl::Seconds(60)), 50000);
}

TEST(PortPoolTest, ReleaseOfWhatIsNotOutIsIgnored) {
  FakeRandom random;
  PortPool pool(random, Small(50000, 50001));
  pool.Release(50000, kStart);
  pool.Release(40000, kStart);
  const uint16_t port = *pool.Take(kStart);
  pool.Release(port, kStart);
  pool.Release(port, kStart);
  EXPECT_EQ(pool.free_count(kStart + absl::Hours(1)), 2u);
}

TEST(PortPoolTest, PairsRunOutBeforeSinglePorts) {
  FakeRandom random;
  PortPool pool(random, Small(50001, 50004));
  EXPECT_EQ(pool.TakePair(kStart), 50002);
  EXPECT_FALSE(pool.TakePair(kStart).has_value());
  EXPECT_TRUE(pool.Take(kStart).has_value());
  EXPECT_TRUE(pool.Take(kStart).has_value());
  EXPECT_FALSE(pool.Take(kStart).has_value());
}

TEST(PortPoolTest, LastWholePairIsFoundAmongManyHalves) {
  FakeRandom random;
  PortPoolOptions options;
  options.quarantine = absl::ZeroDuration();
  PortPool pool(random, options);
  std::vector<uint16_t> evens;
  while (true) {
    const std::optional<uint16_t> port = pool.TakePair(kStart);
    if (!port.has_value()) break;
    evens.push_back(*port);
  }
  ASSERT_EQ(evens.size(), 5000u);
  for (const uint16_t even : evens) pool.Release(even, kStart);
  pool.Release(evens[77] + 1, kStart);
  EXPECT_EQ(pool.TakePair(kStart), evens[77]);
}

TEST(PortPoolTest, ShardsPartitionTheRange) {
  std::set<uint16_t> seen;
  size_t total = 0;
  for (uint32_t shard = 0; shard < 3; ++shard) {
    FakeRandom random(shard);
    PortPoolOptions options;
    options.shard = shard;
    options.shards = 3;
    PortPool pool(random, options);
    total += pool.size();
    while (const std::optional<uint16_t> port = pool.Take(kStart)) {
      EXPECT_TRUE(seen.insert(*port).second);
      // A pair is never split between loops.
      EXPECT_EQ(*port / 2 % 3, shard);
    }
  }
  EXPECT_EQ(total, 10000u);
  EXPECT_EQ(seen.size(), 10000u);
}

}  // namespace
}  // namespace sallyport::media_relay
