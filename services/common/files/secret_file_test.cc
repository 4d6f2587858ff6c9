#include "services/common/files/secret_file.h"

#include <sys/stat.h>

#include <fstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

std::string FileOf(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

// Without the octets, in case it fails.
bool Holds(const absl::StatusOr<Secret>& read, const std::string& content) {
  return read.ok() && read->DangerousText() == content;
}

TEST(SecretFileTest, ReadsFilesOfEachSize) {
  for (const size_t size : {0, 1, 4095, 4096, 4097, 8192, 99'999, 100'000}) {
    std::string content(size, 'k');
    if (size > 0) content[size / 2] = '\0';
    const std::string path = FileOf("each", content);
    EXPECT_TRUE(Holds(ReadSecretFile(path, 100'000), content)) << size;
  }
}

TEST(SecretFileTest, AFileThatIsTooLongIsRefused) {
  const std::string path = FileOf("long", std::string(5001, 'k'));
  EXPECT_THAT(ReadSecretFile(path, 5000).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("is too long")));
  EXPECT_TRUE(Holds(ReadSecretFile(path, 5001), std::string(5001, 'k')));
}

TEST(SecretFileTest, APipeHasNoSizeAndIsReadToItsEnd) {
  const std::string path = testing::TempDir() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const std::string content(70'001, 'p');
  std::thread writer([&] { std::ofstream(path) << content; });
  EXPECT_TRUE(Holds(ReadSecretFile(path, 1 << 20), content));
  writer.join();
}

TEST(SecretFileTest, SaysWhatIsWrong) {
  EXPECT_THAT(
      ReadSecretFile(testing::TempDir() + "/absent", 10).status(),
      StatusIs(absl::StatusCode::kNotFound, testing::HasSubstr("absent")));
  EXPECT_FALSE(ReadSecretFile(testing::TempDir(), 10).ok());
}

TEST(SecretFileTest, ADigestChangesWithEachFile) {
  const std::string a = FileOf("a", "one");
  const std::string b = FileOf("b", "two");
  const std::string both = DigestOfSecretFiles({a, b}, 100);
  EXPECT_EQ(DigestOfSecretFiles({a, b}, 100), both);
  EXPECT_NE(DigestOfSecretFiles({b, a}, 100), both);
  FileOf("b", "tw0");
  EXPECT_NE(DigestOfSecretFiles({a, b}, 100), both);
  // Nothing is lost between two files.
  FileOf("a", "onet");
  FileOf("b", "wo");
  EXPECT_NE(DigestOfSecretFiles({a, b}, 100), both);
  FileOf("b", "");
  EXPECT_EQ(DigestOfSecretFiles({a, b}, 100),
            DigestOfSecretFiles({a, b + ".absent"}, 100));
}

}  // namespace
}  // namespace sallyport
