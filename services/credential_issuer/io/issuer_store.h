// Where keys, revocations and the relays' reports survive the process.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_STORE_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"

namespace sallyport::credential_issuer {

// The last report of one relay, as rpc writes and reads it.
struct StoredReport {
  std::string relay;
  std::string body;
  absl::Time time;
};

// Thread-safe.
class IssuerStore {
 public:
  virtual ~IssuerStore() = default;

  // The last state saved; version 0 and no key when none ever was. DATA_LOSS
  // when what is stored cannot be read back.
  virtual absl::StatusOr<IssuerState> Load(const KeyRingPolicy& policy) = 0;
  // The version that Load would give.
  virtual absl::StatusOr<int64_t> Version() = 0;

  // Makes `next`, which follows `current`, durable: when this returns OK it
  // survives a crash of the process and of the machine. ABORTED with
  // STATE_CHANGED when another replica has made another version meanwhile:
  // load it, and do the command again.
  virtual absl::Status Save(const IssuerState& current,
                            const IssuerState& next) = 0;

  // Keeps the newest report of each relay; those older than a day go.
  virtual absl::Status SaveReports(const std::vector<StoredReport>& reports,
                                   absl::Time now) = 0;
  // Those that came after `since`, from all replicas.
  virtual absl::StatusOr<std::vector<StoredReport>> LoadReports(
      absl::Time since) = 0;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_STORE_H_
