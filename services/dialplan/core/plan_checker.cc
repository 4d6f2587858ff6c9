#include "services/dialplan/core/plan_checker.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/dialplan/core/cover_rules.h"
#include "services/dialplan/core/entry_pattern.h"
#include "services/dialplan/core/hunt_rules.h"
#include "services/dialplan/core/line_rules.h"
#include "services/dialplan/core/loop_rules.h"
#include "services/dialplan/core/member_rules.h"
#include "services/dialplan/core/pattern_rules.h"
#include "services/dialplan/core/peer_rules.h"
#include "services/dialplan/core/phone_profile_rules.h"
#include "services/dialplan/core/reference_rules.h"
#include "services/dialplan/core/route_rules.h"
#include "services/dialplan/core/rule_context.h"
#include "services/dialplan/core/sip_profile_rules.h"
#include "services/dialplan/core/tenant_rules.h"
#include "services/dialplan/core/tls_context_rules.h"
#include "services/dialplan/core/trunk_profile_rules.h"
#include "services/dialplan/core/voicemail_rules.h"

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
  void operator()(const SipProfileEntry& entry) const {
    CheckSipProfile(c, entry);
  }
  void operator()(const TlsContextEntry& entry) const {
    CheckTlsContext(c, entry);
  }
  void operator()(const SipCertificateEntry& entry) const {
    CheckSipCertificate(c, entry);
  }
  void operator()(const PartitionEntry& entry) const {
    CheckPartitionLoops(c, entry);
  }
  void operator()(const CallingSearchSpaceEntry& entry) const {
    CheckSearchSpace(c, entry);
    CheckSearchSpaceLoops(c, entry);
  }
  void operator()(const RoutePatternEntry& entry) const {
    CheckRoutePattern(c, entry);
  }
  void operator()(const TranslationPatternEntry& entry) const {
    CheckTranslation(c, entry);
    CheckTranslationLoop(c, entry);
  }
  void operator()(const CalledPartyTransformationEntry& entry) const {
    CheckCalledTransformation(c, entry);
  }
  void operator()(const CallingPartyTransformationEntry& entry) const {
    CheckCallingTransformation(c, entry);
  }
  void operator()(const RouteListEntry& entry) const {
    CheckRouteList(c, entry);
  }
  void operator()(const ServerGroupEntry& entry) const {
    CheckServerGroup(c, entry);
    CheckGroupSecurity(c, entry);
  }
  void operator()(const DiallingRestrictionEntry& entry) const {
    CheckRestriction(c, entry);
  }
  void operator()(const LineEntry& entry) const {
    CheckLine(c, entry);
    CheckLineLoops(c, entry);
  }
  void operator()(const LineGroupEntry& entry) const {
    CheckLineGroup(c, entry);
  }
  void operator()(const HuntListEntry& entry) const { CheckHuntList(c, entry); }
  void operator()(const HuntPilotEntry& entry) const {
    CheckHuntPilot(c, entry);
    CheckHuntPilotLoops(c, entry);
  }
  void operator()(const VoicemailPilotEntry& entry) const {
    CheckVoicemailPilot(c, entry);
    CheckPilotLoop(c, entry);
  }
  void operator()(const VoicemailProfileEntry& entry) const {
    CheckVoicemailProfile(c, entry);
  }
  void operator()(const VoicemailPortGroupEntry& entry) const {
    CheckPortGroup(c, entry);
  }
  void operator()(const MessageWaitingNumberEntry& entry) const {
    CheckMessageWaiting(c, entry);
  }
  // Kinds that have none.
  template <typename Entry>
  void operator()(const Entry&) const {}
};

bool NamesAnotherTenant(const PlanRecord& record) {
  const std::string_view own = TenantOf(record.name());
  return std::any_of(record.references.begin(), record.references.end(),
                     [&](const Reference& reference) {
                       return TenantOf(reference.target) != own;
                     });
}

}  // namespace

PlanFaults CheckWritten(const Plan& plan, const std::string& name,
                        const PlanRecord* before, RuleEffort* effort) {
  PlanFaults faults;
  const RecordPtr record = plan.Find(name);
  if (record == nullptr) return faults;
  const RuleContext c{plan, before, faults, effort};
  CheckReferences(c, *record);
  CheckLimitsOfTenant(c, name);
  // No rule looks at what is another tenant's: that it finds fault, or not,
  // would tell what is there.
  if (!NamesAnotherTenant(*record)) {
    CheckKeys(c, name);
    std::visit(KindRules{c}, record->entry);
    CheckCover(c, *record);
    if (before != nullptr && !TakesTheSame(&before->entry, record->entry)) {
      const auto pattern = PatternOf(record->entry);
      CheckLoopsWithout(
          c, before->entry,
          pattern.has_value() ? std::string(pattern->field) : std::string());
    }
  }
  if (record->shape_faults == nullptr) return faults;
  // One fault for one field: what it looks like comes first.
  PlanFaults all = *record->shape_faults;
  std::set<std::string_view> told;
  for (const PlanFault& fault : *record->shape_faults) told.insert(fault.field);
  for (PlanFault& fault : faults) {
    if (told.count(fault.field) == 0) all.push_back(std::move(fault));
  }
  return all;
}

absl::Status CheckRemoved(const Plan& plan, const PlanRecord& record,
                          RuleEffort* effort) {
  if (absl::Status s = CheckRemovable(plan, record); !s.ok()) return s;
  PlanFaults faults;
  CheckLoopsWithout({plan, &record, faults, effort}, record.entry, "");
  if (faults.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, faults[0].reason,
                   absl::StrCat("without it ", faults[0].description));
}

}  // namespace sallyport::dialplan
