#include "services/credential_issuer/core/key_ring.h"

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

Secret SecretOf(char c) { return Secret::CopyOf(std::string(kKeyBytes, c)); }

KeyRing Empty() { return KeyRing(KeyRingPolicy(), 1, {}); }

KeyRing Rotated(const KeyRing& ring, absl::Time now,
                const std::string& request_id = "") {
  auto next = ring.Rotate(SecretOf('a'), request_id, 1, now);
  EXPECT_THAT(next, IsOk());
  return *std::move(next);
}

std::vector<uint32_t> Ids(const std::vector<const RingKey*>& keys) {
  std::vector<uint32_t> out;
  for (const RingKey* key : keys) out.push_back(key->id);
  return out;
}

KeyRing Activated(const KeyRing& ring, absl::Time now) {
  const RingKey* const pending = ring.PendingAt(now);
  EXPECT_NE(pending, nullptr);
  return ring.Activate(pending->id, 2, now, now);
}

TEST(KeyRingTest, TheFirstKeyIsActiveAtOnce) {
  EXPECT_EQ(Empty().RotationTime(kStart), absl::InfinitePast());
  EXPECT_EQ(Empty().ActiveAt(kStart), nullptr);
  const KeyRing ring = Rotated(Empty(), kStart);
  ASSERT_NE(ring.ActiveAt(kStart), nullptr);
  EXPECT_EQ(ring.ActiveAt(kStart)->id, 1u);
  EXPECT_EQ(ring.PhaseAt(ring.keys()[0], kStart), KeyPhase::kActive);
  EXPECT_EQ(ring.PendingAt(kStart), nullptr);
  EXPECT_EQ(ring.next_id(), 2u);
}

TEST(KeyRingTest, ANewKeyIsNotUsedUntilItIsActivated) {
  const absl::Time t = kStart + absl::Hours(1);
  const KeyRing ring = Rotated(Rotated(Empty(), kStart), t);
  EXPECT_THAT(Ids(ring.VerificationKeys()), ElementsAre(1, 2));
  EXPECT_EQ(ring.PhaseAt(ring.keys()[1], t), KeyPhase::kPending);
  ASSERT_NE(ring.PendingAt(t), nullptr);
  EXPECT_EQ(ring.PendingAt(t)->id, 2u);
  EXPECT_EQ(ring.PendingAt(t)->not_before, t + absl::Seconds(10));
  // However long the relays take to acknowledge it.
  EXPECT_EQ(ring.ActiveAt(t + absl::Minutes(10))->id, 1u);
  const KeyRing used = Activated(ring, t + absl::Minutes(10));
  EXPECT_EQ(used.ActiveAt(t + absl::Minutes(10))->id, 2u);
  EXPECT_EQ(used.PendingAt(t + absl::Minutes(10)), nullptr);
  EXPECT_EQ(used.PhaseAt(used.keys()[0], t + absl::Minutes(10)),
            KeyPhase::kRetiring);
  EXPECT_EQ(used.keys()[1].made_version, 1);
  EXPECT_EQ(used.keys()[1].version, 2);
}

// AVE-18: the longest credential, made in the old key's last moment, is good
// for its 8 hours; then the old key is not.
TEST(KeyRingTest, TwoKeysOverlapForEightHours) {
  const absl::Time t = kStart + absl::Hours(1);
  const absl::Time last_use = t + absl::Seconds(10);
  const KeyRing ring =
      Activated(Rotated(Rotated(Empty(), kStart), t), last_use);
  EXPECT_EQ(ring.keys()[0].not_after, last_use + absl::Hours(8));
  EXPECT_EQ(ring.keys()[0].version, 2);
  EXPECT_EQ(ring.PhaseAt(ring.keys()[0],
                         last_use + absl::Hours(8) - absl::Seconds(1)),
            KeyPhase::kRetiring);
  EXPECT_EQ(ring.PhaseAt(ring.keys()[0], last_use + absl::Hours(8)),
            KeyPhase::kExpired);
}

TEST(KeyRingTest, OnScheduleThereIsAlwaysAnActiveKeyGoodForEightHours) {
  KeyRing ring = Empty();
  absl::Time now = kStart;
  for (int day = 0; day < 10; ++day) {
    if (ring.RotationTime(now) <= now) ring = Rotated(ring, now).Purge(now);
    const absl::Time next = ring.RotationTime(now);
    for (absl::Time t = now; t <= next; t += absl::Minutes(1)) {
      // As late as the policy allows.
      const RingKey* const pending = ring.PendingAt(t);
      if (pending != nullptr && t >= pending->not_before + absl::Minutes(1)) {
        ring = Activated(ring, t);
      }
      ASSERT_NE(ring.ActiveAt(t), nullptr);
      EXPECT_GE(ring.ActiveAt(t)->not_after, t + absl::Hours(8));
    }
    now = next;
  }
  EXPECT_EQ(ring.next_id(), 11u);
  EXPECT_LE(ring.keys().size(), 4u);
}

TEST(KeyRingTest, ALateScheduleStillServes) {
  KeyRing ring = Rotated(Empty(), kStart);
  // The issuer was down for a month: the next key is active at once.
  const absl::Time back = kStart + absl::Hours(24 * 30);
  EXPECT_EQ(ring.ActiveAt(back), nullptr);
  EXPECT_LE(ring.RotationTime(back), back);
  ring = Rotated(ring, back);
  EXPECT_EQ(ring.ActiveAt(back)->id, 2u);
}

