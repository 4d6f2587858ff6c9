// gMock matchers for absl::Status and absl::StatusOr.
//
//   EXPECT_THAT(Parse(x), IsOk());
//   EXPECT_THAT(Parse(x), IsOkAndHolds(Eq(7)));
//   EXPECT_THAT(Parse(x), StatusIs(absl::StatusCode::kInvalidArgument));
//   EXPECT_THAT(Parse(x), HasReason("NAME_MISSING"));
//   SP_ASSERT_OK_AND_ASSIGN(Foo foo, Parse(x));

#ifndef SALLYPORT_SERVICES_COMMON_STATUS_STATUS_MATCHERS_H_
#define SALLYPORT_SERVICES_COMMON_STATUS_STATUS_MATCHERS_H_

#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}

template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(StatusIs, code,
          "has code " + absl::StatusCodeToString(absl::StatusCode(code))) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == absl::StatusCode(code);
}

MATCHER_P2(StatusIs, code, message,
           "has code " + absl::StatusCodeToString(absl::StatusCode(code)) +
               " and a message that matches") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == absl::StatusCode(code) &&
         ::testing::ExplainMatchResult(
             message, std::string(StatusOf(arg).message()), result_listener);
}

MATCHER_P(HasReason, reason, "has the expected reason") {
  *result_listener << StatusOf(arg).ToString();
  return ::testing::ExplainMatchResult(reason, ReasonOf(StatusOf(arg)),
                                       result_listener);
}

MATCHER_P(IsOkAndHolds, inner, "is OK and holds a value that matches") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(inner, *arg, result_listener);
}

}  // namespace sallyport

// Assigns from an absl::StatusOr or fails the test at once.
#define SP_ASSERT_OK_AND_ASSIGN(target, expression) \
  SP_ASSERT_OK_AND_ASSIGN_INTERNAL_(                \
      SP_STATUS_CONCAT_INTERNAL_(sp_result_, __LINE__), target, expression)

#define SP_ASSERT_OK_AND_ASSIGN_INTERNAL_(result, target, expression) \
  auto result = (expression);                                         \
  ASSERT_THAT(result, ::sallyport::IsOk());                           \
  target = *std::move(result)

#endif  // SALLYPORT_SERVICES_COMMON_STATUS_STATUS_MATCHERS_H_
