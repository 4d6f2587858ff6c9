// Where io, rpc and main read the time. Cores never do: they are given it.

#ifndef SALLYPORT_SERVICES_COMMON_TIME_CLOCK_H_
#define SALLYPORT_SERVICES_COMMON_TIME_CLOCK_H_

#include "absl/time/time.h"
#include "services/common/time/mono_time.h"

namespace sallyport {

// A source of both kinds of time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Civil time; may jump. For certificates, credentials and logs.
  virtual absl::Time Now() const = 0;
  // Monotonic time; for timers.
  virtual MonoTime MonoNow() const = 0;

  // The machine's clock; lives as long as the process.
  static const Clock& Real();
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TIME_CLOCK_H_
