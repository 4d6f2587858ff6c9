// The certificate that phones see on the CAPF port, as the configuration gives
// it or the authority issues it.

#ifndef SALLYPORT_SERVICES_CAPF_PORT_CERTIFICATE_H_
#define SALLYPORT_SERVICES_CAPF_PORT_CERTIFICATE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/capf/authority_parts.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/listener_certificate.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::capf {

// The first certificate of a PEM file, DER.
absl::StatusOr<std::string> FirstCertificate(const std::string& file);

// Thread-compatible.
class PortCertificate {
 public:
  // Both must outlive this object.
  PortCertificate(const config::v1::CapfConfig& config, AuthorityParts& parts)
      : config_(config), parts_(parts) {}

  // Who issues it; the default one until there is the one that the
  // configuration names.
  CertificateAuthority& Authority();
  // The leaf, DER.
  absl::StatusOr<std::string> Leaf() const;
  // How the authority issues it; nothing if the configuration gives one.
  absl::StatusOr<std::optional<ListenerCertificateOptions>> Wanted();
  // What the port shows from now on: renewed, if it is due.
  absl::StatusOr<std::shared_ptr<const TlsContext>> Tls();

 private:
  const config::v1::CapfConfig& config_;
  AuthorityParts& parts_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_PORT_CERTIFICATE_H_
