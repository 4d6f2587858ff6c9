#include "services/credential_issuer/core/issuer_state.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::credential_issuer {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

Secret SecretOf(char c) { return Secret::CopyOf(std::string(kKeyBytes, c)); }

IssuerState Fresh() {
  return {0, kStart, KeyRing(KeyRingPolicy(), 1, {}), RevocationList()};
}

IssuerState WithOneKey() {
  auto state = WithNewKey(Fresh(), SecretOf('a'), "", kStart);
  EXPECT_THAT(state, IsOk());
  return *std::move(state);
}

TEST(IssuerStateTest, EachChangeIsTheNextVersion) {
  EXPECT_EQ(NextDeadline(Fresh(), kStart), absl::InfinitePast());
  const IssuerState one = WithOneKey();
  EXPECT_EQ(one.version, 1);
  EXPECT_EQ(one.ring.keys()[0].version, 1);
  const auto two = WithRevocation(one, RevocationKind::kCredential, "a", "c1",
                                  {"r1", "lost phone"}, kStart);
  ASSERT_THAT(two, IsOk());
  EXPECT_EQ(two->version, 2);
  ASSERT_EQ(two->revocations.all().size(), 1u);
  EXPECT_EQ(two->revocations.all()[0].version, 2);
  EXPECT_EQ(two->revocations.all()[0].reason, "lost phone");
  EXPECT_EQ(one.version, 1);
  EXPECT_TRUE(one.revocations.all().empty());
}

TEST(IssuerStateTest, RevokingTwiceIsOneRevocation) {
  const IssuerState one = WithOneKey();
  const auto two = WithRevocation(one, RevocationKind::kSubject, "a", "s",
                                  {"r1", ""}, kStart);
  ASSERT_THAT(two, IsOk());
  const auto again = WithRevocation(*two, RevocationKind::kSubject, "a", "s",
                                    {"r2", ""}, kStart);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->version, 2);
  EXPECT_EQ(again->revocations.all().size(), 1u);
}

TEST(IssuerStateTest, RevokingTheActiveKeyMakesTheNextAtOnce) {
  const auto state =
      WithKeyRevoked(WithOneKey(), 1, {"r1", "stolen"}, SecretOf('b'), kStart);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->version, 2);
  ASSERT_NE(state->ring.ActiveAt(kStart), nullptr);
  EXPECT_EQ(state->ring.ActiveAt(kStart)->id, 2u);
  EXPECT_TRUE(state->revocations.Contains(RevocationKind::kKey, "-", "1"));
  const auto again =
      WithKeyRevoked(*state, 1, {"r2", ""}, SecretOf('c'), kStart);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->version, 2);
  EXPECT_THAT(WithKeyRevoked(*state, 9, {"r3", ""}, SecretOf('c'), kStart),
              HasReason("KEY_NOT_FOUND"));
}

TEST(IssuerStateTest, RevokingARetiringKeyMakesNoOther) {
  const auto made = WithNewKey(WithOneKey(), SecretOf('b'), "", kStart);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(NextDeadline(*made, kStart), kStart + absl::Seconds(10));
  const absl::Time later = kStart + absl::Minutes(1);
  const IssuerState state = WithKeyActivated(*made, 2, later);
  EXPECT_EQ(state.version, 3);
  const auto revoked =
      WithKeyRevoked(state, 1, {"r1", ""}, SecretOf('c'), later);
  ASSERT_THAT(revoked, IsOk());
  EXPECT_EQ(revoked->ring.keys().size(), 2u);
  EXPECT_EQ(revoked->ring.ActiveAt(later)->id, 2u);
}

TEST(IssuerStateTest, ExpiredThingsGoAndNothingElseMakesAVersion) {
  const auto state = WithRevocation(WithOneKey(), RevocationKind::kCredential,
                                    "a", "c1", {"r1", ""}, kStart);
  ASSERT_THAT(state, IsOk());
  const absl::Time end =
      kStart + absl::Hours(8) + absl::Seconds(1) + RevocationList::kKeepExpired;
  EXPECT_EQ(state->revocations.all()[0].expire_time,
            kStart + absl::Hours(8) + absl::Seconds(1));
  EXPECT_EQ(WithoutExpired(*state, end - absl::Seconds(1)).version, 2);
  const IssuerState purged = WithoutExpired(*state, end);
  EXPECT_EQ(purged.version, 3);
  EXPECT_TRUE(purged.revocations.all().empty());
  EXPECT_EQ(purged.ring.keys().size(), 1u);
  EXPECT_EQ(NextDeadline(purged, kStart), purged.ring.RotationTime(kStart));
}

TEST(IssuerStateTest, ARevokedActiveKeyHandsOverToThePendingOne) {
  const auto made = WithNewKey(WithOneKey(), SecretOf('b'), "", kStart);
  ASSERT_THAT(made, IsOk());
  const auto revoked =
      WithKeyRevoked(*made, 1, {"r1", ""}, SecretOf('c'), kStart);
  ASSERT_THAT(revoked, IsOk());
  EXPECT_EQ(revoked->ring.keys().size(), 2u);
  EXPECT_EQ(revoked->ring.ActiveAt(kStart)->id, 2u);
}

// The store has seen a later time than this clock shows.
TEST(IssuerStateTest, NothingEndsEarlierForAClockThatIsBehind) {
  const IssuerState one = WithOneKey();
  const absl::Time behind = kStart - absl::Hours(24);
  const auto revoked = WithRevocation(one, RevocationKind::kSubject, "a", "s",
                                      {"r1", ""}, behind);
  ASSERT_THAT(revoked, IsOk());
  EXPECT_EQ(revoked->version_time, kStart);
  EXPECT_EQ(revoked->revocations.all()[0].expire_time,
            kStart + absl::Hours(8) + absl::Seconds(1));
  const auto made = WithNewKey(one, SecretOf('b'), "", kStart);
  ASSERT_THAT(made, IsOk());
  const IssuerState used = WithKeyActivated(*made, 2, behind);
  EXPECT_EQ(used.ring.keys()[0].not_after, kStart + absl::Hours(8));
}

}  // namespace
}  // namespace sallyport::credential_issuer
