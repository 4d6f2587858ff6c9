// Files that hold keys or passwords.

#ifndef SALLYPORT_SERVICES_COMMON_FILES_SECRET_FILE_H_
#define SALLYPORT_SERVICES_COMMON_FILES_SECRET_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/crypto/secret.h"

namespace sallyport {

// The whole file; what it was read into is zeroed. NOT_FOUND when there is
// none, INVALID_ARGUMENT when it has more than `max_bytes`, otherwise with the
// system's words when it cannot be read. Takes memory for what the file holds,
// not for what it may.
absl::StatusOr<Secret> ReadSecretFile(const std::string& path,
                                      size_t max_bytes);

// Equal while none of the files has changed, and tells nothing of what they
// hold; one that cannot be read counts as empty. For who watches key files and
// keeps no second copy of a key.
std::string DigestOfSecretFiles(const std::vector<std::string>& paths,
                                size_t max_bytes);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_FILES_SECRET_FILE_H_
