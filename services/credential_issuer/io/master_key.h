// The file with the key that seals all others.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_MASTER_KEY_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_MASTER_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"

namespace sallyport::credential_issuer {

// Reads the 32 octets of `path`, or makes the file, durably and with mode
// 0600, when there is none. FAILED_PRECONDITION with MASTER_KEY_UNSAFE when
// others than its owner may read it, DATA_LOSS with MASTER_KEY_INVALID when it
// has another size, UNAVAILABLE when it cannot be read or made.
absl::StatusOr<Secret> LoadOrMakeMasterKey(const std::string& path,
                                           RandomSource& random);

// The same for a file that must be there: NOT_FOUND when it is not.
absl::StatusOr<Secret> LoadMasterKey(const std::string& path);

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_MASTER_KEY_H_
