// What capf's private keys are encrypted under.

#ifndef SALLYPORT_SERVICES_CAPF_KEY_VAULT_H_
#define SALLYPORT_SERVICES_CAPF_KEY_VAULT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/common/crypto/secret.h"
#include "services/common/renewal/certificate_renewer.h"

namespace sallyport::capf {

// Opened once, before the first private key is; its secrets stay where they are
// until the end. Thread-compatible.
class KeyVault {
 public:
  // `config` must outlive this object; it is read by Open().
  explicit KeyVault(const config::v1::CapfConfig& config) : config_(config) {}

  // Reads the passphrase's file. FAILED_PRECONDITION, reason
  // PASSPHRASE_MISSING, or FILE_MODE if everybody can read it;
  // INVALID_ARGUMENT, reason PASSPHRASE_WEAK.
  absl::Status ReadPassphrase();
  // Draws the key from it, after having read it; a second call does nothing.
  absl::Status Open();

  // How the keys of our gRPC certificates are kept; they refer to this object.
  absl::StatusOr<KeySealing> Sealing();

  // Of keys that a person may open elsewhere: the root's.
  const Secret& passphrase() const { return passphrase_; }
  // Of all others.
  const Secret& wrapping() const { return wrapping_; }

 private:
  const config::v1::CapfConfig& config_;
  Secret passphrase_;
  Secret wrapping_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_KEY_VAULT_H_
