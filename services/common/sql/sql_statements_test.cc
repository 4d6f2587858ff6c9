#include "services/common/sql/sql_statements.h"

#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/sql/sql_database.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"

namespace sallyport {
namespace {

using testing::ElementsAre;

// With SQLite, and with PostgreSQL.
class SqlStatementsTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) server_ = std::make_unique<PostgresServer>();
    database_ = Open();
    ASSERT_THAT(Write([](SqlStatements& sql) {
                  sql.Execute(
                      "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY,"
                      " name TEXT NOT NULL)");
                  return absl::OkStatus();
                }),
                IsOk());
  }
  std::unique_ptr<SqlDatabase> Open() {
    SqlOptions options = SqliteOptions{
        .file = std::string(std::getenv("TEST_TMPDIR")) + "/" +
                testing::UnitTest::GetInstance()->current_test_info()->name() +
                ".db"};
    if (server_ != nullptr) options = server_->options();
    auto database = SqlDatabase::Open(std::move(options));
    EXPECT_THAT(database, IsOk());
    return *std::move(database);
  }
  absl::Status Write(const SqlDatabase::PreparedBody& body) {
    return database_->Write("change", body);
  }
  static long long Put(SqlStatements& sql, long long id,
                       const std::string& name) {
    return sql.Execute("INSERT INTO t (id, name) VALUES (:i, :n)", id, name);
  }
  static std::vector<std::string> Names(SqlStatements& sql) {
    std::vector<std::string> names;
    sql.Query("SELECT * FROM t ORDER BY id",
              [&](const SqlRow& row) { names.push_back(row.Text("name")); });
    return names;
  }

  std::unique_ptr<PostgresServer> server_;
  std::unique_ptr<SqlDatabase> database_;
};

INSTANTIATE_TEST_SUITE_P(Stores, SqlStatementsTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& info) {
                           return info.param ? "Postgres" : "Sqlite";
                         });

TEST_P(SqlStatementsTest, AStatementRunsAgainWithOtherValues) {
  for (int round = 0; round < 3; ++round) {
    ASSERT_THAT(
        Write([&](SqlStatements& sql) {
          for (long long i = 0; i < 5; ++i) {
            EXPECT_EQ(Put(sql, round * 10 + i, std::string(i, 'x')), 1);
          }
          std::string name;
          long long id = 0;
          const long long asked = round * 10 + 3;
          EXPECT_TRUE(sql.Fetch(std::tie(id, name),
                                "SELECT id, name FROM t WHERE id = :i", asked));
          EXPECT_EQ(id, asked);
          EXPECT_EQ(name, "xxx");
          const long long none = 99;
          EXPECT_FALSE(sql.Fetch(std::tie(id, name),
                                 "SELECT id, name FROM t WHERE id = :i", none));
          EXPECT_EQ(id, asked);  // as it was
          return absl::OkStatus();
        }),
        IsOk());
  }
  ASSERT_THAT(
      Write([&](SqlStatements& sql) {
        const long long below = 20;
        EXPECT_EQ(sql.Execute("DELETE FROM t WHERE id < :b", below), 10);
        EXPECT_THAT(Names(sql), ElementsAre("", "x", "xx", "xxx", "xxxx"));
        EXPECT_EQ(sql.Execute("DELETE FROM t WHERE id < :b", below), 0);
        return absl::OkStatus();
      }),
      IsOk());
}

TEST_P(SqlStatementsTest, RowsAreReadByNameInAnyOrder) {
  const std::string odd = "\xc3\xa4 'quoted' \"text\"\n;--";
  ASSERT_THAT(
      Write([&](SqlStatements& sql) {
        Put(sql, std::numeric_limits<long long>::min(), "");
        Put(sql, std::numeric_limits<long long>::max(), odd);
        std::vector<std::pair<long long, std::string>> rows;
        for (int i = 0; i < 2; ++i) {
          rows.clear();
          sql.Query("SELECT id, name, id + 0 AS again FROM t ORDER BY id",
                    [&](const SqlRow& row) {
                      const long long again = row.Number("again");
                      const std::string name = row.Text("name");
                      EXPECT_EQ(row.Number("id"), again);
                      EXPECT_EQ(row.Text("name"), name);
                      EXPECT_ANY_THROW(row.Text("none"));
                      rows.emplace_back(again, name);
                    });
        }
        EXPECT_THAT(
            rows,
            ElementsAre(std::pair(std::numeric_limits<long long>::min(), ""),
                        std::pair(std::numeric_limits<long long>::max(), odd)));
        return absl::OkStatus();
      }),
      IsOk());
}

TEST_P(SqlStatementsTest, AStatementSeesAColumnThatCameLater) {
  const auto columns = [&] {
    std::string more = "none";
    EXPECT_THAT(Write([&](SqlStatements& sql) {
                  sql.Query("SELECT * FROM t", [&](const SqlRow& row) {
                    EXPECT_EQ(row.Text("name"), "one");
                    if (row.Number("id") == 2) more = row.Text("more");
                  });
                  return absl::OkStatus();
                }),
                IsOk());
    return more;
  };
  ASSERT_THAT(Write([&](SqlStatements& sql) {
                Put(sql, 1, "one");
                return absl::OkStatus();
              }),
              IsOk());
  EXPECT_EQ(columns(), "none");
  ASSERT_THAT(Write([&](SqlStatements& sql) {
                sql.session() << "ALTER TABLE t ADD COLUMN more TEXT NOT NULL"
                                 " DEFAULT 'yes'";
                sql.session() << "UPDATE t SET id = 2";
                return absl::OkStatus();
              }),
              IsOk());
  EXPECT_EQ(columns(), "yes");
}

TEST_P(SqlStatementsTest, WhatFailedIsGoodAgainAfterwards) {
  ASSERT_THAT(Write([&](SqlStatements& sql) {
                Put(sql, 1, "one");
                return absl::OkStatus();
              }),
              IsOk());
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Write([&](SqlStatements& sql) {
                  Put(sql, 1, "again");
                  return absl::OkStatus();
                }),
                HasReason("STORE_DUPLICATE"));
    // Inside of one transaction too, as a group's savepoints do it.
    EXPECT_THAT(Write([&](SqlStatements& sql) {
                  sql.Execute("SAVEPOINT s");
                  EXPECT_ANY_THROW(Put(sql, 1, "again"));
                  sql.Execute("ROLLBACK TO SAVEPOINT s");
                  EXPECT_EQ(Put(sql, 2 + i, "more"), 1);
                  return absl::OkStatus();
                }),
                IsOk());
  }
  ASSERT_THAT(database_->Read("read",
                              [&](SqlStatements& sql) {
                                EXPECT_THAT(
                                    Names(sql),
                                    ElementsAre("one", "more", "more", "more"));
                                return absl::OkStatus();
                              }),
              IsOk());
}

// An upgrade adds a column while older replicas run.
TEST_P(SqlStatementsTest, AnotherReplicaMayChangeTheSchema) {
  if (server_ == nullptr) return;  // SQLite's file is this process's own
  ASSERT_THAT(Write([&](SqlStatements& sql) {
                Put(sql, 1, "one");
                EXPECT_THAT(Names(sql), ElementsAre("one"));
                return absl::OkStatus();
              }),
              IsOk());
  server_->Sql("ALTER TABLE t ADD COLUMN more BIGINT NOT NULL DEFAULT 0");
  ASSERT_THAT(Write([&](SqlStatements& sql) {
                EXPECT_THAT(Names(sql), ElementsAre("one"));
                return absl::OkStatus();
              }),
              IsOk());
}

}  // namespace
}  // namespace sallyport
