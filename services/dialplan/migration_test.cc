// Stores of every released schema are brought forward, with what is in them.
//
// io/testdata/schema_N.sql is a dump of a store that a release with schema N
// wrote. A step of the schema that is released gets one; none is ever changed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/random/fake_random.h"
#include "services/common/sql/sql_database.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/io/audit_log.h"
#include "services/dialplan/io/plan_schema.h"
#include "services/dialplan/io/sql_plan_store.h"
#include "services/dialplan/rpc/resource_codec.h"

namespace sallyport::dialplan {
namespace {

constexpr char kFolder[] = "services/dialplan/io/testdata/";

class MigrationTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    SqlOptions options = SqliteOptions{
        absl::StrCat(std::getenv("TEST_TMPDIR"), "/",
                     testing::UnitTest::GetInstance()->random_seed(), ".db")};
    if (GetParam()) {
      server_ = std::make_unique<PostgresServer>();
      options = server_->options();
    } else {
      std::remove(std::get<SqliteOptions>(options).file.c_str());
    }
    auto database = SqlDatabase::Open(options);
    ASSERT_THAT(database, IsOk());
    database_ = *std::move(database);
  }

  // Runs a dump of sqlite3 in either database.
  void Restore(int schema) {
    std::ifstream in(absl::StrCat(kFolder, "schema_", schema, ".sql"));
    ASSERT_TRUE(in.good());
    std::stringstream whole;
    whole << in.rdbuf();
    std::string text = whole.str();
    if (GetParam()) text = absl::StrReplaceAll(text, {{"char(10)", "chr(10)"}});
    const std::vector<std::string> lines = absl::StrSplit(text, ";\n");
    const auto run = [&lines](soci::session& sql) {
      for (const std::string& line : lines) {
        if (line.rfind("CREATE", 0) == 0 || line.rfind("INSERT", 0) == 0) {
          sql << line;
        }
      }
      return absl::OkStatus();
    };
    ASSERT_THAT(database_->Write("restore", run), IsOk());
  }

  std::unique_ptr<PostgresServer> server_;
  std::unique_ptr<SqlDatabase> database_;
  FakeRandom random_;
};

INSTANTIATE_TEST_SUITE_P(Both, MigrationTest, testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Postgres" : "Sqlite";
                         });

TEST_P(MigrationTest, EveryReleasedSchemaHasAStoreHere) {
  for (size_t i = 1; i < PlanMigrations().size(); ++i) {
    EXPECT_TRUE(
        std::ifstream(absl::StrCat(kFolder, "schema_", i, ".sql")).good())
        << "schema " << i;
  }
}

TEST_P(MigrationTest, FromSchema1) {
  Restore(1);
  auto opened = SqlPlanStore::Open(*database_, random_);
  ASSERT_THAT(opened, IsOk());
  SqlPlanStore& store = **opened;
  SP_ASSERT_OK_AND_ASSIGN(const StoredPlan plan, store.Load(1000));
  EXPECT_EQ(plan.version, 15);
  EXPECT_EQ(plan.changes.size(), 15u);
  EXPECT_EQ(plan.token_key.size(), 32u);
  EXPECT_EQ(plan.version_time, absl::FromUnixMicros(1795304730250352));
  ASSERT_EQ(plan.requests.size(), 15u);
  EXPECT_THAT(plan.requests[0].key,
              testing::StartsWith("operator demo\ncreate sallyport.dialplan"));
  EXPECT_FALSE(plan.requests[0].answer.etag.empty());

  // This release's rules take all of it.
  PlanEditor editor(random_, {});
  for (const StoredResource& resource : plan.resources) {
    SP_ASSERT_OK_AND_ASSIGN(RecordPtr record, RecordOf(resource));
    editor.Load(std::move(record));
  }
  editor.LoadVersion(plan.version);
  EXPECT_EQ(editor.plan().records().size(), 12u);
  const auto* ann = editor.plan().Get<UserEntry>("tenants/default/users/ann");
  ASSERT_NE(ann, nullptr);
  EXPECT_EQ(ann->ha1_sha256.size(), 64u);
  const auto* clinic = editor.plan().Get<TenantEntry>("tenants/clinic");
  ASSERT_NE(clinic, nullptr);
  EXPECT_EQ(clinic->domains.size(), 2u);
  EXPECT_EQ(editor.plan().Find("tenants/default/partitions/gone"), nullptr);
  const auto* peer =
      editor.plan().Get<PeerEntry>("tenants/default/peers/gateway");
  ASSERT_NE(peer, nullptr);
  EXPECT_EQ(peer->fqdn, "gw.demo.sallyport.test");

  // And it goes on: a change, with its audit record.
  PlanEdit edit;
  edit.verb = PlanEdit::Verb::kDelete;
  edit.name = "tenants/default/routePatterns/outside";
  edit.cause = std::make_shared<ChangeCause>(
      ChangeCause{"operator ann", "DeleteRoutePattern", ""});
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  ASSERT_THAT(editor.Apply(edit, now), IsOk());
  ASSERT_THAT(
      store.Commit(
          [&](const StoredUpdate&) -> absl::StatusOr<const PlanChanges*> {
            return &editor.pending();
          },
          now),
      IsOk());
  SP_ASSERT_OK_AND_ASSIGN(
      const std::vector<AuditEntry> audit,
      AuditLog(*database_).Read("tenants/default", INT64_MAX, 10));
  ASSERT_EQ(audit.size(), 1u);
  EXPECT_EQ(audit[0].version, 16);
  EXPECT_NE(audit[0].before, "");
}

TEST_P(MigrationTest, FromSchema2) {
  Restore(2);
  auto opened = SqlPlanStore::Open(*database_, random_);
  ASSERT_THAT(opened, IsOk());
  SqlPlanStore& store = **opened;
  SP_ASSERT_OK_AND_ASSIGN(const StoredPlan plan, store.Load(1000));
  EXPECT_EQ(plan.version, 16);
  EXPECT_EQ(plan.changes.size(), 16u);
  EXPECT_EQ(plan.token_key.size(), 32u);
  PlanEditor editor(random_, {});
  for (const StoredResource& resource : plan.resources) {
    SP_ASSERT_OK_AND_ASSIGN(RecordPtr record, RecordOf(resource));
    editor.Load(std::move(record));
  }
  editor.LoadVersion(plan.version);
  EXPECT_EQ(editor.plan().records().size(), 11u);
  EXPECT_EQ(editor.plan().Find("tenants/default/routePatterns/outside"),
            nullptr);

  PlanEdit edit;
  edit.verb = PlanEdit::Verb::kDelete;
  edit.name = "tenants/default/users/ann";
  edit.cause = std::make_shared<ChangeCause>(
      ChangeCause{"operator ann", "DeleteUser", ""});
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  ASSERT_THAT(editor.Apply(edit, now), IsOk());
  ASSERT_THAT(
      store.Commit(
          [&](const StoredUpdate&) -> absl::StatusOr<const PlanChanges*> {
            return &editor.pending();
          },
          now),
      IsOk());
  SP_ASSERT_OK_AND_ASSIGN(
      const std::vector<AuditEntry> audit,
      AuditLog(*database_).Read("tenants/default", INT64_MAX, 10));
  ASSERT_EQ(audit.size(), 2u);
  EXPECT_EQ(audit[0].version, 17);
  EXPECT_EQ(audit[1].version, 16);
  EXPECT_EQ(audit[1].resource, "tenants/default/routePatterns/outside");
}

}  // namespace
}  // namespace sallyport::dialplan
