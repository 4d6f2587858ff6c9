#include "services/credential_issuer/core/issuer.h"

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/revocation_list.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class IssuerTest : public testing::Test {
 protected:
  IssuerTest()
      : subject_key_(Secret::CopyOf(std::string(32, 's'))),
        key_secret_(Secret::CopyOf(std::string(kKeyBytes, 'k'))) {}

  Issuer Make(RevocationList revocations = RevocationList()) {
    KeyRing ring(KeyRingPolicy(), 5, {});
    auto rotated = ring.Rotate(key_secret_.Clone(), "", 1, kStart);
    EXPECT_THAT(rotated, IsOk());
    auto state = std::make_shared<IssuerState>(
        IssuerState{1, kStart, *rotated, std::move(revocations)});
    return Issuer(limits_, subject_key_, state);
  }

  IssueLimits limits_;
  FakeRandom random_;
  const Secret subject_key_;
  const Secret key_secret_;
};

TEST_F(IssuerTest, TheRelayVerifiesWhatWasIssued) {
  const Issuer issuer = Make();
  const auto got = issuer.Issue({"default", "alice@demo.test", absl::Hours(2)},
                                kStart, random_);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->key_id, 5u);
  EXPECT_EQ(got->expire_time, kStart + absl::Hours(2));
  EXPECT_EQ(got->lifetime, absl::Hours(2));
  EXPECT_EQ(got->credential_id.size(), 24u);
  EXPECT_EQ(KeyIdOfTurnUsername(got->username), 5u);
  const auto verified =
      VerifyTurnUsername(got->username, key_secret_, kStart + absl::Minutes(1));
  ASSERT_THAT(verified, IsOk());
  EXPECT_EQ(verified->claims.tenant, "default");
  EXPECT_EQ(verified->claims.subject, got->opaque_subject);
  EXPECT_EQ(verified->credential_id, got->credential_id);
  EXPECT_TRUE(verified->password == got->password);
  EXPECT_THAT(
      VerifyTurnUsername(got->username, key_secret_, kStart + absl::Hours(2)),
      StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(IssuerTest, TheSubjectIsNotInTheUserName) {
  const Issuer issuer = Make();
  const auto a = issuer.Issue({"default", "alice", {}}, kStart, random_);
  const auto b = issuer.Issue({"default", "alice", {}}, kStart, random_);
  const auto other = issuer.Issue({"other", "alice", {}}, kStart, random_);
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(a->opaque_subject.size(), 32u);
  EXPECT_THAT(a->opaque_subject, Not(HasSubstr("alice")));
  // The same user is one subject, so that revoking it finds all; another
  // tenant's user of the same name is another.
  EXPECT_EQ(a->opaque_subject, b->opaque_subject);
  EXPECT_NE(a->opaque_subject, other->opaque_subject);
  EXPECT_NE(a->username, b->username);
  EXPECT_NE(a->credential_id, b->credential_id);
}

TEST_F(IssuerTest, NothingOutlivesEightHoursOrItsKey) {
  const Issuer issuer = Make();
  const auto long_one =
      issuer.Issue({"default", "alice", absl::Hours(1000)}, kStart, random_);
  ASSERT_THAT(long_one, IsOk());
  EXPECT_EQ(long_one->expire_time, kStart + absl::Hours(8));
  const absl::Time end = issuer.state().ring.keys()[0].not_after;
  const auto late = issuer.Issue({"default", "alice", absl::Hours(8)},
                                 end - absl::Hours(1), random_);
  ASSERT_THAT(late, IsOk());
  EXPECT_EQ(late->expire_time, end);
  EXPECT_THAT(issuer.Issue({"default", "alice", {}}, end, random_),
              HasReason("NO_ACTIVE_KEY"));
}

TEST_F(IssuerTest, FractionsOfASecondAreCutOff) {
  const auto got = Make().Issue({"default", "alice", absl::Seconds(1)},
                                kStart + absl::Milliseconds(900), random_);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->expire_time, kStart + absl::Seconds(1));
}

TEST_F(IssuerTest, WrongRequestsAreRefused) {
  EXPECT_THAT(Make().Issue({"", "alice", {}}, kStart, random_),
              HasReason("REQUEST_INVALID"));
}

TEST_F(IssuerTest, ARevokedUserGetsAnotherOpaqueSubjectAndLaterTheOldOne) {
  const std::string first = Make().OpaqueSubject("default", "alice");
  Revocation revocation;
  revocation.tenant = "default";
  revocation.kind = RevocationKind::kSubject;
  revocation.target = first;
  revocation.expire_time = kStart + absl::Hours(8);
  const RevocationList list({revocation});
  const std::string second = Make(list).OpaqueSubject("default", "alice");
  EXPECT_NE(second, first);
  revocation.target = second;
  const RevocationList both = *list.With(revocation);
  const std::string third = Make(both).OpaqueSubject("default", "alice");
  EXPECT_NE(third, first);
  EXPECT_NE(third, second);
  EXPECT_EQ(
      Make(both.Purge(kStart + absl::Hours(8) + RevocationList::kKeepExpired))
          .OpaqueSubject("default", "alice"),
      first);
}

TEST_F(IssuerTest, FindsTheIdOfItsOwnUserNamesOnly) {
  const Issuer issuer = Make();
  const auto got = issuer.Issue({"default", "alice", {}}, kStart, random_);
  ASSERT_THAT(got, IsOk());
  EXPECT_THAT(issuer.CredentialIdOf("default", got->username, kStart),
              IsOkAndHolds(got->credential_id));
  EXPECT_THAT(issuer.CredentialIdOf("other", got->username, kStart),
              HasReason("USERNAME_INVALID"));
  EXPECT_THAT(
      issuer.CredentialIdOf("default", got->username, kStart + absl::Hours(1)),
      HasReason("USERNAME_INVALID"));
  std::string forged = got->username;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_THAT(issuer.CredentialIdOf("default", forged, kStart),
              HasReason("USERNAME_INVALID"));
  EXPECT_THAT(issuer.CredentialIdOf("default", "nonsense", kStart),
              HasReason("USERNAME_INVALID"));
}

}  // namespace
}  // namespace sallyport::credential_issuer
