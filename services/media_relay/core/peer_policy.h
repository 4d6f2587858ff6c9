// Which peers may be reached: one canonicalising, default-deny decision for
// every entry point (CreatePermission, ChannelBind, Send, bridge legs) and for
// what leaves a relayed address (AVE-01, AVE-41), and by which ports media goes
// to relays of federated partners and comes from them (AVE-49).

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PEER_POLICY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PEER_POLICY_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

// How an IPv4 address was written inside an IPv6 one.
enum class EmbeddedForm : uint8_t {
  kNone,        // an address in its own family
  kMapped,      // ::ffff:0:0/96 (RFC 4291), and ::ffff:0:0:0/96 (RFC 2765)
  kCompatible,  // ::/96 (RFC 4291)
  kNat64,       // 64:ff9b::/96 (RFC 6052), 64:ff9b:1::/48 (RFC 8215)
  k6to4,        // 2002::/16 (RFC 3056)
  kTeredo,      // 2001::/32 (RFC 4380)
  kIsatap,      // ...:0:5efe:a.b.c.d, ...:200:5efe:a.b.c.d (RFC 5214)
};

struct CanonicalAddress {
  IpAddress address;  // the IPv4 address when `form` is not kNone
  EmbeddedForm form = EmbeddedForm::kNone;
};

// Finds the address that a host would in the end send to.
CanonicalAddress Canonicalize(const IpAddress& address);

enum class PeerVerdict : uint8_t {
  kAllowed,
  kEmbeddedForm,    // an IPv4 address dressed as IPv6: never a peer
  kSpecialPurpose,  // not global unicast (RFC 6890 and its registries)
  kDeniedPrefix,    // an operator's deny list, our own addresses
  kDeniedPort,      // below the lowest peer port
  kPartnerWay,      // a partner's relay, by a port that is not its way
};

// The metric label. Stable.
std::string_view PeerVerdictName(PeerVerdict verdict);

enum class PeerTransport : uint8_t { kUdp, kTcp };

// First and last; 0: none.
struct PeerPorts {
  uint16_t first = 0;
  uint16_t last = 0;

  bool Contains(uint16_t port) const {
    return port != 0 && port >= first && port <= last;
  }
};

// The relays of one partner and the ports of theirs that media goes to and,
// over UDP, comes from.
struct PartnerWay {
  std::vector<IpPrefix> prefixes;
  PeerPorts udp;
  PeerPorts tcp;
  // They connect to relayed addresses, from whatever port.
  bool tcp_comes_in = false;
};

struct PeerPolicyOptions {
  // Special-purpose blocks that may nevertheless be reached.
  std::vector<IpPrefix> allowed;
  // Blocks that may not be reached, stronger than `allowed`: our own
  // listeners, control and metadata addresses, pod and service networks.
  std::vector<IpPrefix> denied;
  // Our own listeners and control ports, stronger than `allowed`.
  std::vector<Endpoint> denied_endpoints;
  // Global unicast must be in `allowed` too.
  bool deny_public = false;
  // Lowest peer port; 1024 keeps well-known services out.
  uint16_t lowest_port = 1024;
  // Of no two of them the prefixes overlap. They allow no address.
  std::vector<PartnerWay> partners;
};

// The decision. An address is allowed when it is global unicast or inside an
// allowed block, is not inside a denied one, and is written in its own family:
// RFC 6156 section 9.1 forbids tunnelled peers, and no honest peer needs the
// other embedded forms. An IPv4 block therefore never opens an IPv6 spelling.
// Immutable, but that another one may be assigned.
class PeerPolicy {
 public:
  explicit PeerPolicy(PeerPolicyOptions options);

  // The address alone; CreatePermission carries no meaningful port.
  PeerVerdict CheckAddress(const IpAddress& address) const;
  PeerVerdict Check(const Endpoint& peer,
                    PeerTransport transport = PeerTransport::kUdp) const;
  // A peer that connects to a relayed address: its port is its kernel's choice.
  PeerVerdict CheckAccepted(const IpAddress& address) const;
  // Whether a permitted peer may send from this port, over UDP: others than
  // partners may from any.
  bool MaySend(const Endpoint& peer) const {
    if (options_.partners.empty()) return true;
    const PartnerWay* const way = WayOf(peer.ip);
    return way == nullptr || way->udp.Contains(peer.port);
  }

 private:
  const PartnerWay* WayOf(const IpAddress& address) const;

  PeerPolicyOptions options_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PEER_POLICY_H_
