#include "tools/cli/trace_text.h"

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/proto_time.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::signaling_edge::v1;
using ::testing::HasSubstr;
using ::testing::Not;

void AddMessage(pb::CallTrace& trace, absl::Duration at, uint32_t leg,
                bool sent, const std::string& text) {
  pb::CallTraceMessage& message = *trace.add_messages();
  *message.mutable_message_time() = ToProto(absl::FromUnixSeconds(1'000) + at);
  message.set_leg(leg);
  message.set_sent(sent);
  message.set_summary(text.substr(0, text.find('\n')));
  message.set_text(text);
}

pb::CallTrace Refused() {
  pb::CallTrace trace;
  trace.set_name("tenants/t/calls/7/trace");
  trace.set_state(pb::CALL_STATE_ENDED);
  trace.set_reason("SECURITY_MODE_SRTP_REQUIRED");
  pb::CallTraceLeg& caller = *trace.add_legs();
  caller.set_party("tenants/t/users/alice");
  caller.set_remote("#1");
  caller.set_connection("tenants/t/connections/4");
  caller.set_transport(type::v1::TRANSPORT_TLS);
  AddMessage(trace, absl::ZeroDuration(), 0, false,
             "INVITE sip:#1@#2 SIP/2.0\n\nm=audio 4000 RTP/AVP 0\n");
  AddMessage(trace, absl::Milliseconds(12), 1, true, "INVITE sip:x SIP/2.0\n");
  AddMessage(trace, absl::Milliseconds(13), 0, true,
             "SIP/2.0 488 Not Acceptable Here\n");
  trace.mutable_messages(2)->set_reason("SECURITY_MODE_SRTP_REQUIRED");
  return trace;
}

// AVE-48: what is no SIP message stands among them by its time.
TEST(TraceTextTest, NotesStandAtTheirTime) {
  const absl::Time start = absl::FromUnixSeconds(1'000);
  const std::string text = TraceText(
      Refused(), false,
      {{start + absl::Milliseconds(12) + absl::Microseconds(200), "between"},
       {start - absl::Hours(2), "long before"},
       {start - absl::Milliseconds(1500), "before"},
       {start + absl::Minutes(1), "after"}});
  const size_t invite = text.find("INVITE (RTP)");
  EXPECT_LT(text.find(" -2h long before\n"), text.find("-1.500 s before"));
  EXPECT_LT(text.find("-1.500 s before"), invite) << text;
  EXPECT_LT(text.find("- INVITE -"), text.find("0.012 s between")) << text;
  EXPECT_LT(text.find("0.012 s between"), text.find("488"));
  EXPECT_LT(text.find("488"), text.find("60.000 s after")) << text;
}

TEST(TraceTextTest, ArrowsPointTheWayThatMessagesWent) {
  const std::string text = TraceText(Refused(), false);
  EXPECT_THAT(text, HasSubstr("tenants/t/calls/7: ENDED, "
                              "SECURITY_MODE_SRTP_REQUIRED\n"
                              "A: tenants/t/users/alice, TLS #1, "
                              "tenants/t/connections/4\n"));
  EXPECT_THAT(text, HasSubstr("0.000 s |---------- INVITE (RTP) --------->|"))
      << text;
  EXPECT_THAT(text, HasSubstr("0.012 s |                                  |"
                              "------------- INVITE ------------>|"))
      << text;
  EXPECT_THAT(text, HasSubstr("0.013 s |<--- 488 Not Acceptable Here -----|"))
      << text;
  EXPECT_THAT(text, HasSubstr("|  SECURITY_MODE_SRTP_REQUIRED\n"));
  EXPECT_THAT(text, Not(HasSubstr("m=audio")));
}

TEST(TraceTextTest, WholeMessagesIfWanted) {
  pb::CallTrace trace = Refused();
  trace.set_dropped_messages(3);
  const std::string text = TraceText(trace, true);
  EXPECT_THAT(text, HasSubstr("m=audio 4000 RTP/AVP 0\n"));
  EXPECT_THAT(text, HasSubstr("3 messages are not kept any more\n"));
}

TEST(TraceTextTest, WhatAFarSideSentCannotMoveTheCursor) {
  pb::CallTrace trace = Refused();
  trace.mutable_messages(0)->set_summary("INVITE\x1b[2J sip:x SIP/2.0");
  trace.mutable_messages(0)->set_text("X: \x1b[2J\n");
  EXPECT_THAT(TraceText(trace, true), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace sallyport::cli
