// Who the other end of a TLS connection is (RFC 5922, design.md section 6).
//
// The chain was already verified by TLS; here the names of the leaf meet the
// plan. Wildcards are nothing (section 7.2), a user part disqualifies (7.1),
// and a common name counts only where there is no subjectAltName at all.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_IDENTITY_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_IDENTITY_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/digit_analysis/plan_index.h"

namespace sallyport::signaling_edge {

enum class NameSource { kUriSan, kDnsSan, kCommonName };
std::string_view NameSourceName(NameSource source);

// One name that a certificate proves, lower case.
struct CertifiedName {
  std::string name;
  NameSource source = NameSource::kDnsSan;

  bool operator==(const CertifiedName&) const = default;
};

// The SIP domain identities of `certificate` by RFC 5922 section 7.1: the
// hosts of its sip: URIs without user part; if it has none of those, its
// dNSNames; if it has no subjectAltName of any kind, its common names.
std::vector<CertifiedName> SipIdentities(const CertificateInfo& certificate);

// Trust stores that a peer can name, the first of which counts where it names
// none. What one holds is nothing to the peers of another (IMP-20).
inline constexpr std::array<std::string_view, 3> kPeerTrustStores = {
    "CallManager-trust", "UM-trusted-roots", "cup-trust"};

// Which verified chains a certificate belongs to: the trust stores that hold
// its anchor. Several may hold the same authority.
struct TrustedFor {
  bool peers = false;  // by the first of kPeerTrustStores
  bool phones = false;
  uint8_t others = 0;  // bit i: by kPeerTrustStores[i + 1]

  // Whether that store of peers holds it; empty is the first.
  bool By(std::string_view store) const;
};

// One of the names that a certificate of `peer` has, as the plan has them: the
// subjects that are configured or, without any, the FQDN.
std::vector<std::string> AcceptedNames(const PeerEntry& peer);

// Who a connection belongs to once its certificate is matched.
struct ConnectionIdentity {
  enum class Kind { kPeer, kPhone };
  Kind kind = Kind::kPeer;
  std::string resource;  // tenants/{t}/peers/{p} or tenants/{t}/phones/{p}
  CertifiedName matched;
  std::string trust_store = {};  // of a peer that names one; else empty
};

// What the extended key usage of a peer's certificate has to be for (RFC 5924
// section 4); all take id-kp-sipDomain and anyExtendedKeyUsage.
enum class UsagePolicy : uint8_t {
  // Also for TLS in the role that the peer has; absent, it is for everything.
  kTlsOrSipDomain,
  // For nothing else, and not absent.
  kSipDomain,
};

// The peer or phone that `certificate` names on our port `incoming_port`:
// exactly one, or an error that says why nobody.
//
// kPermissionDenied with PEER_IDENTITY_MISMATCH (nobody has these names),
// PEER_IDENTITY_AMBIGUOUS (two do: it could be either, so it is neither),
// PEER_CERTIFICATE_USAGE (see UsagePolicy; a phone's is for clients),
// PEER_CERTIFICATE_UNTRUSTED (another store than the peer's holds its anchor)
// or PEER_DISABLED. The message lists the names seen, for the event.
absl::StatusOr<ConnectionIdentity> IdentifyClient(
    const CertificateInfo& certificate, const PlanIndex& plan,
    uint32_t incoming_port, TrustedFor trusted,
    UsagePolicy usage = UsagePolicy::kTlsOrSipDomain);

// Whether a server that we dialled is `peer` (RFC 5922 section 7.3): one of
// its configured subjects or, if it has none, the FQDN as configured, never
// what DNS made of it. Same reasons.
absl::StatusOr<ConnectionIdentity> IdentifyServer(
    const CertificateInfo& certificate, const PeerEntry& peer,
    TrustedFor trusted, UsagePolicy usage = UsagePolicy::kTlsOrSipDomain);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_IDENTITY_H_
