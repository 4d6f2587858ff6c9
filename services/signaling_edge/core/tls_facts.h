// What is known of a TLS connection once its handshake is over, or failed.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TLS_FACTS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TLS_FACTS_H_

#include <optional>
#include <string>

#include "services/common/crypto/x509_name.h"
#include "services/signaling_edge/core/peer_identity.h"

namespace sallyport::signaling_edge {

struct TlsFacts {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // IANA name
  std::string server_name;
  bool resumed = false;
  std::optional<CertificateInfo> certificate;  // of the peer, if it has one
  TrustedFor trusted;                          // what its chain is good for
  std::string trust_store;                     // which holds its anchor
  std::string alert;        // the fatal one that ended it: "unknown_ca"
  bool alert_sent = false;  // by us; else received
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TLS_FACTS_H_
