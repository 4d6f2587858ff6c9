#include "services/common/rate_limit/gcra.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

MonoTime At(double seconds) {
  return MonoTime::FromOrigin(absl::Seconds(100) + absl::Seconds(seconds));
}

TEST(GcraTest, AllowsTheBurstThenTheRate) {
  const GcraLimit limit = GcraLimit::PerSecond(10, 3);
  MonoTime arrival = MonoTime::InfinitePast();
  EXPECT_TRUE(TakeGcra(limit, arrival, At(0)));
  EXPECT_TRUE(TakeGcra(limit, arrival, At(0)));
  EXPECT_TRUE(TakeGcra(limit, arrival, At(0)));
  const GcraDecision refused = TakeGcra(limit, arrival, At(0));
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, absl::Milliseconds(100));
  EXPECT_FALSE(TakeGcra(limit, arrival, At(0.099)));
  EXPECT_TRUE(TakeGcra(limit, arrival, At(0.1)));
  EXPECT_FALSE(TakeGcra(limit, arrival, At(0.1)));
}

TEST(GcraTest, RefusalsCostNothing) {
  const GcraLimit limit = GcraLimit::PerSecond(1, 1);
  MonoTime arrival = MonoTime::InfinitePast();
  EXPECT_TRUE(TakeGcra(limit, arrival, At(0)));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(TakeGcra(limit, arrival, At(0.5)));
  }
  EXPECT_TRUE(TakeGcra(limit, arrival, At(1)));
}

TEST(GcraTest, RestNeverBuysMoreThanTheBurst) {
  const GcraLimit limit = GcraLimit::PerSecond(1, 2);
  MonoTime arrival = MonoTime::InfinitePast();
  int allowed = 0;
  for (int i = 0; i < 10; ++i) {
    allowed += TakeGcra(limit, arrival, At(1'000'000)).allowed ? 1 : 0;
  }
  EXPECT_EQ(allowed, 2);
}

TEST(GcraTest, CostsAddUp) {
  const GcraLimit limit = GcraLimit::PerSecond(10, 10);
  MonoTime arrival = MonoTime::InfinitePast();
  EXPECT_TRUE(TakeGcra(limit, arrival, At(0), 7));
  const GcraDecision refused = TakeGcra(limit, arrival, At(0), 4);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, absl::Milliseconds(100));
  EXPECT_TRUE(TakeGcra(limit, arrival, At(0), 3));
  EXPECT_EQ(TakeGcra(limit, arrival, At(0), 11).retry_after,
            absl::InfiniteDuration());
}

TEST(GcraTest, NoLimit) {
  const GcraLimit limit = GcraLimit::PerSecond(0, 1);
  MonoTime arrival = MonoTime::InfinitePast();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(TakeGcra(limit, arrival, At(0)));
}

TEST(GcraTest, ALongRunKeepsTheRate) {
  const GcraLimit limit = GcraLimit::PerSecond(50, 5);
  MonoTime arrival = MonoTime::InfinitePast();
  int allowed = 0;
  for (int ms = 0; ms < 10'000; ++ms) {
    allowed += TakeGcra(limit, arrival, At(ms / 1000.0)).allowed ? 1 : 0;
  }
  EXPECT_NEAR(allowed, 505, 2);
}

TEST(GcraTableTest, SourcesAreLimitedSeparately) {
  FakeRandom random;
  GcraTable table(GcraLimit::PerSecond(1, 2), 1000, random);
  EXPECT_GE(table.capacity(), 1000u);
  EXPECT_TRUE(table.Take(AsBytes("a"), At(0)));
  EXPECT_TRUE(table.Take(AsBytes("a"), At(0)));
  EXPECT_FALSE(table.Take(AsBytes("a"), At(0)));
  EXPECT_TRUE(table.Take(AsBytes("b"), At(0)));
  EXPECT_EQ(table.Take(AsBytes("a"), At(0.25)).retry_after,
            absl::Milliseconds(750));
  EXPECT_TRUE(table.Take(AsBytes("a"), At(1)));
}

TEST(GcraTableTest, HoldsAsManyAsItSays) {
  FakeRandom random;
  // A quarter full: no bucket of eight overflows with this seed.
  GcraTable table(GcraLimit::PerSecond(0.001, 1), 40'000, random);
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(table.Take(AsBytes(absl::StrCat("source", i)), At(0)));
  }
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_FALSE(table.Take(AsBytes(absl::StrCat("source", i)), At(1)));
  }
}

TEST(GcraTableTest, AFloodOfSourcesForgivesButNeverPunishes) {
  FakeRandom random;
  GcraTable table(GcraLimit::PerSecond(1, 1), 64, random);
  for (int i = 0; i < 100'000; ++i) {
    EXPECT_TRUE(table.Take(AsBytes(absl::StrCat("fresh", i)), At(0)));
  }
}

TEST(GcraTableTest, LookingTakesNothing) {
  FakeRandom random;
  GcraTable table(GcraLimit::PerSecond(1, 2), 100, random);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(table.Look(AsBytes("a"), At(0)));
  EXPECT_TRUE(table.Take(AsBytes("a"), At(0)));
  EXPECT_TRUE(table.Look(AsBytes("a"), At(0)));
  EXPECT_FALSE(table.Look(AsBytes("a"), At(0), 2));
  EXPECT_TRUE(table.Take(AsBytes("a"), At(0)));
  EXPECT_EQ(table.Look(AsBytes("a"), At(0)).retry_after, absl::Seconds(1));
  EXPECT_TRUE(table.Look(AsBytes("a"), At(1)));
}

TEST(GcraTableTest, ALimitMayBeTheSourcesOwn) {
  FakeRandom random;
  GcraTable table(GcraLimit::PerSecond(0, 1), 100, random);
  const GcraLimit wide = GcraLimit::PerSecond(1, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(table.Take(wide, AsBytes("a"), At(0)));
  }
  EXPECT_FALSE(table.Look(wide, AsBytes("a"), At(0)));
  EXPECT_FALSE(table.Take(wide, AsBytes("a"), At(0)));
  EXPECT_TRUE(table.Take(AsBytes("a"), At(0)));  // the table's has none
}

TEST(GcraTableTest, TheSmallestTableWorks) {
  FakeRandom random;
  GcraTable table(GcraLimit::PerSecond(1, 1), 0, random);
  EXPECT_TRUE(table.Take({}, At(0)));
  EXPECT_FALSE(table.Take({}, At(0)));
}

}  // namespace
}  // namespace sallyport
