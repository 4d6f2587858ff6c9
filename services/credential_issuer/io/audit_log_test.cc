#include "services/credential_issuer/io/audit_log.h"

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/metrics/metrics.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/credential_issuer/io/metrics_table.h"

namespace sallyport::credential_issuer {
namespace {

std::vector<std::string> Lines(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(AuditLogTest, ALineIsJson) {
  EXPECT_EQ(AuditLine(absl::FromUnixSeconds(0), "issue",
                      {{"tenant", "a"}, {"key_id", 7u}}),
            "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"event\":\"issue\","
            "\"tenant\":\"a\",\"key_id\":7}");
}

AuditRecord Line(const std::string& text) {
  AuditRecord out;
  out.line = text;
  return out;
}

TEST(AuditLogTest, IdsSortByTime) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(AuditId(now, 0xffff'0123'4567'89ab),
            "060a24181e4000"
            "0123456789ab");
  EXPECT_LT(AuditId(now, UINT64_MAX), AuditId(now + absl::Microseconds(1), 0));
}

TEST(FileAuditSinkTest, AppendsAndKeepsWhatWasThere) {
  const std::string path = testing::TempDir() + "/audit.jsonl";
  std::remove(path.c_str());
  for (const char* line : {"one", "two"}) {
    auto sink = FileAuditSink::Open(path);
    ASSERT_THAT(sink, IsOk());
    EXPECT_THAT((*sink)->Write({Line(line)}), IsOk());
  }
  EXPECT_THAT(Lines(path), testing::ElementsAre("one", "two"));
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(FileAuditSinkTest, AFileThatWasRenamedAwayIsMadeAnew) {
  const std::string path = testing::TempDir() + "/audit_moved.jsonl";
  std::remove(path.c_str());
  auto sink = FileAuditSink::Open(path);
  ASSERT_THAT(sink, IsOk());
  EXPECT_THAT((*sink)->Write({Line("one")}), IsOk());
  ASSERT_EQ(std::rename(path.c_str(), (path + ".1").c_str()), 0);
  EXPECT_THAT((*sink)->Write({Line("two"), Line("three")}), IsOk());
  EXPECT_THAT(Lines(path + ".1"), testing::ElementsAre("one"));
  EXPECT_THAT(Lines(path), testing::ElementsAre("two", "three"));
}

TEST(FileAuditSinkTest, AFullDiskAndAMissingFolderAreSaid) {
  EXPECT_THAT(FileAuditSink::Open("/nonexistent/audit"),
              StatusIs(absl::StatusCode::kUnavailable));
  auto full = FileAuditSink::Open("/dev/full");
  ASSERT_THAT(full, IsOk());
  EXPECT_THAT((*full)->Write({Line("one")}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT((*full)->List({}), HasReason("AUDIT_NOT_LISTED"));
}

// Fails when told to, and can be held up.
class FakeSink final : public AuditSink {
 public:
  absl::Status Write(absl::Span<const AuditRecord> records) override {
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(
        +[](bool* held) { return !*held; }, &held));
    batches.push_back(records.size());
    return broken ? absl::UnavailableError("disk full") : absl::OkStatus();
  }
  absl::StatusOr<std::vector<AuditRecord>> List(const AuditQuery&) override {
    return std::vector<AuditRecord>();
  }
  absl::Status Prune(absl::Time) override { return absl::OkStatus(); }

  void Hold(bool hold) {
    absl::MutexLock lock(&mutex);
    held = hold;
  }

  absl::Mutex mutex;
  bool held = false;
  bool broken = false;
  std::vector<size_t> batches;
};

class AuditLogGroupTest : public testing::Test {
 protected:
  AuditLogGroupTest() {
    const absl::Span<const MetricSpec> table = kCredentialIssuerMetrics;
    metrics_ = *MetricsRegistry::Create({table});
    log_ = std::make_unique<AuditLog>(sink_, *metrics_);
  }

  FakeSink sink_;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::unique_ptr<AuditLog> log_;
};

TEST_F(AuditLogGroupTest, WhatComesWhileTheDiskIsBusyGoesTogether) {
  sink_.Hold(true);
  absl::BlockingCounter left(101);
  for (int i = 0; i <= 100; ++i) {
    log_->Append({Line("x"), Line("y")}, [&](const absl::Status& status) {
      EXPECT_THAT(status, IsOk());
      left.DecrementCount();
    });
  }
  sink_.Hold(false);
  left.Wait();
  EXPECT_LE(sink_.batches.size(), 3u);
  size_t records = 0;
  for (const size_t batch : sink_.batches) records += batch;
  EXPECT_EQ(records, 202u);
}

TEST_F(AuditLogGroupTest, AFailureIsToldToEveryoneOfTheBatch) {
  sink_.broken = true;
  EXPECT_THAT(log_->AppendAndWait(Line("x")),
              testing::AllOf(StatusIs(absl::StatusCode::kUnavailable),
                             HasReason("AUDIT_UNAVAILABLE")));
  EXPECT_EQ(metrics_->Counter(kAuditFailuresTotal).Value(), 1);
  sink_.broken = false;
  EXPECT_THAT(log_->AppendAndWait(Line("x")), IsOk());
}

TEST_F(AuditLogGroupTest, TooManyThatWaitAreRefusedAtOnce) {
  sink_.Hold(true);
  std::atomic<int> refused = 0;
  std::atomic<int> done = 0;
  const int total = static_cast<int>(AuditLog::kMaxWaiting) + 2000;
  for (int i = 0; i < total; ++i) {
    log_->Append({Line("x")}, [&](const absl::Status& status) {
      if (ReasonOf(status) == "AUDIT_OVERLOADED") ++refused;
      ++done;
    });
  }
  EXPECT_GE(refused, 2000 - 1024);
  sink_.Hold(false);
  log_.reset();  // finishes what waits
  EXPECT_EQ(done, total);
}

}  // namespace
}  // namespace sallyport::credential_issuer
