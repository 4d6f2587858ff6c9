// Resources of the dialplan API as entries of a plan.

#ifndef SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_SNAPSHOT_PROTO_H_
#define SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_SNAPSHOT_PROTO_H_

#include <optional>
#include <string>

#include "sallyport/dialplan/v1/resource.pb.h"
#include "services/common/digit_analysis/plan_entry.h"

namespace sallyport {

// The resource's entry as it was written, defaults unresolved; nothing for a
// kind of a later version. Host names and domains come in lower case and
// without a trailing dot, subject names without "sip:". Checks nothing.
std::optional<PlanEntry> EntryOf(const dialplan::v1::Resource& resource);

// Its name and etag; empty if it holds nothing.
const std::string& NameOf(const dialplan::v1::Resource& resource);
const std::string& EtagOf(const dialplan::v1::Resource& resource);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_SNAPSHOT_PROTO_H_
