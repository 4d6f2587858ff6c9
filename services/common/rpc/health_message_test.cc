#include "services/common/rpc/health_message.h"

#include <optional>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(HealthMessageTest, ReadsTheName) {
  EXPECT_EQ(ParseHealthRequest(""), "");
  EXPECT_EQ(ParseHealthRequest("\x0a\x03"
                               "abc"),
            "abc");
  // A field of a later version behind it.
  EXPECT_EQ(ParseHealthRequest("\x0a\x01"
                               "a\x10\x05"),
            "a");
}

TEST(HealthMessageTest, RefusesWhatIsNone) {
  for (const std::string_view bad :
       {std::string_view("\x0a\x05"
                         "abc"),
        std::string_view("\x0a"), std::string_view("\x0a\xff\xff\xff\xff\x0f"),
        std::string_view("\x0c"), std::string_view("\0", 1)}) {
    EXPECT_EQ(ParseHealthRequest(bad), std::nullopt);
  }
}

TEST(HealthMessageTest, Answers) {
  EXPECT_EQ(HealthResponse(true), "\x08\x01");
  EXPECT_EQ(HealthResponse(false), "\x08\x02");
}

}  // namespace
}  // namespace sallyport
