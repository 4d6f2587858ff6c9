#include "services/credential_issuer/io/sql_audit_sink.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/sql/sql_database.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"
#include "services/credential_issuer/io/audit_log.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::ElementsAre;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

enum class Kind { kSqlite, kPostgres };

PostgresServer& Server() {
  static PostgresServer* const server = new PostgresServer();
  return *server;
}

AuditRecord Record(int n, const std::string& tenant = "a") {
  AuditRecord out;
  out.time = kStart + absl::Seconds(n);
  out.id = AuditId(out.time, static_cast<uint64_t>(n));
  out.tenant = tenant;
  out.credential_id = "c" + std::to_string(n);
  out.subject = n % 2 == 0 ? "even" : "odd";
  out.line = "{\"n\":" + std::to_string(n) + ",\"text\":\"it's\"}";
  return out;
}

std::vector<std::string> Lines(const std::vector<AuditRecord>& records) {
  std::vector<std::string> out;
  for (const AuditRecord& record : records) out.push_back(record.credential_id);
  return out;
}

class SqlAuditSinkTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    SqlOptions options;
    if (GetParam() == Kind::kPostgres) {
      Server().Sql(
          "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION"
          " sallyport");
      options = Server().options();
    } else {
      const std::string file = testing::TempDir() + "/audit.db";
      for (const char* tail : {"", "-wal", "-shm"}) {
        std::filesystem::remove(file + tail);
      }
      options = SqliteOptions{file};
    }
    auto database = SqlDatabase::Open(options);
    ASSERT_THAT(database, IsOk());
    database_ = *std::move(database);
    auto sink = SqlAuditSink::Open(*database_);
    ASSERT_THAT(sink, IsOk());
    sink_ = *std::move(sink);
  }

  std::vector<std::string> Found(const AuditQuery& query) {
    const auto records = sink_->List(query);
    EXPECT_THAT(records, IsOk());
    return Lines(*records);
  }

  std::unique_ptr<SqlDatabase> database_;
  std::unique_ptr<SqlAuditSink> sink_;
};

TEST_P(SqlAuditSinkTest, WhatWasWrittenIsFoundAgain) {
  ASSERT_THAT(sink_->Write({}), IsOk());
  ASSERT_THAT(sink_->Write({Record(1), Record(2), Record(3, "b")}), IsOk());
  ASSERT_THAT(sink_->Write({Record(4)}), IsOk());
  EXPECT_THAT(Found({}), ElementsAre("c4", "c3", "c2", "c1"));
  AuditQuery query;
  query.tenant = "a";
  EXPECT_THAT(Found(query), ElementsAre("c4", "c2", "c1"));
  query.subject = "even";
  EXPECT_THAT(Found(query), ElementsAre("c4", "c2"));
  query.before_id = Record(4).id;
  EXPECT_THAT(Found(query), ElementsAre("c2"));
  AuditQuery one;
  one.credential_id = "c3";
  const auto records = sink_->List(one);
  ASSERT_THAT(records, IsOk());
  ASSERT_EQ(records->size(), 1u);
  EXPECT_EQ((*records)[0].line, Record(3).line);
  EXPECT_EQ((*records)[0].time, Record(3).time);
  EXPECT_EQ((*records)[0].id, Record(3).id);
  one.credential_id = "' OR 1=1 --";
  EXPECT_THAT(Found(one), ElementsAre());
  AuditQuery page;
  page.limit = 2;
  EXPECT_THAT(Found(page), ElementsAre("c4", "c3"));
}

TEST_P(SqlAuditSinkTest, ManyAtOnceAreAllThere) {
  std::vector<AuditRecord> many;
  for (int i = 0; i < 1000; ++i) many.push_back(Record(i));
  ASSERT_THAT(sink_->Write(many), IsOk());
  AuditQuery query;
  query.limit = 2000;
  EXPECT_EQ(Found(query).size(), 1000u);
  // One of them again: nothing of that batch is kept.
  EXPECT_FALSE(sink_->Write({Record(2000), Record(7)}).ok());
  EXPECT_EQ(Found(query).size(), 1000u);
}

TEST_P(SqlAuditSinkTest, PruneRemovesWhatIsOld) {
  ASSERT_THAT(sink_->Write({Record(1), Record(2), Record(3)}), IsOk());
  ASSERT_THAT(sink_->Prune(kStart + absl::Seconds(2)), IsOk());
  EXPECT_THAT(Found({}), ElementsAre("c3", "c2"));
}

INSTANTIATE_TEST_SUITE_P(, SqlAuditSinkTest,
                         testing::Values(Kind::kSqlite, Kind::kPostgres),
                         [](const auto& info) {
                           return info.param == Kind::kSqlite ? "Sqlite"
                                                              : "Postgres";
                         });

}  // namespace
}  // namespace sallyport::credential_issuer
