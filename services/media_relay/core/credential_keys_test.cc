#include "services/media_relay/core/credential_keys.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class CredentialKeysTest : public testing::Test {
 protected:
  absl::StatusCode Check(const CredentialKeys& keys,
                         absl::Time now = kNow) const {
    return keys.Verify(client_.username, now).status().code();
  }

  CredentialKeys Ring(absl::Time not_before, absl::Time not_after,
                      char secret = 'k') const {
    std::vector<VerificationKey> keys(1);
    keys[0].id = 7;
    keys[0].secret = TestKey(secret);
    keys[0].not_before = not_before;
    keys[0].not_after = not_after;
    return CredentialKeys(3, std::move(keys), {});
  }

  FakeRandom random_;
  TurnTestClient client_{kNow, random_};
};

// AVE-15: the relay derives the password from the user name alone.
TEST_F(CredentialKeysTest, TellsWhatTheCredentialSays) {
  const auto keys = TestKeys(kNow);
  const auto credential = keys->Verify(client_.username, kNow);
  ASSERT_TRUE(credential.ok());
  EXPECT_EQ(credential->tenant, "default");
  EXPECT_EQ(credential->subject, "subject");
  EXPECT_EQ(credential->key_id, 7u);
  EXPECT_EQ(credential->expiry, kNow + absl::Hours(1));
  EXPECT_EQ(credential->password.DangerousText(), client_.password);
  EXPECT_EQ(credential->id.size(), 24u);
}

TEST_F(CredentialKeysTest, RefusesWithoutAMessage) {
  const auto keys = TestKeys(kNow);
  for (const std::string& bad :
       {std::string(), std::string("x"), client_.username + "A",
        std::string(600, 'A')}) {
    const absl::Status status = keys->Verify(bad, kNow).status();
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(status.message().empty());
  }
}

TEST_F(CredentialKeysTest, KeysCountOnlyInTheirTime) {
  EXPECT_EQ(Check(Ring(kNow - absl::Hours(1), kNow + absl::Hours(1))),
            absl::StatusCode::kOk);
  EXPECT_EQ(Check(Ring(kNow + absl::Hours(1), kNow + absl::Hours(2))),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Check(Ring(kNow - absl::Hours(1), kNow)),
            absl::StatusCode::kUnauthenticated);
  // The issuer's clock may be a little ahead.
  EXPECT_EQ(Check(Ring(kNow + absl::Minutes(4), kNow + absl::Hours(2))),
            absl::StatusCode::kOk);
  EXPECT_EQ(Check(Ring(kNow - absl::Hours(1), kNow + absl::Hours(1), 'x')),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Check(CredentialKeys(0, {}, {})),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(CredentialKeysTest, ExpiryAndRevocations) {
  EXPECT_EQ(Check(*TestKeys(kNow), kNow + absl::Hours(1)),
            absl::StatusCode::kFailedPrecondition);
  const std::string id = TestKeys(kNow)->Verify(client_.username, kNow)->id;
  Revocations by_id;
  by_id.credential_ids.insert(id);
  EXPECT_EQ(Check(*TestKeys(kNow, std::move(by_id))),
            absl::StatusCode::kUnauthenticated);
  Revocations by_subject;
  by_subject.subjects.insert(RevokedSubjectKey("default", "subject"));
  EXPECT_EQ(Check(*TestKeys(kNow, std::move(by_subject))),
            absl::StatusCode::kUnauthenticated);
  Revocations by_key;
  by_key.key_ids.insert(7);
  EXPECT_EQ(Check(*TestKeys(kNow, std::move(by_key))),
            absl::StatusCode::kUnauthenticated);
  Revocations others;
  others.credential_ids.insert("00");
  others.subjects.insert(RevokedSubjectKey("other", "subject"));
  others.key_ids.insert(8);
  EXPECT_EQ(Check(*TestKeys(kNow, std::move(others))), absl::StatusCode::kOk);
}

TEST_F(CredentialKeysTest, IdsAreInOrder) {
  std::vector<VerificationKey> keys(3);
  keys[0].id = 9;
  keys[1].id = 2;
  keys[2].id = 5;
  EXPECT_EQ(CredentialKeys(1, std::move(keys), {}).key_ids(),
            (std::vector<uint32_t>{2, 5, 9}));
}

}  // namespace
}  // namespace sallyport::media_relay
