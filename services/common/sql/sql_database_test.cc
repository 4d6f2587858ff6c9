#include "services/common/sql/sql_database.h"

#include <sched.h>
#include <soci/soci.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/postgres_server.h"

namespace sallyport {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

PostgresServer& Server() {
  static auto* const server = new std::unique_ptr<PostgresServer>;
  if (*server == nullptr) {
    *server = std::make_unique<PostgresServer>();
    std::atexit([] { server->reset(); });
  }
  return **server;
}

std::string FreshFile() {
  static int count = 0;
  const char* const folder = std::getenv("TEST_TMPDIR");
  return absl::StrCat(folder == nullptr ? "/tmp" : folder, "/store", getpid(),
                      "_", ++count, "/x.db");
}

std::unique_ptr<SqlDatabase> OpenOrDie(SqlOptions options) {
  absl::StatusOr<std::unique_ptr<SqlDatabase>> out =
      SqlDatabase::Open(std::move(options));
  EXPECT_THAT(out.status(), IsOk());
  return *std::move(out);
}

absl::Status Execute(SqlDatabase& database, const std::string& statement) {
  return database.Write("change", [&](soci::session& sql) {
    sql << statement;
    return absl::OkStatus();
  });
}

int Count(SqlDatabase& database) {
  int count = -1;
  EXPECT_THAT(database.Read("read",
                            [&](soci::session& sql) {
                              sql << "SELECT COUNT(*) FROM t",
                                  soci::into(count);
                              return absl::OkStatus();
                            }),
              IsOk());
  return count;
}

// What holds for both databases.
class SqlDatabaseTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    SqlOptions options = SqliteOptions{FreshFile()};
    if (GetParam()) options = Server().options();
    database_ = OpenOrDie(std::move(options));
    if (GetParam()) {
      EXPECT_THAT(Execute(*database_, "DROP TABLE IF EXISTS t"), IsOk());
    }
    EXPECT_THAT(
        Execute(
            *database_,
            "CREATE TABLE t (k VARCHAR(40) NOT NULL PRIMARY KEY, v BIGINT)"),
        IsOk());
  }

  std::unique_ptr<SqlDatabase> database_;
};

TEST_P(SqlDatabaseTest, AnErrorOfTheBodyRollsBack) {
  const absl::Status status =
      database_->Write("change", [&](soci::session& sql) {
        sql << "INSERT INTO t VALUES ('a', 1)";
        return absl::FailedPreconditionError("no");
      });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Count(*database_), 0);
}

TEST_P(SqlDatabaseTest, AnExceptionRollsBackAndNamesNoValue) {
  const std::string secret = "hunter2";
  const absl::Status status =
      database_->Write("change", [&](soci::session& sql) {
        sql << "INSERT INTO t VALUES (:k, 1)", soci::use(secret);
        sql << "INSERT INTO t VALUES (:k, 2)", soci::use(secret);
        return absl::OkStatus();
      });
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(status), "STORE_DUPLICATE");
  EXPECT_THAT(status.ToString(), Not(HasSubstr(secret)));
  EXPECT_EQ(Count(*database_), 0);
}

TEST_P(SqlDatabaseTest, OurWrongSqlIsInternal) {
  const absl::Status status = Execute(*database_, "INSERT INTO nowhere");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(status), "STORE_ERROR");
  EXPECT_THAT(Execute(*database_, "INSERT INTO t VALUES ('a', 1)"), IsOk());
}

TEST_P(SqlDatabaseTest, ReadsDoNotWrite) {
  (void)database_->Read("read", [](soci::session& sql) {
    sql << "INSERT INTO t VALUES ('a', 1)";
    return absl::OkStatus();
  });
  EXPECT_EQ(Count(*database_), 0);
}

TEST_P(SqlDatabaseTest, ManyThreadsAddUp) {
  EXPECT_THAT(Execute(*database_, "INSERT INTO t VALUES ('sum', 0)"), IsOk());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10; ++n) {
        EXPECT_THAT(Execute(*database_, "UPDATE t SET v = v + 1"), IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  long long sum = 0;
  EXPECT_THAT(database_->Read("read",
                              [&](soci::session& sql) {
                                sql << "SELECT v FROM t", soci::into(sum);
                                return absl::OkStatus();
                              }),
              IsOk());
  EXPECT_EQ(sum, 40);
}

INSTANTIATE_TEST_SUITE_P(Both, SqlDatabaseTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Postgres" : "Sqlite";
                         });

