// Whether an edge has started in secure mode, and what said so: its dial plans
// (UM-101), or, where it follows RTM and has none, StartSecured (UM-103).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_START_MODE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_START_MODE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/service/config_watch.h"

namespace sallyport::signaling_edge {

// Decided once, by the first plan; another one, or another file, waits for a
// restart (UM-105, UM-106). Thread-safe.
class StartMode {
 public:
  struct Decision {
    bool secured = false;
    bool by_file = false;       // StartSecured said so
    bool file_ignored = false;  // it says something that nobody asks (UM-120)
  };

  // `file` is UMRecyclerConfig.xml, or empty: there is none. An error if it
  // cannot be read or is not valid: those of ParseStartSecured(), NOT_FOUND.
  static absl::StatusOr<std::unique_ptr<StartMode>> Create(std::string file,
                                                           std::string edge);

  // The decision, and whether this call has made it.
  Decision OnPlan(const PlanIndex& plan, bool& first);
  std::optional<Decision> decision() const;
  // What `plan` holds listeners to: with StartSecured alone, those of the other
  // kind take nobody (UM-104).
  std::optional<bool> ListenersFor(const PlanIndex& plan) const;

  // Reads the file again; blocks on the disk.
  void Refresh();
  // What waits for a restart.
  std::vector<SettingDifference> Waiting() const;

 private:
  StartMode(std::string file, std::string edge)
      : file_(std::move(file)), edge_(std::move(edge)) {}
  absl::StatusOr<std::optional<bool>> Read() const;

  const std::string file_;
  const std::string edge_;
  mutable absl::Mutex mutex_;
  std::optional<bool> at_start_ ABSL_GUARDED_BY(mutex_);
  absl::StatusOr<std::optional<bool>> now_ ABSL_GUARDED_BY(mutex_) =
      std::optional<bool>();
  std::optional<Decision> decision_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_START_MODE_H_
