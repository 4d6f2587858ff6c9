#include "services/common/sql/sql_migration.h"

#include <soci/soci.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"

namespace sallyport {
namespace {

constexpr std::string_view kFirst[] = {
    "CREATE TABLE t (k VARCHAR(40) NOT NULL PRIMARY KEY)",
    "INSERT INTO t VALUES ('first')",
};
constexpr std::string_view kSecond[] = {
    "ALTER TABLE t ADD COLUMN v BIGINT DEFAULT 7 NOT NULL"};
constexpr std::string_view kBroken[] = {"INSERT INTO t VALUES ('half', 1)",
                                        "INSERT INTO nowhere VALUES (1)"};
constexpr SqlMigration kSteps[] = {{1, kFirst}, {2, kSecond}};
constexpr SqlMigration kBrokenSteps[] = {
    {1, kFirst}, {2, kSecond}, {3, kBroken}};

std::unique_ptr<PostgresServer>& Server() {
  static auto* const server = new std::unique_ptr<PostgresServer>;
  return *server;
}

class SqlMigrationTest : public ::testing::TestWithParam<bool> {
 protected:
  static void TearDownTestSuite() { Server().reset(); }

  void SetUp() override {
    static int count = 0;
    const char* const folder = std::getenv("TEST_TMPDIR");
    if (!GetParam()) {
      options_ =
          SqliteOptions{absl::StrCat(folder == nullptr ? "/tmp" : folder, "/",
                                     getpid(), "_", ++count, ".db")};
    } else {
      if (Server() == nullptr) Server() = std::make_unique<PostgresServer>();
      Server()->Sql("DROP TABLE IF EXISTS t, schema_version, schema_owner");
      options_ = Server()->options();
    }
  }

  std::unique_ptr<SqlDatabase> Open() const {
    absl::StatusOr<std::unique_ptr<SqlDatabase>> out =
        SqlDatabase::Open(options_);
    EXPECT_THAT(out, IsOk());
    return *std::move(out);
  }

  static std::string Rows(SqlDatabase& database, const std::string& query) {
    std::string out;
    EXPECT_THAT(database.Read("read",
                              [&](soci::session& sql) {
                                const soci::rowset<std::string> rows =
                                    (sql.prepare << query);
                                for (const std::string& row : rows) {
                                  absl::StrAppend(&out, row, ";");
                                }
                                return absl::OkStatus();
                              }),
                IsOk());
    return out;
  }

  SqlOptions options_;
};

TEST_P(SqlMigrationTest, StepsRunOnceAndInOrder) {
  const auto database = Open();
  std::vector<int> from;
  const auto fill = [&](soci::session&, int version) {
    from.push_back(version);
    return absl::OkStatus();
  };
  EXPECT_THAT(Migrate(*database, "x", {kSteps, 1}, fill), IsOk());
  EXPECT_THAT(Migrate(*database, "x", kSteps, fill), IsOk());
  EXPECT_THAT(Migrate(*database, "x", kSteps, fill), IsOk());
  EXPECT_EQ(from, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(Rows(*database, "SELECT k FROM t WHERE v = 7"), "first;");
}

TEST_P(SqlMigrationTest, ALaterReleasesStoreIsRefused) {
  const auto database = Open();
  EXPECT_THAT(Migrate(*database, "x", kSteps), IsOk());
  const absl::Status status = Migrate(*database, "x", {kSteps, 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "STORE_SCHEMA_TOO_NEW");
}

TEST_P(SqlMigrationTest, AnotherServicesStoreIsRefused) {
  const auto database = Open();
  EXPECT_THAT(Migrate(*database, "x", kSteps), IsOk());
  const absl::Status status = Migrate(*database, "y", kSteps);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "STORE_OF_ANOTHER_SERVICE");
}

TEST_P(SqlMigrationTest, ABrokenStepLeavesNothingOfItself) {
  const auto database = Open();
  EXPECT_FALSE(Migrate(*database, "x", kBrokenSteps).ok());
  // Neither of the steps before it, as all of them are one transaction.
  EXPECT_THAT(Migrate(*database, "x", kSteps), IsOk());
  EXPECT_EQ(Rows(*database, "SELECT k FROM t"), "first;");
}

TEST_P(SqlMigrationTest, ReplicasThatStartAtOnceWaitForEachOther) {
  if (!GetParam()) return;  // SQLite: a second process is refused
  std::vector<std::unique_ptr<SqlDatabase>> replicas;
  for (int i = 0; i < 4; ++i) replicas.push_back(Open());
  std::vector<std::thread> threads;
  for (const auto& replica : replicas) {
    threads.emplace_back(
        [&] { EXPECT_THAT(Migrate(*replica, "x", kSteps), IsOk()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Rows(*replicas[0], "SELECT k FROM t"), "first;");
}

INSTANTIATE_TEST_SUITE_P(Both, SqlMigrationTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Postgres" : "Sqlite";
                         });

}  // namespace
}  // namespace sallyport
