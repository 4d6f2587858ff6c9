#include "services/capf/key_vault.h"

#include <sys/stat.h>

#include <string>
#include <utility>

#include "services/capf/config_options.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/key_wrapping.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

absl::Status KeyVault::ReadPassphrase() {
  if (!passphrase_.empty()) return absl::OkStatus();
  const std::string& file = config_.authority().passphrase_file();
  struct stat info = {};
  if (stat(file.c_str(), &info) == 0 && (info.st_mode & 07) != 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "FILE_MODE",
                     "everybody can read the file of the passphrase");
  }
  SP_ASSIGN_OR_RETURN(Secret passphrase, FirstLine(file, "PASSPHRASE_MISSING"));
  SP_RETURN_IF_ERROR(CheckPassphrase(passphrase));
  passphrase_ = std::move(passphrase);
  return absl::OkStatus();
}

absl::Status KeyVault::Open() {
  if (!wrapping_.empty()) return absl::OkStatus();
  SP_RETURN_IF_ERROR(ReadPassphrase());
  SP_ASSIGN_OR_RETURN(wrapping_, DeriveWrappingKey(passphrase_));
  return absl::OkStatus();
}

absl::StatusOr<KeySealing> KeyVault::Sealing() {
  SP_RETURN_IF_ERROR(Open());
  KeySealing out;
  out.seal = [this](const Secret& key_pem) -> absl::StatusOr<std::string> {
    SP_ASSIGN_OR_RETURN(const auto key,
                        FileSigner::DangerousFromClearPem(key_pem));
    return key->WrappedPem(wrapping_);
  };
  out.open = [this](const std::string& sealed_pem) -> absl::StatusOr<Secret> {
    SP_ASSIGN_OR_RETURN(const auto key,
                        FileSigner::FromPem(sealed_pem, wrapping_));
    return key->DangerousPem();
  };
  return out;
}

}  // namespace sallyport::capf
