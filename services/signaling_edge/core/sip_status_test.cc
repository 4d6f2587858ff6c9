#include "services/signaling_edge/core/sip_status.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

SipStatus Of(absl::StatusCode code, std::string_view reason) {
  return SipStatusOf(MakeError(code, reason, "a text that stays here"));
}

TEST(SipStatusTest, TheReasonDecides) {
  const auto kCode = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(Of(kCode, "SIP_HEADER_DUPLICATE").code, 400);
  EXPECT_EQ(Of(kCode, "SIP_VERSION_UNSUPPORTED").code, 505);
  EXPECT_EQ(Of(kCode, "SIP_MESSAGE_TOO_LARGE").code, 513);
  EXPECT_EQ(Of(kCode, "SECURITY_MODE_SRTP_REQUIRED").code, 488);
  EXPECT_EQ(Of(kCode, "SECURITY_MODE_TLS_REQUIRED").code, 403);
  EXPECT_EQ(Of(kCode, "ROUTE_NOT_FOUND").code, 404);
  EXPECT_EQ(Of(kCode, "DIALOG_NOT_FOUND").code, 481);
}

// Nothing that tells a scanner why: the phrase is the code's own.
TEST(SipStatusTest, OnlyTheStandardPhraseGoesOut) {
  const SipStatus status =
      Of(absl::StatusCode::kPermissionDenied, "PEER_IDENTITY_MISMATCH");
  EXPECT_EQ(status.code, 403);
  EXPECT_EQ(status.phrase, "Forbidden");
}

TEST(SipStatusTest, AnUnknownReasonFallsBackToTheCanonicalCode) {
  EXPECT_EQ(Of(absl::StatusCode::kPermissionDenied, "SOMETHING_NEW").code, 403);
  EXPECT_EQ(SipStatusOf(absl::NotFoundError("")).code, 404);
  EXPECT_EQ(SipStatusOf(absl::UnavailableError("")).code, 503);
  EXPECT_EQ(SipStatusOf(absl::ResourceExhaustedError("")).code, 503);
  EXPECT_EQ(SipStatusOf(absl::InternalError("")).code, 500);
  EXPECT_EQ(SipStatusOf(absl::DeadlineExceededError("")).code, 408);
  EXPECT_EQ(SipStatusOf(absl::OkStatus()).code, 200);
}

TEST(SipStatusTest, EveryCodeHasAPhrase) {
  for (int code = 100; code < 700; ++code) {
    EXPECT_FALSE(ReasonPhrase(code).empty()) << code;
  }
  EXPECT_EQ(ReasonPhrase(486), "Busy Here");
  EXPECT_EQ(ReasonPhrase(499), "Bad Request");
}

}  // namespace
}  // namespace sallyport::signaling_edge
