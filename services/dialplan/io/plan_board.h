// What was committed, for all who read.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_BOARD_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_BOARD_H_

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/plan_snapshot/plan_checksum.h"
#include "services/dialplan/core/change_log.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/core/record_map.h"

namespace sallyport::dialplan {

// The committed state as one writer publishes it and many readers see it. The
// lock is held for as long as a change or a look-up takes; who wants the whole
// plan gets one pointer to it. Thread-safe.
class PlanBoard {
 public:
  struct Head {
    int64_t version = 0;
    std::string checksum;
    absl::Time time = absl::UnixEpoch();  // when the version was made
  };
  // One version, whole. It stays as it is while the board moves on.
  struct View {
    Head head;  // the checksum is over what was asked for
    RecordMap records;
  };
  // Tenant names; empty: all.
  using Tenants = std::vector<std::string>;

  // Remembers the last `history` changes, so that consumers can resume.
  explicit PlanBoard(size_t history) : log_(history), history_(history) {}

  // The state to begin with, or to begin anew with; `changes` are the last
  // ones before it.
  void Start(const Plan& plan, int64_t version, absl::Time time,
             const std::vector<std::pair<int64_t, std::string>>& changes);
  // Makes changes visible, all at once.
  void Publish(const std::vector<PlanChange>& changes, absl::Time time);

  Head head() const;
  RecordPtr Find(std::string_view name) const;
  // Up to `limit` records below `prefix` ("tenants/t/peers/") whose names come
  // after `after`.
  std::vector<RecordPtr> List(std::string_view prefix, std::string_view after,
                              size_t limit) const;
  // The same of tenants themselves.
  std::vector<RecordPtr> ListTenants(std::string_view after,
                                     size_t limit) const;
  // How many there are of each kind, by the index in PlanEntry.
  std::array<size_t, std::variant_size_v<PlanEntry>> counts() const;

  RecordMap records() const;
  // The newest version; the checksum is of these tenants.
  View view(const Tenants& tenants = {}) const;

  // The names of what changed since `version`, which a consumer holds with
  // `checksum` (empty: not to be compared). Nothing if it has to get
  // everything: it is of the future, too old, or not what we had.
  std::optional<std::set<std::string>> NamesSince(int64_t version,
                                                  std::string_view checksum,
                                                  const Tenants& tenants) const;

  // The newest version, and the one at which the tenant last changed; 0 if
  // there is no such tenant and has been none.
  std::pair<int64_t, int64_t> VersionsOf(std::string_view tenant) const;

 private:
  struct TenantState {
    PlanChecksum sum;
    int64_t changed_version = 0;
  };

  Head HeadFor(const Tenants& tenants) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Account(const PlanRecord& record, bool add, int64_t version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remember(int64_t version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  RecordMap records_ ABSL_GUARDED_BY(mutex_);
  ChangeLog log_ ABSL_GUARDED_BY(mutex_);
  const size_t history_;
  // Whole checksums of the last versions, as far as this process saw them.
  std::deque<std::pair<int64_t, PlanChecksum>> checksums_
      ABSL_GUARDED_BY(mutex_);
  Head head_ ABSL_GUARDED_BY(mutex_);
  PlanChecksum sum_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, TenantState> tenants_
      ABSL_GUARDED_BY(mutex_);
  std::array<size_t, std::variant_size_v<PlanEntry>> counts_
      ABSL_GUARDED_BY(mutex_){};
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_BOARD_H_
