#include "services/common/turn_credential/turn_credential.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::Not;

class TurnCredentialTest : public testing::Test {
 protected:
  TurnCredential Mint() {
    return *MintTurnCredential(claims_, key_, now_, random_);
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  const Secret key_ = Secret::CopyOf(std::string(32, 'k'));
  TurnClaims claims_ = {.key_id = 7,
                        .expiry = now_ + absl::Hours(8),
                        .tenant = "default",
                        .subject = "phone-0001"};
  FakeRandom random_;
};

TEST_F(TurnCredentialTest, WhatIsMintedVerifies) {
  const TurnCredential minted = Mint();
  EXPECT_EQ(KeyIdOfTurnUsername(minted.username), 7u);
  SP_ASSERT_OK_AND_ASSIGN(auto got,
                          VerifyTurnUsername(minted.username, key_, now_));
  EXPECT_EQ(got.claims.key_id, 7u);
  EXPECT_EQ(got.claims.expiry, claims_.expiry);
  EXPECT_EQ(got.claims.tenant, "default");
  EXPECT_EQ(got.claims.subject, "phone-0001");
  EXPECT_TRUE(got.password == minted.password);
  EXPECT_EQ(minted.password.size(), 43u);
}

// The octets as design.md section 7 has them, computed apart from this code
// with Python's hmac and base64.
TEST_F(TurnCredentialTest, KnownAnswer) {
  random_.Push("nonce-nonce-");
  const TurnCredential minted = Mint();
  std::string raw;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(minted.username, &raw));
  EXPECT_EQ(HexEncode(AsBytes(raw)).substr(0, 2 * 44),
            "01"
            "00000007"
            "000000006b4a4280"
            "0764656661756c74"
            "0a70686f6e652d30303031"
            "6e6f6e63652d6e6f6e63652d");
  EXPECT_EQ(minted.username,
            "AQAAAAcAAAAAa0pCgAdkZWZhdWx0CnBob25lLTAwMDFub25jZS1ub25jZS1X"
            "Y3glhq7-HyjD4DMEYewI");
  EXPECT_EQ(minted.password.DangerousText(),
            "FiijN5pQfnvyVaoaFH8DTKfeKmnCG5lixO_ZpghEhdA");
}

