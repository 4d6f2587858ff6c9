// Where the plan is kept: the port.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_STORE_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_STORE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/dialplan/core/plan_editor.h"

namespace sallyport::dialplan {

// One resource as it lies in a store.
struct StoredResource {
  std::string name;
  std::string body;  // as PlanRecord::body
  std::string etag;
  absl::Time create_time;
  absl::Time update_time;
  std::string ha1_md5;  // of users; lower-case hex or empty
  std::string ha1_sha256;
};

// All that a store holds.
struct StoredPlan {
  int64_t version = 0;
  absl::Time version_time = absl::UnixEpoch();  // when it was made
  std::string token_key;  // 32 random octets, made with the store
  std::vector<StoredResource> resources;
  std::vector<RememberedRequest> requests;
  // The last changes by version, for consumers that resume.
  std::vector<std::pair<int64_t, std::string>> changes;
};

// What other replicas have stored since this one last looked.
struct StoredUpdate {
  int64_t version = 0;  // of the last change; 0: there was none
  absl::Time version_time = absl::UnixEpoch();
  // True: the log of changes does not reach back far enough, so `resources` is
  // the whole plan.
  bool whole = false;
  std::vector<std::pair<int64_t, std::string>> changes;  // by version
  // Those of the names in `changes` that still exist, as they are now.
  std::vector<StoredResource> resources;
  std::vector<RememberedRequest> requests;

  bool empty() const { return version == 0 && requests.empty(); }
};

// Used by one thread at a time. Thread-compatible.
class PlanStore {
 public:
  // Takes over what others have stored, at once and for good, and returns what
  // is to be stored on top of it, which must live until Commit() returns. It
  // may be called again, if the database asks for another try; what it has
  // returned before is void then.
  using Apply = std::function<absl::StatusOr<const PlanChanges*>(
      const StoredUpdate& others)>;

  virtual ~PlanStore() = default;

  // Everything, with the last `history` changes, which are also those that are
  // kept from now on.
  virtual absl::StatusOr<StoredPlan> Load(size_t history) = 0;

  // Makes the changes that `apply` returns durable, all or nothing, with their
  // audit records: once this is OK they survive the loss of power, and no other
  // replica has stored anything between what `apply` was given and them. Its
  // error is returned as it is. Others: nothing is stored, with UNAVAILABLE
  // (STORE_UNAVAILABLE), RESOURCE_EXHAUSTED (STORE_FULL) or DATA_LOSS
  // (STORE_CORRUPT); but for UNAVAILABLE, reason STORE_OUTCOME_UNKNOWN, after
  // which the next update tells whether it is there.
  virtual absl::Status Commit(const Apply& apply, absl::Time now) = 0;

  // True if other replicas may write to the same store.
  virtual bool shared() const = 0;
  // What others have stored meanwhile.
  virtual absl::StatusOr<StoredUpdate> Refresh() = 0;

  // Removes audit records of changes made before `oldest`, some at a time;
  // true if there may be more of them.
  virtual absl::StatusOr<bool> PruneAudit(absl::Time oldest) = 0;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_STORE_H_
