// The three kinds of certificates (UM-28).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_KIND_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_KIND_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "services/capf/core/certificate_choice.h"
#include "services/common/pki/path_verifier.h"

namespace sallyport::capf {

// "self-signed", "PKI" or "commercial".
std::string_view CertificateKindName(CertificateKind kind);

// Self-signed: its issuer is its subject, and its own key verifies it (UM-30).
// Commercial: with `others` (DER) it leads to one of the roots that everybody
// knows; null: none is known. All else is of the PKI of an organisation, ours
// or another's, and so is what cannot be read. Pure.
CertificateKind ClassifyCertificate(std::string_view der,
                                    absl::Span<const std::string> others,
                                    const PathVerifier* commercial);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_KIND_H_
