// Where the plan is kept: the port.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_STORE_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_STORE_H_

#include <cstdint>
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

// Used by one thread at a time. Thread-compatible.
class PlanStore {
 public:
  virtual ~PlanStore() = default;

  // Everything, with the last `history` changes.
  virtual absl::StatusOr<StoredPlan> Load(size_t history) = 0;

  // Makes `changes` durable, all or nothing: once this is OK they survive the
  // loss of power. UNAVAILABLE, reason STORE_UNAVAILABLE, if it failed; then
  // nothing is stored.
  virtual absl::Status Commit(const PlanChanges& changes, absl::Time now) = 0;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_STORE_H_
