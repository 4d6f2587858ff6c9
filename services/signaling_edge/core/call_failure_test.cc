#include "services/signaling_edge/core/call_failure.h"

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

TEST(CallFailureTest, EveryCodeBecomesOneThatMayCross) {
  for (int code = 300; code < 700; ++code) {
    const int ours = CodeForCaller(code);
    EXPECT_GE(ours, 400) << code;
    EXPECT_LT(ours, 700) << code;
    // Nobody is asked for credentials by proxy, nor redirected.
    EXPECT_NE(ours, 401) << code;
    EXPECT_NE(ours, 407) << code;
    EXPECT_FALSE(ReasonForFailure(code).empty()) << code;
  }
}

TEST(CallFailureTest, WhatMeansTheSameStaysTheSame) {
  for (const int code : {403, 404, 408, 480, 484, 486, 487, 488, 491, 500, 504,
                         600, 603, 604, 606}) {
    EXPECT_EQ(CodeForCaller(code), code);
  }
  // What was between us and the far side alone.
  for (const int code : {400, 405, 420, 422, 481, 494, 503, 513}) {
    EXPECT_EQ(CodeForCaller(code), 500) << code;
  }
}

TEST(CallFailureTest, Dispositions) {
  EXPECT_EQ(DispositionForFailure(486), CallDisposition::kBusy);
  EXPECT_EQ(DispositionForFailure(600), CallDisposition::kBusy);
  EXPECT_EQ(DispositionForFailure(480), CallDisposition::kNoAnswer);
  EXPECT_EQ(DispositionForFailure(487), CallDisposition::kCancelled);
  EXPECT_EQ(DispositionForFailure(500), CallDisposition::kFailed);
  EXPECT_EQ(ReasonForFailure(486), "USER_BUSY");
  EXPECT_EQ(ReasonForFailure(302), "REDIRECTION_NOT_FOLLOWED");
}

TEST(CallFailureTest, WhatWeEndOurselves) {
  EXPECT_EQ(DispositionForRefusal("PEER_BUSY"), CallDisposition::kBusy);
  EXPECT_EQ(DispositionForRefusal("ROUTE_NOT_FOUND"), CallDisposition::kFailed);
  EXPECT_EQ(DispositionForRefusal("SIP_HEADER_MALFORMED"),
            CallDisposition::kFailed);
  EXPECT_EQ(DispositionForRefusal("PEER_UNREACHABLE"),
            CallDisposition::kFailed);
  EXPECT_EQ(DispositionForRefusal("URI_SCHEME_UNSUPPORTED"),
            CallDisposition::kFailed);
  EXPECT_EQ(DispositionForRefusal("EXTENSION_UNSUPPORTED"),
            CallDisposition::kFailed);
  for (const char* rule :
       {"DIALLING_RESTRICTED", "QUEUE_FULL", "SECURITY_MODE_TLS_REQUIRED",
        "TOLL_CALL_LIMIT", "CALL_LIMIT", "TENANT_CALL_LIMIT", "DRAINING",
        "of tomorrow"}) {
    EXPECT_EQ(DispositionForRefusal(rule), CallDisposition::kRefused) << rule;
  }
}

}  // namespace
}  // namespace sallyport::signaling_edge
