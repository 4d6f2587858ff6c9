#include "services/credential_issuer/io/master_key.h"

#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "services/common/random/system_random.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::credential_issuer {
namespace {

class MasterKeyTest : public testing::Test {
 protected:
  MasterKeyTest() : path_(testing::TempDir() + "/master.key") {
    std::remove(path_.c_str());
  }
  const std::string path_;
  SystemRandom random_;
};

TEST_F(MasterKeyTest, MadeOnceAndReadAgain) {
  const auto made = LoadOrMakeMasterKey(path_, random_);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->size(), 32u);
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto read = LoadOrMakeMasterKey(path_, random_);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(*made == *read);
}

TEST_F(MasterKeyTest, AFileThatOthersMayReadIsRefused) {
  ASSERT_THAT(LoadOrMakeMasterKey(path_, random_), IsOk());
  chmod(path_.c_str(), 0640);
  EXPECT_THAT(LoadOrMakeMasterKey(path_, random_),
              HasReason("MASTER_KEY_UNSAFE"));
}

TEST_F(MasterKeyTest, AFileOfAnotherSizeIsNeverReplaced) {
  std::ofstream(path_) << "short";
  chmod(path_.c_str(), 0600);
  EXPECT_THAT(LoadOrMakeMasterKey(path_, random_),
              HasReason("MASTER_KEY_INVALID"));
  std::ifstream in(path_);
  std::string text;
  in >> text;
  EXPECT_EQ(text, "short");
}

TEST_F(MasterKeyTest, AFolderThatIsNotThereIsSaid) {
  EXPECT_FALSE(LoadOrMakeMasterKey("/nonexistent/key", random_).ok());
}

}  // namespace
}  // namespace sallyport::credential_issuer
