#include "services/common/files/durable_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "absl/status/status.h"

namespace sallyport {
namespace {

std::string TempPath(const std::string& name) {
  return testing::TempDir() + "/" + name;
}

TEST(DurableFileTest, ReadsBackWhatWasWritten) {
  const std::string path = TempPath("a");
  const std::string content("\0binary\xff and text\n", 17);
  ASSERT_TRUE(WriteDurableFile(path, content).ok());
  EXPECT_EQ(ReadWholeFile(path, 100).value(), content);
  ASSERT_TRUE(WriteDurableFile(path, "new").ok());
  EXPECT_EQ(ReadWholeFile(path, 100).value(), "new");
}

TEST(DurableFileTest, OnlyTheOwnerMayRead) {
  const std::string path = TempPath("b");
  ASSERT_TRUE(WriteDurableFile(path, "secret").ok());
  struct stat st;
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600);
}

TEST(DurableFileTest, SaysWhatIsWrong) {
  EXPECT_EQ(ReadWholeFile(TempPath("absent"), 10).status().code(),
            absl::StatusCode::kNotFound);
  const std::string path = TempPath("c");
  ASSERT_TRUE(WriteDurableFile(path, "12345678901").ok());
  EXPECT_EQ(ReadWholeFile(path, 10).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadWholeFile(path, 11).value().size(), 11u);
  EXPECT_EQ(WriteDurableFile(TempPath("no/such/folder"), "x").code(),
            absl::StatusCode::kNotFound);
}

TEST(DurableFileTest, AFailedWriteLeavesTheOldContentAndNoLitter) {
  const std::string folder = TempPath("d");
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  // A folder in the way: the rename fails.
  ASSERT_EQ(mkdir((folder + "/name").c_str(), 0700), 0);
  EXPECT_FALSE(WriteDurableFile(folder + "/name", "x").ok());
  EXPECT_EQ(rmdir((folder + "/name").c_str()), 0);
  EXPECT_EQ(rmdir(folder.c_str()), 0) << "something else was left behind";
}

}  // namespace
}  // namespace sallyport
