#include "services/credential_issuer/io/issuer_keeper.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/random/system_random.h"
#include "services/common/status/status_matchers.h"
#include "services/common/time/fake_clock.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::ElementsAre;

// Keeps the state in memory, and fails when told to. Of several replicas.
class MemoryStore final : public IssuerStore {
 public:
  absl::StatusOr<IssuerState> Load(const KeyRingPolicy& policy) override {
    if (broken) return absl::UnavailableError("disk full");
    if (saved != nullptr) return *saved;
    return IssuerState{0, absl::Time(), KeyRing(policy, 1, {}), {}};
  }
  absl::StatusOr<int64_t> Version() override {
    if (broken) return absl::UnavailableError("disk full");
    return saved == nullptr ? 0 : saved->version;
  }
  absl::Status Save(const IssuerState& current,
                    const IssuerState& next) override {
    if (broken) return absl::UnavailableError("disk full");
    if (saved != nullptr && saved->version != current.version) {
      return absl::AbortedError("another was first");
    }
    saved = std::make_unique<IssuerState>(next);
    return absl::OkStatus();
  }
  absl::Status SaveReports(const std::vector<StoredReport>&,
                           absl::Time) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<StoredReport>> LoadReports(absl::Time) override {
    return std::vector<StoredReport>();
  }

  std::unique_ptr<IssuerState> saved;
  bool broken = false;
};

class IssuerKeeperTest : public testing::Test {
 protected:
  IssuerKeeperTest() : subject_key_(Secret::CopyOf(std::string(32, 's'))) {
    const absl::Span<const MetricSpec> table = kCredentialIssuerMetrics;
    metrics_ = *MetricsRegistry::Create({table});
  }

  std::unique_ptr<IssuerKeeper> Make() {
    auto keeper = IssuerKeeper::Create(
        {}, {store_, subject_key_, clock_, random_, *metrics_,
             [this](int64_t) { return acknowledged_; }});
    EXPECT_THAT(keeper, IsOk());
    (*keeper)->SetListener([this](std::shared_ptr<const IssuerState> state) {
      versions_.push_back(state->version);
    });
    return *std::move(keeper);
  }

  bool acknowledged_ = true;
  MemoryStore store_;
  FakeClock clock_;
  SystemRandom random_;
  const Secret subject_key_;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::vector<int64_t> versions_;
};

TEST_F(IssuerKeeperTest, TheFirstStartMakesAKeyAndTheNextDoesNot) {
  uint32_t first;
  {
    const auto keeper = Make();
    const RingKey* key = keeper->issuer()->state().ring.ActiveAt(clock_.Now());
    ASSERT_NE(key, nullptr);
    first = key->id;
    EXPECT_EQ(keeper->issuer()->state().version, 1);
  }
  const auto keeper = Make();
  EXPECT_EQ(keeper->issuer()->state().version, 1);
  EXPECT_EQ(keeper->issuer()->state().ring.ActiveAt(clock_.Now())->id, first);
}

TEST_F(IssuerKeeperTest, RotatesOnSchedule) {
  const auto keeper = Make();
  EXPECT_THAT(keeper->OnTimer(), IsOk());
  EXPECT_TRUE(versions_.empty());
  clock_.Advance(keeper->deadline() - clock_.Now());
  EXPECT_THAT(keeper->OnTimer(), IsOk());
  EXPECT_THAT(versions_, ElementsAre(2));
  EXPECT_EQ(keeper->issuer()->state().ring.keys().size(), 2u);
  EXPECT_GT(keeper->deadline(), clock_.Now());
}

// Issue 4: published to all relays and acknowledged before its first use.
TEST_F(IssuerKeeperTest, ANewKeyWaitsForItsTimeAndForTheRelays) {
  const auto keeper = Make();
  acknowledged_ = false;
  ASSERT_THAT(keeper->RotateKey("r"), IsOk());
  const auto active = [&] {
    EXPECT_THAT(keeper->OnTimer(), IsOk());
    return keeper->issuer()->state().ring.ActiveAt(clock_.Now())->id;
  };
  clock_.Advance(absl::Seconds(30));
  EXPECT_EQ(active(), 1u);
  acknowledged_ = true;
  EXPECT_EQ(active(), 2u);
  EXPECT_EQ(
      metrics_->Counter(kActivationsTotal).Value(Activation::kAcknowledged), 1);
  ASSERT_THAT(keeper->RotateKey("s"), IsOk());
  EXPECT_EQ(active(), 2u);  // acknowledged, but too soon
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(active(), 3u);
}

