#include "services/signaling_edge/core/sccp_ports.h"

#include <algorithm>
#include <utility>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_table.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/request_auth.h"
#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Denied(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, what);
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = ToLower(c);
  return out;
}

bool HasSccpSuite(const DialPlanEntry* plan) {
  if (plan == nullptr) return true;
  if (plan->srtp_keying != SrtpKeying::kSdes) return false;
  if (plan->srtp_suites.empty()) return true;
  return std::any_of(plan->srtp_suites.begin(), plan->srtp_suites.end(),
                     [](PlanSrtpSuite suite) {
                       return suite == PlanSrtpSuite::kAesCm128HmacSha1_80 ||
                              suite == PlanSrtpSuite::kAesCm128HmacSha1_32;
                     });
}

}  // namespace

SccpPorts::SccpPorts(const PlanIndex& index) {
  index.ForEach<VoicemailPortGroupEntry>(
      [&](const VoicemailPortGroupEntry& group) {
        const PeerEntry* peer = index.Peer(group.peer);
        if (group.integration != VoicemailIntegration::kSccp ||
            peer == nullptr) {
          return;
        }
        const bool disabled = peer->status == PeerStatus::kDisabled;
        if (!disabled_.contains(peer->name)) servers_.push_back(peer->name);
        disabled_[peer->name] = disabled;
        std::vector<std::string> subjects = peer->x509_subjects;
        if (subjects.empty() && !peer->fqdn.empty()) subjects = {peer->fqdn};
        for (const std::string& subject : subjects) {
          std::vector<std::string>& peers = by_subject_[Lower(subject)];
          if (std::find(peers.begin(), peers.end(), peer->name) ==
              peers.end()) {
            peers.push_back(peer->name);
          }
        }
        const TenantEntry* tenant = index.Tenant(TenantOf(group.name));
        for (const VoicemailPort& port : group.ports) {
          Entry entry;
          entry.port.device_name = port.device_name;
          entry.port.group = group.name;
          entry.port.peer = peer->name;
          entry.port.line = port.line;
          entry.port.domain = tenant == nullptr || tenant->domains.empty()
                                  ? "anonymous.invalid"
                                  : tenant->domains[0];
          entry.port.encrypted =
              group.device_security_mode == DeviceSecurityMode::kEncrypted;
          entry.port.answers_calls = port.answers_calls;
          entry.port.notifies = port.notifies;
          entry.port.sends_message_waiting = port.sends_message_waiting;
          entry.device_mode = group.device_security_mode;
          entry.plan_mode = index.ModeOf(peer->dial_plan);
          entry.disabled = disabled;
          entry.port_disabled = port.disabled;
          const auto* system = index.Find<PhoneSystemEntry>(group.phone_system);
          entry.system_disabled = system != nullptr && system->disabled;
          entry.mixed = tenant != nullptr && tenant->cluster_security_mode ==
                                                 ClusterSecurityMode::kMixed;
          entry.has_suite = HasSccpSuite(index.DialPlan(peer->dial_plan));
          const auto* line = index.Find<LineEntry>(port.line);
          if (line == nullptr) continue;
          const auto number = NumberOfPattern(line->directory_number);
          if (!number.ok()) continue;
          entry.port.number = *number;
          by_device_[port.device_name].push_back(entries_.size());
          entries_.push_back(std::move(entry));
        }
      });
}

absl::StatusOr<ConnectionIdentity> SccpPorts::Identify(
    const CertificateInfo& certificate, TrustedFor trusted) const {
  if (!trusted.peers) {
    return Denied("PEER_CERTIFICATE_UNTRUSTED",
                  "the authority is not trusted for peers");
  }
  if (!certificate.client_auth) {
    return Denied("PEER_CERTIFICATE_USAGE",
                  "the certificate is not for TLS clients");
  }
  ConnectionIdentity out;
  if (certificate.common_names.size() == 1) {
    const auto it = by_device_.find(certificate.common_names[0]);
    if (it != by_device_.end()) {
      if (it->second.size() > 1) {
        return Denied("PEER_IDENTITY_AMBIGUOUS",
                      "two voicemail ports have this device name");
      }
      out.resource = entries_[it->second[0]].port.peer;
      out.matched = {certificate.common_names[0], NameSource::kCommonName};
    }
  }
  for (const CertifiedName& name : SipIdentities(certificate)) {
    const auto it = by_subject_.find(name.name);
    if (it == by_subject_.end()) continue;
    for (const std::string& peer : it->second) {
      if (!out.resource.empty() && out.resource != peer) {
        return Denied("PEER_IDENTITY_AMBIGUOUS",
                      "the certificate names two voicemail servers");
      }
      if (out.resource.empty()) {
        out.resource = peer;
        out.matched = name;
      }
    }
  }
  if (out.resource.empty()) {
    return Denied("PEER_IDENTITY_MISMATCH",
                  "the certificate names no voicemail port or server");
  }
  const auto disabled = disabled_.find(out.resource);
  if (disabled != disabled_.end() && disabled->second) {
    return Denied("PEER_DISABLED", "the peer is disabled");
  }
  return out;
}

