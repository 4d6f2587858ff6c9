#include "services/media_relay/core/rolling_keys.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {
namespace {

MonoTime At(absl::Duration time) { return MonoTime::FromOrigin(time); }

TEST(RollingKeysTest, EachPeriodHasAKeyAndTheOneBeforeStaysGood) {
  FakeRandom random;
  RollingKeys keys(RollingKeys::NewSecret(random), "nonce", absl::Hours(4));
  keys.Advance(At(absl::Hours(101)));
  const RollingKeys::Key first = keys.current();
  keys.Advance(At(absl::Hours(103)));
  EXPECT_EQ(keys.current(), first);
  keys.Advance(At(absl::Hours(104)));
  EXPECT_NE(keys.current(), first);
  EXPECT_EQ(keys.former(), first);
  // Never back.
  keys.Advance(At(absl::Hours(101)));
  EXPECT_EQ(keys.former(), first);
  keys.Advance(At(absl::Hours(108)));
  EXPECT_NE(keys.current(), first);
  EXPECT_NE(keys.former(), first);
}

// A stranger may be told by one loop, and answer to another.
TEST(RollingKeysTest, LoopsOfOneSecretAgreeWheneverTheyStarted) {
  FakeRandom random;
  const RollingKeys::Key secret = RollingKeys::NewSecret(random);
  RollingKeys one(secret, "nonce", absl::Hours(1));
  RollingKeys other(secret, "nonce", absl::Hours(1));
  one.Advance(At(absl::Minutes(10)));
  one.Advance(At(absl::Minutes(130)));
  other.Advance(At(absl::Minutes(125)));
  EXPECT_EQ(one.current(), other.current());
  EXPECT_EQ(one.former(), other.former());
}

TEST(RollingKeysTest, PurposesAndSecretsAreApart) {
  FakeRandom random;
  const RollingKeys::Key secret = RollingKeys::NewSecret(random);
  const RollingKeys nonces(secret, "nonce", absl::Hours(1));
  const RollingKeys cookies(secret, "cookie", absl::Hours(1));
  const RollingKeys foreign(RollingKeys::NewSecret(random), "nonce",
                            absl::Hours(1));
  EXPECT_NE(nonces.current(), cookies.current());
  EXPECT_NE(nonces.current(), foreign.current());
  EXPECT_NE(nonces.current(), nonces.former());
}

}  // namespace
}  // namespace sallyport::media_relay