TEST(SqliteTest, TheFileAndItsLogAreOursAlone) {
  const std::string file = FreshFile();
  const auto database = OpenOrDie(SqliteOptions{file});
  EXPECT_THAT(Execute(*database, "CREATE TABLE t (k INTEGER)"), IsOk());
  for (const std::string& name : {file, file + "-wal"}) {
    struct stat found;
    ASSERT_EQ(stat(name.c_str(), &found), 0) << name;
    EXPECT_EQ(found.st_mode & 0777, 0600u) << name;
  }
}

TEST(SqliteTest, ASecondProcessIsRefused) {
  const std::string file = FreshFile();
  const auto database = OpenOrDie(SqliteOptions{file});
  EXPECT_THAT(Execute(*database, "CREATE TABLE t (k INTEGER)"), IsOk());
  const absl::Status status = SqlDatabase::Open(SqliteOptions{file}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "STORE_LOCKED");
}

TEST(SqliteTest, WhatIsNoDatabaseIsRefusedAndKept) {
  const std::string file = FreshFile();
  std::filesystem::create_directories(
      std::filesystem::path(file).parent_path());
  const std::string text(9000, 'x');
  std::ofstream(file) << text;
  const absl::Status status = SqlDatabase::Open(SqliteOptions{file}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), "STORE_CORRUPT");
  EXPECT_EQ(std::filesystem::file_size(file), text.size());
}

TEST(SqliteTest, ADamagedPageIsFoundWhenItIsOpened) {
  const std::string file = FreshFile();
  {
    const auto database = OpenOrDie(SqliteOptions{file});
    EXPECT_THAT(Execute(*database, "CREATE TABLE t (k TEXT)"), IsOk());
    for (int i = 0; i < 200; ++i) {
      EXPECT_THAT(
          Execute(*database, absl::StrCat("INSERT INTO t VALUES ('",
                                          std::string(100, 'a'), i, "')")),
          IsOk());
    }
  }
  {
    // The heads of all pages after the first two: a table's leaves.
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto size = static_cast<long>(std::filesystem::file_size(file));
    for (long at = 2 * 4096; at < size; at += 4096) {
      out.seekp(at);
      out << std::string(64, '\xee');
    }
  }
  const absl::Status status = SqlDatabase::Open(SqliteOptions{file}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(ReasonOf(status), "STORE_CORRUPT");
}

// SQLite itself would go on writing to what no name leads to any more.
TEST(SqliteTest, ARemovedFileRefusesWrites) {
  const std::string file = FreshFile();
  const auto database = OpenOrDie(SqliteOptions{file});
  EXPECT_THAT(Execute(*database, "CREATE TABLE t (k INTEGER)"), IsOk());
  std::filesystem::rename(file, file + ".old");
  absl::Status status = Execute(*database, "INSERT INTO t VALUES (1)");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), "STORE_UNAVAILABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("removed or replaced"));
  // Another file in its place is not it either.
  std::ofstream(file).close();
  EXPECT_EQ(ReasonOf(Execute(*database, "INSERT INTO t VALUES (1)")),
            "STORE_UNAVAILABLE");
  std::filesystem::rename(file + ".old", file);
  EXPECT_THAT(Execute(*database, "INSERT INTO t VALUES (1)"), IsOk());
  EXPECT_EQ(Count(*database), 1);
}

TEST(SqliteTest, ARemovedLogRefusesWrites) {
  const std::string file = FreshFile();
  const auto database = OpenOrDie(SqliteOptions{file});
  EXPECT_THAT(Execute(*database, "CREATE TABLE t (k INTEGER)"), IsOk());
  EXPECT_THAT(Execute(*database, "INSERT INTO t VALUES (1)"), IsOk());
  std::filesystem::remove(file + "-wal");
  EXPECT_EQ(ReasonOf(Execute(*database, "INSERT INTO t VALUES (1)")),
            "STORE_UNAVAILABLE");
}

TEST(SqliteTest, AFullDiskRefusesAndChangesNothing) {
  const std::string file = FreshFile();
  const auto database = OpenOrDie(SqliteOptions{file});
  EXPECT_THAT(Execute(*database, "CREATE TABLE t (k TEXT)"), IsOk());
  // SQLite's own way of saying that there is no room for another page.
  EXPECT_THAT(database->Write("change",
                              [](soci::session& sql) {
                                int pages = 0;
                                sql << "PRAGMA max_page_count=3",
                                    soci::into(pages);
                                return absl::OkStatus();
                              }),
              IsOk());
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    const int before = Count(*database);
    status = Execute(*database, absl::StrCat("INSERT INTO t VALUES ('",
                                             std::string(1000, 'a'), "')"));
    EXPECT_EQ(Count(*database), before + (status.ok() ? 1 : 0));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(ReasonOf(status), "STORE_FULL");
}

