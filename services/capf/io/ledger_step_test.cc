#include "services/capf/io/ledger_step.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/io/test_capf.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

StoreChange Change(const std::string& event) {
  StoreChange change;
  change.audit.push_back({event, "test", "subject", ""});
  return change;
}

class LedgerStepTest : public testing::Test {
 protected:
  // How many records of `event` are in the store; the audit file has as many
  // in all.
  int Recorded(const std::string& event) {
    const auto records = capf.store->ReadAudit(0, 100000);
    EXPECT_THAT(records, IsOk());
    EXPECT_EQ(capf.audit->sequence(), records->back().sequence);
    int count = 0;
    for (const AuditRecord& record : *records) {
      count += record.event.event == event ? 1 : 0;
    }
    return count;
  }
  // `left` changes, one after the other; each is durable when the next is made.
  LedgerStep Chain(int left, const std::function<void()>& done) {
    if (left == 0) {
      done();
      return {};
    }
    return Commit(Change("STEP"),
                  [this, left, done](const absl::Status& status) {
                    EXPECT_THAT(status, IsOk());
                    return Chain(left - 1, done);
                  });
  }

  WorkPool pool{3, 1000};  // first: the ledger's thread uses it
  TestCapf capf{NewTestFolder()};
};

TEST_F(LedgerStepTest, AllStepsOnTheThreadThatWaits) {
  bool done = false;
  TakeSteps(*capf.ledger, Chain(3, [&] { done = true; }));
  EXPECT_TRUE(done);
  EXPECT_EQ(Recorded("STEP"), 3);
}

// Whatever was answered is in the store and in the audit file, also if
// the pool stops meanwhile.
TEST_F(LedgerStepTest, ManyChainsOnFewThreads) {
  constexpr int kChains = 300;
  std::atomic<int> ended = 0;
  for (int i = 0; i < kChains; ++i) {
    ASSERT_THAT(pool.Post([&] {
      TakeStepsOn(pool, *capf.ledger, Chain(4, [&] { ++ended; }));
    }),
                IsOk());
  }
  pool.Stop();
  EXPECT_EQ(ended, kChains);
  EXPECT_EQ(Recorded("STEP"), 4 * kChains);
}

TEST_F(LedgerStepTest, ARefusalIsToldToTheNextStep) {
  const Enrollment phone = capf.AddEnrollment("SEP1");
  const auto update = [&] {
    StoreChange change = Change("UPDATE");
    change.update_enrollments.push_back(phone);
    return change;
  };
  std::vector<absl::Status> told;
  absl::Notification done;
  ASSERT_THAT(pool.Post([&] {
    TakeStepsOn(pool, *capf.ledger,
                Commit(update(), [&](const absl::Status& first) {
                  told.push_back(first);
                  // The same version once more.
                  return Commit(update(), [&](const absl::Status& second) {
                    told.push_back(second);
                    done.Notify();
                    return LedgerStep();
                  });
                }));
  }),
              IsOk());
  done.WaitForNotification();
  EXPECT_THAT(told[0], IsOk());
  EXPECT_THAT(told[1], HasReason("ETAG_MISMATCH"));
  EXPECT_EQ(Recorded("UPDATE"), 1);
}

}  // namespace
}  // namespace sallyport::capf
