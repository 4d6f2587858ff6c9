// One entry of a plan, of any kind.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_ENTRY_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_ENTRY_H_

#include <string>
#include <variant>

#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

using PlanEntry = std::variant<
    TenantEntry, DialPlanEntry, PeerEntry, UserEntry, PhoneEntry,
    PartitionEntry, CallingSearchSpaceEntry, RoutePatternEntry,
    TrunkSecurityProfileEntry, PhoneSecurityProfileEntry, LineEntry,
    ServerGroupEntry, TranslationPatternEntry, CalledPartyTransformationEntry,
    CallingPartyTransformationEntry, RouteListEntry, LineGroupEntry,
    HuntListEntry, HuntPilotEntry, VoicemailPilotEntry, VoicemailProfileEntry,
    VoicemailPortGroupEntry, MessageWaitingNumberEntry,
    DiallingRestrictionEntry, SipProfileEntry, SipCertificateEntry,
    PhoneSystemEntry, TlsContextEntry>;

// The entry's name.
const std::string& NameOf(const PlanEntry& entry);

// Appends `entry` to the list of its kind.
void AddTo(PlanSnapshot& snapshot, PlanEntry entry);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_ENTRY_H_
