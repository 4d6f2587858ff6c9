// A thin face on spdlog: one JSON object a line on standard error, which the
// services reach by a queue (common/service/process_log.h).
//
//   {"ts":"2026-11-21T19:50:00.123Z","level":"info","service":"dialplan",
//    "msg":"snapshot published","version":7}
//
// A message is one sentence that never varies; what varies is a field. Levels:
// ERROR pages someone, WARNING needs a human this week, INFO is life cycle
// only, DEBUG is per-message detail and off. Anything that a peer can trigger
// uses SALLYPORT_LOG_LIMITED.

#ifndef SALLYPORT_SERVICES_COMMON_LOG_LOG_H_
#define SALLYPORT_SERVICES_COMMON_LOG_LOG_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/log/log_fields.h"

namespace sallyport {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogOptions {
  // "dialplan"; in every line.
  std::string service;
  // Name of this instance; in every line unless empty.
  std::string instance;
  LogLevel level = LogLevel::kInfo;
  // Where lines go, without newline, one at a time, on the threads that log;
  // null: standard error, which these then wait for.
  std::function<void(std::string_view line)> writer;
};

// Sets the process's logger; before it the lines bear no service. Thread-safe,
// though meant to be called once, early in main.
void InitLogging(LogOptions options);

// True if a line of this level would be written.
bool LogEnabled(LogLevel level);

// Writes one line. Thread-safe; never fails and never throws.
void Log(LogLevel level, std::string_view message,
         std::initializer_list<LogField> fields = {});

inline void LogDebug(std::string_view message,
                     std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(std::string_view message,
                    std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(std::string_view message,
                       std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(std::string_view message,
                     std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, message, fields);
}

// Lets `burst` lines through, then `per_second` a second. Thread-safe.
class LogLimiter {
 public:
  explicit LogLimiter(double per_second = 1, double burst = 10)
      : per_second_(per_second), burst_(burst), tokens_(burst) {}

  // nullopt: stay silent. Otherwise the number of lines that were left out
  // since the last one let through.
  std::optional<uint64_t> Admit(absl::Time now);

 private:
  const double per_second_;
  const double burst_;
  absl::Mutex mutex_;
  double tokens_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  uint64_t suppressed_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Log() behind `limiter`; a line after silence bears how many were left out as
// the field "suppressed".
void LogLimited(LogLimiter& limiter, LogLevel level, std::string_view message,
                std::initializer_list<LogField> fields = {});

// For lines that a peer can trigger: ten, then one a second, from this place
// in the code. SALLYPORT_LOG_LIMITED(kWarning, "peer refused", {{"reason", r}})
#define SALLYPORT_LOG_LIMITED(level, message, ...)               \
  do {                                                           \
    static ::sallyport::LogLimiter sallyport_log_limiter;        \
    ::sallyport::LogLimited(sallyport_log_limiter,               \
                            ::sallyport::LogLevel::level,        \
                            message __VA_OPT__(, ) __VA_ARGS__); \
  } while (false)

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_LOG_LOG_H_
