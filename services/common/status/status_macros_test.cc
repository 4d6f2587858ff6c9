#include "services/common/status/status_macros.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointee;

absl::Status Fail(bool fail) {
  return fail ? MakeError(absl::StatusCode::kNotFound, "GONE", "it is gone")
              : absl::OkStatus();
}

absl::StatusOr<int> Count(bool fail) {
  SP_RETURN_IF_ERROR(Fail(fail));
  return 3;
}

absl::StatusOr<std::unique_ptr<int>> Boxed(bool fail) {
  SP_ASSIGN_OR_RETURN(const int first, Count(false));
  SP_ASSIGN_OR_RETURN(auto second, Count(fail));
  return std::make_unique<int>(first + second);
}

TEST(StatusMacrosTest, PassesValuesThrough) {
  EXPECT_THAT(Count(false), IsOkAndHolds(Eq(3)));
  EXPECT_THAT(Boxed(false), IsOkAndHolds(Pointee(6)));
  SP_ASSERT_OK_AND_ASSIGN(std::unique_ptr<int> boxed, Boxed(false));
  EXPECT_EQ(*boxed, 6);
}

TEST(StatusMacrosTest, ReturnsTheErrorWithItsReason) {
  EXPECT_THAT(Boxed(true), Not(IsOk()));
  EXPECT_THAT(Boxed(true), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Boxed(true), HasReason("GONE"));
  EXPECT_THAT(Fail(true),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("gone")));
  EXPECT_THAT(Fail(false), IsOk());
  EXPECT_THAT(Boxed(true), Not(IsOkAndHolds(Pointee(6))));
}

}  // namespace
}  // namespace sallyport
