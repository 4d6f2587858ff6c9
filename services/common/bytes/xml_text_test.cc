#include "services/common/bytes/xml_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

TEST(XmlTextTest, MarkupIsEscapedAndTheRestKept) {
  EXPECT_EQ(XmlText("a<b & \"c\">'d'"), "a&lt;b &amp; &quot;c&quot;&gt;'d'");
  EXPECT_EQ(XmlText("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
}

TEST(XmlTextTest, WhiteSpaceIsReferredToAndControlCharactersGo) {
  EXPECT_EQ(XmlText("a\tb\nc\rd e"), "a&#9;b&#10;c&#13;d e");
  EXPECT_EQ(XmlText(std::string("a\0\x01\x1f", 4) + "b"), "ab");
}

}  // namespace
}  // namespace sallyport
