// The certificate that phones see on the CAPF port.

#ifndef SALLYPORT_SERVICES_CAPF_IO_LISTENER_CERTIFICATE_H_
#define SALLYPORT_SERVICES_CAPF_IO_LISTENER_CERTIFICATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/io/certificate_authority.h"
#include "services/common/crypto/secret.h"

namespace sallyport::capf {

struct ListenerCertificate {
  std::string chain_pem;  // the leaf, then the authority
  Secret key_pem;
};

struct ListenerCertificateOptions {
  std::string folder;  // where key and certificate are kept
  // What the key is encrypted under; outlives this object.
  const Secret* wrapping = nullptr;
  std::string tenant;
  SubjectAltNames names;
  // Phones find an authority there (ProfileId::kCapfServer).
  bool as_authority = false;
  // One that was issued in advance by the authority's present key, DER; it is
  // taken before another is issued. May be empty.
  std::string prepared;
};

// The kept certificate, or a new one by `authority` if there is none, it bears
// other names, another authority signed it, or two thirds of its life are
// over. The key stays the same: phones may have pinned it.
absl::StatusOr<ListenerCertificate> LoadOrIssueListenerCertificate(
    const ListenerCertificateOptions& options, CertificateAuthority& authority,
    absl::Time now);

// The certificate for the same key by another of the authority's keys, DER: the
// same one each time. Nothing is shown or kept.
absl::StatusOr<std::string> PrepareListenerCertificate(
    const ListenerCertificateOptions& options, CertificateAuthority& authority,
    int64_t generation);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_LISTENER_CERTIFICATE_H_
