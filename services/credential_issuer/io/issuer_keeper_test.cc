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

// Keeps the state in memory, and fails when told to.
class MemoryStore final : public IssuerStore {
 public:
  absl::StatusOr<IssuerState> Load(const KeyRingPolicy& policy) override {
    if (saved != nullptr) return *saved;
    return IssuerState{0, absl::Time(), KeyRing(policy, 1, {}), {}};
  }
  absl::Status Save(const IssuerState& /*current*/,
                    const IssuerState& next) override {
    if (broken) return absl::UnavailableError("disk full");
    saved = std::make_unique<IssuerState>(next);
    return absl::OkStatus();
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
        {}, {store_, subject_key_, clock_, random_, *metrics_});
    EXPECT_THAT(keeper, IsOk());
    (*keeper)->SetListener([this](std::shared_ptr<const IssuerState> state) {
      versions_.push_back(state->version);
    });
    return *std::move(keeper);
  }

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
