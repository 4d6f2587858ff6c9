#include "services/dialplan/core/peer_security_rules.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/pki/known_peers.h"
#include "services/dialplan/core/host_text.h"
#include "services/dialplan/core/source_prefix.h"

namespace sallyport::dialplan {
namespace {

constexpr uint32_t kSipPort = 5060;
constexpr uint32_t kSipTlsPort = 5061;
// Those that edges judge peers by.
constexpr std::string_view kPeerTrustStores[] = {
    "CallManager-trust", "UM-trusted-roots", "cup-trust"};
// What is wider lets in more than one gateway's network (UM-13).
constexpr int kMinV4Length = 96 + 8;
constexpr int kMinV6Length = 32;

using Profile = TrunkSecurityProfileEntry;

void CheckInClear(const RuleContext& c, const PeerEntry& configured,
                  const PeerEntry& peer, const Profile* profile) {
  if (profile != nullptr &&
      profile->device_security_mode == DeviceSecurityMode::kEncrypted) {
    c.Add("peer.trunk_security_profile", "PROFILE_MODE_NOT_OF_PLAN",
          "the profile is ENCRYPTED, and its dial plan is UNSECURED");
  } else if (peer.transport == SipTransport::kTls) {
    c.Add("peer.transport", "PEER_TRANSPORT_NOT_CLEAR",
          "its dial plan is UNSECURED: choose UDP or TCP");
  }
  if (peer.incoming_port == kSipTlsPort &&
      (profile == nullptr || configured.incoming_port != 0)) {
    c.Add("peer.incoming_port", "PEER_INCOMING_PORT_IS_TLS",
          "5061 takes TLS only, and its dial plan is UNSECURED");
  }
}

// UM-66, CCE-16, CCE-18: the members of its group by name and on 5061.
void CheckSecuredGroup(const RuleContext& c, const PeerEntry& peer) {
  const auto* group = c.plan.Get<ServerGroupEntry>(peer.server_group);
  if (group == nullptr) return;  // told as a reference
  for (size_t i = 0; i < group->members.size(); ++i) {
    const ServerGroupMember& member = group->members[i];
    if (IsAddress(member.host)) {
      c.Add("peer.server_group", "PEER_FQDN_REQUIRED",
            absl::StrCat("member ", i, " of ", peer.server_group,
                         " is an address: a server of a secured dial plan is "
                         "known by its FQDN"));
    }
    if (member.secure_port != 0 && member.secure_port != kSipTlsPort) {
      c.Add("peer.server_group", "PEER_PORT_NOT_5061",
            absl::StrCat("member ", i, " of ", peer.server_group,
                         " has another secure port than 5061"));
    }
  }
}

void CheckSecured(const RuleContext& c, const PeerEntry& configured,
                  const PeerEntry& peer, const Profile* profile) {
  // UM-66: by FQDN, and on 5061.
  const bool named_otherwise =
      !peer.server_group.empty() && !peer.x509_subjects.empty();
  if (peer.fqdn.empty() && !named_otherwise) {
    c.Add("peer.fqdn", "PEER_FQDN_REQUIRED",
          "a peer of a secured dial plan is known by its FQDN");
  }
  const bool profile_clear =
      profile != nullptr &&
      profile->device_security_mode != DeviceSecurityMode::kEncrypted;
  if (profile_clear) {
    c.Add("peer.trunk_security_profile", "PROFILE_MODE_NOT_OF_PLAN",
          "the profile is not ENCRYPTED, and its dial plan is secured");
  }
  // Where the profile is at fault, what follows from it is not told again.
  if (peer.transport != SipTransport::kTls &&
      !(profile_clear && configured.transport == SipTransport::kUnset)) {
    c.Add("peer.transport", "PEER_TRANSPORT_NOT_TLS",
          "a peer of a secured dial plan is reached over TLS");
  }
  if (peer.port != kSipTlsPort && !(profile_clear && configured.port == 0)) {
    c.Add("peer.port", "PEER_PORT_NOT_5061",
          "a peer of a secured dial plan listens on 5061");
  }
  if (peer.incoming_port == kSipPort &&
      !(profile_clear && configured.incoming_port == 0)) {
    c.Add("peer.incoming_port", "PEER_INCOMING_PORT_IS_CLEAR",
          "5060 is in clear, and its dial plan is secured");
  }
  CheckSecuredGroup(c, peer);
}

// What only peers in clear have: they are known by where they send from.
void CheckSources(const RuleContext& c, const PeerEntry& peer) {
  for (size_t i = 0; i < peer.source_addresses.size(); ++i) {
    const auto prefix = SourcePrefix::Parse(peer.source_addresses[i]);
    if (!prefix.has_value()) continue;  // told as no address
    if (prefix->length() < (prefix->is_v4() ? kMinV4Length : kMinV6Length)) {
      c.Add(ItemPath("peer.source_addresses", i), "SOURCE_PREFIX_TOO_WIDE",
            "calls in clear are accepted from a gateway's network, not from "
            "a whole region: at least /8, or /32 with IPv6");
    }
  }
  for (const UniqueKey& key : c.plan.KeysOf(peer.name)) {
    for (const std::string& other : c.plan.OverlappingSources(peer.name, key)) {
      const bool same = TenantOf(other) == TenantOf(peer.name);
      c.Add(key.field, "PEER_SOURCES_OVERLAP",
            absl::StrCat("calls from there could be of ",
                         same ? other : std::string("another tenant's peer"),
                         " too, on the same port"));
    }
  }
}

void CheckProfileUse(const RuleContext& c, const PeerEntry& configured,
                     const Profile* profile) {
  if (profile == nullptr) return;
  if (configured.transport != SipTransport::kUnset &&
      (configured.transport == SipTransport::kTls) !=
          (profile->device_security_mode == DeviceSecurityMode::kEncrypted)) {
    c.Add("peer.transport", "PEER_TRANSPORT_NOT_OF_PROFILE",
          "the transport follows the device security mode of its profile");
  }
  if (profile->digest && configured.digest_user.empty()) {
    c.Add("peer.digest_user", "DIGEST_USER_REQUIRED",
          "its trunk security profile asks for digest: say whose");
  }
  // CUC-23: what carries message waiting from a voicemail trunk.
  if (configured.message_waiting_allowed &&
      !profile->accept_unsolicited_notification) {
    c.Add("peer.message_waiting_indicator_allowed",
          "UNSOLICITED_NOTIFICATION_NOT_ACCEPTED",
          "its trunk security profile does not accept unsolicited "
          "notifications, by which message waiting comes");
  }
}

// UM-89, UM-90: which certificate we may show it. Edges whose certificate is
// not known are not blamed; GetSecurityReadiness tells of them.
void CheckEdgeCertificates(const RuleContext& c, const PeerEntry& peer,
                           const DialPlanEntry& plan) {
  const KnownPeer known = FindKnownPeer(peer.vendor, peer.model);
  if (!known.wants_client_auth) return;
  for (const EdgeCertificate& certificate : c.plan.edge_survey().certificates) {
    const bool serves =
        plan.edges.empty() || std::find(plan.edges.begin(), plan.edges.end(),
                                        certificate.edge) != plan.edges.end();
    if (!serves || certificate.client_auth) continue;
    c.Add(peer.vendor.empty() ? "peer.vendor" : "peer.model",
          "EDGE_CERTIFICATE_LACKS_CLIENT_AUTH",
          absl::StrCat(
              certificate.edge,
              " shows a certificate for server authentication only (web "
              "server template); ",
              AbslView(known.name),
              " takes one for server and client authentication (computer V3 "
              "template)"));
  }
}

}  // namespace

bool IsPeerTrustStore(std::string_view store) {
  return std::find(std::begin(kPeerTrustStores), std::end(kPeerTrustStores),
                   store) != std::end(kPeerTrustStores);
}

void CheckPeerSecurity(const RuleContext& c, const PeerEntry& configured) {
  const PeerEntry peer = c.plan.Effective(configured);
  const Profile* profile =
      c.plan.Get<Profile>(configured.trunk_security_profile);
  CheckProfileUse(c, configured, profile);
  if (!configured.trust_store.empty() &&
      !IsPeerTrustStore(configured.trust_store)) {
    c.Add("peer.trust_store", "TRUST_STORE_NOT_FOR_PEERS",
          "peers are judged by CallManager-trust, UM-trusted-roots or "
          "cup-trust");
  }
  // UM-19.
  if (configured.ipsec_enabled &&
      configured.ipsec != IpsecCapability::kSupported) {
    c.Add("peer.ipsec_enabled", "IPSEC_NOT_SUPPORTED",
          configured.ipsec == IpsecCapability::kUnsupported
              ? "its ipsec_capability is UNSUPPORTED"
              : "its ipsec_capability is UNAVAILABLE");
  }
  const DialPlanEntry* plan = c.plan.Get<DialPlanEntry>(peer.dial_plan);
  if (plan == nullptr) return;  // told elsewhere
  if (plan->security_mode == SecurityMode::kUnsecured) {
    CheckInClear(c, configured, peer, profile);
  } else {
    CheckSecured(c, configured, peer, profile);
    CheckEdgeCertificates(c, peer, *plan);
  }
  CheckSources(c, peer);
}

}  // namespace sallyport::dialplan
