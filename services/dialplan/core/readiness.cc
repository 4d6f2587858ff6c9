#include "services/dialplan/core/readiness.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/pki/known_peers.h"

namespace sallyport::dialplan {
namespace {

constexpr uint32_t kSipTlsPort = 5061;

const TenantEntry* TenantEntryOf(const PlanSnapshot& tenant,
                                 const std::string& name) {
  for (const TenantEntry& each : tenant.tenants) {
    if (each.name == TenantOf(name)) return &each;
  }
  return nullptr;
}

std::vector<const PeerEntry*> PeersOf(const PlanSnapshot& tenant,
                                      const DialPlanEntry& plan) {
  std::vector<const PeerEntry*> out;
  for (const PeerEntry& peer : tenant.peers) {
    if (peer.dial_plan == plan.name && peer.status != PeerStatus::kDisabled) {
      out.push_back(&peer);
    }
  }
  return out;
}

std::string EdgeLabel(const EdgeFact& edge) {
  return absl::StrCat("signaling_edge ",
                      edge.instance.empty() ? edge.target : edge.instance);
}

SecurityFinding NotAsked(const EdgeFact& edge) {
  return {EdgeLabel(edge), false,
          absl::StrCat("could not be asked: ", edge.error)};
}

std::string DateOf(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone());
}

// Step 1: a server of this role is there (UM-03).
ReadinessStep RoleInstalled(const std::vector<EdgeFact>& edges) {
  ReadinessStep step{"An edge that serves the dial plan runs", {}};
  for (const EdgeFact& edge : edges) {
    if (!edge.error.empty()) {
      step.findings.push_back(NotAsked(edge));
    } else if (edge.draining) {
      step.findings.push_back({EdgeLabel(edge), false, "takes no new calls"});
    } else if (!edge.listens_tls) {
      step.findings.push_back(
          {EdgeLabel(edge), false, "has no listener for SIP over TLS"});
    } else {
      step.findings.push_back({EdgeLabel(edge), true,
                               absl::StrCat("runs, plan version ",
                                            edge.plan_version, " in force")});
    }
  }
  if (step.findings.empty()) {
    step.findings.push_back({"signaling_edge", false,
                             "dialplan is configured to ask no edge: set "
                             "edges"});
  }
  return step;
}

// Step 2: creating the plan and setting its security are two things (UM-04).
ReadinessStep SecuritySet(const DialPlanEntry& plan) {
  switch (plan.security_mode) {
    case SecurityMode::kSecured:
      return {"The dial plan has its VoIP security set",
              {{plan.name, true, "SECURED: mutual TLS and SRTP"}}};
    case SecurityMode::kSipSecured:
      return {"The dial plan has its VoIP security set",
              {{plan.name, true, "SIP_SECURED: mutual TLS, media is RTP"}}};
    case SecurityMode::kUnsecured:
      break;
  }
  return {"The dial plan has its VoIP security set",
          {{plan.name, false,
            "UNSECURED: set security_mode to SIP_SECURED or SECURED"}}};
}

// Step 3 (UM-05).
ReadinessStep EdgesAssociated(const PlanSnapshot& tenant,
                              const DialPlanEntry& plan,
                              const std::vector<EdgeFact>& edges) {
  ReadinessStep step{"The edges are associated with the dial plan", {}};
  const TenantEntry* owner = TenantEntryOf(tenant, plan.name);
  if (plan.edges.empty()) {
    if (owner != nullptr && owner->rtm_profile) {
      step.findings.push_back(
          {plan.name, false, "no edge is associated: set associated_edges"});
      return step;
    }
    const bool any =
        std::any_of(edges.begin(), edges.end(),
                    [](const EdgeFact& edge) { return edge.error.empty(); });
    step.findings.push_back(
        {plan.name, any,
         any ? "names no edge, so every edge serves it"
             : "names no edge, and no edge could be asked"});
    return step;
  }
  for (const EdgeFact& edge : edges) {
    step.findings.push_back(
        edge.error.empty()
            ? SecurityFinding{EdgeLabel(edge), true, "is associated"}
            : SecurityFinding{EdgeLabel(edge), false,
                              absl::StrCat("is associated; ", edge.error)});
  }
  return step;
}

SecurityFinding JudgeEdgeCertificate(const EdgeFact& edge, absl::Time now) {
  if (!edge.error.empty()) return NotAsked(edge);
  if (!edge.certificate.has_value()) {
    return {EdgeLabel(edge), false, "shows no certificate to SIP peers"};
  }
  const CertificateFact& certificate = *edge.certificate;
  if (certificate.not_after < now) {
    return {EdgeLabel(edge), false,
            absl::StrCat("its certificate expired on ",
                         DateOf(certificate.not_after))};
  }
  if (certificate.not_before > now) {
    return {EdgeLabel(edge), false,
            absl::StrCat("its certificate is valid from ",
                         DateOf(certificate.not_before))};
  }
  if (!edge.trust_in_force) {
    return {EdgeLabel(edge), false, "has no trust lists in force"};
  }
  return {EdgeLabel(edge), true,
          absl::StrCat(certificate.subject, ", serial ", certificate.serial,
                       ", valid until ", DateOf(certificate.not_after))};
}

// "a request on it, ..." of what an operator has not marked (UM-44), in the
// order in which it is to be done (UM-42); empty: nothing is open.
std::string OpenSteps(const CertificateChecklist& list) {
  const std::pair<bool, const char*> steps[] = {
      {list.request_created, "make a request on it"},
      {list.request_copied, "copy the request"},
      {list.certificate_saved, "have it signed and save the certificate"},
      {list.certificate_imported, "import the certificate on it"},
      {list.root_downloaded, "download the trusted root"},
      {list.root_imported, "import the root on it"},
  };
  std::string out;
  int number = 0;
  for (const auto& [done, what] : steps) {
    ++number;
    if (!done) {
      absl::StrAppend(&out, out.empty() ? "" : ", ", "(", number, ") ", what);
    }
  }
  return out;
}

bool SeenBy(const EdgeFact& edge, const std::string& peer) {
  const auto it = edge.peers.find(peer);
  return it != edge.peers.end() && it->second.mutual_tls;
}

// With a self-signed certificate each peer needs an import of its own (UM-34),
// which does not scale (UM-35).
std::optional<SecurityFinding> JudgeSelfSigned(
    const EdgeFact& edge, const std::vector<const PeerEntry*>& peers,
    const SecurityFacts& facts) {
  if (!edge.error.empty() || !edge.certificate.has_value() ||
      !edge.certificate->self_signed) {
    return std::nullopt;
  }
  size_t all = 0;
  size_t lacking = 0;
  for (const PeerEntry* peer : peers) {
    if (peer->transport != SipTransport::kTls) continue;
    ++all;
    if (!SeenBy(edge, peer->name)) ++lacking;
  }
  SecurityFinding out{
      EdgeLabel(edge), lacking == 0,
      absl::StrCat("its certificate is self-signed, so that each peer has to "
                   "import it: ",
                   lacking, " of ", all, " peers lack it still")};
  if (all > facts.self_signed_peers) {
    absl::StrAppend(&out.detail,
                    "; self-signed certificates do not scale beyond ",
                    facts.self_signed_peers,
                    " peers: take those of a PKI or commercial ones");
  }
  return out;
}

SecurityFinding JudgePeerCertificate(const PeerEntry& peer,
                                     const std::vector<EdgeFact>& edges) {
  const KnownPeer known = FindKnownPeer(peer.vendor, peer.model);
  bool seen = false;
  std::string reason;
  for (const EdgeFact& edge : edges) {
    if (!edge.error.empty()) continue;
    // UM-89, also where it came to be so after the peer was written.
    if (known.wants_client_auth && edge.certificate.has_value() &&
        !edge.certificate->client_auth) {
      return {peer.name, false,
              absl::StrCat(EdgeLabel(edge),
                           " shows a certificate for server authentication "
                           "only, which ",
                           AbslView(known.name), " does not take")};
    }
    const auto it = edge.peers.find(peer.name);
    if (it == edge.peers.end()) continue;
    seen = seen || it->second.mutual_tls;
    if (!it->second.in_service) reason = it->second.reason;
  }
  // A handshake closes what was not marked (UM-48).
  if (seen) return {peer.name, true, "mutual TLS with it has succeeded"};
  const std::string open = OpenSteps(peer.certificate_checklist);
  return {peer.name, false,
          absl::StrCat("mutual TLS with it has not been seen yet",
                       reason.empty() ? "" : " (last: ", reason,
                       reason.empty() ? "" : ")",
                       ": import its root, give it ours, and run "
                       "test-connectivity --secured",
                       open.empty() ? "" : "; open on the peer: ", open)};
}

// Step 4 (UM-06): certificates went both ways, which only a handshake proves.
ReadinessStep CertificatesExchanged(const PlanSnapshot& tenant,
                                    const DialPlanEntry& plan,
                                    const std::vector<EdgeFact>& edges,
                                    const SecurityFacts& facts) {
  ReadinessStep step{
      "Certificates were exported and imported among edges, gateways and PBXs",
      {}};
  const std::string store =
      std::string(TenantOf(plan.name)) + "/trustStores/CallManager-trust";
  const TrustFact& trust = facts.trust;
  if (!trust.error.empty()) {
    step.findings.push_back(
        {store, false, absl::StrCat("could not be asked: ", trust.error)});
  } else {
    step.findings.push_back(
        {store, trust.valid > 0,
         trust.valid > 0 ? absl::StrCat(trust.valid, " of ", trust.certificates,
                                        " trusted certificates are valid")
                         : absl::StrCat("holds no valid certificate, of ",
                                        trust.certificates)});
    if (!trust.missing_roots.empty()) {
      step.findings.push_back(
          {store, false,
           absl::StrCat("holds certificates without their root: import ",
                        absl::StrJoin(trust.missing_roots, ", "))});
    }
  }
  for (const EdgeFact& edge : edges) {
    step.findings.push_back(JudgeEdgeCertificate(edge, facts.now));
  }
  if (edges.empty()) {
    step.findings.push_back(
        {"signaling_edge", false, "no edge could be asked"});
  }
  const std::vector<const PeerEntry*> peers = PeersOf(tenant, plan);
  for (const EdgeFact& edge : edges) {
    if (auto finding = JudgeSelfSigned(edge, peers, facts)) {
      step.findings.push_back(*std::move(finding));
    }
  }
  for (const PeerEntry* peer : peers) {
    if (peer->transport == SipTransport::kTls) {
      step.findings.push_back(JudgePeerCertificate(*peer, edges));
    }
  }
  return step;
}

// Step 5 (UM-07, UM-66).
ReadinessStep PeersByFqdn(const PlanSnapshot& tenant,
                          const DialPlanEntry& plan) {
  ReadinessStep step{"Every gateway is addressed by its FQDN", {}};
  for (const PeerEntry* peer : PeersOf(tenant, plan)) {
    if (peer->fqdn.empty()) {
      step.findings.push_back(
          {peer->name, false,
           absl::StrCat(
               "is known by ",
               peer->address.empty() ? "its server group" : "an address",
               " only: give its fqdn")});
    } else if (plan.security_mode != SecurityMode::kUnsecured &&
               peer->port != kSipTlsPort) {
      step.findings.push_back(
          {peer->name, false, "listens on another port than 5061"});
    } else {
      step.findings.push_back(
          {peer->name, true, absl::StrCat(peer->fqdn, ":", peer->port)});
    }
  }
  if (step.findings.empty()) {
    step.findings.push_back({plan.name, true, "has no gateway"});
  }
  return step;
}

}  // namespace

