// A consumer's copy of the configuration, fed by WatchSnapshot.

#ifndef SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_SNAPSHOT_STATE_H_
#define SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_SNAPSHOT_STATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sallyport/dialplan/v1/resource.pb.h"
#include "sallyport/dialplan/v1/snapshot.pb.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/region_plan.h"
#include "services/common/plan_snapshot/plan_checksum.h"

namespace sallyport {

// Puts the messages of the stream together, and saves and restores the result
// for a start while dialplan is down (design.md section 5). After an error the
// state is as before the message: reconnect with `version()` 0 as known.
// Thread-compatible.
class SnapshotState {
 public:
  using Resources =
      std::map<std::string, std::shared_ptr<const dialplan::v1::Resource>>;

  // Takes one message of the stream. True: a new version is complete and
  // current. FAILED_PRECONDITION, reason SNAPSHOT_OUT_OF_STEP, for a delta to
  // another version than this; DATA_LOSS, SNAPSHOT_CHECKSUM_MISMATCH, if the
  // result is not what dialplan has.
  absl::StatusOr<bool> Apply(
      const dialplan::v1::WatchSnapshotResponse& message);

  // What to give as known_version and known_checksum; 0 while there is none.
  int64_t version() const { return version_; }
  const std::string& checksum() const { return checksum_; }
  const Resources& resources() const { return resources_; }

  // The plan with its defaults resolved, sorted by name.
  std::shared_ptr<const PlanSnapshot> Snapshot() const;
  // The tenants that changed since the last call, as RegionPlan takes them; the
  // first time, all. Costs what they hold, not what the plan does.
  PlanUpdate TakeUpdate();

  // For a file of mode 0600: it holds the users' hashes.
  std::string Save() const;
  // DATA_LOSS, reason SNAPSHOT_CACHE_CORRUPT, for anything that Save() did not
  // write.
  static absl::StatusOr<SnapshotState> Restore(std::string_view saved);

 private:
  void Accept(const PlanChecksum& sum,
              const dialplan::v1::WatchSnapshotResponse& from);

  int64_t version_ = 0;
  std::string checksum_;
  Resources resources_;
  PlanChecksum sum_;
  std::set<std::string> touched_;  // tenants, since TakeUpdate()
  bool all_touched_ = true;
  // Parts of a full snapshot, until the last has come.
  Resources pending_;
  int64_t pending_version_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_SNAPSHOT_STATE_H_
