#include "tools/cli/text_diff.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace sallyport::cli {
namespace {

std::string Diff(const std::string& from, const std::string& to) {
  return UnifiedDiff(from, to, "a", "b");
}

// As GNU diff -u prints them.
TEST(TextDiffTest, UnifiedFormat) {
  EXPECT_EQ(Diff("a\nb\n", "a\nb"), "");
  EXPECT_EQ(Diff("", "x\ny\n"), "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n");
  EXPECT_EQ(Diff("x\n", ""), "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
  EXPECT_EQ(Diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nV\n6\n7\n8\n9\n"),
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+V\n 6\n 7\n 8\n");
  EXPECT_EQ(Diff("b\nc\n", "a\nb\nd\nc\n"),
            "--- a\n+++ b\n@@ -1,2 +1,4 @@\n+a\n b\n+d\n c\n");
}

TEST(TextDiffTest, ChangesFarApartAreHunksOfTheirOwn) {
  std::string from, to;
  for (int i = 0; i < 30; ++i) {
    absl::StrAppend(&from, i, "\n");
    absl::StrAppend(&to, i == 2 || i == 25 ? "x" : absl::StrCat(i), "\n");
  }
  EXPECT_EQ(Diff(from, to),
            "--- a\n+++ b\n"
            "@@ -1,6 +1,6 @@\n 0\n 1\n-2\n+x\n 3\n 4\n 5\n"
            "@@ -23,7 +23,7 @@\n 22\n 23\n 24\n-25\n+x\n 26\n 27\n 28\n");
}

TEST(TextDiffTest, LongTextsEnd) {
  std::string from, to;
  for (int i = 0; i < 5000; ++i) {
    absl::StrAppend(&from, "a", i, "\n");
    absl::StrAppend(&to, "b", i, "\n");
  }
  EXPECT_EQ(Diff(from, to).substr(0, 30), "--- a\n+++ b\n@@ -1,5000 +1,5000");
}

}  // namespace
}  // namespace sallyport::cli
