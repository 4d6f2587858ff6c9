#include "services/media_relay/core/rtcp_header.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {
namespace {

struct Case {
  const char* name;
  const char* hex;
  bool header;
  int compound;  // packets; -1 means "rejected"
};

class RtcpTest : public testing::TestWithParam<Case> {};

TEST_P(RtcpTest, AcceptsOrRejects) {
  const std::string bytes = absl::HexStringToBytes(GetParam().hex);
  EXPECT_EQ(ParseRtcpHeader(AsBytes(bytes)).ok(), GetParam().header);
  const auto compound = ParseRtcpCompound(AsBytes(bytes));
  EXPECT_EQ(compound.ok() ? *compound : -1, GetParam().compound);
}

INSTANTIATE_TEST_SUITE_P(
    Rfc3550, RtcpTest,
    testing::Values(
        Case{"Empty", "", false, -1}, Case{"FourBytes", "80c90000", false, 1},
        Case{"EmptyReceiverReport", "80c9000101020304", true, 1},
        Case{"ReportAndSdes",
             "80c900010102030481ca000201020304010000"
             "00",
             true, 2},
        Case{"Version1", "40c9000101020304", false, -1},
        Case{"NotRtcp", "8000000101020304", false, -1},
        Case{"LengthPastEnd", "80c9000201020304", false, -1},
        // The rest may be an SRTCP trailer, but it is no compound in clear.
        Case{"TrailingBytes", "80c90001010203040000", true, -1},
        Case{"SecondIsCut", "80c900010102030481ca0002", true, -1}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ParseRtcpHeaderTest, Fields) {
  const std::string bytes = absl::HexStringToBytes(
      "81c80006a1b2c3d4"
      "0000000000000000000000000000000000000000");
  const auto got = ParseRtcpHeader(AsBytes(bytes));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->count, 1);
  EXPECT_EQ(got->packet_type, kRtcpSenderReport);
  EXPECT_EQ(got->size, 28u);
  EXPECT_EQ(got->ssrc, 0xA1B2C3D4u);
}

}  // namespace
}  // namespace sallyport::media_relay
