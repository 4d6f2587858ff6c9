#include "services/dialplan/io/sqlite_plan_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/core/plan_fixture.h"
#include "services/dialplan/io/plan_schema.h"

namespace sallyport::dialplan {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

RecordPtr Record(PlanEntry entry, const std::string& etag) {
  PlanRecord record = TestRecord(std::move(entry));
  record.etag = etag;
  record.create_time = kNow;
  record.update_time = kNow + absl::Microseconds(7);
  // Bodies are octets: all of them must survive.
  record.body.push_back('\0');
  record.body.append("\xff'\"\n");
  return std::make_shared<PlanRecord>(record);
}

class SqlitePlanStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    file_ = std::string(std::getenv("TEST_TMPDIR")) + "/" +
            testing::UnitTest::GetInstance()->current_test_info()->name() +
            "/below/plan.db";
    Reopen();
  }

  void Reopen() {
    store_.reset();
    auto opened = SqlitePlanStore::Open(file_, random_);
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }

  FakeRandom random_;
  std::string file_;
  std::unique_ptr<SqlitePlanStore> store_;
};

TEST_F(SqlitePlanStoreTest, StartsEmptyAndPrivate) {
  SP_ASSERT_OK_AND_ASSIGN(StoredPlan plan, store_->Load(10));
  EXPECT_EQ(plan.version, 0);
  EXPECT_TRUE(plan.resources.empty());
  EXPECT_EQ(plan.token_key.size(), 32u);
  for (const char* suffix : {"", "-wal"}) {
    struct stat info;
    ASSERT_EQ(stat((file_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(SqlitePlanStoreTest, WhatWasCommittedIsThereAfterReopening) {
  SP_ASSERT_OK_AND_ASSIGN(StoredPlan empty, store_->Load(10));
  UserEntry user = TestUser("alice", "d");
  user.ha1_md5 = "md5hash";
  user.ha1_sha256 = "sha256hash";
  PlanChanges changes;
  changes.changes.push_back(
      {1, "tenants/t", nullptr, Record(TestTenant(), "e1")});
  changes.changes.push_back({2, user.name, nullptr, Record(user, "e2")});
  changes.changes.push_back(
      {3, "tenants/u", nullptr, Record(TestTenant("u"), "e3")});
  RememberedRequest request;
  request.key = "service cli\ncreate\nid";
  request.hash = "h";
  request.answer.body = std::string("\0\x01", 2);
  request.answer.etag = "e1";
  request.answer.create_time = kNow;
  request.expire_time = kNow + absl::Hours(24);
  changes.requests.push_back(request);
  ASSERT_THAT(store_->Commit(changes, kNow), IsOk());

  TenantEntry changed = TestTenant("u");
  changed.domains = {"other.test"};
  PlanChanges more;
  more.changes.push_back({4, "tenants/u", nullptr, Record(changed, "e4")});
  more.changes.push_back({5, "tenants/t", Record(TestTenant(), "e1"), nullptr});
  ASSERT_THAT(store_->Commit(more, kNow + absl::Seconds(1)), IsOk());

  Reopen();
  SP_ASSERT_OK_AND_ASSIGN(StoredPlan plan, store_->Load(3));
  EXPECT_EQ(plan.version, 5);
  EXPECT_EQ(plan.version_time, kNow + absl::Seconds(1));
  EXPECT_EQ(plan.token_key, empty.token_key);
  ASSERT_EQ(plan.resources.size(), 2u);
  EXPECT_EQ(plan.resources[0].name, user.name);
  EXPECT_EQ(plan.resources[0].body, Record(user, "")->body);
  EXPECT_EQ(plan.resources[0].etag, "e2");
  EXPECT_EQ(plan.resources[0].create_time, kNow);
  EXPECT_EQ(plan.resources[0].update_time, kNow + absl::Microseconds(7));
  EXPECT_EQ(plan.resources[0].ha1_md5, "md5hash");
  EXPECT_EQ(plan.resources[0].ha1_sha256, "sha256hash");
  EXPECT_EQ(plan.resources[1].name, "tenants/u");
  EXPECT_EQ(plan.resources[1].etag, "e4");
  ASSERT_EQ(plan.requests.size(), 1u);
  EXPECT_EQ(plan.requests[0].key, request.key);
  EXPECT_EQ(plan.requests[0].answer.body, request.answer.body);
  EXPECT_EQ(plan.requests[0].expire_time, request.expire_time);
  EXPECT_THAT(
      plan.changes,
      testing::ElementsAre(std::pair<int64_t, std::string>(3, "tenants/u"),
                           std::pair<int64_t, std::string>(4, "tenants/u"),
                           std::pair<int64_t, std::string>(5, "tenants/t")));
}

// The log of changes does not grow for ever.
TEST_F(SqlitePlanStoreTest, KeepsAsManyChangesAsAreAskedFor) {
  ASSERT_THAT(store_->Load(3), IsOk());
  for (int64_t version = 1; version <= 20; ++version) {
    PlanChanges changes;
    changes.changes.push_back(
        {version, "tenants/t", nullptr, Record(TestTenant(), "e")});
    ASSERT_THAT(store_->Commit(changes, kNow), IsOk());
  }
  SP_ASSERT_OK_AND_ASSIGN(StoredPlan plan, store_->Load(100));
  EXPECT_EQ(plan.version, 20);
  ASSERT_EQ(plan.changes.size(), 3u);
  EXPECT_EQ(plan.changes.front().first, 18);
}

TEST_F(SqlitePlanStoreTest, DeletionTakesTheHashesAlong) {
  UserEntry user = TestUser("alice", "d");
  user.ha1_md5 = "old";
  PlanChanges changes;
  changes.changes.push_back({1, user.name, nullptr, Record(user, "e1")});
  changes.changes.push_back({2, user.name, Record(user, "e1"), nullptr});
  user.ha1_md5 = "";
  changes.changes.push_back({3, user.name, nullptr, Record(user, "e2")});
  changes.forgotten_requests = {"none"};
  ASSERT_THAT(store_->Commit(changes, kNow), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(StoredPlan plan, store_->Load(10));
  ASSERT_EQ(plan.resources.size(), 1u);
  EXPECT_EQ(plan.resources[0].ha1_md5, "");
}

// All or nothing: a version that is there already fails the whole commit.
TEST_F(SqlitePlanStoreTest, AFailedCommitStoresNothing) {
  PlanChanges first;
  first.changes.push_back(
      {1, "tenants/t", nullptr, Record(TestTenant(), "e1")});
  ASSERT_THAT(store_->Commit(first, kNow), IsOk());
  PlanChanges second;
  second.changes.push_back(
      {2, "tenants/a", nullptr, Record(TestTenant("a"), "e2")});
  second.changes.push_back(
      {1, "tenants/b", nullptr, Record(TestTenant("b"), "e3")});
  EXPECT_THAT(store_->Commit(second, kNow), HasReason("STORE_UNAVAILABLE"));
  SP_ASSERT_OK_AND_ASSIGN(StoredPlan plan, store_->Load(10));
  EXPECT_EQ(plan.version, 1);
  EXPECT_EQ(plan.resources.size(), 1u);
  // And the store goes on.
  second.changes[1].version = 3;
  EXPECT_THAT(store_->Commit(second, kNow), IsOk());
}

TEST_F(SqlitePlanStoreTest, OneProcessAtATime) {
  EXPECT_THAT(SqlitePlanStore::Open(file_, random_), HasReason("STORE_LOCKED"));
}

TEST_F(SqlitePlanStoreTest, ALaterSchemaIsRefused) {
  store_.reset();
  {
    soci::session sql(soci::sqlite3, "dbname=" + file_);
    sql << "INSERT INTO schema_version (version) VALUES (999)";
  }
  EXPECT_THAT(SqlitePlanStore::Open(file_, random_),
              HasReason("STORE_SCHEMA_TOO_NEW"));
}

TEST_F(SqlitePlanStoreTest, AFileThatIsNoDatabaseIsRefused) {
  EXPECT_THAT(SqlitePlanStore::Open("/proc/version", random_),
              HasReason("STORE_UNAVAILABLE"));
  EXPECT_THAT(SqlitePlanStore::Open("/proc/none/plan.db", random_),
              HasReason("STORE_UNAVAILABLE"));
}

TEST(PlanSchemaTest, StepsAreNumberedFromOne) {
  int version = 0;
  for (const PlanMigration& step : PlanMigrations()) {
    EXPECT_EQ(step.version, ++version);
    EXPECT_FALSE(step.statements.empty());
  }
  EXPECT_GE(version, 1);
}

}  // namespace
}  // namespace sallyport::dialplan
