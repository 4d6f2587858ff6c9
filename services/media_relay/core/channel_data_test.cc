#include "services/media_relay/core/channel_data.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {
namespace {

struct Case {
  const char* name;
  const char* hex;      // the datagram
  const char* payload;  // expected payload in hex; nullptr means "rejected"
};

class ParseChannelDataTest : public testing::TestWithParam<Case> {};

TEST_P(ParseChannelDataTest, AcceptsOrRejects) {
  const std::string bytes = absl::HexStringToBytes(GetParam().hex);
  const auto got = ParseChannelData(AsBytes(bytes));
  if (GetParam().payload == nullptr) {
    EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(got.status().message().empty());
    return;
  }
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(ToString(got->payload), absl::HexStringToBytes(GetParam().payload));
}

INSTANTIATE_TEST_SUITE_P(
    Rfc8656, ParseChannelDataTest,
    testing::Values(Case{"Empty", "", nullptr},
                    Case{"HeaderShortByOne", "400000", nullptr},
                    Case{"NoPayload", "40000000", ""},
                    Case{"LowestChannel", "40000002abcd", "abcd"},
                    Case{"BelowRange", "3fff0000", nullptr},
                    Case{"HighestChannel", "4fff0001ee", "ee"},
                    Case{"Rfc5766Channel", "7fff0001ee", "ee"},
                    Case{"AboveRange", "80000000", nullptr},
                    Case{"LengthPastEnd", "40000003abcd", nullptr},
                    Case{"PaddingIgnored", "40000001ab000000", "ab"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(WriteChannelDataHeaderTest, ReadsBack) {
  uint8_t frame[4 + 300] = {};
  WriteChannelDataHeader(0x4123, 300, frame);
  const auto got = ParseChannelData(frame);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->channel, 0x4123);
  EXPECT_EQ(got->payload.size(), 300u);
}

}  // namespace
}  // namespace sallyport::media_relay
