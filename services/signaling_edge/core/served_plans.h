// Which dial plans an edge serves (UM-05, UM-93).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SERVED_PLANS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SERVED_PLANS_H_

#include <string_view>

#include "services/common/digit_analysis/plan_index.h"

namespace sallyport::signaling_edge {

// Whether the edge of this instance id is associated with a dial plan: one that
// names no edges has all of them, or under the RTM profile none. True for an
// edge without id, and for a plan that is not there, which is judged elsewhere.
bool ServesPlan(const PlanIndex& index, std::string_view dial_plan,
                std::string_view edge);

// Whether one of the plans that it serves is secured, so that it starts in
// secure mode (UM-101).
bool ServesSecuredPlan(const PlanIndex& index, std::string_view edge);

// Whether it serves a plan at all.
bool ServesAnyPlan(const PlanIndex& index, std::string_view edge);

// Whether a tenant has it follow the RTM profile (UM-01).
bool FollowsRtm(const PlanIndex& index, std::string_view edge);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SERVED_PLANS_H_
