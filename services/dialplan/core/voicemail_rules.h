// Rules of voicemail pilots, profiles, port groups and lamp numbers
// (protocols.md section 13, CUC-32 to CUC-55).

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_VOICEMAIL_RULES_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_VOICEMAIL_RULES_H_

#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/rule_context.h"

namespace sallyport::dialplan {

// Pure.
void CheckVoicemailPilot(const RuleContext& c,
                         const VoicemailPilotEntry& pilot);
void CheckVoicemailProfile(const RuleContext& c,
                           const VoicemailProfileEntry& profile);
void CheckPortGroup(const RuleContext& c, const VoicemailPortGroupEntry& group);
// Also blamed for the port groups that its change would strand.
void CheckSipCertificate(const RuleContext& c,
                         const SipCertificateEntry& certificate);
void CheckMessageWaiting(const RuleContext& c,
                         const MessageWaitingNumberEntry& number);

// Of a tenant that switches the encryption of voicemail off (CUC-02): the port
// groups that need it.
void CheckVoicemailEncryption(const RuleContext& c, const TenantEntry& tenant);

// What of a port group is no fault and keeps its ports out of service
// (CUC-01), or the voicemail server from its trust list (CUC-19, CUC-42).
void FindInPortGroup(const RuleContext& c,
                     const VoicemailPortGroupEntry& group);

// The port groups that use a lamp number (CUC-47), by name.
std::vector<std::string> PortGroupsOf(const Plan& plan,
                                      const MessageWaitingNumberEntry& number);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_VOICEMAIL_RULES_H_
