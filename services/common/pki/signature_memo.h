// Which certificates are known to be signed by which keys.

#ifndef SALLYPORT_SERVICES_COMMON_PKI_SIGNATURE_MEMO_H_
#define SALLYPORT_SERVICES_COMMON_PKI_SIGNATURE_MEMO_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "services/common/crypto/digest.h"
#include "services/common/pki/signed_data.h"

namespace sallyport {

// A signature that was good stays good whatever happens to trust, so paths that
// have to be found anew after a change cost none. Only members of paths to an
// anchor are remembered: a stranger fills nothing. 40 octets or so each, at
// most kMost; then it begins anew. Thread-safe.
class SignatureMemo {
 public:
  static constexpr size_t kMost = 131'072;

  // Of the whole certificate `child` and the key `spki`, both DER, believed by
  // `rules`.
  static Sha256Digest KeyOf(std::string_view child, std::string_view spki,
                            const SignatureRules& rules);

  bool Has(const Sha256Digest& key) const;
  void Add(const Sha256Digest& key);

  // Signatures that were computed, as they were not known.
  void CountChecked();
  uint64_t checked() const;

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_set<Sha256Digest> good_ ABSL_GUARDED_BY(mutex_);
  uint64_t checked_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_SIGNATURE_MEMO_H_
