// What a check found, and what an operator should do about it.

#ifndef SALLYPORT_TOOLS_CLI_DIAGNOSIS_H_
#define SALLYPORT_TOOLS_CLI_DIAGNOSIS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "sallyport/type/v1/service_info.pb.h"

namespace sallyport::cli {

enum class Verdict { kOk, kWarning, kFailed };

// One line of `doctor`.
struct Finding {
  std::string where;  // "dialplan at 127.0.0.1:7001"
  std::string check;  // "clock"
  Verdict verdict = Verdict::kOk;
  std::string detail;
  std::string advice;  // empty where all is well
};

// Of a certificate that is used until `not_after`: a warning in its last month,
// as the documents have it.
Finding CheckExpiry(const std::string& where, absl::Time not_after,
                    absl::Time now);

// What a service says of itself. `before` and `after` are this machine's clock
// around the call: the difference is known only that well.
std::vector<Finding> CheckInfo(const std::string& where,
                               const type::v1::ServiceInfo& info,
                               absl::Time before, absl::Time after);

// A version in force somewhere against the one configured.
Finding CheckVersion(const std::string& where, const std::string& what,
                     int64_t configured, int64_t active, bool connected);

// The table, then the advice, each once. Ends in one line of summary.
std::string FindingsText(const std::vector<Finding>& findings);

bool AnyFailed(const std::vector<Finding>& findings);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_DIAGNOSIS_H_
