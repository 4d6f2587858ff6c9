// How a number is routed, as the API says it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_ROUTE_PROTO_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_ROUTE_PROTO_H_

#include <string>

#include "absl/status/statusor.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/digit_analysis/resolver.h"

namespace sallyport::signaling_edge {

// INVALID_ARGUMENT (REQUEST_INVALID) if the parent or the called number is
// missing; UNIMPLEMENTED (SOURCE_NOT_SERVED) for a source by line or number,
// which a plan of this version has not. Pure, as is ToProto.
absl::StatusOr<RouteQuery> QueryOf(
    const dialplan::v1::ResolveRouteRequest& request, const PlanIndex& plan);

dialplan::v1::ResolveRouteResponse ToProto(const Resolution& resolution,
                                           const RouteQuery& query,
                                           const PlanIndex& plan, bool explain);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_ROUTE_PROTO_H_
