#include "tools/cli/command_words.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CommandWordsTest, PartsWordsAsAShellDoes) {
  EXPECT_THAT(*CommandWords("  get tenant\tt "),
              ElementsAre("get", "tenant", "t"));
  EXPECT_THAT(*CommandWords("set user u display_name='Ann B'"),
              ElementsAre("set", "user", "u", "display_name=Ann B"));
  EXPECT_THAT(*CommandWords(R"(a "b \"c\" $HOME `d`" 'e\' f\ g '')"),
              ElementsAre("a", R"(b "c" $HOME `d`)", "e\\", "f g", ""));
  EXPECT_THAT(*CommandWords("get # what there is"), ElementsAre("get"));
  EXPECT_THAT(*CommandWords("get a#b"), ElementsAre("get", "a#b"));
  EXPECT_THAT(*CommandWords(" # a remark"), IsEmpty());
  EXPECT_THAT(*CommandWords(""), IsEmpty());
}

TEST(CommandWordsTest, WhatHasNoEndIsRefused) {
  for (const char* line : {"get 'a", "get \"a", "get a\\", "'"}) {
    EXPECT_THAT(CommandWords(line).status(), HasReason("LINE_MALFORMED"))
        << line;
  }
}

}  // namespace
}  // namespace sallyport::cli
