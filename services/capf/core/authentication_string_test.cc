#include "services/capf/core/authentication_string.h"

#include <set>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"

namespace sallyport::capf {
namespace {

TEST(AuthenticationStringTest, FourToSixteenDigits) {
  for (const char* good : {"1234", "0000", "1234567890123456"}) {
    EXPECT_TRUE(IsAuthenticationString(good)) << good;
  }
  for (const char* bad :
       {"", "123", "12345678901234567", "12a4", "12 4", "-123"}) {
    EXPECT_FALSE(IsAuthenticationString(bad)) << bad;
  }
}

TEST(AuthenticationStringTest, GeneratedOnesDiffer) {
  FakeRandom random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const Secret string = GenerateAuthenticationString(random, 8);
    EXPECT_TRUE(IsAuthenticationString(string.DangerousText()));
    EXPECT_EQ(string.size(), 8u);
    seen.insert(std::string(string.DangerousText()));
  }
  EXPECT_EQ(seen.size(), 200u);
  EXPECT_EQ(GenerateAuthenticationString(random, 1).size(), 4u);
  EXPECT_EQ(GenerateAuthenticationString(random, 99).size(), 16u);
}

// pki.md 2.9.5: the open server keeps strings in clear and compares with
// strcmp.
TEST(AuthenticationStringTest, OnlyTheStringItselfMatches) {
  FakeRandom random(1);
  const StringVerifier verifier =
      MakeVerifier(Secret::CopyOf("123456"), 100, random);
  EXPECT_TRUE(MatchesVerifier("123456", verifier, 100));
  for (const char* wrong : {"", "123457", "1234560", "12345", "023456"}) {
    EXPECT_FALSE(MatchesVerifier(wrong, verifier, 100)) << wrong;
  }
  EXPECT_EQ(verifier.salt.size(), 16u);
  EXPECT_EQ(verifier.hash.find("123456"), std::string::npos);
  // The verifier's own count of rounds is used, whatever the setting is now.
  EXPECT_TRUE(MatchesVerifier("123456", verifier, 1));
  // The same string again has another salt and hash.
  const StringVerifier other =
      MakeVerifier(Secret::CopyOf("123456"), 100, random);
  EXPECT_NE(other.hash, verifier.hash);
}

// A device that nobody knows must answer no sooner.
TEST(AuthenticationStringTest, AnEmptyVerifierCostsAsMuchAndNeverMatches) {
  FakeRandom random(1);
  constexpr uint32_t kIterations = 20000;
  const StringVerifier real =
      MakeVerifier(Secret::CopyOf("123456"), kIterations, random);
  const auto cost = [&](const StringVerifier& verifier) {
    const absl::Time start = absl::Now();
    for (int i = 0; i < 5; ++i) {
      EXPECT_FALSE(MatchesVerifier("000000", verifier, kIterations));
    }
    return absl::Now() - start;
  };
  cost(real);  // warms up
  const absl::Duration known = cost(real);
  const absl::Duration unknown = cost(StringVerifier{});
  EXPECT_GT(unknown, known / 3);
  EXPECT_LT(unknown, known * 3);
  EXPECT_FALSE(MatchesVerifier("", StringVerifier{}, 1));
}

}  // namespace
}  // namespace sallyport::capf
