#include "services/common/bytes/hex.h"

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport {
namespace {

TEST(HexTest, EncodesLowerCase) {
  EXPECT_EQ(HexEncode(AsBytes(std::string("\x00\xff\x1a", 3))), "00ff1a");
  EXPECT_EQ(HexEncode({}), "");
}

TEST(HexTest, DecodesEitherCase) {
  EXPECT_EQ(HexDecode("00Ff1a").value(), std::string("\x00\xff\x1a", 3));
  EXPECT_EQ(HexDecode("").value(), "");
}

TEST(HexTest, RefusesWhatIsNotHex) {
  for (const char* bad : {"0", "abc", "0g", "g0", " 00", "0:", "0x00"}) {
    EXPECT_EQ(HexDecode(bad).status().code(),
              absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

TEST(HexTest, RoundTripsEveryOctet) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(HexDecode(HexEncode(AsBytes(all))).value(), all);
}

}  // namespace
}  // namespace sallyport
