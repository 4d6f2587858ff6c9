#include "services/capf/io/audit_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/io/sql_store.h"
#include "services/capf/io/test_capf.h"
#include "services/common/sql/sql_database.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795255200);

std::string Read(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class AuditFileTest : public testing::Test {
 protected:
  void SetUp() override {
    SP_ASSERT_OK_AND_ASSIGN(
        database,
        SqlDatabase::Open(SqliteOptions{.file = folder + "/capf.db"}));
    auto opened = SqlStore::Open(*database);
    ASSERT_TRUE(opened.ok());
    store = *std::move(opened);
  }
  void Happen(const char* event) {
    StoreChange change;
    change.audit.push_back({event, "a\"b", "s", "d"});
    ASSERT_THAT(store->Apply(change, kNow), IsOk());
  }
  std::string All() {
    std::string lines;
    const auto records = store->ReadAudit(0, 1000).value();
    for (const AuditRecord& record : records) {
      lines += AuditLine(record);
    }
    return lines;
  }

  const std::string folder = NewTestFolder();
  const std::string path = folder + "/log/audit.jsonl";
  std::unique_ptr<SqlDatabase> database;
  std::unique_ptr<SqlStore> store;
};

TEST_F(AuditFileTest, HoldsWhatTheStoreHolds) {
  Happen("A");
  SP_ASSERT_OK_AND_ASSIGN(auto file, AuditFile::Open(path, *store));
  EXPECT_EQ(Read(path), All());
  Happen("B");
  Happen("C");
  EXPECT_THAT(file->Sync(*store), IsOk());
  EXPECT_EQ(file->sequence(), 3);
  EXPECT_EQ(Read(path), All());
  EXPECT_NE(Read(path).find("\"actor\":\"a\\\"b\""), std::string::npos);
  file.reset();
  Happen("D");
  SP_ASSERT_OK_AND_ASSIGN(file, AuditFile::Open(path, *store));
  EXPECT_EQ(Read(path), All());
}

// kill -9 within a write.
TEST_F(AuditFileTest, AHalfLineIsCutAndWrittenAnew) {
  Happen("A");
  Happen("B");
  const std::string all = All();
  for (size_t length = 0; length <= all.size(); ++length) {
    std::filesystem::remove(path);
    std::filesystem::create_directories(folder + "/log");
    std::ofstream(path) << all.substr(0, length);
    SP_ASSERT_OK_AND_ASSIGN(const auto file, AuditFile::Open(path, *store));
    EXPECT_EQ(Read(path), all) << length;
  }
}

TEST_F(AuditFileTest, AnotherHistoryIsRefused) {
  Happen("A");
  std::filesystem::create_directories(folder + "/log");
  std::string other = All();
  other.replace(other.find("\"A\""), 3, "\"X\"");
  std::ofstream(path) << other;
  EXPECT_THAT(AuditFile::Open(path, *store), HasReason("AUDIT_MISMATCH"));
  std::ofstream(path) << "not ours\n";
  EXPECT_THAT(AuditFile::Open(path, *store), HasReason("AUDIT_MISMATCH"));
  // Longer than the store: the store was put back to an older state.
  AuditRecord next = store->ReadAudit(0, 1).value()[0];
  next.sequence = 2;
  std::ofstream(path) << All() << AuditLine(next);
  EXPECT_THAT(AuditFile::Open(path, *store), HasReason("AUDIT_MISMATCH"));
}

}  // namespace
}  // namespace sallyport::capf
