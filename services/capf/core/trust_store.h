// Trust stores, one for each purpose, by the names of the documents.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TRUST_STORE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TRUST_STORE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace sallyport::capf {

// A purpose, and who of us uses it.
struct TrustStoreKind {
  std::string_view id;  // "CallManager-trust"
  std::string_view purpose;
  std::string_view used_by;  // a service; empty for none yet
};

// Every store that can be; others are refused.
absl::Span<const TrustStoreKind> TrustStoreKinds();
// nullptr for a name that is none of them. Names are compared to the letter.
const TrustStoreKind* FindTrustStoreKind(std::string_view id);

// Peers on SIP over TLS: gateways, PBXs, trunks, voicemail.
inline constexpr std::string_view kCallManagerTrust = "CallManager-trust";
// Issuers of LSCs, by which phones prove themselves.
inline constexpr std::string_view kCapfTrust = "CAPF-trust";

// One certificate that is trusted for one purpose. A value.
struct TrustedCertificate {
  std::string store;   // tenants/{tenant}/trustStores/{store}
  std::string sha256;  // lower-case hex of the DER; its id within the store
  std::string der;
  std::string origin;  // "import", "own"
  std::string tls_peer_subject;
  std::vector<std::string> tls_contexts;
  absl::Time create_time = absl::UnixEpoch();

  bool operator==(const TrustedCertificate&) const = default;

  // tenants/{tenant}/trustStores/{store}/certificates/{sha256}.
  std::string Name() const { return store + "/certificates/" + sha256; }
};

// Reads what an operator imports: PEM blocks, of which certificates and PKCS#7
// bundles are taken, or DER: one certificate, a PKCS#7 bundle, or a PKCS#12
// file under `password`, whose private key is dropped at once. At most 10
// certificates in 64 KiB. kInvalidArgument, reason CERTIFICATE_MALFORMED, or
// PASSWORD_WRONG for a PKCS#12 file that does not open.
absl::StatusOr<std::vector<std::string>> ReadCertificates(
    std::string_view content, const std::string& password = {});

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TRUST_STORE_H_
