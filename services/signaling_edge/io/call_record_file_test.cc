#include "services/signaling_edge/io/call_record_file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "services/common/log/line_queue.h"

namespace sallyport::signaling_edge {
namespace {

std::string PathOf(const std::string& name) {
  return std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
}

std::string Content(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(CallRecordFileTest, AppendsWholeLinesAndKeepsWhatWasThere) {
  const std::string path = PathOf("records.jsonl");
  {
    const auto file = *CallRecordFile::Open(path);
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(file->Append("{\"n\":" + std::to_string(i) + "}"));
    }
  }
  { EXPECT_TRUE((*CallRecordFile::Open(path))->Append("{\"n\":100}")); }
  std::istringstream lines(Content(path));
  std::string line;
  for (int i = 0; i <= 100; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(line, "{\"n\":" + std::to_string(i) + "}");
  }
  EXPECT_FALSE(std::getline(lines, line));
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(CallRecordFileTest, EndsALineThatACrashCut) {
  const std::string path = PathOf("cut.jsonl");
  std::ofstream(path) << "{\"whole\":1}\n{\"cut";
  { EXPECT_TRUE((*CallRecordFile::Open(path))->Append("{\"next\":1}")); }
  EXPECT_EQ(Content(path), "{\"whole\":1}\n{\"cut\n{\"next\":1}\n");
}

TEST(CallRecordFileTest, AFullDiskLosesNothingButTime) {
  // /dev/full takes no octet; what waits is bounded and counted.
  const auto file = CallRecordFile::Open(
      "/dev/full", /*max_bytes=*/3 * (2 + LineQueue::kLineOverhead));
  ASSERT_TRUE(file.ok()) << file.status();
  int taken = 0;
  for (int i = 0; i < 10; ++i) {
    taken += (*file)->Append("x") ? 1 : 0;
  }
  EXPECT_EQ(taken, 3);
  EXPECT_EQ((*file)->written(), 0u);
  EXPECT_EQ((*file)->lost(), static_cast<uint64_t>(10 - taken));
}

TEST(CallRecordFileTest, RefusesAFolder) {
  EXPECT_FALSE(CallRecordFile::Open(PathOf("no/such/folder/file")).ok());
}

}  // namespace
}  // namespace sallyport::signaling_edge
