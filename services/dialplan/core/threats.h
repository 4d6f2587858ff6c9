// The threat table (UM-09 to UM-16): what stands against each threat here.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_THREATS_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_THREATS_H_

#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/security_facts.h"

namespace sallyport::dialplan {

struct ThreatRow {
  std::string title;
  std::string mitigation;                 // what the documents ask for
  std::vector<SecurityFinding> findings;  // active if all are good

  bool active() const;
  // Where it is not in force, or else by what it is, in one line.
  std::string Detail() const;
};

// In the order of UM-09 to UM-15: always seven. `tenant` has its defaults
// resolved. What could not be asked is a finding that is not good. Pure.
std::vector<ThreatRow> AssessThreats(const PlanSnapshot& tenant,
                                     const SecurityFacts& facts);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_THREATS_H_
