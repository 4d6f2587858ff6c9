// What other services say about how secured an installation is.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_SECURITY_FACTS_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_SECURITY_FACTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sallyport::dialplan {

// A certificate as its user shows it.
struct CertificateFact {
  std::string subject;
  std::string serial;  // hex
  absl::Time not_before;
  absl::Time not_after;
  bool client_auth = false;  // its extended key usage allows it
  bool self_signed = false;  // peers can trust it by its import alone (UM-31)
};

// A peer as one edge sees it.
struct PeerFact {
  bool in_service = false;
  std::string reason;       // why not
  bool mutual_tls = false;  // succeeded since that edge started
};

// One instance of signaling_edge.
struct EdgeFact {
  std::string target;    // as configured
  std::string error;     // why it could not be asked; empty: it answered
  std::string instance;  // the rest is known only if it did
  bool draining = false;
  int64_t plan_version = 0;  // in force there
  bool trust_in_force = false;
  bool listens_tls = false;
  std::optional<CertificateFact> certificate;  // shown on TLS
  uint64_t refusals = 0;                       // since its start
  std::map<std::string, PeerFact> peers;       // by name
};

// The certificates of one trust store of one tenant.
struct TrustFact {
  std::string error;  // why capf could not be asked; empty: it answered
  size_t certificates = 0;
  size_t valid = 0;  // of them, now
  // Authorities that some of them name as their issuer and that are not there
  // (UM-43), by name.
  std::vector<std::string> missing_roots;
  // The mode that the tenant's phones are told by their trust lists, "mixed"
  // or "non-secure"; empty: they have none, or capf could not be asked.
  std::string cluster_mode;
};

struct SecurityFacts {
  absl::Time now;
  std::vector<EdgeFact> edges;  // none: no edge is configured to be asked
  TrustFact trust;              // CallManager-trust
  // With more peers than these, self-signed certificates are warned of (UM-35).
  size_t self_signed_peers = 10;
};

// What was found out about one thing of the configuration (UM-08).
struct SecurityFinding {
  std::string component;  // a resource name, or "signaling_edge edge-0"
  bool good = false;
  std::string detail;

  bool operator==(const SecurityFinding&) const = default;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_SECURITY_FACTS_H_
