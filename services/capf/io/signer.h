// The port to an authority's private key, wherever it lives.

#ifndef SALLYPORT_SERVICES_CAPF_IO_SIGNER_H_
#define SALLYPORT_SERVICES_CAPF_IO_SIGNER_H_

#include <cstdint>
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

  // Of so many signatures whoever gets them verifies one, the first among them,
  // before it believes them; zero if each was verified where it was made. One
  // for a key that is elsewhere: what comes from there may be anything.
  virtual uint32_t verify_each() const { return 1; }
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_SIGNER_H_
