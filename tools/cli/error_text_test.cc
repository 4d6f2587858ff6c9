#include "tools/cli/error_text.h"

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::cli {
namespace {

TEST(ErrorTextTest, PrintsReasonAndFields) {
  const absl::Status status =
      MakeError(absl::StatusCode::kInvalidArgument, "PLAN_INVALID",
                "the change was refused",
                {{"peer.port", "must be 5061"}, {"peer.fqdn", "is required"}});
  EXPECT_EQ(ErrorText(status),
            "sallyport: the change was refused [PLAN_INVALID]\n"
            "  peer.port: must be 5061\n"
            "  peer.fqdn: is required\n");
  EXPECT_EQ(ExitCodeOf(status), kExitFailed);
}

TEST(ErrorTextTest, UsageErrors) {
  EXPECT_EQ(ErrorText(UsageError("no such kind")), "sallyport: no such kind\n");
  EXPECT_EQ(ExitCodeOf(UsageError("no such kind")), kExitUsage);
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), kExitOk);
}

TEST(ErrorTextTest, SaysWhatToDo) {
  EXPECT_EQ(ErrorText(absl::UnavailableError("connection refused")),
            "sallyport: connection refused [UNAVAILABLE]\n"
            "  -> the service is not there, or one side refused the other's "
            "certificate: run `sallyport doctor`\n");
}

TEST(ErrorTextTest, RemoteTextCannotControlTheTerminal) {
  EXPECT_EQ(ErrorText(absl::InternalError("a\x1b[31mb\nc")),
            "sallyport: a?[31mb?c [INTERNAL]\n");
}

}  // namespace
}  // namespace sallyport::cli
