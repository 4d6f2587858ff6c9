#include "services/media_relay/core/rtp_header.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {
namespace {

struct Case {
  const char* name;
  const char* hex;
  int size;  // of the header; -1 means "rejected"
};

class ParseRtpHeaderTest : public testing::TestWithParam<Case> {};

TEST_P(ParseRtpHeaderTest, AcceptsOrRejects) {
  const std::string bytes = absl::HexStringToBytes(GetParam().hex);
  const auto got = ParseRtpHeader(AsBytes(bytes));
  ASSERT_EQ(got.ok(), GetParam().size >= 0);
  if (got.ok()) {
    EXPECT_EQ(static_cast<int>(got->size), GetParam().size);
  } else {
    EXPECT_TRUE(got.status().message().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rfc3550, ParseRtpHeaderTest,
    testing::Values(
        Case{"Empty", "", -1},
        Case{"OneByteShort", "8000000100000002000000", -1},
        Case{"NoPayload", "800000010000000200000003", 12},
        Case{"Version1", "400000010000000200000003", -1},
        Case{"Version3", "c00000010000000200000003", -1},
        Case{"TwoCsrc", "8200000100000002000000030000000400000005", 20},
        Case{"CsrcPastEnd", "82000001000000020000000300000004", -1},
        Case{"Extension", "900000010000000200000003bede000101020304", 20},
        Case{"EmptyExtension", "900000010000000200000003bede0000", 16},
        Case{"ExtensionHeaderCut", "900000010000000200000003bede", -1},
        Case{"ExtensionPastEnd", "900000010000000200000003bedeffff01020304",
             -1}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RtpHeaderTest, Fields) {
  const std::string bytes = absl::HexStringToBytes(
      "a0e5fffe01020304a1b2c3d4"
      "00");
  const auto got = ParseRtpHeader(AsBytes(bytes));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->payload_type, 0x65);
  EXPECT_TRUE(got->marker);
  EXPECT_TRUE(got->padding);
  EXPECT_EQ(got->sequence, 0xFFFE);
  EXPECT_EQ(got->timestamp, 0x01020304u);
  EXPECT_EQ(got->ssrc, 0xA1B2C3D4u);
}

}  // namespace
}  // namespace sallyport::media_relay
