// SP_CHECK: our own broken invariants end the process, with the place named.

#ifndef SALLYPORT_SERVICES_COMMON_STATUS_CHECK_H_
#define SALLYPORT_SERVICES_COMMON_STATUS_CHECK_H_

#include <cstdio>
#include <cstdlib>

#include "absl/base/optimization.h"

// Aborts unless `condition` holds, in every build. Only for what no input from
// outside can cause; anything a peer can cause is an absl::Status.
#define SP_CHECK(condition)                                                 \
  do {                                                                      \
    if (ABSL_PREDICT_FALSE(!(condition))) {                                 \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, \
                   #condition);                                             \
      std::abort();                                                         \
    }                                                                       \
  } while (false)

// The same in debug builds only; `condition` is compiled but not run otherwise.
#ifdef NDEBUG
#define SP_DCHECK(condition) \
  while (false) SP_CHECK(condition)
#else
#define SP_DCHECK(condition) SP_CHECK(condition)
#endif

#endif  // SALLYPORT_SERVICES_COMMON_STATUS_CHECK_H_
