// Where keys and revocations survive the process.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_STORE_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_STORE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"

namespace sallyport::credential_issuer {

// Thread-compatible: IssuerKeeper calls it under its own lock.
class IssuerStore {
 public:
  virtual ~IssuerStore() = default;

  // The last state saved; version 0 and no key when none ever was. DATA_LOSS
  // when what is stored cannot be read back.
  virtual absl::StatusOr<IssuerState> Load(const KeyRingPolicy& policy) = 0;

  // Makes `next`, which follows `current`, durable: when this returns OK it
  // survives a crash of the process and of the machine.
  virtual absl::Status Save(const IssuerState& current,
                            const IssuerState& next) = 0;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_STORE_H_
