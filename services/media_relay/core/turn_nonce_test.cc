#include "services/media_relay/core/turn_nonce.h"

#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/rolling_keys.h"

namespace sallyport::media_relay {
namespace {

const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(100));

Endpoint At(const char* ip, uint16_t port) {
  return {*IpAddress::Parse(ip), port};
}

std::string_view View(const TurnNonce::Text& text) {
  return std::string_view(text.data(), text.size());
}

class TurnNonceTest : public testing::Test {
 protected:
  FakeRandom random_;
  const RollingKeys::Key secret_ = RollingKeys::NewSecret(random_);
  TurnNonce nonce_{secret_, absl::Minutes(10)};
  Endpoint client_ = At("192.0.2.7", 40000);
};

// RFC 8489 section 9.2: the cookie, then 24 bits of features; bit 0 is
// "Password algorithms".
TEST_F(TurnNonceTest, BeginsWithTheCookie) {
  EXPECT_EQ(std::string(View(nonce_.Make(client_, true, kStart))).substr(0, 13),
            "obMatJos2gAAA");
  EXPECT_EQ(
      std::string(View(nonce_.Make(client_, false, kStart))).substr(0, 13),
      "obMatJos2AAAA");
}

TEST_F(TurnNonceTest, ValidForItsLifetimeThenStale) {
  const TurnNonce::Text text = nonce_.Make(client_, true, kStart);
  for (const absl::Duration age :
       {absl::ZeroDuration(), absl::Minutes(1), absl::Minutes(10)}) {
    const auto check = nonce_.Verify(View(text), client_, kStart + age);
    EXPECT_EQ(check.verdict, TurnNonce::Verdict::kValid) << age;
    EXPECT_TRUE(check.offered_algorithms);
  }
  EXPECT_EQ(nonce_
                .Verify(View(text), client_,
                        kStart + absl::Minutes(10) + absl::Seconds(1))
                .verdict,
            TurnNonce::Verdict::kStale);
}

TEST_F(TurnNonceTest, BoundToAddressPortAndFamily) {
  const TurnNonce::Text text = nonce_.Make(client_, false, kStart);
  for (const Endpoint& other : {At("192.0.2.8", 40000), At("192.0.2.7", 40001),
                                At("::ffff:192.0.2.7", 40000)}) {
    EXPECT_EQ(nonce_.Verify(View(text), other, kStart).verdict,
              TurnNonce::Verdict::kForeign)
        << other.ToString();
  }
}

TEST_F(TurnNonceTest, EveryChangedCharacterIsForeign) {
  const std::string text(View(nonce_.Make(client_, true, kStart)));
  for (size_t i = 0; i < text.size(); ++i) {
    for (const char c : std::string("Ag_-9 \xff")) {
      if (text[i] == c) continue;
      std::string changed = text;
      changed[i] = c;
      EXPECT_EQ(nonce_.Verify(changed, client_, kStart).verdict,
                TurnNonce::Verdict::kForeign)
          << i << c;
    }
  }
  EXPECT_EQ(nonce_.Verify("", client_, kStart).verdict,
            TurnNonce::Verdict::kForeign);
  EXPECT_EQ(nonce_.Verify(text + "A", client_, kStart).verdict,
            TurnNonce::Verdict::kForeign);
}

// The features are covered by the tag: a bid-down changes the nonce (RFC 8489
// section 9.2.1).
TEST_F(TurnNonceTest, FeaturesCannotBeSwapped) {
  std::string text(View(nonce_.Make(client_, true, kStart)));
  text[9] = 'A';
  EXPECT_EQ(nonce_.Verify(text, client_, kStart).verdict,
            TurnNonce::Verdict::kForeign);
}

TEST_F(TurnNonceTest, SurvivesOneRotationNotTwo) {
  const MonoTime late = kStart - absl::Minutes(1);
  const TurnNonce::Text text = nonce_.Make(client_, true, late);
  // A period begins at kStart.
  EXPECT_EQ(nonce_.Verify(View(text), client_, kStart).verdict,
            TurnNonce::Verdict::kValid);
  EXPECT_EQ(nonce_
                .Verify(View(text), client_,
                        kStart + TurnNonce::kKeyLifetime - absl::Seconds(1))
                .verdict,
            TurnNonce::Verdict::kStale);
  EXPECT_EQ(nonce_.Verify(View(text), client_, kStart + TurnNonce::kKeyLifetime)
                .verdict,
            TurnNonce::Verdict::kForeign);
}

// Its challenge and its answer may meet different loops.
TEST_F(TurnNonceTest, IsGoodOnEveryLoopOfTheRelay) {
  TurnNonce other(secret_, absl::Minutes(10));
  const TurnNonce::Text text = nonce_.Make(client_, true, kStart);
  EXPECT_EQ(
      other.Verify(View(text), client_, kStart + absl::Minutes(1)).verdict,
      TurnNonce::Verdict::kValid);
}

TEST_F(TurnNonceTest, ClockWrapIsHarmless) {
  // The 16-bit seconds wrap every 18.2 hours.
  const MonoTime before = MonoTime::FromOrigin(absl::Seconds(65535));
  const TurnNonce::Text text = nonce_.Make(client_, true, before);
  EXPECT_EQ(
      nonce_.Verify(View(text), client_, before + absl::Seconds(30)).verdict,
      TurnNonce::Verdict::kValid);
}

TEST_F(TurnNonceTest, ManyClientsManyNonces) {
  std::set<std::string> seen;
  for (uint16_t port = 1000; port < 3000; ++port) {
    seen.insert(
        std::string(View(nonce_.Make(At("192.0.2.7", port), true, kStart))));
  }
  EXPECT_EQ(seen.size(), 2000u);
}

}  // namespace
}  // namespace sallyport::media_relay
