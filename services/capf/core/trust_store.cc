#include "services/capf/core/trust_store.h"

#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxContent = 64 * 1024;
constexpr size_t kMaxCertificates = 10;

constexpr TrustStoreKind kKinds[] = {
    {"CAPF-trust", "issuers of locally significant certificates of phones",
     "signaling_edge"},
    {"CallManager-trust", "SIP peers: gateways, PBXs, trunks, voicemail",
     "signaling_edge"},
    {"Phone-CTL-trust", "signers of trust lists", ""},
    {"Phone-SAST-trust", "signers of phone files", ""},
    {"Phone-VPN-trust", "VPN gateways of phones", ""},
    {"Phone-trust", "what phones trust", ""},
    {"TVS", "certificates that phones ask about", ""},
    {"UM-trusted-roots", "gateways of unified messaging", "signaling_edge"},
    {"cup", "instant messaging and presence", ""},
    {"cup-trust", "SIP peers of presence", "signaling_edge"},
    {"cup-xmpp", "XMPP clients", ""},
    {"cup-xmpp-s2s", "XMPP servers", ""},
    {"cup-xmpp-trust", "XMPP peers", ""},
    {"directory-trust", "directory servers", ""},
    {"ipsec-trust", "IPsec peers", ""},
    {"tomcat-trust", "HTTPS peers", ""},
    {"userlicensing-trust", "licensing servers", ""},
};

absl::Status Refuse(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "CERTIFICATE_MALFORMED",
                   message);
}

}  // namespace

absl::Span<const TrustStoreKind> TrustStoreKinds() { return kKinds; }

const TrustStoreKind* FindTrustStoreKind(std::string_view id) {
  for (const TrustStoreKind& kind : kKinds) {
    if (kind.id == id) return &kind;
  }
  return nullptr;
}

absl::StatusOr<std::vector<std::string>> ReadCertificates(
    std::string_view content) {
  if (content.empty() || content.size() > kMaxContent) {
    return Refuse("certificate is empty or longer than 64 KiB");
  }
  std::vector<std::string> found;
  if (content.find("-----BEGIN") == std::string_view::npos) {
    found.emplace_back(content);
  } else {
    absl::StatusOr<std::vector<std::string>> pem = CertificatesFromPem(content);
    if (!pem.ok()) return Refuse("no certificate in the PEM text");
    found = *std::move(pem);
  }
  if (found.size() > kMaxCertificates) {
    return Refuse("more than 10 certificates");
  }
  for (const std::string& der : found) {
    if (!ParseCertificate(AsBytes(der)).ok()) {
      return Refuse("not a certificate");
    }
  }
  return found;
}

}  // namespace sallyport::capf
