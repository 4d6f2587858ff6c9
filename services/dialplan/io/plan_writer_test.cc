#include "services/dialplan/io/plan_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/status/status_matchers.h"
#include "services/common/time/clock.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

// A store that counts, and fails or waits when told to. Thread-compatible.
class FakeStore final : public PlanStore {
 public:
  absl::StatusOr<StoredPlan> Load(size_t) override { return StoredPlan(); }
  absl::Status Commit(const Apply& apply, absl::Time) override {
    SP_ASSIGN_OR_RETURN(const PlanChanges* changes, apply(TakeOthers()));
    if (twice) {
      SP_ASSIGN_OR_RETURN(changes, apply(TakeOthers()));
    }
    if (changes->empty()) return absl::OkStatus();
    if (gate != nullptr) gate->WaitForNotification();
    ++commits;
    if (fail) {
      return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                       "told to fail");
    }
    stored += changes->changes.size();
    return absl::OkStatus();
  }
  bool shared() const override { return true; }
  absl::StatusOr<StoredUpdate> Refresh() override { return TakeOthers(); }
  absl::StatusOr<bool> PruneAudit(absl::Time oldest) override {
    absl::MutexLock lock(&mutex);
    pruned = oldest;
    return false;
  }

  StoredUpdate TakeOthers() {
    absl::MutexLock lock(&mutex);
    return std::exchange(others, StoredUpdate());
  }
  void SetOthers(StoredUpdate update) {
    absl::MutexLock lock(&mutex);
    others = std::move(update);
  }

  absl::Mutex mutex;
  StoredUpdate others;
  absl::Time pruned = absl::InfinitePast();
  std::atomic<bool> twice = false;
  std::atomic<bool> fail = false;
  std::atomic<int> commits = 0;
  std::atomic<size_t> stored = 0;
  absl::Notification* gate = nullptr;
};

PlanEdit CreateTenant(const std::string& id) {
  PlanEdit edit;
  edit.name = "tenants/" + id;
  edit.make = [id](const Plan&, const PlanRecord*) {
    return TestRecord(TestTenant(id));
  };
  return edit;
}

class PlanWriterTest : public testing::Test {
 protected:
  void Make(PlanWriter::Options options = {}) {
    options.on_published = [this] { ++published_; };
    options.decode = [](const StoredResource& stored) {
      PlanRecord record = TestRecord(TestTenant(stored.name.substr(8)));
      record.body = stored.body;
      record.etag = stored.etag;
      return RecordPtr(std::make_shared<PlanRecord>(record));
    };
    writer_ = std::make_unique<PlanWriter>(
        std::make_unique<PlanEditor>(random_, PlanEditor::Options()), store_,
        board_, Clock::Real(), std::move(options));
  }

  absl::StatusOr<EditAnswer> Write(PlanEdit edit) {
    absl::Notification done;
    absl::StatusOr<EditAnswer> out;
    writer_->Submit(std::move(edit), [&](absl::StatusOr<EditAnswer> answer) {
      out = std::move(answer);
      done.Notify();
    });
    done.WaitForNotification();
    return out;
  }

  FakeRandom random_;
  FakeStore store_;
  PlanBoard board_{10};
  std::atomic<int> published_ = 0;
  std::unique_ptr<PlanWriter> writer_;
};

TEST_F(PlanWriterTest, AnAnsweredWriteIsStoredAndVisible) {
  Make();
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer answer, Write(CreateTenant("t")));
  EXPECT_EQ(store_.stored, 1u);
  ASSERT_NE(board_.Find("tenants/t"), nullptr);
  EXPECT_EQ(board_.Find("tenants/t")->etag, answer.etag);
  EXPECT_EQ(board_.head().version, 1);
  EXPECT_EQ(published_, 1);
  // What the store keeps is what was answered: no finer than a microsecond.
  EXPECT_EQ(answer.update_time,
            absl::FromUnixMicros(absl::ToUnixMicros(answer.update_time)));
}

