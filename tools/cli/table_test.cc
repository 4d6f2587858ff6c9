#include "tools/cli/table.h"

#include "gtest/gtest.h"

namespace sallyport::cli {
namespace {

TEST(TableTest, AlignsColumns) {
  Table table({"NAME", "PORT"});
  table.AddRow({"gateway", "5061"});
  table.AddRow({"pbx", "5060"});
  EXPECT_EQ(table.ToString(),
            "NAME     PORT\n"
            "gateway  5061\n"
            "pbx      5060\n");
}

TEST(TableTest, LeavesOutEmptyColumnsAndTrailingSpaces) {
  Table table({"NAME", "NOTE", "LAST"});
  table.AddRow({"a", "", "x"});
  table.AddRow({"b"});
  EXPECT_EQ(table.ToString(), "NAME  LAST\na     x\nb\n");
}

TEST(TableTest, WithoutRowsThereIsNothing) {
  EXPECT_EQ(Table({"NAME"}).ToString(), "");
}

TEST(TableTest, CountsCharactersAndRemovesControls) {
  Table table({"NAME", "X"});
  table.AddRow({"Zürich", "1"});
  table.AddRow({"a\x1b[2Jb", "2"});
  EXPECT_EQ(table.ToString(),
            "NAME    X\n"
            "Zürich  1\n"
            "a?[2Jb  2\n");
}

// What comes from others must not move the cursor or turn the text around.
TEST(TableTest, NoControlReachesATerminal) {
  EXPECT_EQ(Printable("a\x1b[2J\x7f\t"), "a?[2J??");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J\xc2\x80\xc2\x9f"),
            "?2J??");
  EXPECT_EQ(Printable("\xc2\xa0\xc3\x9b"), "\xc2\xa0\xc3\x9b");
  EXPECT_EQ(Printable("a\xe2\x80\xae"
                      "b\xe2\x81\xa6"
                      "c"),
            "a?b?c");
  EXPECT_EQ(Printable("\xe2\x80\x93\xe2\x82\xac"), "\xe2\x80\x93\xe2\x82\xac");
  EXPECT_EQ(Printable("\xc2"), "\xc2");
  EXPECT_EQ(Printable("\xe2\x80"), "\xe2\x80");
}

}  // namespace
}  // namespace sallyport::cli
