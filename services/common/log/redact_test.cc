#include "services/common/log/redact.h"

#include <sstream>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(RedactTest, EqualValuesJoinAndDifferentOnesDoNot) {
  EXPECT_EQ(RedactedHash("+15551234567"), RedactedHash("+15551234567"));
  EXPECT_NE(RedactedHash("+15551234567"), RedactedHash("+15551234568"));
  EXPECT_NE(RedactedHash(""), RedactedHash("x"));
}

TEST(RedactTest, ShapeTellsNothingOfTheLength) {
  EXPECT_EQ(RedactedHash("").size(), 17u);
  EXPECT_EQ(RedactedHash(std::string(1000, 'a')).size(), 17u);
  EXPECT_EQ(RedactedHash("a").front(), '#');
}

TEST(RedactTest, TypesThatPrintTheSameHashTheSame) {
  EXPECT_EQ(Redacted(std::string("42")).hash(), Redacted(42).hash());
  EXPECT_EQ(Redacted("42").hash(), Redacted(std::string_view("42")).hash());
}

TEST(RedactTest, StreamsItsHash) {
  std::ostringstream out;
  out << Redacted(std::string("SEP001122334455"));
  EXPECT_EQ(out.str(), RedactedHash("SEP001122334455"));
}

}  // namespace
}  // namespace sallyport
