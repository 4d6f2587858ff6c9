// What a set of revocation lists says of a certificate (RFC 5280 section 6.3).

#ifndef SALLYPORT_SERVICES_COMMON_PKI_CRL_CHECK_H_
#define SALLYPORT_SERVICES_COMMON_PKI_CRL_CHECK_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/pki/parsed_certificate.h"
#include "services/common/pki/parsed_crl.h"

namespace sallyport {

enum class RevocationState {
  kGood,
  kRevoked,
  kUnknown,  // no list in force covers it
};

// Whether a list is signed by somebody who may sign for its issuer.
using CrlVerifier = std::function<bool(const ParsedCrl&)>;

// Looks `certificate` up in every list that is about it: of its issuer, in the
// scope of one of its distribution points, in force at `now`, signed. Lists
// for some reasons only are joined; a delta list adds to its base, and takes
// off it what was on hold. A list with a critical extension that we do not
// know says nothing. Pure but for `verify`, which is called for lists that
// would otherwise count.
RevocationState CheckRevocation(
    const ParsedCertificate& certificate,
    absl::Span<const std::shared_ptr<const ParsedCrl>> lists, absl::Time now,
    const CrlVerifier& verify);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_CRL_CHECK_H_
