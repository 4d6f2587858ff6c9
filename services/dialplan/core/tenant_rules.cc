#include "services/dialplan/core/tenant_rules.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/host_text.h"
#include "services/dialplan/core/peer_rules.h"
#include "services/dialplan/core/phone_profile_rules.h"
#include "services/dialplan/core/voicemail_rules.h"

namespace sallyport::dialplan {
namespace {

// Of a tenant that follows RTM, or that has edges which do (UM-01).
void CheckRtm(const RuleContext& c, const TenantEntry& tenant,
              const DialPlanEntry& plan, bool mode_changed,
              const DialPlanEntry* old) {
  if (!tenant.rtm_profile && tenant.rtm_edges.empty()) return;
  const auto is_rtm = [&tenant](const std::string& edge) {
    return tenant.IsRtm(edge);
  };
  if (plan.security_mode == SecurityMode::kSecured) {
    // UM-83
    if (tenant.rtm_profile) {
      c.Add("dial_plan.security_mode", "SECURITY_MODE_NOT_AVAILABLE",
            "the tenant's compatibility profile has no SRTP");
    } else if (std::any_of(plan.edges.begin(), plan.edges.end(), is_rtm)) {
      c.Add("dial_plan.security_mode", "SECURITY_MODE_NOT_AVAILABLE",
            "an edge that follows RTM is associated, which has no SRTP");
    }
  }
  if (mode_changed &&
      std::any_of(old->edges.begin(), old->edges.end(), is_rtm)) {
    // UM-88: the order is enforced, so one write cannot be both steps.
    c.Add("dial_plan.security_mode", "EDGES_STILL_ASSOCIATED",
          "remove the associated edges first, then change the mode");
  }
  // UM-87. Here an empty list means none: association is explicit.
  for (const DialPlanEntry* other : c.plan.Under<DialPlanEntry>(
           std::string(TenantOf(plan.name)) + "/dialPlans/")) {
    if (other->security_mode == plan.security_mode) continue;
    for (size_t i = 0; i < plan.edges.size(); ++i) {
      if (!is_rtm(plan.edges[i])) continue;
      if (std::find(other->edges.begin(), other->edges.end(), plan.edges[i]) !=
          other->edges.end()) {
        c.Add(ItemPath("dial_plan.associated_edges", i), "EDGE_HAS_OTHER_MODE",
              absl::StrCat("it serves ", other->name,
                           ", which has another security mode"));
      }
    }
  }
}

// UM-03: an edge exists before it is associated. Those that stood there before
// may be gone for a while.
void CheckEdgesExist(const RuleContext& c, const DialPlanEntry& plan,
                     const DialPlanEntry* old) {
  const auto& known = c.plan.edge_survey().instances;
  if (!known.has_value()) return;
  const auto has = [](const std::vector<std::string>& list,
                      const std::string& edge) {
    return std::find(list.begin(), list.end(), edge) != list.end();
  };
  for (size_t i = 0; i < plan.edges.size(); ++i) {
    const std::string& edge = plan.edges[i];
    if (has(*known, edge) || (old != nullptr && has(old->edges, edge))) {
      continue;
    }
    c.Add(ItemPath("dial_plan.associated_edges", i), "EDGE_NOT_FOUND",
          absl::StrCat("no edge has the instance id ", edge,
                       "; there are: ", absl::StrJoin(*known, ", ")));
  }
}

// Whether the plans of a tenant can live by the rules of RTM from now on.
void CheckNewRtm(const RuleContext& c, const TenantEntry& tenant) {
  const char* const kField =
      tenant.rtm_profile ? "tenant.compatibility_profile" : "tenant.rtm_edges";
  const std::string prefix = tenant.name + "/";
  std::map<std::string_view, const DialPlanEntry*> plan_of_edge;
  for (const DialPlanEntry* p : c.plan.Under<DialPlanEntry>(prefix)) {
    if (p->security_mode == SecurityMode::kSecured &&
        (tenant.rtm_profile || std::any_of(p->edges.begin(), p->edges.end(),
                                           [&](const std::string& edge) {
                                             return tenant.IsRtm(edge);
                                           }))) {
      c.Add(kField, "SECURITY_MODE_NOT_AVAILABLE",
            absl::StrCat(p->name, " is SECURED, which this profile lacks"));
    }
    for (const std::string& edge : p->edges) {
      if (!tenant.IsRtm(edge)) continue;
      const auto [it, added] = plan_of_edge.emplace(edge, p);
      if (!added && it->second->security_mode != p->security_mode) {
        c.Add(kField, "EDGE_HAS_OTHER_MODE",
              absl::StrCat(edge, " serves ", it->second->name, " and ", p->name,
                           ", of different security modes"));
      }
    }
  }
}

// What a tenant may have configured, against what it has (TenantLimits).
void CheckTenantLimits(const RuleContext& c, const TenantEntry& tenant) {
  const auto check = [&](const char* field, uint32_t limit, size_t has) {
    if (limit == 0 || has <= limit) return;
    c.Add(field, "LIMIT_BELOW_USE",
          absl::StrCat("the tenant has ", has, " of them"));
  };
  check("tenant.limits.max_peers", tenant.limits.max_peers,
        CountPeers(c.plan, tenant.name));
  check("tenant.limits.max_patterns", tenant.limits.max_patterns,
        CountPatterns(c.plan, tenant.name));
}

}  // namespace

size_t CountPeers(const Plan& plan, std::string_view tenant) {
  return plan.CountOf(tenant, PlanEntry(PeerEntry()).index());
}

size_t CountPatterns(const Plan& plan, std::string_view tenant) {
  return plan.CountOf(tenant, PlanEntry(RoutePatternEntry()).index()) +
         plan.CountOf(tenant, PlanEntry(TranslationPatternEntry()).index());
}

void CheckLimitsOfTenant(const RuleContext& c, const std::string& name) {
  const TenantEntry* tenant = c.plan.Get<TenantEntry>(TenantOf(name));
  const RecordPtr record = c.plan.Find(name);
  if (tenant == nullptr || record == nullptr || c.before != nullptr) return;
  const auto check = [&](uint32_t limit, size_t has, const char* what) {
    if (limit == 0 || has <= limit) return;
    c.Add("parent", "TENANT_LIMIT_REACHED",
          absl::StrCat("the tenant may have ", limit, " ", what));
  };
  if (std::holds_alternative<PeerEntry>(record->entry)) {
    check(tenant->limits.max_peers, CountPeers(c.plan, tenant->name), "peers");
  } else if (std::holds_alternative<RoutePatternEntry>(record->entry) ||
             std::holds_alternative<TranslationPatternEntry>(record->entry)) {
    check(tenant->limits.max_patterns, CountPatterns(c.plan, tenant->name),
          "patterns");
  }
}

void CheckTenant(const RuleContext& c, const TenantEntry& tenant) {
  for (size_t i = 0; i < tenant.domains.size(); ++i) {
    if (!IsHostName(tenant.domains[i])) {
      c.Add(ItemPath("tenant.domains", i), "DOMAIN_INVALID",
            "must be a host name");
    }
  }
  const std::string prefix = tenant.name + "/";
  // Only what a change can break is looked at again.
  const TenantEntry* old = c.Before<TenantEntry>();
  if (old == nullptr) return;
  if (old->limits != tenant.limits) CheckTenantLimits(c, tenant);
  if (old->domains != tenant.domains) {
    for (const UserEntry* user : c.plan.Under<UserEntry>(prefix)) {
      if (std::find(tenant.domains.begin(), tenant.domains.end(),
                    user->domain) == tenant.domains.end()) {
        c.Add("tenant.domains", "DOMAIN_IN_USE",
              absl::StrCat(user->name, " is in ", user->domain));
      }
    }
  }
  if ((tenant.rtm_profile && !old->rtm_profile) ||
      tenant.rtm_edges != old->rtm_edges) {
    CheckNewRtm(c, tenant);
  }
  if (tenant.cluster_security_mode != old->cluster_security_mode) {
    CheckProfilesOfCluster(c, tenant);
  }
  if (tenant.voicemail_encryption_disabled !=
      old->voicemail_encryption_disabled) {
    CheckVoicemailEncryption(c, tenant);
  }
  if (old->default_dial_plan != tenant.default_dial_plan) {
    CheckPeersOf(c, "tenant.default_dial_plan", tenant.name);
    CheckPhonesOf(c, "tenant.default_dial_plan", tenant.name);
  }
}

void CheckDialPlan(const RuleContext& c, const DialPlanEntry& plan) {
  if (plan.extension_digits < 1 || plan.extension_digits > 20) {
    c.Add("dial_plan.number_of_digits_in_extension", "VALUE_OUT_OF_RANGE",
          "must be 1 to 20");
  }
  const DialPlanEntry* old = c.Before<DialPlanEntry>();
  const bool mode_changed =
      old != nullptr && old->security_mode != plan.security_mode;
  if (old != nullptr) {
    if (old->extension_digits != plan.extension_digits) {
      c.Add("dial_plan.number_of_digits_in_extension", "FIELD_IMMUTABLE",
            "it is fixed when the plan is created");
    }
    if (old->uri_type != plan.uri_type) {
      c.Add("dial_plan.uri_type", "FIELD_IMMUTABLE",
            "it is fixed when the plan is created");
    }
  }
  CheckEdgesExist(c, plan, old);
  const TenantEntry* tenant = c.plan.Get<TenantEntry>(TenantOf(plan.name));
  if (tenant != nullptr) CheckRtm(c, *tenant, plan, mode_changed, old);
  if (mode_changed) {
    CheckPeersOf(c, "dial_plan.security_mode",
                 std::string(TenantOf(plan.name)));
    CheckPhonesOf(c, "dial_plan.security_mode",
                  std::string(TenantOf(plan.name)));
  }
}

}  // namespace sallyport::dialplan
