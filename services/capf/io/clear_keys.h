// Private keys that are there already and are not encrypted as they should be:
// those of a version that kept them in clear, or that encrypted each under the
// passphrase itself, and a key that an operator put there to begin with. They
// are encrypted before anything opens them, for nothing else reads such a key.

#ifndef SALLYPORT_SERVICES_CAPF_IO_CLEAR_KEYS_H_
#define SALLYPORT_SERVICES_CAPF_IO_CLEAR_KEYS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/io/ledger.h"
#include "services/common/crypto/secret.h"

namespace sallyport::capf {

struct OwnKeyFiles {
  std::string folder;              // where keys of our own lie
  std::string authority_key_file;  // empty: the key is in a token
  std::string root_key_file;       // empty: there is none
};

// Encrypts the root's key under `passphrase`, as its owner may take it away,
// and all others under `wrapping`: written beside the old one, read back,
// synced, renamed. Gives the files that were in clear. What a process left
// half written is removed. FAILED_PRECONDITION, with the file's name: FILE_MODE
// if others can read it, KEY_UNREADABLE if it is no key or another
// passphrase's.
absl::StatusOr<std::vector<std::string>> EncryptKeyFiles(
    const OwnKeyFiles& files, const Secret& passphrase, const Secret& wrapping);

// Keys in the store that are encrypted under the content of `store.key` in
// `folder`, which lay there in clear, are encrypted under `wrapping` in one
// transaction; then that file is removed. FAILED_PRECONDITION, reason
// KEY_UNREADABLE, if a key is under neither.
absl::Status RewrapStoredKeys(const std::string& folder, const Secret& wrapping,
                              Ledger& ledger);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_CLEAR_KEYS_H_
