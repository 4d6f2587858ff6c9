// A private key that never leaves its token.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PKCS11_SIGNER_H_
#define SALLYPORT_SERVICES_CAPF_IO_PKCS11_SIGNER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/capf/core/public_key.h"
#include "services/capf/io/pkcs11_token.h"
#include "services/capf/io/signer.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

struct Pkcs11KeyOptions {
  std::string label;        // CKA_LABEL of the pair
  bool create = false;      // makes the pair, not extractable, if there is none
  int create_rsa_bits = 0;  // 2048, 3072 or 4096; zero: P-256
};

// Signs by CKM_ECDSA and CKM_RSA_PKCS over digests of our own making.
// Thread-safe.
class Pkcs11Signer final : public Signer {
 public:
  // NOT_FOUND, reason KEY_NOT_FOUND, if there is none and none is to be made;
  // FAILED_PRECONDITION, reason KEY_AMBIGUOUS, if several have the label;
  // KEY_UNREADABLE if it is no key of ours. `token` must outlive it.
  static absl::StatusOr<std::unique_ptr<Pkcs11Signer>> Open(
      const Pkcs11KeyOptions& options, Pkcs11Token& token);

  const PublicKey& public_key() const override { return public_key_; }
  absl::StatusOr<std::string> Sign(ByteSpan data) override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Pkcs11Signer(std::string label, PublicKey public_key, Pkcs11Token& token)
      : label_(std::move(label)),
        public_key_(std::move(public_key)),
        token_(token) {}

  const std::string label_;
  const PublicKey public_key_;
  Pkcs11Token& token_;
  absl::Mutex mutex_;
  // The private key's handle, of one generation of the token.
  unsigned long handle_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t handle_generation_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PKCS11_SIGNER_H_
