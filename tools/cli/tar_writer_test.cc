#include "tools/cli/tar_writer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"

namespace sallyport::cli {
namespace {

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// CUC-67: one archive, which GNU tar unpacks.
TEST(TarWriterTest, TarReadsIt) {
  TarWriter writer;
  const std::string longer(1000, 'x');
  const absl::Time time = absl::FromUnixSeconds(1700000000);
  writer.Add("empty.txt", "", time);
  writer.Add("a/plan.yaml", "kind: Tenant\n", time);
  writer.Add("exact.bin", std::string(512, 'y'), time);
  writer.Add(std::string(100, 'n'), longer, time);
  const std::string folder = ::testing::TempDir();
  std::ofstream(folder + "/x.tar", std::ios::binary) << writer.Finish();
  ASSERT_EQ(std::system(absl::StrCat("cd ", folder,
                                     " && tar xf x.tar && tar tvf x.tar > "
                                     "list.txt")
                            .c_str()),
            0);
  EXPECT_EQ(Read(folder + "/empty.txt"), "");
  EXPECT_EQ(Read(folder + "/a/plan.yaml"), "kind: Tenant\n");
  EXPECT_EQ(Read(folder + "/exact.bin"), std::string(512, 'y'));
  EXPECT_EQ(Read(folder + "/" + std::string(100, 'n')), longer);
  EXPECT_NE(Read(folder + "/list.txt").find("-rw-------"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::cli
