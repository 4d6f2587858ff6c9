#include "services/dialplan/io/sql_plan_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/random/fake_random.h"
#include "services/common/sql/sql_database.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"
#include "services/dialplan/core/plan_fixture.h"
#include "services/dialplan/io/audit_log.h"
#include "services/dialplan/io/plan_schema.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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

std::unique_ptr<PostgresServer>& Server() {
  static auto* const server = new std::unique_ptr<PostgresServer>;
  return *server;
}

// One replica.
struct Replica {
  std::unique_ptr<SqlDatabase> database;
  std::unique_ptr<SqlPlanStore> store;

  StoredPlan Load(size_t history) const {
    absl::StatusOr<StoredPlan> out = store->Load(history);
    EXPECT_THAT(out, IsOk());
    return *std::move(out);
  }
  // Stores `changes`; what others had stored goes to `seen`.
  absl::Status Commit(const PlanChanges& changes, absl::Time now = kNow,
                      StoredUpdate* seen = nullptr) const {
    return store->Commit(
        [&](const StoredUpdate& others) -> absl::StatusOr<const PlanChanges*> {
          if (seen != nullptr) *seen = others;
          return &changes;
        },
        now);
  }
};

// What holds for both databases: false is SQLite.
class SqlPlanStoreTest : public testing::TestWithParam<bool> {
 protected:
  static void TearDownTestSuite() { Server().reset(); }

  void SetUp() override {
    static int count = 0;
    if (GetParam()) {
      if (Server() == nullptr) Server() = std::make_unique<PostgresServer>();
      Server()->Sql(
          "DROP OWNED BY sallyport CASCADE; "
          "GRANT ALL ON SCHEMA public TO sallyport");
      options_ = Server()->options();
    } else {
      file_ = absl::StrCat(std::getenv("TEST_TMPDIR"), "/", ++count,
                           "/below/plan.db");
      options_ = SqliteOptions{file_};
    }
    replica_ = Open();
  }

  Replica Open() {
    Replica out;
    absl::StatusOr<std::unique_ptr<SqlDatabase>> database =
        SqlDatabase::Open(options_);
    EXPECT_THAT(database, IsOk());
    out.database = *std::move(database);
    absl::StatusOr<std::unique_ptr<SqlPlanStore>> store =
        SqlPlanStore::Open(*out.database, random_);
    EXPECT_THAT(store, IsOk());
    out.store = *std::move(store);
    return out;
  }

  void Reopen() {
    replica_ = Replica();
    replica_ = Open();
  }

  absl::Status Execute(const std::string& statement) {
    return replica_.database->Write("change", [&](soci::session& sql) {
      sql << statement;
      return absl::OkStatus();
    });
  }

  FakeRandom random_;
  std::string file_;
  SqlOptions options_;
  Replica replica_;
};

TEST_P(SqlPlanStoreTest, StartsEmpty) {
  const StoredPlan plan = replica_.Load(10);
  EXPECT_EQ(plan.version, 0);
  EXPECT_TRUE(plan.resources.empty());
  EXPECT_EQ(plan.token_key.size(), 32u);
}

