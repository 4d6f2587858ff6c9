// Early return on error.

#ifndef SALLYPORT_SERVICES_COMMON_STATUS_STATUS_MACROS_H_
#define SALLYPORT_SERVICES_COMMON_STATUS_STATUS_MACROS_H_

#include <utility>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the absl::Status of `expression` from this function if it is an
// error. The function returns absl::Status or absl::StatusOr<...>.
#define SP_RETURN_IF_ERROR(expression)           \
  do {                                           \
    if (::absl::Status sp_status = (expression); \
        ABSL_PREDICT_FALSE(!sp_status.ok())) {   \
      return sp_status;                          \
    }                                            \
  } while (false)

// SP_ASSIGN_OR_RETURN(Foo foo, MakeFoo());
// Declares or assigns `target` from an absl::StatusOr, or returns its error.
// A `target` with a comma of its own needs parentheses around a type alias.
#define SP_ASSIGN_OR_RETURN(target, expression) \
  SP_ASSIGN_OR_RETURN_INTERNAL_(                \
      SP_STATUS_CONCAT_INTERNAL_(sp_statusor_, __LINE__), target, expression)

#define SP_ASSIGN_OR_RETURN_INTERNAL_(result, target, expression) \
  auto result = (expression);                                     \
  if (ABSL_PREDICT_FALSE(!result.ok())) {                         \
    return std::move(result).status();                            \
  }                                                               \
  target = *std::move(result)

#define SP_STATUS_CONCAT_INTERNAL_(a, b) SP_STATUS_CONCAT2_INTERNAL_(a, b)
#define SP_STATUS_CONCAT2_INTERNAL_(a, b) a##b

#endif  // SALLYPORT_SERVICES_COMMON_STATUS_STATUS_MACROS_H_
