// How a number is routed, as the API says it: one answer for dialplan's
// ResolveRoute and the edge's ExplainRoute (ADR 3).

#ifndef SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_ROUTE_ANSWER_H_
#define SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_ROUTE_ANSWER_H_

#include "absl/status/statusor.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/common/digit_analysis/resolver.h"

namespace sallyport {

// Answers by the plan. INVALID_ARGUMENT with a field violation
// if the request is no question, NOT_FOUND for an unknown tenant; a call that
// would be refused is an answer. Looking for the owner of a number walks all
// users. Pure.
absl::StatusOr<dialplan::v1::ResolveRouteResponse> AnswerRoute(
    const dialplan::v1::ResolveRouteRequest& request, const Resolver& plan);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_ROUTE_ANSWER_H_
