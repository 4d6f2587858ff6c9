// What GetStatus says of a service's own certificate.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_OWN_CERTIFICATE_H_
#define SALLYPORT_SERVICES_COMMON_RPC_OWN_CERTIFICATE_H_

#include <string>

#include "sallyport/type/v1/certificate_summary.pb.h"

namespace sallyport {

// The first certificate of `file`, which gRPC watches and loads itself, so it
// is the one in use but for the seconds after a change. Empty when the file
// cannot be read. The kind of key is not told.
type::v1::CertificateSummary SummaryOfCertificateFile(const std::string& file);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_OWN_CERTIFICATE_H_
