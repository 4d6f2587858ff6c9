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

TEST(KeyRingTest, TheFirstKeyIsActiveAtOnce) {
  EXPECT_EQ(Empty().rotation_time(), absl::InfinitePast());
  EXPECT_EQ(Empty().ActiveAt(kStart), nullptr);
  const KeyRing ring = Rotated(Empty(), kStart);
  ASSERT_NE(ring.ActiveAt(kStart), nullptr);
  EXPECT_EQ(ring.ActiveAt(kStart)->id, 1u);
  EXPECT_EQ(ring.PhaseAt(ring.keys()[0], kStart), KeyPhase::kActive);
  EXPECT_EQ(ring.next_id(), 2u);
}

TEST(KeyRingTest, ANewKeyIsKnownBeforeItIsUsed) {
  const absl::Time t = kStart + absl::Hours(1);
  const KeyRing ring = Rotated(Rotated(Empty(), kStart), t);
  EXPECT_THAT(Ids(ring.VerificationKeysAt(t)), ElementsAre(1, 2));
  EXPECT_EQ(ring.ActiveAt(t)->id, 1u);
  EXPECT_EQ(ring.PhaseAt(ring.keys()[1], t), KeyPhase::kPending);
  EXPECT_EQ(ring.ActiveAt(t + absl::Seconds(9))->id, 1u);
  EXPECT_EQ(ring.ActiveAt(t + absl::Seconds(10))->id, 2u);
  EXPECT_EQ(ring.PhaseAt(ring.keys()[0], t + absl::Seconds(10)),
            KeyPhase::kRetiring);
}

// AVE-18: the longest credential, made in the old key's last moment, is good
// for its 8 hours; then the old key is gone.
TEST(KeyRingTest, TwoKeysOverlapForEightHours) {
  const absl::Time t = kStart + absl::Hours(1);
  const KeyRing ring = Rotated(Rotated(Empty(), kStart), t);
  const absl::Time last_use = t + absl::Seconds(10);
  EXPECT_EQ(ring.keys()[0].not_after, last_use + absl::Hours(8));
  EXPECT_THAT(Ids(ring.VerificationKeysAt(last_use + absl::Hours(8) -
                                          absl::Seconds(1))),
              ElementsAre(1, 2));
  EXPECT_THAT(Ids(ring.VerificationKeysAt(last_use + absl::Hours(8))),
              ElementsAre(2));
  EXPECT_EQ(ring.PhaseAt(ring.keys()[0], last_use + absl::Hours(8)),
            KeyPhase::kExpired);
}

TEST(KeyRingTest, OnScheduleThereIsAlwaysAnActiveKeyGoodForEightHours) {
  KeyRing ring = Empty();
  absl::Time now = kStart;
  for (int day = 0; day < 10; ++day) {
    if (ring.rotation_time() <= now) ring = Rotated(ring, now).Purge(now);
    const absl::Time next = ring.rotation_time();
    for (absl::Time t = now; t <= next; t += absl::Minutes(37)) {
      ASSERT_NE(ring.ActiveAt(t), nullptr);
      EXPECT_GE(ring.ActiveAt(t)->not_after, t + absl::Hours(8));
      EXPECT_LE(ring.VerificationKeysAt(t).size(), 2u);
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
  EXPECT_LE(ring.rotation_time(), back);
  ring = Rotated(ring, back);
  EXPECT_EQ(ring.ActiveAt(back)->id, 2u);
}

TEST(KeyRingTest, RevokingTheActiveKeyLeavesNoneUntilTheNext) {
  KeyRing ring = Rotated(Empty(), kStart);
  const auto revoked = ring.Revoke(1, 2, kStart + absl::Hours(1));
  ASSERT_THAT(revoked, IsOk());
  const absl::Time now = kStart + absl::Hours(1);
  EXPECT_EQ(revoked->ActiveAt(now), nullptr);
  EXPECT_THAT(revoked->VerificationKeysAt(now), IsEmpty());
  EXPECT_EQ(revoked->PhaseAt(revoked->keys()[0], now), KeyPhase::kRevoked);
  EXPECT_EQ(revoked->keys()[0].version, 2);
  EXPECT_EQ(revoked->rotation_time(), absl::InfinitePast());
  const KeyRing next = Rotated(*revoked, now);
  EXPECT_EQ(next.ActiveAt(now)->id, 2u);
  // Again changes nothing, and does not move its end.
  const auto again = next.Revoke(1, 9, now + absl::Hours(1));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->keys()[0].version, 2);
  EXPECT_EQ(again->keys()[0].not_after, now);
  EXPECT_THAT(next.Revoke(7, 3, now), HasReason("KEY_NOT_FOUND"));
}

TEST(KeyRingTest, RotationsByCommandAreBounded) {
  KeyRing ring = Empty();
  for (size_t i = 0; i < KeyRing::kMaxKeys; ++i) ring = Rotated(ring, kStart);
  EXPECT_THAT(ring.Rotate(SecretOf('b'), "", 1, kStart),
              HasReason("KEY_RING_FULL"));
  EXPECT_THAT(ring.Rotate(SecretOf('b'), "", 1, kStart + absl::Hours(9)),
              IsOk());
}

TEST(KeyRingTest, TwoCommandsAtOnceKeepTheOldKeyUntilOneIsActive) {
  const absl::Time t = kStart + absl::Hours(1);
  const KeyRing ring = Rotated(Rotated(Rotated(Empty(), kStart), t), t);
  EXPECT_EQ(ring.ActiveAt(t)->id, 1u);
  EXPECT_EQ(ring.ActiveAt(t + absl::Seconds(10))->id, 3u);
}

TEST(KeyRingTest, ARepeatedRequestFindsItsKey) {
  const KeyRing ring = Rotated(Empty(), kStart, "req-1");
  ASSERT_NE(ring.MadeBy("req-1"), nullptr);
  EXPECT_EQ(ring.MadeBy("req-1")->id, 1u);
  EXPECT_EQ(ring.MadeBy("req-2"), nullptr);
  EXPECT_EQ(ring.MadeBy(""), nullptr);
}

TEST(KeyRingTest, PurgeKeepsExpiredKeysForADayAndNeverReusesIds) {
  KeyRing ring = Rotated(Rotated(Empty(), kStart), kStart + absl::Hours(1));
  const absl::Time gone = ring.keys()[0].not_after + KeyRing::kKeepExpired;
  EXPECT_EQ(ring.purge_time(), gone);
  EXPECT_EQ(ring.Purge(gone - absl::Seconds(1)).keys().size(), 2u);
  const KeyRing purged = ring.Purge(gone);
  EXPECT_EQ(purged.keys().size(), 1u);
  EXPECT_EQ(purged.next_id(), 3u);
}

}  // namespace
}  // namespace sallyport::credential_issuer
