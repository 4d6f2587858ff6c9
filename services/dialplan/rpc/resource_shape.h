// What every field of a resource may hold, whatever the plan says.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_SHAPE_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_SHAPE_H_

#include <string_view>

#include "sallyport/dialplan/v1/resource.pb.h"
#include "services/dialplan/core/plan_fault.h"

namespace sallyport::dialplan {

// Every fault of a resource that was written, with field paths: strings that
// are too long or of the wrong characters, lists that are too long, enum
// values that this version does not know, durations out of range, and
// fields that are required. Pure.
PlanFaults CheckShape(const ::sallyport::dialplan::v1::Resource& resource);

// Whether `id` can be the last part of a name: 1 to 63 of a-z, 0-9, '-' and
// '_', first a letter or digit.
bool IsResourceId(std::string_view id);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_SHAPE_H_
