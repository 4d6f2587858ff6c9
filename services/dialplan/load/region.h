// A plan of a region's size, for load runs.

#ifndef SALLYPORT_SERVICES_DIALPLAN_LOAD_REGION_H_
#define SALLYPORT_SERVICES_DIALPLAN_LOAD_REGION_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "sallyport/dialplan/v1/resource.pb.h"

namespace sallyport::dialplan {

// How much there is, over all tenants, which share it evenly.
struct Region {
  int tenants = 1000;
  int partitions = 1000;  // at least one for each tenant
  int peers = 10'000;     // at least one for each tenant
  int patterns = 100'000;
  int users = 0;
};

// Hands out every resource after those that it refers to; stops at an error
// and returns it. Each tenant has a secured dial plan, and a calling search
// space of its first five partitions; pattern `i` matches NumberOf(i) alone in
// its tenant.
absl::Status ForEachResource(
    const Region& region,
    absl::FunctionRef<absl::Status(const ::sallyport::dialplan::v1::Resource&)>
        visit);

// Of pattern `i`.
std::string TenantOfPattern(const Region& region, int i);
std::string NameOfPattern(const Region& region, int i);
std::string NumberOf(const Region& region, int i);
// Whether the search space of its tenant shows it.
bool IsVisible(const Region& region, int i);
std::string SearchSpaceOf(const std::string& tenant);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_LOAD_REGION_H_
