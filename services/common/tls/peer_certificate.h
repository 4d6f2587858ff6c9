// The certificate that the other side of a TLS connection presented.

#ifndef SALLYPORT_SERVICES_COMMON_TLS_PEER_CERTIFICATE_H_
#define SALLYPORT_SERVICES_COMMON_TLS_PEER_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/common/crypto/x509_name.h"

namespace sallyport {

// Whose it is remains to be judged, by the names in `leaf` (RFC 5922 for SIP).
struct PeerCertificate {
  std::vector<std::string> chain;  // DER, the leaf first, as presented
  CertificateInfo leaf;            // of chain[0]
  // True if the chain ends in a trust anchor and holds now; else
  // `verify_error` says why not, with a reason of TrustAnchors::Verify.
  bool verified = false;
  absl::Status verify_error;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TLS_PEER_CERTIFICATE_H_
