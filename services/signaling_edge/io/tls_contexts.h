// Our certificates and whom we trust, as one generation of TLS settings.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TLS_CONTEXTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TLS_CONTEXTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_context.h"
#include "services/signaling_edge/io/trust_bundle.h"

namespace sallyport::signaling_edge {

// Which files hold our certificates.
struct TlsFileSet {
  struct Named {
    std::string server_name;  // lower case
    std::string certificate_file;
    std::string key_file;
  };

  std::string certificate_file;
  std::string key_file;
  std::vector<Named> by_server_name;  // SNI
  bool only_tls13 = false;
};

// What new connections are made with.
struct TlsContexts {
  std::shared_ptr<const TlsContext> server;
  std::shared_ptr<const TlsContext> client;
};

// Reads the files. Both sides ask for a certificate, refuse chains that end in
// no root of `trust` and certificates that it lists as revoked; a client may
// come without one. INVALID_ARGUMENT, NOT_FOUND or PERMISSION_DENIED if a file
// is unusable. Blocks on the disk: not for loops.
absl::StatusOr<TlsContexts> MakeTlsContexts(
    const TlsFileSet& files, std::shared_ptr<const TrustBundle> trust,
    uint64_t generation);

// PEER_CERTIFICATE_REVOKED if one of the chain is revoked.
absl::Status CheckNotRevoked(const TrustBundle& trust,
                             const PeerCertificate& peer);

// Changes when one of the files does. Blocks on the disk: not for loops.
std::string FingerprintOf(const TlsFileSet& files);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TLS_CONTEXTS_H_