TEST_F(IssuerKeeperTest, ARelayThatNeverAcknowledgesHoldsNothingUp) {
  const auto keeper = Make();
  acknowledged_ = false;
  ASSERT_THAT(keeper->RotateKey("r"), IsOk());
  clock_.Advance(absl::Seconds(69));
  EXPECT_THAT(keeper->OnTimer(), IsOk());
  EXPECT_EQ(keeper->issuer()->state().ring.ActiveAt(clock_.Now())->id, 1u);
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(keeper->OnTimer(), IsOk());
  EXPECT_EQ(keeper->issuer()->state().ring.ActiveAt(clock_.Now())->id, 2u);
  EXPECT_EQ(metrics_->Counter(kActivationsTotal).Value(Activation::kTimeout),
            1);
}

TEST_F(IssuerKeeperTest, ReplicasShareOneRing) {
  const auto one = Make();
  const auto two = Make();
  ASSERT_THAT(one->RotateKey("r"), IsOk());
  // Two's command finds that one was first, looks again and follows.
  const auto revoked = two->RevokeUser("a", "alice", "left");
  ASSERT_THAT(revoked, IsOk());
  EXPECT_EQ(two->state()->version, 3);
  EXPECT_EQ(two->state()->ring.keys().size(), 2u);
  EXPECT_EQ(metrics_->Counter(kStateConflictsTotal).Value(), 1);
  EXPECT_EQ(one->state()->version, 2);
  EXPECT_THAT(one->Refresh(), IsOk());
  EXPECT_EQ(one->state()->version, 3);
  EXPECT_THAT(versions_, ElementsAre(2, 2, 3, 3));
  // The same command to either makes one key.
  EXPECT_EQ(two->RotateKey("r")->id, one->RotateKey("r")->id);
  // Both schedules are due: one rotation.
  clock_.Advance(absl::Hours(24));
  EXPECT_THAT(one->OnTimer(), IsOk());
  EXPECT_THAT(two->OnTimer(), IsOk());
  EXPECT_THAT(two->Refresh(), IsOk());
  EXPECT_EQ(two->state()->ring.next_id(), one->state()->ring.next_id());
}

