#include "services/signaling_edge/core/message_summary.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

// RFC 3842 section 5.3's example.
TEST(MessageSummaryTest, ReadsAndWrites) {
  const auto summary = ParseMessageSummary(
      "Messages-Waiting: yes\r\n"
      "Message-Account: sip:alice@vmail.example.com\r\n"
      "Voice-Message: 2/8 (0/2)\r\n"
      "\r\n"
      "To: <alice@atlanta.example.com>\r\nSubject: carpool tomorrow?\r\n");
  ASSERT_TRUE(summary.ok());
  EXPECT_TRUE(summary->waiting);
  EXPECT_EQ(summary->fresh, 2u);
  EXPECT_EQ(summary->old, 8u);
  EXPECT_EQ(summary->urgent_old, 2u);
  const std::string text = WriteMessageSummary(*summary, "sip:1001@d.test");
  EXPECT_EQ(text,
            "Messages-Waiting: yes\r\nMessage-Account: sip:1001@d.test\r\n"
            "Voice-Message: 2/8 (0/2)\r\n");
  EXPECT_EQ(*ParseMessageSummary(text), *summary);
}

TEST(MessageSummaryTest, TheLeast) {
  const auto off = ParseMessageSummary("messages-waiting:no");
  ASSERT_TRUE(off.ok());
  EXPECT_FALSE(off->waiting);
  EXPECT_FALSE(off->counted);
}

TEST(MessageSummaryTest, WhatIsNone) {
  for (const std::string& body :
       {std::string(), std::string("Messages-Waiting: perhaps"),
        std::string("Voice-Message: 1/2"), std::string("\0\n:\n", 4),
        "Messages-Waiting: yes\n" + std::string(5000, 'x')}) {
    EXPECT_EQ(ReasonOf(ParseMessageSummary(body).status()),
              "BODY_TYPE_UNSUPPORTED");
  }
  const auto odd = ParseMessageSummary(
      "Messages-Waiting: yes\nVoice-Message: -1/2\nVoice-Message: 9/x (1/");
  ASSERT_TRUE(odd.ok());
  EXPECT_FALSE(odd->counted);
}

}  // namespace
}  // namespace sallyport::signaling_edge
