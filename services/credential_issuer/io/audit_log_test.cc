#include "services/credential_issuer/io/audit_log.h"

#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

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

TEST(AuditLogTest, AppendsAndKeepsWhatWasThere) {
  const std::string path = testing::TempDir() + "/audit.jsonl";
  std::remove(path.c_str());
  for (const char* line : {"one", "two"}) {
    auto log = FileAuditLog::Open(path);
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT((*log)->Write(line), IsOk());
  }
  EXPECT_THAT(Lines(path), testing::ElementsAre("one", "two"));
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(AuditLogTest, LinesOfThreadsDoNotMix) {
  const std::string path = testing::TempDir() + "/audit_threads.jsonl";
  std::remove(path.c_str());
  auto log = FileAuditLog::Open(path);
  ASSERT_THAT(log, IsOk());
  std::vector<std::thread> threads;
  for (char c : {'a', 'b', 'c'}) {
    threads.emplace_back([&log, c] {
      for (int i = 0; i < 200; ++i) {
        EXPECT_THAT((*log)->Write(std::string(100, c)), IsOk());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto lines = Lines(path);
  EXPECT_EQ(lines.size(), 600u);
  for (const std::string& line : lines) {
    EXPECT_EQ(line, std::string(100, line[0]));
  }
}

TEST(AuditLogTest, AFolderThatIsNotThereIsSaid) {
  EXPECT_THAT(FileAuditLog::Open("/nonexistent/audit"),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace sallyport::credential_issuer