// A clock that was ahead for a while, and is set right.
TEST(KeyRingTest, AKeyOfAClockThatWasAheadIsPassedOver) {
  const absl::Time ahead = kStart + absl::Hours(24 * 30);
  const KeyRing ring = Rotated(Rotated(Empty(), kStart), ahead);
  EXPECT_EQ(ring.ActiveAt(ahead)->id, 2u);
  EXPECT_EQ(ring.ActiveAt(kStart + absl::Minutes(1))->id, 1u);
  EXPECT_EQ(ring.PendingAt(kStart + absl::Minutes(1)), nullptr);
  // The schedule goes by the key that serves.
  EXPECT_EQ(ring.RotationTime(kStart + absl::Minutes(1)),
            Rotated(Empty(), kStart).RotationTime(kStart));
}

// A clock that is behind ends nothing early: the owner says when was the last
// use, and it is never before what the store has seen.
TEST(KeyRingTest, AClockThatIsBehindShortensNoKey) {
  const absl::Time t = kStart + absl::Hours(1);
  const KeyRing ring = Rotated(Rotated(Empty(), kStart), t);
  const KeyRing used = ring.Activate(2, 2, t - absl::Hours(24), t);
  EXPECT_EQ(used.keys()[0].not_after, t + absl::Hours(8));
}

TEST(KeyRingTest, RevokingTheActiveKeyLeavesNoneUntilTheNext) {
  KeyRing ring = Rotated(Empty(), kStart);
  const auto revoked = ring.Revoke(1, 2, kStart + absl::Hours(1));
  ASSERT_THAT(revoked, IsOk());
  const absl::Time now = kStart + absl::Hours(1);
  EXPECT_EQ(revoked->ActiveAt(now), nullptr);
  EXPECT_THAT(revoked->VerificationKeys(), IsEmpty());
  EXPECT_EQ(revoked->PhaseAt(revoked->keys()[0], now), KeyPhase::kRevoked);
  EXPECT_EQ(revoked->keys()[0].version, 2);
  EXPECT_EQ(revoked->RotationTime(now), absl::InfinitePast());
  const KeyRing next = Rotated(*revoked, now);
  EXPECT_EQ(next.ActiveAt(now)->id, 2u);
  // Again changes nothing, and does not move its end.
  const auto again = next.Revoke(1, 9, now + absl::Hours(1));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->keys()[0].version, 2);
  EXPECT_EQ(again->keys()[0].not_after, now);
  EXPECT_THAT(next.Revoke(7, 3, now), HasReason("KEY_NOT_FOUND"));
}

// The key before it serves again, but its end is near: another is due.
TEST(KeyRingTest, AfterARevocationTheShortenedKeyIsReplacedSoon) {
  const absl::Time t = kStart + absl::Hours(1);
  const KeyRing ring = Activated(Rotated(Rotated(Empty(), kStart), t), t);
  const auto revoked = ring.Revoke(2, 3, t + absl::Hours(1));
  ASSERT_THAT(revoked, IsOk());
  EXPECT_EQ(revoked->ActiveAt(t + absl::Hours(1))->id, 1u);
  EXPECT_LE(revoked->RotationTime(t + absl::Hours(1)), t + absl::Hours(1));
}

TEST(KeyRingTest, RotationsByCommandAreBounded) {
  KeyRing ring = Empty();
  for (size_t i = 0; i < KeyRing::kMaxKeys; ++i) ring = Rotated(ring, kStart);
  EXPECT_THAT(ring.Rotate(SecretOf('b'), "", 1, kStart),
              HasReason("KEY_RING_FULL"));
  EXPECT_THAT(ring.Rotate(SecretOf('b'), "", 1, kStart + absl::Hours(34)),
              IsOk());
}

TEST(KeyRingTest, TwoCommandsAtOnceKeepTheOldKeyUntilOneIsActive) {
  const absl::Time t = kStart + absl::Hours(1);
  const KeyRing ring = Rotated(Rotated(Rotated(Empty(), kStart), t), t);
  EXPECT_EQ(ring.ActiveAt(t)->id, 1u);
  EXPECT_EQ(ring.PendingAt(t)->id, 3u);
  EXPECT_EQ(Activated(ring, t + absl::Seconds(10)).ActiveAt(t)->id, 3u);
}

TEST(KeyRingTest, ARepeatedRequestFindsItsKey) {
  const KeyRing ring = Rotated(Empty(), kStart, "req-1");
  ASSERT_NE(ring.MadeBy("req-1"), nullptr);
  EXPECT_EQ(ring.MadeBy("req-1")->id, 1u);
  EXPECT_EQ(ring.MadeBy("req-2"), nullptr);
  EXPECT_EQ(ring.MadeBy(""), nullptr);
}

TEST(KeyRingTest, PurgeKeepsExpiredKeysForADayAndNeverReusesIds) {
  const absl::Time t = kStart + absl::Hours(1);
  const KeyRing ring = Activated(Rotated(Rotated(Empty(), kStart), t), t);
  const absl::Time gone = ring.keys()[0].not_after + KeyRing::kKeepExpired;
  EXPECT_EQ(ring.purge_time(), gone);
  EXPECT_EQ(ring.Purge(gone - absl::Seconds(1)).keys().size(), 2u);
  const KeyRing purged = ring.Purge(gone);
  EXPECT_EQ(purged.keys().size(), 1u);
  EXPECT_EQ(purged.next_id(), 3u);
}

}  // namespace
}  // namespace sallyport::credential_issuer
