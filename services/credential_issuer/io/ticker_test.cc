#include "services/credential_issuer/io/ticker.h"

#include <atomic>

#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace sallyport::credential_issuer {
namespace {

TEST(TickerTest, CallsAgainAndAgainUntilItIsDestroyed) {
  std::atomic<int> calls = 0;
  {
    absl::BlockingCounter three(3);
    Ticker ticker(absl::Milliseconds(1), [&] {
      if (++calls <= 3) three.DecrementCount();
    });
    three.Wait();
  }
  const int at_end = calls;
  EXPECT_GE(at_end, 3);
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(calls, at_end);
}

TEST(TickerTest, EndsAtOnceWhileItWaits) {
  const absl::Time start = absl::Now();
  {
    Ticker ticker(absl::Hours(1), [] {});
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

}  // namespace
}  // namespace sallyport::credential_issuer
