#include "services/common/bytes/utf8.h"

#include <gtest/gtest.h>

#include <string_view>

namespace sallyport {
namespace {

using std::string_view_literals::operator""sv;

TEST(Utf8Test, SequencesOfRfc3629Section4) {
  EXPECT_EQ(Utf8Length("a"), 1u);
  EXPECT_EQ(Utf8Length("\0"sv), 1u);
  EXPECT_EQ(Utf8Length("\xC3\xA9t"), 2u);         // e acute
  EXPECT_EQ(Utf8Length("\xE2\x82\xAC"), 3u);      // euro sign
  EXPECT_EQ(Utf8Length("\xF0\x9F\x93\x9E"), 4u);  // telephone receiver
  EXPECT_EQ(Utf8Length("\xF4\x8F\xBF\xBF"), 4u);  // U+10FFFF
}

TEST(Utf8Test, WhatIsNoSequence) {
  EXPECT_EQ(Utf8Length("\x80"), 0u);
  EXPECT_EQ(Utf8Length("\xE9t"), 0u);             // Latin-1
  EXPECT_EQ(Utf8Length("\xC3"), 0u);              // truncated
  EXPECT_EQ(Utf8Length("\xC0\xAF"), 0u);          // overlong
  EXPECT_EQ(Utf8Length("\xE0\x9F\xBF"), 0u);      // overlong
  EXPECT_EQ(Utf8Length("\xED\xA0\x80"), 0u);      // surrogate
  EXPECT_EQ(Utf8Length("\xF4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(Utf8Length("\xFF\xFE"), 0u);
}

TEST(Utf8Test, TheFirstOctetAtFaultIsFound) {
  EXPECT_EQ(FindNotUtf8(""), std::string_view::npos);
  EXPECT_EQ(FindNotUtf8("caf\xC3\xA9"), std::string_view::npos);
  EXPECT_EQ(FindNotUtf8("\xC3\xA9 caf\xE9"), 6u);
}

}  // namespace
}  // namespace sallyport