TEST_P(SqlPlanStoreTest, WhatWasCommittedIsThereAfterReopening) {
  const StoredPlan empty = replica_.Load(10);
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
  ASSERT_THAT(replica_.Commit(changes, kNow), IsOk());

  TenantEntry changed = TestTenant("u");
  changed.domains = {"other.test"};
  PlanChanges more;
  more.changes.push_back({4, "tenants/u", nullptr, Record(changed, "e4")});
  more.changes.push_back({5, "tenants/t", Record(TestTenant(), "e1"), nullptr});
  ASSERT_THAT(replica_.Commit(more, kNow + absl::Seconds(1)), IsOk());

  Reopen();
  const StoredPlan plan = replica_.Load(3);
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
TEST_P(SqlPlanStoreTest, KeepsAsManyChangesAsAreAskedFor) {
  replica_.Load(3);
  for (int64_t version = 1; version <= 20; ++version) {
    PlanChanges changes;
    changes.changes.push_back(
        {version, "tenants/t", nullptr, Record(TestTenant(), "e")});
    ASSERT_THAT(replica_.Commit(changes, kNow), IsOk());
  }
  const StoredPlan plan = replica_.Load(100);
  EXPECT_EQ(plan.version, 20);
  ASSERT_EQ(plan.changes.size(), 3u);
  EXPECT_EQ(plan.changes.front().first, 18);
}

TEST_P(SqlPlanStoreTest, DeletionTakesTheHashesAlong) {
  UserEntry user = TestUser("alice", "d");
  user.ha1_md5 = "old";
  PlanChanges changes;
  changes.changes.push_back({1, user.name, nullptr, Record(user, "e1")});
  changes.changes.push_back({2, user.name, Record(user, "e1"), nullptr});
  user.ha1_md5 = "";
  changes.changes.push_back({3, user.name, nullptr, Record(user, "e2")});
  changes.forgotten_requests = {"none"};
  ASSERT_THAT(replica_.Commit(changes, kNow), IsOk());
  const StoredPlan plan = replica_.Load(10);
  ASSERT_EQ(plan.resources.size(), 1u);
  EXPECT_EQ(plan.resources[0].ha1_md5, "");
}

// All or nothing: a version that is there already fails the whole commit.
TEST_P(SqlPlanStoreTest, AFailedCommitStoresNothing) {
  PlanChanges first;
  first.changes.push_back(
      {1, "tenants/t", nullptr, Record(TestTenant(), "e1")});
  ASSERT_THAT(replica_.Commit(first, kNow), IsOk());
  PlanChanges second;
  second.changes.push_back(
      {2, "tenants/a", nullptr, Record(TestTenant("a"), "e2")});
  second.changes.push_back(
      {1, "tenants/b", nullptr, Record(TestTenant("b"), "e3")});
  EXPECT_THAT(replica_.Commit(second, kNow), HasReason("STORE_UNAVAILABLE"));
  const StoredPlan plan = replica_.Load(10);
  EXPECT_EQ(plan.version, 1);
  EXPECT_EQ(plan.resources.size(), 1u);
  // And the store goes on.
  second.changes[1].version = 3;
  EXPECT_THAT(replica_.Commit(second, kNow), IsOk());
}

TEST_P(SqlPlanStoreTest, ALaterSchemaIsRefused) {
  ASSERT_THAT(Execute("INSERT INTO schema_version (version) VALUES (999)"),
              IsOk());
  EXPECT_THAT(SqlPlanStore::Open(*replica_.database, random_),
              HasReason("STORE_SCHEMA_TOO_NEW"));
}

TEST_P(SqlPlanStoreTest, AWriteThatIsRefusedStoresNothing) {
  const absl::Status status = replica_.store->Commit(
      [](const StoredUpdate&) -> absl::StatusOr<const PlanChanges*> {
        return absl::FailedPreconditionError("no");
      },
      kNow);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(replica_.Load(10).version, 0);
}

PlanChange Change(int64_t version, const std::string& name,
                  const std::string& before, const std::string& after,
                  const ChangeCause& cause) {
  const auto record = [&](const std::string& body) -> RecordPtr {
    if (body.empty()) return nullptr;
    PlanRecord out = TestRecord(TestTenant(name));
    out.body = body;
    out.etag = "e";
    return std::make_shared<PlanRecord>(out);
  };
  return {version, "tenants/" + name, record(before), record(after),
          std::make_shared<ChangeCause>(cause)};
}

TEST_P(SqlPlanStoreTest, EachChangeHasItsAuditRecord) {
  const std::string octets("\0\xff'", 3);
  PlanChanges changes;
  changes.changes = {
      Change(1, "t", "", octets, {"operator ann", "CreateTenant", "r1"}),
      Change(2, "u", "", "u1", {"operator ann", "CreateTenant", ""}),
      Change(3, "t", octets, "new", {"operator bob", "UpdateTenant", "r2"}),
      Change(4, "t", "new", "", {"operator cyd", "DeleteTenant", ""})};
  ASSERT_THAT(replica_.Commit(changes), IsOk());
  const AuditLog log(*replica_.database);
  SP_ASSERT_OK_AND_ASSIGN(const std::vector<AuditEntry> all,
                          log.Read("tenants/t", INT64_MAX, 10));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].version, 4);
  EXPECT_EQ(all[0].method, "DeleteTenant");
  EXPECT_EQ(all[0].before, "new");
  EXPECT_EQ(all[0].after, "");
  EXPECT_EQ(all[1].actor, "operator bob");
  EXPECT_EQ(all[1].request_id, "r2");
  EXPECT_EQ(all[1].before, octets);
  EXPECT_EQ(all[1].change_time, kNow);
  EXPECT_EQ(all[2].before, "");
  EXPECT_EQ(all[2].after, octets);
  EXPECT_EQ(all[2].resource, "tenants/t");

  SP_ASSERT_OK_AND_ASSIGN(const std::vector<AuditEntry> page,
                          log.Read("tenants/t", 4, 1));
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0].version, 3);
  SP_ASSERT_OK_AND_ASSIGN(const std::vector<AuditEntry> none,
                          log.Read("tenants/v", INT64_MAX, 10));
  EXPECT_THAT(none, IsEmpty());
}

