// ResolveRoute's answer as an operator reads it.

#ifndef SALLYPORT_TOOLS_CLI_ROUTE_TEXT_H_
#define SALLYPORT_TOOLS_CLI_ROUTE_TEXT_H_

#include <string>

#include "sallyport/dialplan/v1/resolve_route.pb.h"

namespace sallyport::cli {

// The decision first, then each lookup with its candidates and why they lost,
// the changes of the numbers, and where the call goes. Pure.
std::string RouteText(const dialplan::v1::ResolveRouteResponse& route);

// Sets who calls: "user/ann", "phone/sep1", "line/4001", "peer/gw", "css/all",
// a full resource name, or a number. False if it is none of these.
bool SetSource(const std::string& from, const std::string& tenant,
               dialplan::v1::ResolveRouteRequest* request);

// Sets who sent the call on, "line/4001" or "hunt-pilot/sales", and why: "all",
// "busy", "no-answer", "unregistered". False if it is none of these.
bool SetForward(const std::string& by, const std::string& reason,
                const std::string& tenant,
                dialplan::v1::ResolveRouteRequest* request);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_ROUTE_TEXT_H_
