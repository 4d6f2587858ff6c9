// Looks at the certificate of a peer: connects, and says what each step found.
// Nothing is trusted by it.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PEER_PROBE_H_
#define SALLYPORT_SERVICES_CAPF_IO_PEER_PROBE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/capf/core/starttls_dialog.h"
#include "services/common/net/socket_address.h"

namespace sallyport::capf {

struct ProbeOptions {
  std::string host;
  uint16_t port = 0;
  StartTlsProtocol starttls = StartTlsProtocol::kNone;
  absl::Duration timeout = absl::Seconds(5);
  // Loopback, private, link-local and unspecified addresses. Whoever may ask
  // would otherwise look into networks that only this service sees.
  bool allow_private = false;
};

struct ProbeStep {
  std::string step;  // "resolve", "connect", "starttls", "handshake", "chain"
  bool succeeded = false;
  std::string detail;  // on failure with what to do (IMP-28)
};

struct ProbeReport {
  SocketAddress address;
  std::vector<ProbeStep> steps;    // ends with the first that failed
  std::vector<std::string> chain;  // DER, the leaf first, as presented

  bool downloaded() const { return !chain.empty(); }
};

// Blocks, at most for the timeout. At most 10 certificates in 64 KiB are taken.
ProbeReport ProbePeer(const ProbeOptions& options);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PEER_PROBE_H_
