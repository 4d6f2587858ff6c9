// What is wrong with a write.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FAULT_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FAULT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace sallyport::dialplan {

struct PlanFault {
  std::string field;        // "peer.fqdn"
  std::string reason;       // PEER_FQDN_REQUIRED
  std::string description;  // one sentence for an operator

  bool operator==(const PlanFault&) const = default;
};
using PlanFaults = std::vector<PlanFault>;

// Of a resource that is not the one written.
struct NamedFault {
  std::string resource;
  PlanFault fault;

  bool operator==(const NamedFault&) const = default;
};

// INVALID_ARGUMENT with every fault as a field violation; its reason is that
// of the fault if there is one, PLAN_INVALID if there are several. OK if there
// is none.
absl::Status ToStatus(const PlanFaults& faults);

// The faults of such a status again; of any other error itself, as a fault of
// no field. None of OK.
PlanFaults FaultsOf(const absl::Status& status);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FAULT_H_
