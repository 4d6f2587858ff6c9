#include "services/signaling_edge/core/sip_method.h"

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

TEST(SipMethodTest, EveryNameFindsItself) {
  for (int i = 1; i <= static_cast<int>(SipMethod::kUpdate); ++i) {
    const auto method = static_cast<SipMethod>(i);
    ASSERT_FALSE(MethodName(method).empty());
    EXPECT_EQ(MethodFrom(MethodName(method)), method);
  }
}

TEST(SipMethodTest, NamesAreCaseSensitive) {  // RFC 3261 section 7.1
  EXPECT_EQ(MethodFrom("invite"), SipMethod::kOther);
  EXPECT_EQ(MethodFrom("INVITES"), SipMethod::kOther);
  EXPECT_EQ(MethodFrom(""), SipMethod::kOther);
  EXPECT_EQ(MethodName(SipMethod::kOther), "");
}

}  // namespace
}  // namespace sallyport::signaling_edge