TEST_F(PlanWriterTest, WhenTheStoreFailsNothingHasChanged) {
  Make();
  ASSERT_THAT(Write(CreateTenant("t")), IsOk());
  store_.fail = true;
  EXPECT_THAT(Write(CreateTenant("u")), HasReason("STORE_UNAVAILABLE"));
  EXPECT_THAT(Write(CreateTenant("u")),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(board_.Find("tenants/u"), nullptr);
  EXPECT_EQ(board_.head().version, 1);
  EXPECT_EQ(published_, 1);
  store_.fail = false;
  EXPECT_THAT(Write(CreateTenant("u")), IsOk());
  EXPECT_EQ(board_.head().version, 2);
}

TEST_F(PlanWriterTest, RefusedWritesTouchNoDisk) {
  Make();
  PlanEdit missing;
  missing.verb = PlanEdit::Verb::kDelete;
  missing.name = "tenants/none";
  EXPECT_THAT(Write(missing), HasReason("RESOURCE_NOT_FOUND"));
  EXPECT_EQ(store_.commits, 0);
}

TEST_F(PlanWriterTest, WaitingWritesShareATransaction) {
  absl::Notification gate;
  store_.gate = &gate;
  Make();
  constexpr int kWrites = 100;
  absl::BlockingCounter done(kWrites);
  std::atomic<int> good = 0;
  for (int i = 0; i < kWrites; ++i) {
    writer_->Submit(CreateTenant(absl::StrCat("t", i)),
                    [&](absl::StatusOr<EditAnswer> answer) {
                      good += answer.ok() ? 1 : 0;
                      done.DecrementCount();
                    });
  }
  gate.Notify();
  done.Wait();
  EXPECT_EQ(good, kWrites);
  EXPECT_EQ(store_.stored, static_cast<size_t>(kWrites));
  EXPECT_LE(store_.commits, 3);
}

TEST_F(PlanWriterTest, AFullQueueSaysSoAtOnce) {
  absl::Notification gate;
  store_.gate = &gate;
  PlanWriter::Options options;
  options.max_queue = 2;
  options.max_batch = 1;
  Make(std::move(options));
  std::atomic<int> full = 0;
  absl::BlockingCounter done(10);
  for (int i = 0; i < 10; ++i) {
    writer_->Submit(CreateTenant(absl::StrCat("t", i)),
                    [&](absl::StatusOr<EditAnswer> answer) {
                      if (ReasonOf(answer.status()) == "WRITE_QUEUE_FULL") {
                        ++full;
                      }
                      done.DecrementCount();
                    });
  }
  EXPECT_GE(full, 7);  // one under way, two waiting
  gate.Notify();
  done.Wait();
  EXPECT_EQ(store_.stored, static_cast<size_t>(10 - full));
}

TEST_F(PlanWriterTest, TheEndFinishesWhatWaits) {
  absl::Notification gate;
  store_.gate = &gate;
  Make();
  std::atomic<int> answered = 0;
  for (int i = 0; i < 5; ++i) {
    writer_->Submit(CreateTenant(absl::StrCat("t", i)),
                    [&](const absl::StatusOr<EditAnswer>&) { ++answered; });
  }
  gate.Notify();
  writer_.reset();
  EXPECT_EQ(answered, 5);
  EXPECT_EQ(store_.stored, 5u);
}

TEST_F(PlanWriterTest, ABatchIsStoredWholeOrNotAtAll) {
  Make();
  const auto write = [this](PlanBatch batch) {
    absl::Notification done;
    absl::StatusOr<BatchAnswer> out;
    writer_->Submit(std::move(batch), [&](absl::StatusOr<BatchAnswer> answer) {
      out = std::move(answer);
      done.Notify();
    });
    done.WaitForNotification();
    return out;
  };
  PlanBatch batch;
  batch.edits = {CreateTenant("t"), CreateTenant("u")};
  store_.fail = true;
  EXPECT_THAT(write(batch), HasReason("STORE_UNAVAILABLE"));
  EXPECT_EQ(board_.head().version, 0);
  store_.fail = false;
  SP_ASSERT_OK_AND_ASSIGN(BatchAnswer answer, write(batch));
  EXPECT_EQ(answer.created, 2u);
  EXPECT_EQ(store_.stored, 2u);
  EXPECT_EQ(store_.commits, 2);
  EXPECT_EQ(board_.head().version, 2);
  EXPECT_EQ(published_, 1);
  // Nothing of it is there when one write is at fault.
  batch.edits = {CreateTenant("v"), CreateTenant("t")};
  SP_ASSERT_OK_AND_ASSIGN(answer, write(batch));
  ASSERT_EQ(answer.faults.size(), 1u);
  EXPECT_EQ(answer.faults[0].fault.reason, "RESOURCE_EXISTS");
  EXPECT_EQ(board_.Find("tenants/v"), nullptr);
  EXPECT_EQ(store_.commits, 2);
}

StoredResource Stored(const std::string& id, const std::string& body) {
  StoredResource out;
  out.name = "tenants/" + id;
  out.body = body;
  out.etag = body;
  return out;
}

TEST_F(PlanWriterTest, WhatOthersHaveStoredIsCheckedAgainst) {
  Make();
  ASSERT_THAT(Write(CreateTenant("t")), IsOk());
  StoredUpdate others;
  others.version = 4;
  others.changes = {{2, "tenants/u"}, {3, "tenants/t"}, {4, "tenants/u"}};
  others.resources = {Stored("u", "theirs")};
  store_.SetOthers(others);
  EXPECT_THAT(Write(CreateTenant("u")), HasReason("RESOURCE_EXISTS"));
  // It is seen although the write was refused.
  EXPECT_EQ(board_.head().version, 4);
  EXPECT_EQ(board_.Find("tenants/t"), nullptr);
  ASSERT_NE(board_.Find("tenants/u"), nullptr);
  EXPECT_EQ(board_.Find("tenants/u")->body, "theirs");
  EXPECT_EQ(published_, 2);
  ASSERT_THAT(Write(CreateTenant("t")), IsOk());
  EXPECT_EQ(board_.head().version, 5);
}

TEST_F(PlanWriterTest, ARequestThatAnotherReplicaHasAnsweredIsNotDoneAgain) {
  Make();
  PlanEdit edit = CreateTenant("t");
  edit.request_key = "k";
  edit.request_hash = "h";
  StoredUpdate others;
  others.version = 1;
  others.changes = {{1, "tenants/t"}};
  others.resources = {Stored("t", "theirs")};
  RememberedRequest request;
  request.key = "k";
  request.hash = "h";
  request.answer.etag = "theirs";
  request.expire_time = absl::InfiniteFuture();
  others.requests = {request};
  store_.SetOthers(others);
  SP_ASSERT_OK_AND_ASSIGN(const EditAnswer answer, Write(edit));
  EXPECT_EQ(answer.etag, "theirs");
  EXPECT_EQ(store_.commits, 0);
  edit.request_hash = "other";
  EXPECT_THAT(Write(edit), HasReason("REQUEST_ID_REUSED"));
}

TEST_F(PlanWriterTest, ANotificationIsFollowedAndTheWholePlanTakenIfNeedBe) {
  Make();
  ASSERT_THAT(Write(CreateTenant("t")), IsOk());
  StoredUpdate others;
  others.version = 100;
  others.whole = true;
  others.changes = {{100, "tenants/v"}};
  others.resources = {Stored("u", "u"), Stored("v", "v")};
  store_.SetOthers(others);
  writer_->Refresh();
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (board_.head().version != 100 && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(board_.head().version, 100);
  EXPECT_EQ(board_.Find("tenants/t"), nullptr);
  EXPECT_NE(board_.Find("tenants/v"), nullptr);
  // The checksum is that of the new plan alone.
  PlanBoard fresh(10);
  Plan plan;
  for (const char* id : {"u", "v"}) {
    PlanRecord record = TestRecord(TestTenant(id));
    record.etag = id;
    plan.Put(std::make_shared<PlanRecord>(record));
  }
  fresh.Start(plan, 100, absl::UnixEpoch(), {});
  EXPECT_EQ(board_.head().checksum, fresh.head().checksum);
  ASSERT_THAT(Write(CreateTenant("t")), IsOk());
  EXPECT_EQ(board_.head().version, 101);
}

// A database may ask for another try after a conflict.
TEST_F(PlanWriterTest, ASecondTryBeginsAnew) {
  store_.twice = true;
  Make();
  ASSERT_THAT(Write(CreateTenant("t")), IsOk());
  EXPECT_EQ(board_.head().version, 1);
  EXPECT_EQ(store_.stored, 1u);
}

TEST_F(PlanWriterTest, AuditRecordsAreKeptAsLongAsIsSaid) {
  PlanWriter::Options options;
  options.audit_retention = absl::Hours(1);
  Make(std::move(options));
  ASSERT_THAT(Write(CreateTenant("t")), IsOk());
  writer_.reset();
  EXPECT_NEAR(absl::ToDoubleSeconds(absl::Now() - store_.pruned), 3600, 60);
}

}  // namespace
}  // namespace sallyport::dialplan
