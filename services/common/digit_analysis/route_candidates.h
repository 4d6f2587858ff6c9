// Every pattern that could have taken a call, and why it did not.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_CANDIDATES_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_CANDIDATES_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"

namespace sallyport {

// Most candidates that do not match, of which those that come nearest are
// told; all that match are.
inline constexpr size_t kMaxNearMisses = 20;

// Tells what became of each pattern and directory number of `tenant` for
// `number`, where `partitions` can be reached ("" is the null partition) and
// `winner` is the resource that won, or is empty; `urgent`: it won at once,
// though more digits could have come. The winner comes first, then the other
// matches by closeness, then the near misses. Reads every pattern.
std::vector<RouteCandidate> ExplainCandidates(
    const PlanSnapshot& snapshot, std::string_view tenant,
    std::string_view number, const std::vector<std::string>& partitions,
    std::string_view winner, bool urgent);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTE_CANDIDATES_H_
