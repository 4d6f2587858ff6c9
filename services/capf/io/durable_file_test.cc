#include "services/capf/io/durable_file.h"

#include <sys/stat.h>

#include <filesystem>

#include "gtest/gtest.h"
#include "services/capf/io/test_capf.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

TEST(DurableFileTest, CreateNeverReplaces) {
  const std::string path = NewTestFolder() + "/sub/key";
  EXPECT_THAT(CreateDurableFile(path, "first"), IsOk());
  EXPECT_THAT(CreateDurableFile(path, "second"),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(**ReadSmallFile(path), "first");
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(ReplaceDurableFile(path, "third"), IsOk());
  EXPECT_EQ(**ReadSmallFile(path), "third");
  // Nothing temporary is left.
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(path).parent_path())) {
    static_cast<void>(entry);
    ++files;
  }
  EXPECT_EQ(files, 1u);
}

TEST(DurableFileTest, ReadKnowsAbsentAndTooLong) {
  const std::string path = NewTestFolder() + "/file";
  EXPECT_FALSE(ReadSmallFile(path)->has_value());
  ASSERT_THAT(CreateDurableFile(path, "12345"), IsOk());
  EXPECT_EQ(**ReadSmallFile(path, 5), "12345");
  EXPECT_THAT(ReadSmallFile(path, 4),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(DurableFileTest, OpenKeysAreNotPrivate) {
  const std::string path = NewTestFolder() + "/file";
  ASSERT_THAT(CreateDurableFile(path, "x"), IsOk());
  EXPECT_THAT(CheckPrivate(path), IsOk());
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_THAT(CheckPrivate(path), HasReason("FILE_MODE"));
}

}  // namespace
}  // namespace sallyport::capf
