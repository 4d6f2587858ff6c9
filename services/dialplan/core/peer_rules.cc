#include "services/dialplan/core/peer_rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "services/dialplan/core/host_text.h"
#include "services/dialplan/core/reference_rules.h"

namespace sallyport::dialplan {
namespace {

constexpr uint32_t kSipPort = 5060;
constexpr uint32_t kSipTlsPort = 5061;

void CheckInClear(const RuleContext& c, const PeerEntry& peer) {
  if (peer.transport == SipTransport::kTls) {
    c.Add("peer.transport", "PEER_TRANSPORT_NOT_CLEAR",
          "its dial plan is UNSECURED: choose UDP or TCP");
  }
  if (peer.incoming_port == kSipTlsPort) {
    c.Add("peer.incoming_port", "PEER_INCOMING_PORT_IS_TLS",
          "5061 takes TLS only, and its dial plan is UNSECURED");
  }
}

void CheckSecured(const RuleContext& c, const PeerEntry& peer) {
  // UM-66: by FQDN, and on 5061.
  if (peer.fqdn.empty()) {
    c.Add("peer.fqdn", "PEER_FQDN_REQUIRED",
          "a peer of a secured dial plan is known by its FQDN");
  }
  if (peer.port != kSipTlsPort) {
    c.Add("peer.port", "PEER_PORT_NOT_5061",
          "a peer of a secured dial plan listens on 5061");
  }
  if (peer.transport != SipTransport::kTls) {
    c.Add("peer.transport", "PEER_TRANSPORT_NOT_TLS",
          "a peer of a secured dial plan is reached over TLS");
  }
  if (peer.incoming_port == kSipPort) {
    c.Add("peer.incoming_port", "PEER_INCOMING_PORT_IS_CLEAR",
          "5060 is in clear, and its dial plan is secured");
  }
}

}  // namespace

void CheckPeer(const RuleContext& c, const PeerEntry& configured) {
  const PeerEntry peer = c.plan.Effective(configured);
  if (peer.fqdn.empty() && peer.address.empty()) {
    c.Add("peer.fqdn", "PEER_HAS_NO_ADDRESS", "give an FQDN or an address");
  }
  if (!peer.fqdn.empty() && !IsHostName(peer.fqdn)) {
    c.Add(
        "peer.fqdn",
        IsAddress(peer.fqdn) ? "PEER_FQDN_REQUIRED" : "HOST_NAME_INVALID",
        IsAddress(peer.fqdn) ? "an address is no FQDN" : "must be a host name");
  }
  if (!peer.address.empty() && !IsAddress(peer.address)) {
    c.Add("peer.address", "ADDRESS_INVALID",
          "must be an IPv4 or IPv6 address, without brackets or port");
  }
  if (peer.port > 65535) {
    c.Add("peer.port", "VALUE_OUT_OF_RANGE", "must be 0 to 65535");
  }
  if (peer.incoming_port > 65535) {
    c.Add("peer.incoming_port", "VALUE_OUT_OF_RANGE", "must be 0 to 65535");
  }
  for (size_t i = 0; i < peer.x509_subjects.size(); ++i) {
    if (!IsSubjectName(peer.x509_subjects[i])) {
      c.Add(ItemPath("peer.x509_subject_names", i), "SUBJECT_NAME_INVALID",
            "must be a host name or sip: and a host name, without wildcard");
    }
  }
  for (size_t i = 0; i < peer.source_addresses.size(); ++i) {
    if (!IsAddressOrPrefix(peer.source_addresses[i])) {
      c.Add(ItemPath("peer.source_addresses", i), "ADDRESS_INVALID",
            "must be an address or a prefix");
    }
  }
  const DialPlanEntry* plan = c.plan.Get<DialPlanEntry>(peer.dial_plan);
  if (plan == nullptr) {
    if (configured.dial_plan.empty()) {
      c.Add("peer.dial_plan", "DIAL_PLAN_REQUIRED",
            "it names none, and neither does its tenant");
    }
    return;  // a plan that does not exist was told as a reference
  }
  if (plan->security_mode == SecurityMode::kUnsecured) {
    CheckInClear(c, peer);
  } else {
    CheckSecured(c, peer);
  }
}

void CheckPeersOf(const RuleContext& c, const std::string& field,
                  const std::string& tenant) {
  for (const PeerEntry* peer : c.plan.Under<PeerEntry>(tenant + "/peers/")) {
    PlanFaults faults;
    const RuleContext inner{c.plan, nullptr, faults};
    CheckPeer(inner, *peer);
    CheckKeys(inner, peer->name);
    for (const PlanFault& fault : faults) {
      c.Add(field, fault.reason,
            absl::StrCat(peer->name, ": ", fault.description));
    }
  }
}

}  // namespace sallyport::dialplan
