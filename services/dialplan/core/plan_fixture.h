// Records for tests of the plan.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FIXTURE_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FIXTURE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/dialplan/core/plan.h"

namespace sallyport::dialplan {

inline TenantEntry TestTenant(const std::string& id = "t") {
  TenantEntry out;
  out.name = "tenants/" + id;
  out.domains = {id + ".test"};
  return out;
}

inline DialPlanEntry TestPlan(SecurityMode mode, const std::string& id,
                              const std::string& tenant = "t") {
  DialPlanEntry out;
  out.name = absl::StrCat("tenants/", tenant, "/dialPlans/", id);
  out.security_mode = mode;
  out.extension_digits = 4;
  return out;
}

// As UM-66 wants it for a secured plan.
inline PeerEntry TestPeer(const std::string& id, const std::string& plan,
                          const std::string& tenant = "t") {
  PeerEntry out;
  out.name = absl::StrCat("tenants/", tenant, "/peers/", id);
  out.dial_plan = absl::StrCat("tenants/", tenant, "/dialPlans/", plan);
  out.fqdn = id + "." + tenant + ".test";
  out.outcalls_allowed = true;
  return out;
}

inline UserEntry TestUser(const std::string& id, const std::string& plan,
                          const std::string& tenant = "t") {
  UserEntry out;
  out.name = absl::StrCat("tenants/", tenant, "/users/", id);
  out.username = id;
  out.domain = tenant + ".test";
  out.dial_plan = absl::StrCat("tenants/", tenant, "/dialPlans/", plan);
  return out;
}

inline RoutePatternEntry TestPattern(const std::string& id,
                                     const std::string& pattern,
                                     const std::string& peer) {
  RoutePatternEntry out;
  out.name = "tenants/t/routePatterns/" + id;
  out.pattern = pattern;
  out.peer = peer.empty() ? "" : "tenants/t/peers/" + peer;
  return out;
}

// The references that the API finds in an entry of these kinds.
inline std::vector<Reference> TestReferences(const PlanEntry& entry) {
  std::vector<Reference> out;
  const auto add = [&out](const char* field, const std::string& target,
                          const char* collection) {
    if (!target.empty()) out.push_back({field, target, collection});
  };
  if (const auto* tenant = std::get_if<TenantEntry>(&entry)) {
    add("tenant.default_dial_plan", tenant->default_dial_plan, "dialPlans");
  } else if (const auto* peer = std::get_if<PeerEntry>(&entry)) {
    add("peer.dial_plan", peer->dial_plan, "dialPlans");
    add("peer.digest_user", peer->digest_user, "users");
    add("peer.trunk_security_profile", peer->trunk_security_profile,
        "trunkSecurityProfiles");
    add("peer.server_group", peer->server_group, "serverGroups");
    add("peer.sip_profile", peer->sip_profile, "sipProfiles");
  } else if (const auto* user = std::get_if<UserEntry>(&entry)) {
    add("user.dial_plan", user->dial_plan, "dialPlans");
  } else if (const auto* phone = std::get_if<PhoneEntry>(&entry)) {
    add("phone.dial_plan", phone->dial_plan, "dialPlans");
    add("phone.owner_user", phone->owner_user, "users");
    add("phone.phone_security_profile", phone->phone_security_profile,
        "phoneSecurityProfiles");
    for (const std::string& line : phone->lines) {
      add("phone.lines", line, "lines");
    }
  } else if (const auto* pattern = std::get_if<RoutePatternEntry>(&entry)) {
    add("route_pattern.partition", pattern->partition, "partitions");
    add("route_pattern.peer", pattern->peer, "peers");
    add("route_pattern.route_list", pattern->route_list, "routeLists");
  } else if (const auto* css = std::get_if<CallingSearchSpaceEntry>(&entry)) {
    for (const std::string& partition : css->partitions) {
      add("calling_search_space.partitions", partition, "partitions");
    }
  } else if (const auto* tp = std::get_if<TranslationPatternEntry>(&entry)) {
    add("translation_pattern.partition", tp->partition, "partitions");
    add("translation_pattern.calling_search_space", tp->calling_search_space,
        "callingSearchSpaces");
  } else if (const auto* list = std::get_if<RouteListEntry>(&entry)) {
    for (const RouteListMember& member : list->members) {
      add("route_list.members.peer", member.peer, "peers");
    }
  } else if (const auto* line = std::get_if<LineEntry>(&entry)) {
    add("line.partition", line->partition, "partitions");
    add("line.calling_search_space", line->calling_search_space,
        "callingSearchSpaces");
    add("line.voicemail_profile", line->voicemail_profile, "voicemailProfiles");
    for (const std::string& user : line->users)
      add("line.users", user, "users");
  } else if (const auto* group = std::get_if<LineGroupEntry>(&entry)) {
    for (const std::string& member : group->lines) {
      add("line_group.lines", member, "lines");
    }
  } else if (const auto* hunts = std::get_if<HuntListEntry>(&entry)) {
    for (const std::string& member : hunts->line_groups) {
      add("hunt_list.line_groups", member, "lineGroups");
    }
  } else if (const auto* pilot = std::get_if<HuntPilotEntry>(&entry)) {
    add("hunt_pilot.partition", pilot->partition, "partitions");
    add("hunt_pilot.hunt_list", pilot->hunt_list, "huntLists");
  } else if (const auto* vm = std::get_if<VoicemailPilotEntry>(&entry)) {
    add("voicemail_pilot.calling_search_space", vm->calling_search_space,
        "callingSearchSpaces");
  } else if (const auto* vp = std::get_if<VoicemailProfileEntry>(&entry)) {
    add("voicemail_profile.voicemail_pilot", vp->voicemail_pilot,
        "voicemailPilots");
  } else if (const auto* ports = std::get_if<VoicemailPortGroupEntry>(&entry)) {
    add("voicemail_port_group.peer", ports->peer, "peers");
    add("voicemail_port_group.line_group", ports->line_group, "lineGroups");
    add("voicemail_port_group.sip_certificate", ports->sip_certificate,
        "sipCertificates");
    add("voicemail_port_group.phone_system", ports->phone_system,
        "phoneSystems");
    for (const VoicemailPort& port : ports->ports) {
      add("voicemail_port_group.ports.line", port.line, "lines");
    }
  } else if (const auto* context = std::get_if<TlsContextEntry>(&entry)) {
    for (const std::string& peer : context->configured.peers) {
      add("tls_context.configured.peers", peer, "peers");
    }
  }
  return out;
}

inline PlanRecord TestRecord(PlanEntry entry) {
  PlanRecord out;
  out.references = TestReferences(entry);
  out.body = "body of " + NameOf(entry);
  out.entry = std::move(entry);
  return out;
}

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_FIXTURE_H_
