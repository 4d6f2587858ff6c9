#include "services/dialplan/core/csv_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sallyport::dialplan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using std::string_view_literals::operator""sv;

CsvTable Read(std::string_view text) { return ReadCsv(text, CsvLimits()); }

auto Fault(const char* field, const char* reason, const char* description) {
  return AllOf(Field(&PlanFault::field, field),
               Field(&PlanFault::reason, reason),
               Field(&PlanFault::description, HasSubstr(description)));
}

std::vector<std::vector<std::string>> Cells(const CsvTable& table) {
  std::vector<std::vector<std::string>> out;
  for (const CsvRow& row : table.rows) out.push_back(row.cells);
  return out;
}

// RFC 4180 section 2, rules 1 to 7.
TEST(CsvReaderTest, Rfc4180Rules) {
  const CsvTable table = Read(
      "name,text\r\n"
      "a,plain\r\n"
      "\"b\",\"with, comma\"\r\n"
      "c,\"with \"\"quotes\"\"\"\r\n"
      "d,\"two\r\nlines\"\r\n"
      " e , kept \r\n"
      "f,");
  EXPECT_THAT(table.faults, IsEmpty());
  EXPECT_THAT(table.header, ElementsAre("name", "text"));
  EXPECT_THAT(
      Cells(table),
      ElementsAre(ElementsAre("a", "plain"), ElementsAre("b", "with, comma"),
                  ElementsAre("c", "with \"quotes\""),
                  ElementsAre("d", "two\r\nlines"),
                  ElementsAre(" e ", " kept "), ElementsAre("f", "")));
  EXPECT_EQ(table.rows[5].number, 7u);
}

TEST(CsvReaderTest, ByteOrderMarkLineFeedsAndEmptyLines) {
  const CsvTable table = Read("\xEF\xBB\xBFname\na\n\n\nb\n");
  EXPECT_THAT(table.faults, IsEmpty());
  EXPECT_THAT(table.header, ElementsAre("name"));
  EXPECT_THAT(Cells(table), ElementsAre(ElementsAre("a"), ElementsAre("b")));
  EXPECT_EQ(table.rows[1].number, 5u);
}

TEST(CsvReaderTest, MixedEncodingsAreNamedByCell) {
  const CsvTable table = Read(
      "username,display_name\n"
      "ann,Ren\xC3\xA9\n"
      "bob,Ren\xE9\n"
      "eve,a\x01z\n");
  EXPECT_THAT(
      table.faults,
      ElementsAre(
          Fault("row[3].display_name", "CSV_ENCODING_INVALID", "0xe9 at 4"),
          Fault("row[4].display_name", "CSV_ENCODING_INVALID", "control")));
  // The others can still be checked.
  EXPECT_THAT(Cells(table), ElementsAre(ElementsAre("ann", "Ren\xC3\xA9")));
}

TEST(CsvReaderTest, WholeTextsOfAnotherEncoding) {
  EXPECT_THAT(Read("\xFF\xFEu\0s\0"sv).faults,
              ElementsAre(Fault("csv", "CSV_ENCODING_INVALID", "UTF-16")));
  EXPECT_THAT(Read("u\0s\0"sv).faults,
              ElementsAre(Fault("csv", "CSV_ENCODING_INVALID", "UTF-16")));
}

TEST(CsvReaderTest, BrokenQuotes) {
  EXPECT_THAT(
      Read("a,b\nx\"y,1\n\"x\"y,2\nz,3\nq\rq,4\n\"open,5\n6,7\n").faults,
      ElementsAre(Fault("row[2].a", "CSV_SYNTAX_INVALID", "not in quotes"),
                  Fault("row[3].a", "CSV_SYNTAX_INVALID", "closing quote"),
                  Fault("row[5].a", "CSV_SYNTAX_INVALID", "carriage return"),
                  Fault("row[6].a", "CSV_SYNTAX_INVALID", "never closed")));
}

TEST(CsvReaderTest, RowsOfAnotherLength) {
  const CsvTable table = Read("a,b\n1\n1,2,3\n1,2\n");
  EXPECT_THAT(
      table.faults,
      ElementsAre(Fault("row[2]", "CSV_SYNTAX_INVALID", "has 1 cells"),
                  Fault("row[3]", "CSV_SYNTAX_INVALID", "has 3 cells")));
  EXPECT_THAT(table.rows, SizeIs(1));
}

TEST(CsvReaderTest, Headers) {
  EXPECT_THAT(Read("").faults,
              ElementsAre(Fault("csv", "CSV_HEADER_INVALID", "is empty")));
  EXPECT_THAT(Read("\xEF\xBB\xBF").faults, SizeIs(1));
  EXPECT_THAT(
      Read("a,b,a,\n1,2,3,4\n").faults,
      ElementsAre(Fault("row[1].a", "CSV_HEADER_INVALID", "column 1 has"),
                  Fault("row[1].column[4]", "CSV_HEADER_INVALID", "no name")));
  EXPECT_THAT(Read("a;b\n1;2\n").faults,
              ElementsAre(Fault("csv", "CSV_HEADER_INVALID", "by commas")));
  EXPECT_THAT(Read("n\xE9\n").faults,
              ElementsAre(Fault("row[1].column[1]", "CSV_ENCODING_INVALID",
                                "not UTF-8")));
  EXPECT_THAT(Read("user name,b\n").faults,
              ElementsAre(Fault("row[1].column[1]", "CSV_HEADER_INVALID",
                                "no name of a field")));
  // A first line that is no header hides nothing: it is told as a header.
  EXPECT_THAT(
      Read("\nann\n").faults,
      ElementsAre(Fault("row[1].column[1]", "CSV_HEADER_INVALID", "no name")));
}

TEST(CsvReaderTest, Limits) {
  CsvLimits limits;
  limits.octets = 20;
  limits.rows = 2;
  limits.columns = 3;
  EXPECT_THAT(ReadCsv("a\n1\n2\n", limits).faults, IsEmpty());
  EXPECT_THAT(ReadCsv("a\n1\n2\n3\n", limits).faults,
              ElementsAre(Fault("csv", "CSV_TOO_LARGE", "2 rows")));
  EXPECT_THAT(ReadCsv("a\n1\n2\n3\n", limits).rows, IsEmpty());
  EXPECT_THAT(ReadCsv("a,b,c,d\n", limits).faults,
              ElementsAre(Fault("csv", "CSV_HEADER_INVALID", "3 columns")));
  EXPECT_THAT(ReadCsv(std::string(21, 'a'), limits).faults,
              ElementsAre(Fault("csv", "CSV_TOO_LARGE", "20 octets")));
}

TEST(CsvReaderTest, TheCostIsThatOfTheLength) {
  EXPECT_THAT(Read(std::string(999999, '"')).faults, SizeIs(1));
  EXPECT_THAT(Read("a\n" + std::string(999998, ',')).faults, SizeIs(1));
  EXPECT_THAT(Read(std::string(1000000, '\n')).faults, SizeIs(1));
}

}  // namespace
}  // namespace sallyport::dialplan
