// Our certificates and whom we trust, as one generation of TLS settings.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TLS_CONTEXTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TLS_CONTEXTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/net/socket_address.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_trace.h"
#include "services/signaling_edge/io/trust_bundle.h"

namespace sallyport::signaling_edge {

// Which files hold our certificates.
struct TlsFileSet {
  struct Named {
    std::string server_name;  // lower case
    std::string certificate_file;
    std::string key_file;
  };

  // For far sides in a prefix (CCE-09).
  struct Remote {
    std::string prefix;  // as IsPrefix has it
    std::string certificate_file;
    std::string key_file;
  };

  std::string certificate_file;
  std::string key_file;
  std::vector<Named> by_server_name;  // SNI
  std::vector<Remote> by_remote;
  bool only_tls13 = false;
  // Who is told what TLS does; null: nobody.
  std::shared_ptr<TlsTrace> trace;
  // As of OwnCertificateFiles; empty: none is made.
  std::string self_signed_file;
  std::vector<std::string> self_signed_names;
  bool require_client_certificate = false;  // else it is asked for
};

// What new connections are made with.
struct TlsContexts {
  struct Remote {
    std::string prefix;
    std::shared_ptr<const TlsContext> server;
    std::shared_ptr<const TlsContext> client;
  };

  std::shared_ptr<const TlsContext> server;
  std::shared_ptr<const TlsContext> client;
  std::vector<Remote> by_remote;  // the longest prefix first

  // Those for a far side: of the longest prefix that holds, else the above.
  const std::shared_ptr<const TlsContext>& ServerFor(
      const SocketAddress& remote) const;
  const std::shared_ptr<const TlsContext>& ClientFor(
      const SocketAddress& remote) const;
};

// Reads the files. Both sides ask for a certificate, refuse chains that end in
// no root of `trust` and certificates that it lists as revoked; a client may
// come without one, unless it is required. INVALID_ARGUMENT, NOT_FOUND or
// PERMISSION_DENIED if a file is unusable. Blocks on the disk: not for loops.
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