TEST_F(IssuerKeeperTest, TheStoreThatIsGoneIsSaidAndIssuingGoesOn) {
  const auto keeper = Make();
  EXPECT_THAT(keeper->store_status(), IsOk());
  store_.broken = true;
  EXPECT_FALSE(keeper->Refresh().ok());
  EXPECT_THAT(keeper->store_status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(
      keeper->issuer()->Issue({"a", "alice", {}}, clock_.Now(), random_),
      IsOk());
  store_.broken = false;
  EXPECT_THAT(keeper->Refresh(), IsOk());
  EXPECT_THAT(keeper->store_status(), IsOk());
}

// Issue 4, faults: clocks that jump.
TEST_F(IssuerKeeperTest, AClockThatIsSetRemovesNothing) {
  const auto keeper = Make();
  ASSERT_THAT(keeper->RevokeUser("a", "alice", "left"), IsOk());
  EXPECT_THAT(keeper->OnTimer(), IsOk());
  EXPECT_TRUE(keeper->clock_settled());
  const absl::Time right = clock_.Now();
  // A month ahead: a key must serve, and nothing is removed.
  clock_.JumpTo(right + absl::Hours(24 * 30));
  EXPECT_THAT(keeper->OnTimer(), IsOk());
  EXPECT_FALSE(keeper->clock_settled());
  EXPECT_EQ(metrics_->Counter(kClockJumpsTotal).Value(), 1);
  EXPECT_THAT(keeper->issuer()->Issue({"a", "bob", {}}, clock_.Now(), random_),
              IsOk());
  EXPECT_EQ(keeper->state()->revocations.all().size(), 1u);
  EXPECT_EQ(keeper->state()->ring.keys().size(), 2u);
  // Set right again: the old key serves as before.
  clock_.JumpTo(right);
  EXPECT_THAT(keeper->OnTimer(), IsOk());
  EXPECT_EQ(keeper->issuer()->state().ring.ActiveAt(clock_.Now())->id, 1u);
  const auto credential =
      keeper->issuer()->Issue({"a", "bob", {}}, clock_.Now(), random_);
  ASSERT_THAT(credential, IsOk());
  EXPECT_EQ(credential->key_id, 1u);
  EXPECT_EQ(keeper->state()->revocations.all().size(), 1u);
  // A day behind: it serves still, and shortens nothing.
  const absl::Time end = keeper->state()->ring.keys()[0].not_after;
  clock_.JumpTo(right - absl::Hours(24));
  EXPECT_THAT(keeper->OnTimer(), IsOk());
  ASSERT_THAT(keeper->RotateKey("behind"), IsOk());
  EXPECT_GE(keeper->state()->ring.keys()[0].not_after, end);
  clock_.JumpTo(right);
  for (int i = 0; i < 20; ++i) {
    clock_.Advance(absl::Minutes(1));
    EXPECT_THAT(keeper->OnTimer(), IsOk());
  }
  EXPECT_TRUE(keeper->clock_settled());
}

TEST_F(IssuerKeeperTest, ARepeatedCommandMakesOneKey) {
  const auto keeper = Make();
  const auto a = keeper->RotateKey("req");
  const auto b = keeper->RotateKey("req");
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  EXPECT_EQ(a->id, b->id);
  const auto c = keeper->RotateKey("");
  ASSERT_THAT(c, IsOk());
  EXPECT_NE(c->id, a->id);
  EXPECT_THAT(versions_, ElementsAre(2, 3));
}

TEST_F(IssuerKeeperTest, RevocationsArePublishedOnce) {
  const auto keeper = Make();
  const auto one = keeper->RevokeCredential("a", "0011", "lost");
  const auto again = keeper->RevokeCredential("a", "0011", "lost");
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(one->id, again->id);
  EXPECT_THAT(versions_, ElementsAre(2));
}

TEST_F(IssuerKeeperTest, ARevokedUserIsAnotherSubject) {
  const auto keeper = Make();
  const std::string before = keeper->issuer()->OpaqueSubject("a", "alice");
  const auto revoked = keeper->RevokeUser("a", "alice", "left");
  ASSERT_THAT(revoked, IsOk());
  EXPECT_EQ(revoked->target, before);
  EXPECT_NE(keeper->issuer()->OpaqueSubject("a", "alice"), before);
}

TEST_F(IssuerKeeperTest, ARevokedActiveKeyIsReplacedAtOnce) {
  const auto keeper = Make();
  const auto revoked = keeper->RevokeKey(1, "stolen");
  ASSERT_THAT(revoked, IsOk());
  EXPECT_TRUE(revoked->revoked);
  EXPECT_EQ(keeper->issuer()->state().ring.ActiveAt(clock_.Now())->id, 2u);
  EXPECT_THAT(keeper->RevokeKey(1, "again"), IsOk());
  EXPECT_THAT(versions_, ElementsAre(2));
  EXPECT_THAT(keeper->RevokeKey(77, ""), HasReason("KEY_NOT_FOUND"));
}

TEST_F(IssuerKeeperTest, WhatIsNotDurableDidNotHappen) {
  const auto keeper = Make();
  store_.broken = true;
  EXPECT_THAT(keeper->RotateKey("r"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(keeper->RevokeUser("a", "alice", "").ok());
  EXPECT_EQ(keeper->issuer()->state().version, 1);
  EXPECT_TRUE(versions_.empty());
  store_.broken = false;
  EXPECT_THAT(keeper->RotateKey("r"), IsOk());
  EXPECT_THAT(versions_, ElementsAre(2));
  EXPECT_EQ(metrics_->Counter(kStoreFailuresTotal).Value(), 2);
}

TEST_F(IssuerKeeperTest, AnOverdueRotationIsMadeAtStart) {
  Make();
  clock_.Advance(absl::Hours(24 * 7));
  const auto keeper = Make();
  ASSERT_NE(keeper->issuer()->state().ring.ActiveAt(clock_.Now()), nullptr);
  EXPECT_EQ(keeper->issuer()->state().ring.ActiveAt(clock_.Now())->id, 2u);
}

}  // namespace
}  // namespace sallyport::credential_issuer
