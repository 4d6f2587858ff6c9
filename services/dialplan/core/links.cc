#include "services/dialplan/core/links.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sallyport::dialplan {
namespace {

using Plans = std::map<std::string, const DialPlanEntry*>;

// Between services there is gRPC over mutual TLS and nothing else: the
// documents' links to directory servers and mailbox servers are these (UM-21,
// UM-64).
constexpr const char* kServices[] = {
    "signaling_edge to dialplan",
    "signaling_edge to capf",
    "signaling_edge to credential_issuer",
    "signaling_edge to media_relay",
    "media_relay to credential_issuer",
    "dialplan to signaling_edge",
    "dialplan to capf",
    "operators to every service",
};

std::string_view KindOf(PeerKind kind) {
  switch (kind) {
    case PeerKind::kIpGateway:
      return "IP gateway";
    case PeerKind::kIpPbx:
      return "IP PBX";
    case PeerKind::kSipTrunk:
      return "SIP trunk";
    case PeerKind::kVoicemail:
      return "voicemail server";
  }
  return "";
}

std::string_view ScenarioText(LinkScenario scenario) {
  switch (scenario) {
    case LinkScenario::kUnsaid:
      return "";
    case LinkScenario::kLanClientServer:
      return "LAN, client and server";
    case LinkScenario::kLanServerServer:
      return "LAN, two servers";
    case LinkScenario::kLanServerVoipDevice:
      return "LAN, server and VoIP device";
    case LinkScenario::kWanRouterRouter:
      return "WAN, two routers";
    case LinkScenario::kWanGatewayGateway:
      return "WAN, two gateways";
    case LinkScenario::kRemoteDialUp:
      return "remote access, dial-up client";
    case LinkScenario::kRemoteInternet:
      return "remote access, Internet";
  }
  return "";
}

SecurityMode ModeOf(const Plans& plans, const std::string& name) {
  const auto it = plans.find(name);
  return it == plans.end() ? SecurityMode::kUnsecured
                           : it->second->security_mode;
}

void AppendSentence(std::string_view text, std::string& out) {
  absl::StrAppend(&out, out.empty() ? "" : "; ",
                  absl::string_view(text.data(), text.size()));
}

std::string DetailOf(const PeerEntry& peer) {
  std::string out;
  const NetworkLink& link = peer.network_link;
  if (peer.ipsec_enabled != link.ipsec_at_peer) {
    AppendSentence(peer.ipsec_enabled
                       ? "IPsec: a policy of ours, none at the peer"
                       : "IPsec: a policy at the peer, none of ours",
                   out);
  } else if (peer.ipsec_enabled) {
    AppendSentence("IPsec: a policy at both ends", out);
  }
  switch (link.network_encryption) {
    case NetworkEncryption::kUndecided:
      break;
    case NetworkEncryption::kExempt:
      AppendSentence("exempt from encryption of the network below", out);
      break;
    case NetworkEncryption::kCovered:
      AppendSentence("covered by encryption of the network below, as chosen",
                     out);
      break;
  }
  return out;
}

LinkRow PeerLink(const Plans& plans, const PeerEntry& peer) {
  LinkRow out{KindOf(peer.kind), peer.name};
  const bool ipsec = peer.ipsec_enabled && peer.network_link.ipsec_at_peer;
  out.signalling = peer.transport == SipTransport::kTls ? LinkMethod::kMutualTls
                   : ipsec                              ? LinkMethod::kIpsec
                                                        : LinkMethod::kNone;
  out.media = ModeOf(plans, peer.dial_plan) == SecurityMode::kSecured
                  ? LinkMethod::kSrtp
              : ipsec ? LinkMethod::kIpsec
                      : LinkMethod::kNone;
  out.scenario = ScenarioText(peer.network_link.scenario);
  out.detail = DetailOf(peer);
  return out;
}

}  // namespace

std::string_view LinkPreference() {
  return "mutual TLS comes before IPsec: not every gateway or PBX supports "
         "IPsec, and it costs the server additional processing";
}

std::vector<LinkRow> LinksOf(const PlanSnapshot& tenant) {
  Plans plans;
  for (const DialPlanEntry& each : tenant.dial_plans) plans[each.name] = &each;
  std::vector<LinkRow> out;
  for (const PeerEntry& peer : tenant.peers) {
    if (peer.status == PeerStatus::kDisabled) continue;
    out.push_back(PeerLink(plans, peer));
  }
  std::map<std::string, size_t> users;
  for (const UserEntry& user : tenant.users) {
    if (!user.disabled) ++users[user.dial_plan];
  }
  for (const auto& [name, count] : users) {
    const SecurityMode mode = ModeOf(plans, name);
    LinkRow row{"users", name};
    row.signalling = mode == SecurityMode::kUnsecured
                         ? LinkMethod::kNone
                         : LinkMethod::kTlsAndDigest;
    row.media =
        mode == SecurityMode::kSecured ? LinkMethod::kSrtp : LinkMethod::kNone;
    row.detail = absl::StrCat(count, count == 1 ? " user" : " users");
    out.push_back(std::move(row));
  }
  for (const char* const pair : kServices) {
    LinkRow row{"service", pair};
    row.signalling = LinkMethod::kMutualTls;
    row.detail = "gRPC";
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace sallyport::dialplan
