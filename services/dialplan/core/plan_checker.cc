#include "services/dialplan/core/plan_checker.h"

#include <string>
#include <variant>

#include "services/dialplan/core/member_rules.h"
#include "services/dialplan/core/pattern_rules.h"
#include "services/dialplan/core/peer_rules.h"
#include "services/dialplan/core/phone_profile_rules.h"
#include "services/dialplan/core/reference_rules.h"
#include "services/dialplan/core/rule_context.h"
#include "services/dialplan/core/tenant_rules.h"
#include "services/dialplan/core/trunk_profile_rules.h"

namespace sallyport::dialplan {
namespace {

// The rules of each kind.
struct KindRules {
  const RuleContext& c;

  void operator()(const TenantEntry& entry) const { CheckTenant(c, entry); }
  void operator()(const DialPlanEntry& entry) const { CheckDialPlan(c, entry); }
  void operator()(const PeerEntry& entry) const { CheckPeer(c, entry); }
  void operator()(const UserEntry& entry) const { CheckUser(c, entry); }
  void operator()(const PhoneEntry& entry) const {
    CheckPhone(c, entry);
    CheckPhoneSecurity(c, entry);
  }
  void operator()(const PhoneSecurityProfileEntry& entry) const {
    CheckPhoneProfile(c, entry);
  }
  void operator()(const TrunkSecurityProfileEntry& entry) const {
    CheckTrunkProfile(c, entry);
  }
  void operator()(const ServerGroupEntry& entry) const {
    CheckGroupSecurity(c, entry);
  }
  void operator()(const CallingSearchSpaceEntry& entry) const {
    CheckSearchSpace(c, entry);
  }
  void operator()(const RoutePatternEntry& entry) const {
    CheckRoutePattern(c, entry);
  }
  // Kinds that have none.
  template <typename Entry>
  void operator()(const Entry&) const {}
};

}  // namespace

PlanFaults CheckWritten(const Plan& plan, const std::string& name,
                        const PlanRecord* before) {
  PlanFaults faults;
  const RecordPtr record = plan.Find(name);
  if (record == nullptr) return faults;
  const RuleContext c{plan, before, faults};
  CheckReferences(c, *record);
  CheckKeys(c, name);
  CheckLimitsOfTenant(c, name);
  std::visit(KindRules{c}, record->entry);
  return faults;
}

}  // namespace sallyport::dialplan
