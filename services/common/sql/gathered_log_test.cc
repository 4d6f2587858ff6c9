#include "services/common/sql/gathered_log.h"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

std::string FreshFolder() {
  static int count = 0;
  const char* const folder = std::getenv("TEST_TMPDIR");
  const std::string out = absl::StrCat(folder == nullptr ? "/tmp" : folder,
                                       "/log", getpid(), "_", ++count, "/");
  std::filesystem::create_directories(out);
  return out;
}

class Store {
 public:
  explicit Store(const std::string& name)
      : sql_(soci::sqlite3, absl::StrCat("dbname=\"", name, "\" timeout=1")) {
    sql_ << "PRAGMA locking_mode=EXCLUSIVE";
    sql_ << "PRAGMA journal_mode=WAL";
    sql_ << "PRAGMA synchronous=FULL";
    sql_ << "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, v TEXT)";
  }

  void Insert(int first, int count, size_t size = 3000) {
    for (int n = first; n < first + count; ++n) {
      const std::string value = absl::StrCat(n, ":", std::string(size, 'x'));
      sql_ << "INSERT INTO t VALUES (:n, :v)", soci::use(n), soci::use(value);
    }
  }

  int Count() {
    int count = 0;
    sql_ << "SELECT COUNT(*) FROM t WHERE v LIKE n || ':x%'", soci::into(count);
    return count;
  }

  std::string IntegrityCheck() {
    std::string out;
    sql_ << "PRAGMA integrity_check", soci::into(out);
    return out;
  }

  soci::session& sql() { return sql_; }

 private:
  soci::session sql_;
};

// What another process would find if this one were killed now, by SQLite as it
// is.
int CountAfterAKill(const std::string& file) {
  const std::string copy = FreshFolder() + "copy.db";
  for (const char* const part : {"", "-wal"}) {
    if (std::filesystem::exists(file + part)) {
      std::filesystem::copy_file(file + part, copy + part);
    }
  }
  Store store(copy);
  EXPECT_EQ(store.IntegrityCheck(), "ok");
  return store.Count();
}

// Calls of the kernel that write, of this process.
long long WriteCalls() {
  std::ifstream io("/proc/self/io");
  std::string word;
  long long value = 0;
  while (io >> word >> value) {
    if (word == "syscw:") return value;
  }
  ADD_FAILURE() << "no syscw";
  return 0;
}

long long WriteCallsOfACommit(const std::string& name, int pages) {
  Store store(name);
  soci::transaction transaction(store.sql());
  store.Insert(0, pages);
  const long long before = WriteCalls();
  transaction.commit();
  return WriteCalls() - before;
}

TEST(GatheredLogTest, PagesAreWrittenTogether) {
  const auto with = [](int pages) {
    return WriteCallsOfACommit(GatheredLogUri(FreshFolder() + "x.db"), pages);
  };
  EXPECT_EQ(with(20), 1);
  EXPECT_EQ(with(80), 3);
  // Without us: two for each page.
  EXPECT_GE(WriteCallsOfACommit(FreshFolder() + "x.db", 80), 2 * 80);
}

TEST(GatheredLogTest, EachCommitIsThereAfterAKill) {
  const std::string file = FreshFolder() + "x.db";
  Store store(GatheredLogUri(file));
  // Past some checkpoints, so that the log begins anew.
  for (int i = 0; i < 40; ++i) {
    soci::transaction transaction(store.sql());
    store.Insert(i * 50, 50);
    transaction.commit();
    EXPECT_EQ(CountAfterAKill(file), (i + 1) * 50);
  }
  EXPECT_EQ(store.Count(), 2000);
}

TEST(GatheredLogTest, WhatIsNotCommittedIsNotThere) {
  const std::string file = FreshFolder() + "x.db";
  Store store(GatheredLogUri(file));
  // Pages go to the log before the commit, and are read from there.
  store.sql() << "PRAGMA cache_size=10";
  store.Insert(0, 5);
  {
    soci::transaction transaction(store.sql());
    store.Insert(5, 1000);
    EXPECT_EQ(store.Count(), 1005);
    EXPECT_EQ(CountAfterAKill(file), 5);
    transaction.rollback();
  }
  EXPECT_EQ(store.Count(), 5);
  EXPECT_EQ(CountAfterAKill(file), 5);
  store.Insert(5, 3);
  EXPECT_EQ(CountAfterAKill(file), 8);
}

TEST(GatheredLogTest, ACommitOfMoreThanMayWaitIsWhole) {
  const std::string file = FreshFolder() + "x.db";
  Store store(GatheredLogUri(file));
  soci::transaction transaction(store.sql());
  store.Insert(0, 100, 100'000);
  transaction.commit();
  EXPECT_EQ(CountAfterAKill(file), 100);
}

TEST(GatheredLogTest, AFileMayHaveAnyName) {
  const std::string file = FreshFolder() + "a b?vfs=none#\xc3\xa4%41&.db";
  Store store(GatheredLogUri(file));
  store.Insert(0, 2);
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(CountAfterAKill(file), 2);
}

}  // namespace
}  // namespace sallyport
