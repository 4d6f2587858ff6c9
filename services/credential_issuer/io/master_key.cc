#include "services/credential_issuer/io/master_key.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/credential_issuer/core/key_sealer.h"

namespace sallyport::credential_issuer {

absl::StatusOr<Secret> LoadMasterKey(const std::string& path) {
  SP_ASSIGN_OR_RETURN(std::string content, ReadWholeFile(path, 4096));
  Secret key = Secret::Take(std::move(content));
  if (key.size() != kMasterKeyBytes) {
    return MakeError(absl::StatusCode::kDataLoss, "MASTER_KEY_INVALID",
                     absl::StrCat(path, " must hold ", kMasterKeyBytes,
                                  " octets and holds ", key.size()));
  }
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0 || (info.st_mode & 077) != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "MASTER_KEY_UNSAFE",
                     absl::StrCat(path, " must have mode 0600"));
  }
  return key;
}

absl::StatusOr<Secret> LoadOrMakeMasterKey(const std::string& path,
                                           RandomSource& random) {
  absl::StatusOr<Secret> key = LoadMasterKey(path);
  if (!absl::IsNotFound(key.status())) return key;
  Secret fresh = Secret::Random(random, kMasterKeyBytes);
  SP_RETURN_IF_ERROR(WriteDurableFile(path, fresh.DangerousText()));
  return fresh;
}

}  // namespace sallyport::credential_issuer
