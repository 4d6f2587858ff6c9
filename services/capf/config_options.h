// What the configuration says, with the files that it names, as the options of
// those who do it.

#ifndef SALLYPORT_SERVICES_CAPF_CONFIG_OPTIONS_H_
#define SALLYPORT_SERVICES_CAPF_CONFIG_OPTIONS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/capf/io/est_client.h"
#include "services/capf/io/revocation_fetcher.h"
#include "services/common/crypto/secret.h"

namespace sallyport::capf {

// The secret that a file's first line is. FAILED_PRECONDITION with `reason` if
// there is none.
absl::StatusOr<Secret> FirstLine(const std::string& file,
                                 std::string_view reason);

// Reads trust, certificate, key and password.
absl::StatusOr<EstOptions> EstOptionsOf(const config::v1::EstConfig& est);

// `own_issuer_der`: the name of our own authority.
RevocationFetcher::Options FetchOptionsOf(const config::v1::CapfConfig& config,
                                          const std::string& own_issuer_der);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CONFIG_OPTIONS_H_
