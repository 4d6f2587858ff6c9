#include "services/signaling_edge/core/sip_text.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

using std::string_view_literals::operator""sv;

std::vector<std::string> Split(std::string_view value) {
  std::vector<std::string> items;
  ListReader reader(value);
  for (std::string_view item; reader.Next(item);) items.emplace_back(item);
  return items;
}

TEST(SipTextTest, TokenIsTheGrammarOfSection25) {
  EXPECT_TRUE(IsToken("!interesting-Method0123456789_*+`.%indeed'~"));
  for (std::string_view bad :
       {"", "a b", "a:b", "a,b", "a\"b", "a@b", "a/b", "a\xc3\xa9", "a\tb"}) {
    EXPECT_FALSE(IsToken(bad)) << bad;
  }
  EXPECT_FALSE(IsToken("a\0b"sv));
}

TEST(SipTextTest, EqualsIgnoreCaseFoldsLettersOnly) {
  EXPECT_TRUE(EqualsIgnoreCase("Content-LENGTH", "content-length"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));  // 0x20 apart, but no letters
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
}

TEST(SipTextTest, ParseUintTakesDigitsOnlyAndNeverWraps) {
  EXPECT_EQ(ParseUint("0", 10), 0u);
  EXPECT_EQ(ParseUint("0068", 255), 68u);  // RFC 4475 section 3.1.1.1
  EXPECT_EQ(ParseUint("4294967295", 0xffffffff), 0xffffffffu);
  for (std::string_view bad :
       {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "4294967296",
        "18446744073709551617", "36893488147419103232"}) {
    EXPECT_FALSE(ParseUint(bad, 0xffffffff)) << bad;
  }
  EXPECT_FALSE(ParseUint("256", 255));
}

TEST(SipTextTest, ParseUintSaturates) {
  EXPECT_EQ(ParseUintSaturating(std::string(100, '9'), 7200), 7200u);
  EXPECT_EQ(ParseUintSaturating("7199", 7200), 7199u);
  EXPECT_FALSE(ParseUintSaturating("99999999999999999999x", 7200));
  EXPECT_FALSE(ParseUintSaturating("", 7200));
}

TEST(SipTextTest, QuotedStringEndsAtTheUnescapedQuote) {
  EXPECT_EQ(QuotedStringLength(R"("a\"b" c)"), 6u);
  EXPECT_EQ(QuotedStringLength(R"("\\" x")"), 4u);
  EXPECT_EQ(QuotedStringLength(R"("open)"), std::string_view::npos);
  EXPECT_EQ(QuotedStringLength(R"("open\")"), std::string_view::npos);
  EXPECT_EQ(QuotedStringLength("plain"), std::string_view::npos);
}

TEST(SipTextTest, QuoteAndUnquoteAreInverse) {
  EXPECT_EQ(Unquote(R"("J Rosenberg \\\"")"), R"(J Rosenberg \")");
  EXPECT_EQ(Unquote("plain"), "plain");
  EXPECT_EQ(Unquote(Quote(R"(a"b\c)")), R"(a"b\c)");
  EXPECT_EQ(Quote("a\r\nb"), "\"a  b\"") << "no field may be opened";
}

TEST(SipTextTest, PercentDecodeWantsTwoHexDigits) {
  EXPECT_EQ(PercentDecode("%75se%72"), "user");
  EXPECT_EQ(PercentDecode("null-%00-null"), std::string("null-\0-null", 11));
  for (std::string_view bad : {"%", "%4", "%4g", "a%", "%%41"}) {
    EXPECT_FALSE(PercentDecode(bad)) << bad;
  }
}

TEST(SipTextTest, PercentEncodeEscapesAllButUnreserved) {
  EXPECT_EQ(PercentEncode("a b@c"), "a%20b%40c");
  EXPECT_EQ(PercentEncode("+1(5)", "+"), "+1(5)");
  EXPECT_EQ(PercentEncode("\r\n\xff"), "%0D%0A%FF");
  EXPECT_EQ(PercentDecode(PercentEncode("%41")), "%41");
}

TEST(SipTextTest, ListSplitsOutsideQuotesAndAngles) {
  EXPECT_EQ(
      Split(R"("Bell, A" <sip:a,b@c>;x="1,2" , d)"),
      (std::vector<std::string>{R"("Bell, A" <sip:a,b@c>;x="1,2")", "d"}));
  EXPECT_EQ(Split("a,,b"), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(Split(""), std::vector<std::string>{""});
}

TEST(SipTextTest, ListReportsWhatIsLeftOpen) {
  for (std::string_view bad : {R"(a, "b, c)", "a, <b", R"("a\")"}) {
    ListReader reader(bad);
    for (std::string_view item; reader.Next(item);) {
    }
    EXPECT_FALSE(reader.ok()) << bad;
  }
}

TEST(SipTextTest, ParamsMayBeSpacedQuotedAndValueless) {
  ParamReader reader(R"( ; a = "x;y" ;b;c=[::1] ; d=1.2.3.4:5)");
  SipParam param;
  ASSERT_TRUE(reader.Next(param));
  EXPECT_EQ(param.name, "a");
  EXPECT_EQ(param.value, R"("x;y")");
  ASSERT_TRUE(reader.Next(param));
  EXPECT_EQ(param.name, "b");
  EXPECT_FALSE(param.has_value);
  ASSERT_TRUE(reader.Next(param));
  EXPECT_EQ(param.value, "[::1]");
  ASSERT_TRUE(reader.Next(param));
  EXPECT_EQ(param.value, "1.2.3.4:5");
  EXPECT_FALSE(reader.Next(param));
  EXPECT_TRUE(reader.ok());
}

TEST(SipTextTest, BrokenParamsAreRefused) {
  for (std::string_view bad : {";", ";;a", "a", ";a=", ";a=\"b", ";a b", ";=b",
                               ";a=b c", ";a=b,c", ";a=\"b\"c", ";a=<b>"}) {
    EXPECT_FALSE(ValidParams(bad)) << bad;
  }
  EXPECT_TRUE(ValidParams(""));
  EXPECT_TRUE(ValidParams(";lr;x=1"));
}

TEST(SipTextTest, NoParamTwiceAndNotTooMany) {
  EXPECT_FALSE(ValidParams(";tag=a;x;TAG=b"));
  std::string params;
  for (int i = 0; i < 64; ++i) params += ";p" + std::to_string(i);
  EXPECT_TRUE(ValidParams(params));
  EXPECT_FALSE(ValidParams(params + ";q"));
}

TEST(SipTextTest, FindParamIgnoresCaseAndTakesTheFirst) {
  EXPECT_EQ(FindParam(";x=1;TAG=a;tag=b", "tag"), "a");
  EXPECT_EQ(FindParam(";lr", "LR"), "");
  EXPECT_FALSE(FindParam(";tagged=a", "tag"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
