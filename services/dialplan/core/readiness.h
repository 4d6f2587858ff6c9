// The five securing steps of a dial plan (UM-02), from what is configured and
// what edges and capf say.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_READINESS_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_READINESS_H_

#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/security_facts.h"

namespace sallyport::dialplan {

struct ReadinessStep {
  std::string title;
  std::vector<SecurityFinding> findings;  // the step is done if all are good

  bool done() const;
  // What is missing, or else what was found, in one line.
  std::string Detail() const;
};

// In the order of UM-02: always five. `plan` is one of `tenant`, whose defaults
// are resolved. What could not be asked is a finding that is not good. Pure.
std::vector<ReadinessStep> AssessReadiness(const PlanSnapshot& tenant,
                                           const DialPlanEntry& plan,
                                           const SecurityFacts& facts);

// The edges that serve `plan`, and the associated ones that nobody knows, as
// facts with an error. Pure.
std::vector<EdgeFact> EdgesOf(const DialPlanEntry& plan,
                              const SecurityFacts& facts);

// "the last part" of a resource name. Pure.
std::string ShortName(const std::string& name);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_READINESS_H_
