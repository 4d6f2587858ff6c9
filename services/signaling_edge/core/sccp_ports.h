// The voicemail ports of a plan, and which of them a certificate or a name may
// register (CUC-40, CUC-41; protocols.md section 14.2).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_PORTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_PORTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/core/sccp_action.h"

namespace sallyport::signaling_edge {

// Built anew for each plan. Immutable.
class SccpPorts {
 public:
  SccpPorts() = default;
  explicit SccpPorts(const PlanIndex& index);

  size_t size() const { return entries_.size(); }

  // Whose a connection of the TLS port is. A certificate is that of one port,
  // whose device name is its only common name, or that of a voicemail server,
  // by the names that its peer has (RFC 5922). kPermissionDenied with
  // PEER_CERTIFICATE_USAGE, PEER_CERTIFICATE_UNTRUSTED,
  // PEER_IDENTITY_MISMATCH, PEER_IDENTITY_AMBIGUOUS, PEER_DISABLED.
  absl::StatusOr<ConnectionIdentity> Identify(
      const CertificateInfo& certificate, TrustedFor trusted) const;

  // The port of that device name. `identity` is that of the connection, or
  // empty over TCP, where the name alone counts. kPermissionDenied with
  // PEER_IDENTITY_MISMATCH (the certificate is another port's, or there is no
  // such port), PEER_IDENTITY_AMBIGUOUS, PEER_DISABLED, PORT_DISABLED, or by
  // mode: CLUSTER_NOT_MIXED (CUC-01), NULL_CIPHER_NOT_ALLOWED,
  // SECURITY_MODE_TLS_REQUIRED, SECURITY_MODE_TLS_NOT_ALLOWED,
  // SECURITY_MODE_SRTP_REQUIRED.
  absl::StatusOr<SccpPort> Admit(
      std::string_view device_name, bool is_tls,
      const std::optional<ConnectionIdentity>& identity) const;

  // Voicemail servers, by the resource names of their peers: those that are
  // said to be at an address, those with a port of that device name, and the
  // device names of one's ports.
  std::vector<std::string> ServersAt(const SocketAddress& address,
                                     const PlanIndex& index) const;
  std::vector<std::string> ServersOf(std::string_view device_name) const;
  std::vector<std::string> DevicesOf(std::string_view peer) const;

 private:
  struct Entry {
    SccpPort port;
    DeviceSecurityMode device_mode = DeviceSecurityMode::kNonSecure;
    SecurityMode plan_mode = SecurityMode::kSecured;
    bool disabled = false;         // its peer
    bool port_disabled = false;    // itself
    bool system_disabled = false;  // its phone system is (CUC-16)
    bool mixed = false;            // the cluster of its tenant
    bool has_suite = false;        // of the dial plan, one that SCCP has too
  };

  std::vector<Entry> entries_;
  std::vector<std::string> servers_;  // that have ports
  // By device name, and by certified name of the peer, lower case.
  absl::flat_hash_map<std::string, std::vector<size_t>> by_device_;
  absl::flat_hash_map<std::string, std::vector<std::string>> by_subject_;
  absl::flat_hash_map<std::string, bool> disabled_;  // by peer
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_PORTS_H_