// In a process of its own, on a file system of 400 KiB of its own: 0 if all was
// as it should be, 2 if there can be none here.
int OnASmallDisk() {
  const std::string folder = FreshFile() + ".disk";
  std::filesystem::create_directories(folder);
  const std::string users = absl::StrCat("0 ", geteuid(), " 1");
  const std::string groups = absl::StrCat("0 ", getegid(), " 1");
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 2;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << users;
  std::ofstream("/proc/self/gid_map") << groups;
  if (mount("none", folder.c_str(), "tmpfs", 0, "size=400k") != 0) return 2;
  auto opened = SqlDatabase::Open(SqliteOptions{folder + "/x.db"});
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
    return 3;
  }
  SqlDatabase& database = **opened;
  if (!Execute(database, "CREATE TABLE t (k TEXT)").ok()) return 4;
  absl::Status status;
  int good = 0;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    status = Execute(database, absl::StrCat("INSERT INTO t VALUES ('",
                                            std::string(1000, 'a'), "')"));
    good += status.ok() ? 1 : 0;
  }
  std::fprintf(stderr, "after %d rows: %s\n", good, status.ToString().c_str());
  if (ReasonOf(status) != "STORE_FULL") return 5;
  if (Count(database) != good) return 6;
  // What was there is there after another start, too.
  opened->reset();
  std::filesystem::remove(folder + "/x.db-shm");
  opened = SqlDatabase::Open(SqliteOptions{folder + "/x.db"});
  if (!opened.ok()) return 7;
  return Count(**opened) == good ? 0 : 8;
}

