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

}  // namespace
}  // namespace sallyport::cli