absl::StatusOr<SccpPort> SccpPorts::Admit(
    std::string_view device_name, bool is_tls,
    const std::optional<ConnectionIdentity>& identity) const {
  const auto it = by_device_.find(std::string(device_name));
  if (it == by_device_.end()) {
    return Denied("PEER_IDENTITY_MISMATCH",
                  "there is no voicemail port of that name");
  }
  const Entry* found = nullptr;
  for (const size_t index : it->second) {
    const Entry& entry = entries_[index];
    if (identity.has_value() && entry.port.peer != identity->resource) continue;
    if (found != nullptr) {
      return Denied("PEER_IDENTITY_AMBIGUOUS",
                    "two voicemail ports have this device name");
    }
    found = &entry;
  }
  if (found == nullptr) {
    return Denied("PEER_IDENTITY_MISMATCH",
                  "the certificate is another voicemail server's");
  }
  // A certificate of one port is good for no other.
  if (identity.has_value()) {
    const auto of_port = by_device_.find(identity->matched.name);
    if (of_port != by_device_.end() &&
        identity->matched.source == NameSource::kCommonName &&
        identity->matched.name != device_name) {
      return Denied("PEER_IDENTITY_MISMATCH",
                    "the certificate is another voicemail port's");
    }
  }
  if (found->disabled) return Denied("PEER_DISABLED", "the peer is disabled");
  if (found->port_disabled) {
    return Denied("PORT_DISABLED", "the port is not enabled");
  }
  if (found->system_disabled) {
    return Denied("PHONE_SYSTEM_DISABLED",
                  "the phone system of the port is disabled");
  }
  switch (found->device_mode) {
    case DeviceSecurityMode::kAuthenticated:
      return Denied("NULL_CIPHER_NOT_ALLOWED",
                    "an authenticated port has TLS with a NULL cipher");
    case DeviceSecurityMode::kEncrypted:
      if (!found->mixed) {
        return Denied("CLUSTER_NOT_MIXED",
                      "the port is encrypted, and the cluster security mode "
                      "is NON_SECURE");
      }
      if (!is_tls) {
        return Denied("SECURITY_MODE_TLS_REQUIRED", "the port is encrypted");
      }
      if (!found->has_suite) {
        return Denied("SECURITY_MODE_SRTP_REQUIRED",
                      "SCCP has no keys for any suite of the dial plan");
      }
      break;
    case DeviceSecurityMode::kNonSecure:
      if (is_tls) {
        return Denied("SECURITY_MODE_TLS_NOT_ALLOWED",
                      "the port is non-secure");
      }
      if (found->plan_mode != SecurityMode::kUnsecured) {
        return Denied("SECURITY_MODE_TLS_REQUIRED",
                      "the dial plan asks for mutual TLS");
      }
      break;
  }
  return found->port;
}

std::vector<std::string> SccpPorts::ServersAt(const SocketAddress& address,
                                              const PlanIndex& index) const {
  std::vector<std::string> out;
  for (const std::string& name : servers_) {
    const PeerEntry* const peer = index.Peer(name);
    if (peer != nullptr && RequestAuth::IsFrom(*peer, address.Canonical())) {
      out.push_back(name);
    }
  }
  return out;
}

std::vector<std::string> SccpPorts::ServersOf(
    std::string_view device_name) const {
  std::vector<std::string> out;
  const auto it = by_device_.find(std::string(device_name));
  if (it == by_device_.end()) return out;
  for (const size_t index : it->second) {
    out.push_back(entries_[index].port.peer);
  }
  return out;
}

std::vector<std::string> SccpPorts::DevicesOf(std::string_view peer) const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) {
    if (entry.port.peer == peer) out.push_back(entry.port.device_name);
  }
  return out;
}

}  // namespace sallyport::signaling_edge