TEST_P(SqlPlanStoreTest, AFailedCommitLeavesNoAuditRecord) {
  PlanChanges changes;
  changes.changes = {Change(1, "t", "", "a", {}), Change(1, "t", "a", "b", {})};
  EXPECT_THAT(replica_.Commit(changes), HasReason("STORE_UNAVAILABLE"));
  SP_ASSERT_OK_AND_ASSIGN(
      const std::vector<AuditEntry> none,
      AuditLog(*replica_.database).Read("tenants/t", INT64_MAX, 10));
  EXPECT_THAT(none, IsEmpty());
}

TEST_P(SqlPlanStoreTest, OldAuditRecordsAreRemoved) {
  for (int i = 0; i < 4; ++i) {
    PlanChanges changes;
    changes.changes = {Change(i + 1, "t", "", "a", {})};
    ASSERT_THAT(replica_.Commit(changes, kNow + absl::Hours(i)), IsOk());
  }
  EXPECT_THAT(replica_.store->PruneAudit(kNow + absl::Hours(2)),
              IsOkAndHolds(false));
  SP_ASSERT_OK_AND_ASSIGN(
      const std::vector<AuditEntry> left,
      AuditLog(*replica_.database).Read("tenants/t", INT64_MAX, 10));
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[1].version, 3);
}

INSTANTIATE_TEST_SUITE_P(Both, SqlPlanStoreTest, testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Postgres" : "Sqlite";
                         });

// Several replicas, so PostgreSQL.
class ReplicasTest : public SqlPlanStoreTest {};

INSTANTIATE_TEST_SUITE_P(Postgres, ReplicasTest, testing::Values(true));

TEST_P(ReplicasTest, EachSeesWhatTheOthersHaveStored) {
  const StoredPlan mine = replica_.Load(10);
  const Replica other = Open();
  const StoredPlan theirs = other.Load(10);
  EXPECT_EQ(mine.token_key, theirs.token_key);

  PlanChanges first;
  first.changes = {Change(1, "t", "", "a", {}), Change(2, "u", "", "b", {}),
                   Change(3, "t", "a", "", {})};
  RememberedRequest request;
  request.key = "k";
  request.hash = "h";
  request.answer.body = "answer";
  request.expire_time = kNow + absl::Hours(1);
  first.requests = {request};
  StoredUpdate seen;
  ASSERT_THAT(replica_.Commit(first, kNow, &seen), IsOk());
  EXPECT_TRUE(seen.empty());

  // By looking, and before a write of its own.
  const Replica third = Open();
  third.Load(10);
  SP_ASSERT_OK_AND_ASSIGN(const StoredUpdate nothing, third.store->Refresh());
  EXPECT_TRUE(nothing.empty());
  PlanChanges second;
  second.changes = {Change(4, "v", "", "c", {})};
  ASSERT_THAT(other.Commit(second, kNow, &seen), IsOk());
  EXPECT_EQ(seen.version, 3);
  EXPECT_FALSE(seen.whole);
  using Named = std::pair<int64_t, std::string>;
  EXPECT_THAT(seen.changes,
              ElementsAre(Named(1, "tenants/t"), Named(2, "tenants/u"),
                          Named(3, "tenants/t")));
  ASSERT_EQ(seen.resources.size(), 1u);
  EXPECT_EQ(seen.resources[0].name, "tenants/u");
  EXPECT_EQ(seen.resources[0].body, "b");
  ASSERT_EQ(seen.requests.size(), 1u);
  EXPECT_EQ(seen.requests[0].answer.body, "answer");

  for (const Replica* late : {static_cast<const Replica*>(&replica_), &third}) {
    SP_ASSERT_OK_AND_ASSIGN(const StoredUpdate update, late->store->Refresh());
    EXPECT_EQ(update.version, 4);
    EXPECT_THAT(update.changes, ElementsAre(Named(4, "tenants/v")));
    EXPECT_THAT(update.requests, IsEmpty());
    SP_ASSERT_OK_AND_ASSIGN(const StoredUpdate again, late->store->Refresh());
    EXPECT_TRUE(again.empty());
  }
}

