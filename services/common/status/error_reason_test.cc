#include "services/common/status/error_reason.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

TEST(ErrorReasonTest, CarriesCodeReasonAndMessage) {
  const absl::Status status =
      MakeError(absl::StatusCode::kPermissionDenied, "PEER_IDENTITY_MISMATCH",
                "no peer has this name");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "no peer has this name");
  EXPECT_EQ(ReasonOf(status), "PEER_IDENTITY_MISMATCH");
  EXPECT_THAT(FieldViolationsOf(status), IsEmpty());
}

TEST(ErrorReasonTest, CarriesEveryViolation) {
  const std::vector<FieldViolation> violations = {
      {"server.port", "above 65535"},
      {"", std::string("\0binary", 7)},
      {"peers[3].name", ""},
  };
  const absl::Status status = MakeError(absl::StatusCode::kInvalidArgument,
                                        "CONFIG_INVALID", "", violations);
  EXPECT_THAT(FieldViolationsOf(status), ElementsAreArray(violations));
  EXPECT_EQ(ReasonOf(status), "CONFIG_INVALID");
}

TEST(ErrorReasonTest, PlainStatusHasNeither) {
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), "");
  EXPECT_THAT(FieldViolationsOf(absl::InternalError("x")), IsEmpty());
}

TEST(ErrorReasonTest, SurvivesACopy) {
  const absl::Status copy =
      MakeError(absl::StatusCode::kInternal, "A1_B2", "m");
  const absl::Status other = copy;
  EXPECT_EQ(ReasonOf(other), "A1_B2");
}

TEST(ErrorReasonDeathTest, ReasonsAreUpperSnake) {
  const auto code = absl::StatusCode::kInternal;
  EXPECT_DEATH((void)MakeError(code, "lower", ""), "IsUpperSnake");
  EXPECT_DEATH((void)MakeError(code, "", ""), "IsUpperSnake");
  EXPECT_DEATH((void)MakeError(code, "1A", ""), "IsUpperSnake");
  EXPECT_DEATH((void)MakeError(absl::StatusCode::kOk, "OK", ""), "kOk");
}

}  // namespace
}  // namespace sallyport
