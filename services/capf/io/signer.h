// The port to an authority's private key, wherever it lives.

#ifndef SALLYPORT_SERVICES_CAPF_IO_SIGNER_H_
#define SALLYPORT_SERVICES_CAPF_IO_SIGNER_H_

#include <string>

#include "absl/status/statusor.h"
#include "services/capf/core/public_key.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

// Signs with one key. Thread-compatible unless the implementation says more.
class Signer {
 public:
  virtual ~Signer() = default;

  virtual const PublicKey& public_key() const = 0;

  // The signature over `data` by SignatureAlgorithmFor(public_key().kind()).
  // May take long (a token, a network). UNAVAILABLE, reason SIGNER_
  // UNAVAILABLE, if the key cannot be reached now.
  virtual absl::StatusOr<std::string> Sign(ByteSpan data) = 0;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_SIGNER_H_
