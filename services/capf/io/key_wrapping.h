// What every private key of ours is encrypted under, in files and in the store.

#ifndef SALLYPORT_SERVICES_CAPF_IO_KEY_WRAPPING_H_
#define SALLYPORT_SERVICES_CAPF_IO_KEY_WRAPPING_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/crypto/secret.h"

namespace sallyport::capf {

// Shorter passphrases are guessed.
inline constexpr size_t kLeastPassphrase = 12;

// INVALID_ARGUMENT, reason PASSPHRASE_WEAK.
absl::Status CheckPassphrase(const Secret& passphrase);

// Draws it by PBKDF2 of 600 000 rounds, which takes a tenth of a second: once
// for a process. 32 octets in hex; replicas come to the same.
absl::StatusOr<Secret> DeriveWrappingKey(const Secret& passphrase);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_KEY_WRAPPING_H_
