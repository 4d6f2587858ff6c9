#include "services/dialplan/core/threats.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/dialplan/core/readiness.h"

namespace sallyport::dialplan {
namespace {

using Findings = std::vector<SecurityFinding>;

// The parts of a tenant's plan by name. Immutable.
struct TenantView {
  explicit TenantView(const PlanSnapshot& snapshot) : plan(snapshot) {
    for (const DialPlanEntry& each : plan.dial_plans) plans[each.name] = &each;
    for (const PeerEntry& each : plan.peers) {
      peers_by_name[each.name] = &each;
      if (each.status != PeerStatus::kDisabled) peers.push_back(&each);
    }
  }

  SecurityMode ModeOf(const std::string& dial_plan) const {
    const auto it = plans.find(dial_plan);
    return it == plans.end() ? SecurityMode::kUnsecured
                             : it->second->security_mode;
  }

  const PlanSnapshot& plan;
  std::map<std::string, const DialPlanEntry*> plans;
  std::map<std::string, const PeerEntry*> peers_by_name;
  std::vector<const PeerEntry*> peers;  // those in use
};

bool IsGateway(const PeerEntry& peer) {
  return peer.kind == PeerKind::kIpGateway || peer.kind == PeerKind::kIpPbx;
}

// Whether what is configured is in force at all: a mode that no edge holds
// protects nobody.
void AddEdges(const SecurityFacts& facts, Findings& out) {
  for (const EdgeFact& edge : facts.edges) {
    const std::string name = absl::StrCat(
        "signaling_edge ", edge.instance.empty() ? edge.target : edge.instance);
    if (!edge.error.empty()) {
      out.push_back(
          {name, false,
           absl::StrCat("could not be asked, so what is in force there is not "
                        "known: ",
                        edge.error)});
    } else if (edge.plan_version == 0) {
      out.push_back({name, false, "has no plan in force"});
    } else {
      out.push_back(
          {name, true, absl::StrCat("holds plan version ", edge.plan_version)});
    }
  }
  if (facts.edges.empty()) {
    out.push_back({"signaling_edge", false,
                   "dialplan is configured to ask no edge, so what is in force "
                   "is not known"});
  }
}

// UM-75: what IPsec costs where the document found it to.
std::string IpsecNote(const PeerEntry& peer) {
  return IsGateway(peer)
             ? "under IPsec; exempt gateways and PBXs from the policy, or in "
               "voice mail 1 second of every 3 is lost (UM-75)"
             : "under IPsec";
}

// UM-09, UM-10: media of every peer's plan is SRTP, or goes by IPsec.
Findings MediaProtected(const TenantView& view, const SecurityFacts& facts) {
  Findings out;
  for (const PeerEntry* peer : view.peers) {
    const SecurityMode mode = view.ModeOf(peer->dial_plan);
    if (mode == SecurityMode::kSecured) {
      out.push_back({peer->name, true, "its dial plan is SECURED: SRTP"});
    } else if (peer->ipsec_enabled) {
      out.push_back({peer->name, true, IpsecNote(*peer)});
    } else {
      out.push_back(
          {peer->name, false,
           absl::StrCat(
               "its dial plan ", ShortName(peer->dial_plan), " is ",
               mode == SecurityMode::kSipSecured ? "SIP_SECURED" : "UNSECURED",
               ": RTP in clear")});
    }
  }
  for (const auto& [name, plan] : view.plans) {
    const bool has_phones = std::any_of(
        view.plan.users.begin(), view.plan.users.end(),
        [plan_name = std::string_view(name)](const UserEntry& user) {
          return user.dial_plan == plan_name && !user.disabled;
        });
    if (!has_phones) continue;
    const bool secured = plan->security_mode == SecurityMode::kSecured;
    out.push_back({name, secured,
                   secured ? "its users' calls are SRTP"
                           : "its users' calls are RTP in clear"});
  }
  AddEdges(facts, out);
  return out;
}

// UM-11: what only an operator can see, and has marked.
Findings Hardened(const TenantView& view) {
  Findings out;
  for (const PeerEntry* peer : view.peers) {
    if (!IsGateway(*peer)) continue;
    const HardeningChecklist& list = peer->hardening;
    std::string missing;
    const auto check = [&](bool marked, const char* what) {
      if (!marked) absl::StrAppend(&missing, missing.empty() ? "" : ", ", what);
    };
    check(list.strong_authentication, "strong authentication");
    check(list.strong_administrator_password,
          "a strong administrator password");
    check(list.administration_over_tls, "TLS for its administration");
    check(list.ssh_not_telnet, "SSH and not Telnet");
    out.push_back({peer->name, missing.empty(),
                   missing.empty() ? "its hardening checklist is complete"
                                   : absl::StrCat("not marked: ", missing)});
  }
  if (out.empty()) {
    out.push_back({"gateways and PBXs", true, "there are none"});
  }
  return out;
}

// UM-12: nothing leaves but by a rule, and no rule is open to everybody.
Findings TollDenied(const TenantView& view) {
  Findings out;
  for (const RoutePatternEntry& pattern : view.plan.route_patterns) {
    if (pattern.action != PatternAction::kRoute || pattern.disabled) continue;
    const auto peer = view.peers_by_name.find(pattern.peer);
    const bool leaves = !pattern.route_list.empty() ||
                        (peer != view.peers_by_name.end() &&
                         peer->second->kind != PeerKind::kVoicemail);
    const bool open = pattern.pattern.find_first_of("!@") != std::string::npos;
    if (leaves && open && pattern.toll_class == TollClass::kInternal) {
      out.push_back({pattern.name, false,
                     "is open-ended, leaves the installation and counts as "
                     "INTERNAL, so that no restriction can stop it: give it "
                     "its toll_class"});
    }
  }
  for (const auto& [name, plan] : view.plans) {
    out.push_back({name, true,
                   plan->dialling_restriction.empty()
                       ? "its callers may dial INTERNAL and EMERGENCY only"
                       : absl::StrCat("its callers are held to ",
                                      ShortName(plan->dialling_restriction))});
  }
  return out;
}

// UM-13.
Findings DenialOfService(const TenantView& view, const SecurityFacts& facts) {
  Findings out;
  for (const PeerEntry* peer : view.peers) {
    if (peer->transport == SipTransport::kTls) {
      out.push_back({peer->name, true, "is accepted by its certificate only"});
    } else if (!peer->source_addresses.empty() || !peer->address.empty()) {
      out.push_back(
          {peer->name, true, "is accepted from its configured addresses only"});
    } else {
      out.push_back({peer->name, false,
                     "is in clear and known by a name alone: give its "
                     "source_addresses"});
    }
  }
  for (const EdgeFact& edge : facts.edges) {
    if (!edge.error.empty()) continue;
    out.push_back(
        {absl::StrCat("signaling_edge ", edge.instance), true,
         absl::StrCat("refused ", edge.refusals, " attempts since its start")});
  }
  AddEdges(facts, out);
  return out;
}

// UM-14.
Findings Impersonation(const TenantView& view, const SecurityFacts& facts) {
  Findings out;
  for (const PeerEntry* peer : view.peers) {
    if (peer->transport == SipTransport::kTls) {
      out.push_back(
          {peer->name, true,
           absl::StrCat("must prove ",
                        peer->x509_subjects.empty() ? peer->fqdn
                                                    : peer->x509_subjects[0],
                        " by its certificate")});
    } else if (peer->ipsec_enabled) {
      out.push_back({peer->name, true, IpsecNote(*peer)});
    } else {
      out.push_back({peer->name, false,
                     "is in clear: a trusted LAN, VLAN or VPN is all that "
                     "could protect it"});
    }
  }
  const TrustFact& trust = facts.trust;
  out.push_back({"CallManager-trust", trust.error.empty() && trust.valid > 0,
                 !trust.error.empty()
                     ? absl::StrCat("could not be asked: ", trust.error)
                     : absl::StrCat(trust.valid, " of ", trust.certificates,
                                    " trusted certificates are valid")});
  if (!trust.cluster_mode.empty() && !view.plan.tenants.empty()) {
    const bool mixed = view.plan.tenants.front().cluster_security_mode ==
                       ClusterSecurityMode::kMixed;
    const std::string own = mixed ? "mixed" : "non-secure";
    out.push_back({"cluster_security_mode", own == trust.cluster_mode,
                   absl::StrCat("is ", own,
                                " here; capf's trust lists tell "
                                "phones that it is ",
                                trust.cluster_mode)});
  }
  AddEdges(facts, out);
  return out;
}

// UM-15.
Findings Hijacking(const TenantView& view, const SecurityFacts& facts) {
  Findings out;
  for (const auto& [name, plan] : view.plans) {
    bool used = false;
    bool all_ipsec = true;
    for (const PeerEntry* peer : view.peers) {
      if (peer->dial_plan != name) continue;
      used = true;
      all_ipsec = all_ipsec && peer->ipsec_enabled;
    }
    for (const UserEntry& user : view.plan.users) {
      if (user.dial_plan != name || user.disabled) continue;
      used = true;
      all_ipsec = false;
    }
    if (!used) continue;
    if (plan->security_mode != SecurityMode::kUnsecured) {
      out.push_back({name, true, "its signalling goes by mutual TLS"});
    } else if (all_ipsec) {
      out.push_back({name, true, "its signalling goes by IPsec"});
    } else {
      out.push_back({name, false, "UNSECURED: its signalling is in clear"});
    }
  }
  for (const EdgeFact& edge : facts.edges) {
    if (!edge.error.empty() || !edge.certificate.has_value()) continue;
    const bool valid = edge.certificate->not_after >= facts.now;
    out.push_back(
        {absl::StrCat("signaling_edge ", edge.instance), valid,
         valid ? "its certificate is valid" : "its certificate has expired"});
  }
  AddEdges(facts, out);
  return out;
}

}  // namespace

bool ThreatRow::active() const {
  return std::all_of(findings.begin(), findings.end(),
                     [](const SecurityFinding& each) { return each.good; });
}

std::string ThreatRow::Detail() const {
  return ReadinessStep{title, findings}.Detail();
}

std::vector<ThreatRow> AssessThreats(const PlanSnapshot& tenant,
                                     const SecurityFacts& facts) {
  const TenantView view(tenant);
  const Findings media = MediaProtected(view, facts);
  Findings fax = media;
  // UM-10 asks that this be said.
  fax.push_back({"T.38", true,
                 "is not carried: fax goes as audio, protected as voice is"});
  return {
      {"Monitoring of voice traffic",
       "SRTP where the gateway supports it, or an IPsec policy", media},
      {"Monitoring of fax traffic",
       "SRTP where the gateway supports it, or an IPsec policy",
       std::move(fax)},
      {"Attack on an IP gateway or IP PBX",
       "strong authentication, a strong administrator password, TLS and SSH "
       "for administration",
       Hardened(view)},
      {"Unauthorised long-distance calls",
       "dial plan rules and dialling restrictions; restrictions on the PBX",
       TollDenied(view)},
      {"Denial of service",
       "calls from configured gateways only, mutual TLS on secured plans",
       DenialOfService(view, facts)},
      {"SIP proxy impersonation",
       "mutual TLS, IPsec, trusted LAN (VLAN, dedicated WAN circuit, VPN)",
       Impersonation(view, facts)},
      {"Eavesdropping and session hijacking",
       "mutual TLS, IPsec, trusted LAN segments", Hijacking(view, facts)},
  };
}

}  // namespace sallyport::dialplan