// AVE-19.
TEST_F(TurnCredentialTest, ExpiresToTheSecond) {
  const std::string username = Mint().username;
  const absl::Time end = claims_.expiry;
  EXPECT_THAT(VerifyTurnUsername(username, key_, end - absl::Seconds(1)),
              IsOk());
  EXPECT_THAT(VerifyTurnUsername(username, key_, end),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(VerifyTurnUsername(username, key_, end + absl::Hours(100)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(TurnCredentialTest, EightHoursAtMost) {
  claims_.expiry = now_ + absl::Hours(8) + absl::Seconds(1);
  EXPECT_THAT(MintTurnCredential(claims_, key_, now_, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  claims_.expiry = now_;
  EXPECT_THAT(MintTurnCredential(claims_, key_, now_, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  claims_.expiry = now_ + absl::Hours(8);
  const std::string username = Mint().username;
  // An issuer whose clock is a little ahead is tolerated, a lot is not.
  EXPECT_THAT(VerifyTurnUsername(username, key_, now_ - absl::Minutes(5)),
              IsOk());
  EXPECT_THAT(VerifyTurnUsername(username, key_, now_ - absl::Minutes(6)),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(TurnCredentialTest, AnotherKeyIsRefused) {
  const std::string username = Mint().username;
  EXPECT_THAT(
      VerifyTurnUsername(username, Secret::CopyOf(std::string(32, 'x')), now_),
      StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(VerifyTurnUsername(username, Secret(), now_),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(TurnCredentialTest, EveryChangedCharacterIsRefused) {
  const std::string username = Mint().username;
  for (size_t i = 0; i < username.size(); ++i) {
    for (char c : {'A', 'z', '0', '-', '_', '=', '+', '\0'}) {
      std::string changed = username;
      if (changed[i] == c) continue;
      changed[i] = c;
      EXPECT_THAT(VerifyTurnUsername(changed, key_, now_), Not(IsOk()))
          << i << " " << c;
    }
    EXPECT_THAT(VerifyTurnUsername(username.substr(0, i), key_, now_),
                Not(IsOk()));
  }
  EXPECT_THAT(VerifyTurnUsername(username + "A", key_, now_), Not(IsOk()));
  EXPECT_THAT(VerifyTurnUsername(username + "=", key_, now_), Not(IsOk()));
}

TEST_F(TurnCredentialTest, NotOfOurForm) {
  for (const char* bad : {"", "a", "alice", "1700000000:alice", "AQAAAAc"}) {
    EXPECT_EQ(KeyIdOfTurnUsername(bad), std::nullopt) << bad;
    EXPECT_THAT(VerifyTurnUsername(bad, key_, now_),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
  EXPECT_EQ(KeyIdOfTurnUsername(std::string(484, 'A')), std::nullopt);
  EXPECT_EQ(KeyIdOfTurnUsername(std::string(100'000, 'A')), std::nullopt);
}

TEST_F(TurnCredentialTest, TheLongestFitsAStunUsername) {
  claims_.tenant = std::string(kMaxTurnTenant, 't');
  claims_.subject = std::string(kMaxTurnSubject, '\xff');
  const TurnCredential minted = Mint();
  EXPECT_EQ(minted.username.size(), kMaxTurnUsername);
  EXPECT_LT(minted.username.size(), 509u);  // RFC 8489 section 14.3
  EXPECT_THAT(VerifyTurnUsername(minted.username, key_, now_), IsOk());
}

TEST_F(TurnCredentialTest, RefusesToMintWhatItCouldNotVerify) {
  const auto refused = [&](const TurnClaims& claims, const Secret& key) {
    return MintTurnCredential(claims, key, now_, random_).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  TurnClaims bad = claims_;
  bad.tenant = "";
  EXPECT_TRUE(refused(bad, key_));
  bad.tenant = std::string(kMaxTurnTenant + 1, 't');
  EXPECT_TRUE(refused(bad, key_));
  bad = claims_;
  bad.subject = "";
  EXPECT_TRUE(refused(bad, key_));
  bad.subject = std::string(kMaxTurnSubject + 1, 's');
  EXPECT_TRUE(refused(bad, key_));
  EXPECT_TRUE(refused(claims_, Secret::CopyOf("short")));
}

TEST_F(TurnCredentialTest, TwoForTheSameSubjectDiffer) {
  const TurnCredential a = Mint(), b = Mint();
  EXPECT_NE(a.username, b.username);
  EXPECT_FALSE(a.password == b.password);
}

// Issue 4 and AVE-10: at least 128 bits that nobody can guess. It is a whole
// HMAC-SHA-256 under a key of 256 bits, of a user name that never comes again.
TEST_F(TurnCredentialTest, PasswordsAre256BitsOfKeyedHash) {
  static_assert(kTurnKeySize == 32);
  const TurnCredential credential = Mint();
  // 32 octets in base64url without padding.
  EXPECT_EQ(credential.password.DangerousText().size(), 43u);
  EXPECT_EQ(std::string(credential.password.DangerousText()).find('='),
            std::string::npos);
}

TEST(TurnCredentialIdTest, IsTheNonceInHexOnBothSides) {
  FakeRandom random;
  random.Push(
      std::string("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\xfe\xff", 12));
  const Secret key = Secret::CopyOf(std::string(kTurnKeySize, 'k'));
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const auto minted = MintTurnCredential({.key_id = 1,
                                          .expiry = now + absl::Hours(1),
                                          .tenant = "t",
                                          .subject = "s"},
                                         key, now, random);
  ASSERT_THAT(minted, IsOk());
  EXPECT_EQ(minted->credential_id, "00010203040506070809feff");
  const auto verified = VerifyTurnUsername(minted->username, key, now);
  ASSERT_THAT(verified, IsOk());
  EXPECT_EQ(verified->credential_id, minted->credential_id);
}

}  // namespace
}  // namespace sallyport
