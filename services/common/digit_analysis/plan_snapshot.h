// The routing plan of a region as plain values: what dialplan publishes and
// what a signaling edge routes by (design.md section 5).
//
// One snapshot is one consistent state. Its entries are sorted by name, hold
// resource names in full ("tenants/t/peers/gw1"), and reference only each
// other. An empty optional reference is an empty string. As they leave the
// API, fields may be unset where the API names a default; ResolveDefaults()
// of plan_defaults.h fills them in, and a PlanIndex shows only such plans.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "services/common/digit_analysis/hunt_entries.h"
#include "services/common/digit_analysis/line_entries.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/digit_analysis/routing_entries.h"
#include "services/common/digit_analysis/tenant_entries.h"
#include "services/common/digit_analysis/voicemail_entries.h"

namespace sallyport {

struct PlanSnapshot {
  int64_t version = 0;   // grows with every change; 0 = nothing yet
  std::string checksum;  // of names and etags, as the stream says
  std::vector<TenantEntry> tenants;
  std::vector<DialPlanEntry> dial_plans;
  std::vector<PeerEntry> peers;
  std::vector<UserEntry> users;
  std::vector<PhoneEntry> phones;
  std::vector<PartitionEntry> partitions;
  std::vector<CallingSearchSpaceEntry> calling_search_spaces;
  std::vector<RoutePatternEntry> route_patterns;
  std::vector<TrunkSecurityProfileEntry> trunk_security_profiles;
  std::vector<PhoneSecurityProfileEntry> phone_security_profiles;
  std::vector<LineEntry> lines;
  std::vector<ServerGroupEntry> server_groups;
  std::vector<TranslationPatternEntry> translation_patterns;
  std::vector<CalledPartyTransformationEntry> called_party_transformations;
  std::vector<CallingPartyTransformationEntry> calling_party_transformations;
  std::vector<RouteListEntry> route_lists;
  std::vector<LineGroupEntry> line_groups;
  std::vector<HuntListEntry> hunt_lists;
  std::vector<HuntPilotEntry> hunt_pilots;
  std::vector<VoicemailPilotEntry> voicemail_pilots;
  std::vector<VoicemailProfileEntry> voicemail_profiles;
  std::vector<VoicemailPortGroupEntry> voicemail_port_groups;
  std::vector<MessageWaitingNumberEntry> message_waiting_numbers;
  std::vector<DiallingRestrictionEntry> dialling_restrictions;
  std::vector<SipProfileEntry> sip_profiles;
  std::vector<SipCertificateEntry> sip_certificates;
  std::vector<PhoneSystemEntry> phone_systems;
  std::vector<TlsContextEntry> tls_contexts;

  bool operator==(const PlanSnapshot&) const = default;
};

// Calls `visit` with each list of entries of a snapshot in turn.
template <typename Snapshot, typename Visitor>
void ForEachList(Snapshot& snapshot, Visitor visit) {
  visit(snapshot.tenants);
  visit(snapshot.dial_plans);
  visit(snapshot.peers);
  visit(snapshot.users);
  visit(snapshot.phones);
  visit(snapshot.partitions);
  visit(snapshot.calling_search_spaces);
  visit(snapshot.route_patterns);
  visit(snapshot.trunk_security_profiles);
  visit(snapshot.phone_security_profiles);
  visit(snapshot.lines);
  visit(snapshot.server_groups);
  visit(snapshot.translation_patterns);
  visit(snapshot.called_party_transformations);
  visit(snapshot.calling_party_transformations);
  visit(snapshot.route_lists);
  visit(snapshot.line_groups);
  visit(snapshot.hunt_lists);
  visit(snapshot.hunt_pilots);
  visit(snapshot.voicemail_pilots);
  visit(snapshot.voicemail_profiles);
  visit(snapshot.voicemail_port_groups);
  visit(snapshot.message_waiting_numbers);
  visit(snapshot.dialling_restrictions);
  visit(snapshot.sip_profiles);
  visit(snapshot.sip_certificates);
  visit(snapshot.phone_systems);
  visit(snapshot.tls_contexts);
}

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_SNAPSHOT_H_
