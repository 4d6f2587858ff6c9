#include "services/dialplan/core/peer_rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "services/dialplan/core/host_text.h"
#include "services/dialplan/core/peer_security_rules.h"
#include "services/dialplan/core/reference_rules.h"

namespace sallyport::dialplan {
namespace {

// Members told of one change; the rest is counted.
constexpr size_t kNamedFaults = 20;

}  // namespace

void CheckPeer(const RuleContext& c, const PeerEntry& configured) {
  const PeerEntry peer = c.plan.Effective(configured);
  if (peer.fqdn.empty() && peer.address.empty() && peer.server_group.empty()) {
    c.Add("peer.fqdn", "PEER_HAS_NO_ADDRESS",
          "give an FQDN, an address or a server group");
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
  if (peer.dial_plan.empty()) {
    c.Add("peer.dial_plan", "DIAL_PLAN_REQUIRED",
          "it names none, and neither does its tenant");
  }
  CheckPeerSecurity(c, configured);
}

PlanFaults FaultsOfPeer(const Plan& plan, const std::string& name) {
  PlanFaults faults;
  const PeerEntry* peer = plan.Get<PeerEntry>(name);
  if (peer == nullptr) return faults;
  const RuleContext c{plan, nullptr, faults};
  CheckPeer(c, *peer);
  CheckKeys(c, name);
  return faults;
}

void CheckPeersOf(const RuleContext& c, const std::string& field,
                  const std::string& tenant) {
  size_t more = 0;
  size_t told = 0;
  for (const PeerEntry* peer : c.plan.Under<PeerEntry>(tenant + "/peers/")) {
    for (const PlanFault& fault : FaultsOfPeer(c.plan, peer->name)) {
      if (told == kNamedFaults) {
        ++more;
        continue;
      }
      ++told;
      c.Add(field, fault.reason,
            absl::StrCat(peer->name, ": ", fault.description));
    }
  }
  if (more != 0) {
    c.Add(field, "PLAN_INVALID", absl::StrCat("and ", more, " more faults"));
  }
}

}  // namespace sallyport::dialplan
