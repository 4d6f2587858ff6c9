#include "services/signaling_edge/core/peer_identity.h"

#include <algorithm>
#include <optional>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxNamesInMessage = 8;

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = ToLower(c);
  return out;
}

// Letters, digits, '-', '_' and '.'. No wildcard, and no character that could
// mean something else in a log or a URI.
bool IsHostName(std::string_view name) {
  return !name.empty() && name.size() <= 253 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return IsDigit(c) || IsAlpha(c) || c == '-' || c == '_' || c == '.';
         });
}

// The host of "sip:host[:port][;params][?headers]"; nothing for any other
// scheme, or when there is a user part.
std::optional<std::string_view> HostOfSipUri(std::string_view uri) {
  if (uri.size() < 4 || !EqualsIgnoreCase(uri.substr(0, 4), "sip:")) {
    return std::nullopt;
  }
  uri.remove_prefix(4);
  if (uri.find('@') != std::string_view::npos) return std::nullopt;
  const std::string_view host = uri.substr(0, uri.find_first_of(":;?"));
  if (!IsHostName(host)) return std::nullopt;
  return host;
}

absl::Status Refuse(std::string_view reason, std::string_view what,
                    const std::vector<CertifiedName>& names) {
  std::string message(what);
  message += "; certified names:";
  for (size_t i = 0; i < names.size() && i < kMaxNamesInMessage; ++i) {
    CatTo(message, " ", NameSourceName(names[i].source), "=", names[i].name);
  }
  if (names.empty()) message += " none";
  return MakeError(absl::StatusCode::kPermissionDenied, reason, message);
}

// `tls`: it is for TLS in the peer's role, or says nothing of what it is for.
bool MayBePeers(const CertificateInfo& certificate, bool tls,
                UsagePolicy usage) {
  return certificate.sip_domain || certificate.any_usage ||
         (tls && usage == UsagePolicy::kTlsOrSipDomain);
}

}  // namespace

std::string_view NameSourceName(NameSource source) {
  switch (source) {
    case NameSource::kUriSan:
      return "URI";
    case NameSource::kDnsSan:
      return "DNS";
    case NameSource::kCommonName:
      return "CN";
  }
  return "CN";
}

std::vector<CertifiedName> SipIdentities(const CertificateInfo& certificate) {
  std::vector<CertifiedName> names;
  const auto add = [&names](std::string_view name, NameSource source) {
    CertifiedName entry{Lower(name), source};
    if (std::find(names.begin(), names.end(), entry) == names.end()) {
      names.push_back(std::move(entry));
    }
  };
  for (const SubjectAltName& san : certificate.alt_names) {
    if (san.type != SubjectAltName::Type::kUri) continue;
    if (const auto host = HostOfSipUri(san.value)) {
      add(*host, NameSource::kUriSan);
    }
  }
  if (!names.empty()) return names;
  for (const SubjectAltName& san : certificate.alt_names) {
    if (san.type == SubjectAltName::Type::kDns && IsHostName(san.value)) {
      add(san.value, NameSource::kDnsSan);
    }
  }
  if (!certificate.alt_names.empty()) return names;
  for (const std::string& name : certificate.common_names) {
    if (IsHostName(name)) add(name, NameSource::kCommonName);
  }
  return names;
}

std::vector<std::string> AcceptedNames(const PeerEntry& peer) {
  std::vector<std::string> names = peer.x509_subjects;
  if (names.empty()) names.push_back(peer.fqdn);
  std::erase_if(names, [](const std::string& name) { return name.empty(); });
  return names;
}

bool TrustedFor::By(std::string_view store) const {
  if (store.empty() || store == kPeerTrustStores[0]) return peers;
  for (size_t i = 1; i < kPeerTrustStores.size(); ++i) {
    if (store == kPeerTrustStores[i]) return (others >> (i - 1) & 1) != 0;
  }
  return false;
}