TEST_P(ReplicasTest, OneThatWasAwayForLongGetsEverything) {
  replica_.Load(2);
  const Replica other = Open();
  other.Load(2);
  for (int64_t version = 1; version <= 5; ++version) {
    PlanChanges changes;
    changes.changes = {
        Change(version, absl::StrCat("t", version), "", "a", {})};
    ASSERT_THAT(other.Commit(changes), IsOk());
  }
  SP_ASSERT_OK_AND_ASSIGN(const StoredUpdate update, replica_.store->Refresh());
  EXPECT_TRUE(update.whole);
  EXPECT_EQ(update.version, 5);
  EXPECT_EQ(update.resources.size(), 5u);
  EXPECT_EQ(update.changes.size(), 2u);
}

// Writers on many replicas: each sees all before it, so no version is lost,
// made twice or left out.
TEST_P(ReplicasTest, VersionsHaveNoGap) {
  constexpr int kReplicas = 3;
  constexpr int kWrites = 30;
  std::vector<std::thread> threads;
  for (int i = 0; i < kReplicas; ++i) {
    threads.emplace_back([&] {
      FakeRandom random;
      auto database = SqlDatabase::Open(options_);
      ASSERT_THAT(database, IsOk());
      auto store = SqlPlanStore::Open(**database, random);
      ASSERT_THAT(store, IsOk());
      absl::StatusOr<StoredPlan> plan = (*store)->Load(1000);
      ASSERT_THAT(plan, IsOk());
      int64_t version = plan->version;
      for (int n = 0; n < kWrites; ++n) {
        PlanChanges changes;
        const auto apply = [&](const StoredUpdate& others)
            -> absl::StatusOr<const PlanChanges*> {
          if (others.version > 0) version = others.version;
          changes.changes = {Change(version + 1, "t", "", "a", {})};
          return &changes;
        };
        EXPECT_THAT((*store)->Commit(apply, kNow), IsOk());
        ++version;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const StoredPlan plan = replica_.Load(1000);
  EXPECT_EQ(plan.version, kReplicas * kWrites);
  ASSERT_EQ(plan.changes.size(), static_cast<size_t>(kReplicas * kWrites));
  EXPECT_EQ(plan.changes.front().first, 1);
}

TEST_P(ReplicasTest, AnOlderCopyPutBackIsNoticed) {
  PlanChanges changes;
  changes.changes = {Change(1, "t", "", "a", {}), Change(2, "t", "a", "b", {})};
  ASSERT_THAT(replica_.Commit(changes), IsOk());
  ASSERT_THAT(Execute("UPDATE settings SET value = '1' WHERE name = 'version'"),
              IsOk());
  EXPECT_THAT(replica_.store->Refresh(), HasReason("STORE_CORRUPT"));
  EXPECT_THAT(replica_.Commit(changes), HasReason("STORE_CORRUPT"));
}

TEST(PlanSchemaTest, StepsAreNumberedFromOne) {
  int version = 0;
  for (const SqlMigration& step : PlanMigrations()) {
    EXPECT_EQ(step.version, ++version);
    EXPECT_FALSE(step.statements.empty());
  }
  EXPECT_GE(version, 1);
}

}  // namespace
}  // namespace sallyport::dialplan