TEST(SqliteTest, ADiskThatIsFullLosesNothing) {
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) _exit(OnASmallDisk());
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) {
    GTEST_SKIP() << "no file system of our own can be mounted here";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(SqliteTest, AFolderThatCannotBeMadeIsSaid) {
  const absl::Status status =
      SqlDatabase::Open(SqliteOptions{"/proc/nowhere/x.db"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), "STORE_UNAVAILABLE");
}

TEST(PostgresTest, APasswordIsTakenFromItsFileAndToldToNobody) {
  PostgresOptions options;
  options.connection = Server().tcp_connection();
  absl::Status status = SqlDatabase::Open(options).status();
  EXPECT_FALSE(status.ok());

  options.password_file = FreshFile();
  std::filesystem::create_directories(
      std::filesystem::path(options.password_file).parent_path());
  std::ofstream(options.password_file) << "open barley\n";
  status = SqlDatabase::Open(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_EQ(ReasonOf(status), "STORE_ACCESS_DENIED");
  EXPECT_THAT(status.ToString(), Not(HasSubstr("barley")));

  std::ofstream(options.password_file) << PostgresServer::kPassword << "\n";
  EXPECT_THAT(SqlDatabase::Open(options).status(), IsOk());
}

TEST(PostgresTest, AConflictIsTriedAgain) {
  const auto database = OpenOrDie(Server().options());
  EXPECT_THAT(Execute(*database, "DROP TABLE IF EXISTS t"), IsOk());
  EXPECT_THAT(Execute(*database, "CREATE TABLE t (k INTEGER, v INTEGER)"),
              IsOk());
  EXPECT_THAT(Execute(*database, "INSERT INTO t VALUES (1, 0), (2, 0)"),
              IsOk());
  // Each locks the row that the other wants next: a deadlock, of which
  // PostgreSQL fails one.
  std::atomic<int> runs = 0;
  const auto add = [&](int first, int second) {
    EXPECT_THAT(database->Write("change",
                                [&](soci::session& sql) {
                                  ++runs;
                                  sql << "UPDATE t SET v = v + 1 WHERE k = :k",
                                      soci::use(first);
                                  absl::SleepFor(absl::Milliseconds(100));
                                  sql << "UPDATE t SET v = v + 1 WHERE k = :k",
                                      soci::use(second);
                                  return absl::OkStatus();
                                }),
                IsOk());
  };
  std::thread other([&] { add(2, 1); });
  add(1, 2);
  other.join();
  EXPECT_GE(runs, 3);
  int sum = 0;
  EXPECT_THAT(database->Read("read",
                             [&](soci::session& sql) {
                               sql << "SELECT SUM(v) FROM t", soci::into(sum);
                               return absl::OkStatus();
                             }),
              IsOk());
  EXPECT_EQ(sum, 4);
}

TEST(PostgresTest, AServerThatStartsAgainIsFoundAgain) {
  PostgresServer& server = Server();
  const auto database = OpenOrDie(server.options());
  EXPECT_THAT(Execute(*database, "DROP TABLE IF EXISTS t"), IsOk());
  EXPECT_THAT(Execute(*database, "CREATE TABLE t (k INTEGER)"), IsOk());
  // Between two transactions: nobody notices.
  server.Stop();
  server.Start();
  EXPECT_THAT(Execute(*database, "INSERT INTO t VALUES (1)"), IsOk());

  server.Kill();
  absl::Status status = Execute(*database, "INSERT INTO t VALUES (2)");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(ReasonOf(status), "STORE_UNAVAILABLE");
  // Between attempts it fails at once.
  const absl::Time start = absl::Now();
  EXPECT_EQ(Execute(*database, "INSERT INTO t VALUES (2)").code(),
            absl::StatusCode::kUnavailable);
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(500));
  server.Start();
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  do {
    status = Execute(*database, "INSERT INTO t VALUES (2)");
  } while (!status.ok() && absl::Now() < give_up);
  EXPECT_THAT(status, IsOk());
  EXPECT_EQ(Count(*database), 2);
}

TEST(PostgresTest, AStatementThatTakesTooLongIsUnavailable) {
  const auto database = OpenOrDie(Server().options(absl::Milliseconds(200)));
  const absl::Status status = Execute(*database, "SELECT pg_sleep(20)");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(Execute(*database, "SELECT 1"), IsOk());
}

// It keeps the connection and says nothing: no statement_timeout comes.
TEST(PostgresTest, AServerThatFallsSilentIsGivenUp) {
  PostgresServer& server = Server();
  const auto database = OpenOrDie(server.options(absl::Milliseconds(300)));
  EXPECT_THAT(Execute(*database, "SELECT 1"), IsOk());
  server.Suspend();
  const absl::Time start = absl::Now();
  const absl::Status status = Execute(*database, "SELECT 1");
  const absl::Duration took = absl::Now() - start;
  server.Resume();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_LT(took, absl::Seconds(10));
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  absl::Status again;
  do {
    again = Execute(*database, "SELECT 1");
  } while (!again.ok() && absl::Now() < give_up);
  EXPECT_THAT(again, IsOk());
}

TEST(PostgresTest, AServerThatMayLoseCommitsIsRefused) {
  PostgresServer server;
  server.Stop();
  server.Configure("fsync = off");
  server.Start();
  const absl::Status status = SqlDatabase::Open(server.options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "STORE_NOT_DURABLE");
}

TEST(PostgresTest, TlsChecksTheServersCertificate) {
  MtlsPki pki("database");
  const PemFiles files = pki.Issue("server", "IP:127.0.0.1");
  PostgresServer server;
  server.Stop();
  server.UseTls(files);
  server.Start();
  const std::string secret_file = pki.folder() + "/password";
  std::ofstream(secret_file) << PostgresServer::kPassword;

  PostgresOptions options;
  options.password_file = secret_file;
  options.connection =
      absl::StrCat(server.tcp_connection(),
                   " sslmode=verify-full sslrootcert='", files.ca_file, "'");
  const auto database = OpenOrDie(options);
  std::string secured;
  EXPECT_THAT(database->Read("read",
                             [&](soci::session& sql) {
                               sql << "SELECT CASE WHEN ssl THEN version ELSE "
                                      "'no' END FROM pg_stat_ssl "
                                      "WHERE pid = pg_backend_pid()",
                                   soci::into(secured);
                               return absl::OkStatus();
                             }),
              IsOk());
  EXPECT_EQ(secured, "TLSv1.3");

  const MtlsPki other("other");
  options.connection =
      absl::StrCat(server.tcp_connection(),
                   " sslmode=verify-full sslrootcert='", other.ca_file(), "'");
  const absl::Status status = SqlDatabase::Open(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("certificate verify failed"),
                    Not(HasSubstr(PostgresServer::kPassword))));
}

}  // namespace
}  // namespace sallyport