absl::StatusOr<ConnectionIdentity> IdentifyClient(
    const CertificateInfo& certificate, const PlanIndex& plan,
    uint32_t incoming_port, TrustedFor trusted, UsagePolicy usage) {
  const std::vector<CertifiedName> names = SipIdentities(certificate);
  const bool for_peers =
      MayBePeers(certificate, certificate.client_auth, usage);
  if (!for_peers && !certificate.client_auth) {
    return Refuse("PEER_CERTIFICATE_USAGE",
                  "the certificate is neither for TLS clients nor for SIP "
                  "domains",
                  names);
  }
  const PeerEntry* peer = nullptr;
  bool elsewhere = false;  // a peer's name, by another store than its own
  CertifiedName peer_name;
  if (trusted.peers || trusted.others != 0) {
    for (const CertifiedName& name : names) {
      const PeerEntry* found = plan.PeerBySubject(name.name, incoming_port);
      if (found == nullptr || found == peer) continue;
      if (!trusted.By(found->trust_store)) {
        elsewhere = true;
        continue;
      }
      if (peer != nullptr) {
        return Refuse("PEER_IDENTITY_AMBIGUOUS",
                      "the certificate names two peers", names);
      }
      peer = found;
      peer_name = name;
    }
  }
  // An LSC names its device by CN, in the exact case of the device name; a
  // subjectAltName does not make it less of one.
  const PhoneEntry* phone = nullptr;
  if (trusted.phones && certificate.common_names.size() == 1) {
    phone = plan.PhoneByDevice(certificate.common_names[0]);
  }
  if (peer != nullptr && phone != nullptr) {
    return Refuse("PEER_IDENTITY_AMBIGUOUS",
                  "the certificate names a peer and a phone", names);
  }
  if ((peer != nullptr && !for_peers) ||
      (phone != nullptr && !certificate.client_auth)) {
    return Refuse("PEER_CERTIFICATE_USAGE",
                  peer != nullptr ? "the certificate is not for SIP domains"
                                  : "the certificate is not for TLS clients",
                  names);
  }
  if (peer != nullptr) {
    if (peer->status == PeerStatus::kDisabled) {
      return Refuse("PEER_DISABLED", "the peer is disabled", names);
    }
    return ConnectionIdentity{ConnectionIdentity::Kind::kPeer, peer->name,
                              peer_name, peer->trust_store};
  }
  if (phone != nullptr) {
    return ConnectionIdentity{
        ConnectionIdentity::Kind::kPhone, phone->name,
        CertifiedName{certificate.common_names[0], NameSource::kCommonName}};
  }
  if (elsewhere) {
    return Refuse("PEER_CERTIFICATE_UNTRUSTED",
                  "the authority is not in the trust store of that peer",
                  names);
  }
  return Refuse("PEER_IDENTITY_MISMATCH",
                "the certificate names no configured peer or phone", names);
}

absl::StatusOr<ConnectionIdentity> IdentifyServer(
    const CertificateInfo& certificate, const PeerEntry& peer,
    TrustedFor trusted, UsagePolicy usage) {
  const std::vector<CertifiedName> names = SipIdentities(certificate);
  if (!trusted.By(peer.trust_store)) {
    return Refuse("PEER_CERTIFICATE_UNTRUSTED",
                  "the authority is not trusted for peers", names);
  }
  if (!MayBePeers(certificate, certificate.server_auth, usage)) {
    return Refuse("PEER_CERTIFICATE_USAGE",
                  usage == UsagePolicy::kSipDomain
                      ? "the certificate is not for SIP domains"
                      : "the certificate is neither for TLS servers nor for "
                        "SIP domains",
                  names);
  }
  const std::vector<std::string> wanted = AcceptedNames(peer);
  for (const CertifiedName& name : names) {
    for (const std::string& want : wanted) {
      if (EqualsIgnoreCase(name.name, want)) {
        return ConnectionIdentity{ConnectionIdentity::Kind::kPeer, peer.name,
                                  name, peer.trust_store};
      }
    }
  }
  return Refuse("PEER_IDENTITY_MISMATCH",
                "the certificate is not that of the peer dialled", names);
}

}  // namespace sallyport::signaling_edge