bool ReadinessStep::done() const {
  return std::all_of(findings.begin(), findings.end(),
                     [](const SecurityFinding& each) { return each.good; });
}

std::string ReadinessStep::Detail() const {
  const bool good = done();
  std::string out;
  size_t told = 0;
  for (const SecurityFinding& finding : findings) {
    if (finding.good != good) continue;
    if (told++ == 3) {
      absl::StrAppend(&out, "; ...");
      break;
    }
    absl::StrAppend(&out, out.empty() ? "" : "; ", finding.component, ": ",
                    finding.detail);
  }
  return out;
}

std::vector<EdgeFact> EdgesOf(const DialPlanEntry& plan,
                              const SecurityFacts& facts) {
  if (plan.edges.empty()) return facts.edges;
  std::vector<EdgeFact> out;
  for (const std::string& name : plan.edges) {
    const auto it = std::find_if(
        facts.edges.begin(), facts.edges.end(), [&](const EdgeFact& edge) {
          return edge.error.empty() && edge.instance == name;
        });
    if (it != facts.edges.end()) {
      out.push_back(*it);
      continue;
    }
    EdgeFact unknown;
    unknown.instance = name;
    unknown.error = "no edge that can be asked has this name";
    out.push_back(std::move(unknown));
  }
  return out;
}

std::string ShortName(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

std::vector<ReadinessStep> AssessReadiness(const PlanSnapshot& tenant,
                                           const DialPlanEntry& plan,
                                           const SecurityFacts& facts) {
  const std::vector<EdgeFact> edges = EdgesOf(plan, facts);
  return {RoleInstalled(edges), SecuritySet(plan),
          EdgesAssociated(tenant, plan, edges),
          CertificatesExchanged(tenant, plan, edges, facts),
          PeersByFqdn(tenant, plan)};
}

}  // namespace sallyport::dialplan
