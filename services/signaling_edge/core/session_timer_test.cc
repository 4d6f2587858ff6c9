#include "services/signaling_edge/core/session_timer.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {
namespace {

const MonoTime kNow = MonoTime::FromOrigin(absl::Hours(1));

SipMessage Request(std::string_view expires, std::string_view min,
                   std::string_view supported) {
  SipMessage m = SipMessage::Request("INVITE", "sip:a@b");
  if (!expires.empty()) m.Add(HeaderId::kSessionExpires, expires);
  if (!min.empty()) m.Add(HeaderId::kMinSe, min);
  if (!supported.empty()) m.Add(HeaderId::kSupported, supported);
  return m;
}
SipMessage Response(std::string_view expires, int code = 200) {
  SipMessage m = SipMessage::Response(code, "x");
  if (!expires.empty()) m.Add(HeaderId::kSessionExpires, expires);
  return m;
}

TEST(SessionTimerTest, AskedForAndAnswered) {
  SessionTimer timer({absl::Seconds(1800), absl::Seconds(90)});
  SipMessage invite = Request("", "", "");
  timer.AddToRequest(invite);
  // RFC 4028 section 7.1: the UAS may choose who refreshes.
  EXPECT_EQ(invite.Value(HeaderId::kSessionExpires), "1800");
  EXPECT_EQ(invite.Value(HeaderId::kMinSe), "90");
  timer.OnResponse(Response("1200;refresher=uac"), kNow);
  EXPECT_EQ(timer.refresh_at(), kNow + absl::Seconds(600));
  EXPECT_EQ(timer.expires_at(), kNow + absl::Seconds(1200 - 32));
  SipMessage refresh = Request("", "", "");
  timer.AddToRequest(refresh);
  EXPECT_EQ(refresh.Value(HeaderId::kSessionExpires), "1200;refresher=uac");
}

TEST(SessionTimerTest, ThePeerRefreshes) {
  SessionTimer timer({absl::Seconds(1800), absl::Seconds(90)});
  timer.OnResponse(Response("90;refresher=uas"), kNow);
  EXPECT_EQ(timer.refresh_at(), MonoTime::InfiniteFuture());
  // Section 10: a third of a short one.
  EXPECT_EQ(timer.expires_at(), kNow + absl::Seconds(60));
}

TEST(SessionTimerTest, APeerWithoutSessionTimersIsRefreshed) {
  SessionTimer timer({absl::Seconds(1800), absl::Seconds(90)});
  timer.OnResponse(Response(""), kNow);
  EXPECT_EQ(timer.refresh_at(), kNow + absl::Seconds(900));
}

// Section 7.3.
TEST(SessionTimerTest, TooSmallRaisesWhatIsAskedFor) {
  SessionTimer timer({absl::Seconds(600), absl::Seconds(90)});
  SipMessage refusal = Response("", 422);
  EXPECT_FALSE(timer.OnTooSmall(refusal));  // it does not say how long
  refusal.Add(HeaderId::kMinSe, "900");
  EXPECT_TRUE(timer.OnTooSmall(refusal));
  EXPECT_FALSE(timer.OnTooSmall(refusal));  // again the same: no loop
  SipMessage again = Request("", "", "");
  timer.AddToRequest(again);
  EXPECT_EQ(again.Value(HeaderId::kSessionExpires), "900");
  EXPECT_EQ(again.Value(HeaderId::kMinSe), "900");
}

// Section 9, table 2.
TEST(SessionTimerTest, WhoRefreshesWhenThePeerAsks) {
  const struct {
    std::string_view expires, min, supported, answer, require;
    bool we;
  } kRows[] = {
      {"1000", "", "timer", "1000;refresher=uac", "timer", false},
      {"1000;refresher=uac", "", "timer", "1000;refresher=uac", "timer", false},
      {"1000;refresher=uas", "", "timer", "1000;refresher=uas", "timer", true},
      {"1000", "", "", "1000;refresher=uas", "", true},
      {"", "", "timer", "1800;refresher=uac", "timer", false},
      {"", "", "", "", "", true},
      {"7200", "", "timer", "1800;refresher=uac", "timer", false},
      {"7200", "3600", "timer", "3600;refresher=uac", "timer", false},
  };
  for (const auto& row : kRows) {
    SessionTimer timer({absl::Seconds(1800), absl::Seconds(90)});
    SipMessage response = Response("");
    timer.OnRequest(Request(row.expires, row.min, row.supported), response,
                    kNow);
    EXPECT_EQ(response.Value(HeaderId::kSessionExpires), row.answer)
        << row.expires;
    EXPECT_EQ(response.Value(HeaderId::kRequire), row.require) << row.expires;
    EXPECT_EQ(timer.we_refresh(), row.we) << row.expires;
  }
}

TEST(SessionTimerTest, TooShortAnIntervalIsRefused) {
  SessionTimer timer({absl::Seconds(1800), absl::Seconds(90)});
  const absl::Status status = timer.Check(Request("89", "", "timer"));
  EXPECT_EQ(ReasonOf(status), "SESSION_INTERVAL_TOO_SMALL");
  EXPECT_TRUE(timer.Check(Request("90", "", "timer")).ok());
  EXPECT_TRUE(timer.Check(Request("", "", "")).ok());
  EXPECT_TRUE(timer.Check(Request("99999999999999", "", "")).ok());
}

}  // namespace
}  // namespace sallyport::signaling_edge
