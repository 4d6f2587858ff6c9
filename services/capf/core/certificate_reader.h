// Reads a certificate that is to be signed and says whether it is, octet for
// octet of meaning, what was meant.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_READER_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_READER_H_

#include <optional>

#include "absl/time/time.h"
#include "services/capf/core/certificate_builder.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

// True only if `tbs` is the DER of exactly the certificate that `spec` and
// `issuer` describe (nullopt: it signs itself), in the one order of extensions
// that we write, and breaks no rule of LintCertificate(). It shares nothing
// with the builder: tags, object identifiers and times are read here by code
// and tables of its own, so that a fault of either shows.
//
// Reads no certificate but a right one, and does not say what is wrong: that is
// the lint's, which takes a hundred times as long. Pure; any input.
bool ReadsAsMeant(ByteSpan tbs, const CertificateSpec& spec,
                  const std::optional<Issuer>& issuer, absl::Time now);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_READER_H_
