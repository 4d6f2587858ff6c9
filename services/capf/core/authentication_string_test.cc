#include "services/capf/core/authentication_string.h"

#include <set>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/hex.h"
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

StringHasher Hasher(char fill = 'k') {
  return StringHasher(Secret::Take(std::string(32, fill)));
}

// pki.md 2.9.5: the open server keeps strings in clear and compares with
// strcmp.
TEST(AuthenticationStringTest, OnlyTheStringItselfMatches) {
  FakeRandom random(1);
  const StringHasher hasher = Hasher();
  const StringVerifier verifier = hasher.Make(Secret::CopyOf("123456"), random);
  EXPECT_TRUE(hasher.Matches("123456", verifier));
  for (const char* wrong : {"", "123457", "1234560", "12345", "023456"}) {
    EXPECT_FALSE(hasher.Matches(wrong, verifier)) << wrong;
  }
  EXPECT_EQ(verifier.salt.size(), 16u);
  EXPECT_EQ(verifier.hash.size(), 32u);
  EXPECT_EQ(verifier.hash.find("123456"), std::string::npos);
  // The same string again has another salt and hash.
  EXPECT_NE(hasher.Make(Secret::CopyOf("123456"), random).hash, verifier.hash);
}

// Whoever stole the store has salt and hash, and tries every string.
TEST(AuthenticationStringTest, WithoutTheKeyNoGuessTellsAnything) {
  FakeRandom random(1);
  const StringVerifier stolen =
      Hasher('k').Make(Secret::CopyOf("1234"), random);
  const StringHasher theirs = Hasher('x');
  for (int guess = 0; guess < 10000; ++guess) {
    EXPECT_FALSE(theirs.Matches(absl::StrFormat("%04d", guess), stolen));
  }
  EXPECT_EQ(Hasher('k').KeyId(), Hasher('k').KeyId());
  EXPECT_NE(Hasher('k').KeyId(), theirs.KeyId());
  EXPECT_GE(theirs.KeyId(), 0);
}

// Strings that were given out before there was a key stay good.
TEST(AuthenticationStringTest, RoundsOfBeforeStillCount) {
  // hashlib.pbkdf2_hmac("sha256", b"123456", b"0123456789abcdef", 1000)
  StringVerifier verifier{.iterations = 1000, .salt = "0123456789abcdef"};
  verifier.hash = *HexDecode(
      "8a68d007111e13d5806b51f02a2d542fa2e19edf549f42624a9d30674e79260a");
  EXPECT_TRUE(Hasher().Matches("123456", verifier));
  EXPECT_FALSE(Hasher().Matches("123457", verifier));
}

// A device that nobody knows must answer no sooner.
TEST(AuthenticationStringTest, AnEmptyVerifierCostsAsMuchAndNeverMatches) {
  FakeRandom random(1);
  const StringHasher hasher = Hasher();
  const StringVerifier real = hasher.Make(Secret::CopyOf("123456"), random);
  const auto cost = [&](const StringVerifier& verifier) {
    const absl::Time start = absl::Now();
    for (int i = 0; i < 20000; ++i) {
      EXPECT_FALSE(hasher.Matches("000000", verifier));
    }
    return absl::Now() - start;
  };
  cost(real);  // warms up
  const absl::Duration known = cost(real);
  const absl::Duration unknown = cost(StringVerifier{});
  EXPECT_GT(unknown, known / 3);
  EXPECT_LT(unknown, known * 3);
  EXPECT_FALSE(hasher.Matches("", StringVerifier{}));
}

}  // namespace
}  // namespace sallyport::capf
