// The store in one SQLite file, through SOCI.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_SQLITE_PLAN_STORE_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_SQLITE_PLAN_STORE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/dialplan/io/plan_store.h"

namespace soci {
class session;
}  // namespace soci

namespace sallyport::dialplan {

// Write-ahead log with synchronous=FULL: each commit waits for the disk. The
// file is made with mode 0600 and locked for this process alone, as SQLite has
// a single writer. Thread-compatible.
class SqlitePlanStore final : public PlanStore {
 public:
  // Opens or makes the file and its folder, and brings its schema up to date.
  // FAILED_PRECONDITION: STORE_LOCKED if another process has it,
  // STORE_SCHEMA_TOO_NEW if a later version of this program wrote it.
  // UNAVAILABLE (STORE_UNAVAILABLE) if it cannot be read or written.
  static absl::StatusOr<std::unique_ptr<SqlitePlanStore>> Open(
      const std::string& file, RandomSource& random);
  ~SqlitePlanStore() override;

  absl::StatusOr<StoredPlan> Load(size_t history) override;
  absl::Status Commit(const PlanChanges& changes, absl::Time now) override;

 private:
  explicit SqlitePlanStore(std::unique_ptr<soci::session> session);

  absl::Status Migrate(RandomSource& random);

  std::unique_ptr<soci::session> session_;
  size_t history_ = 0;  // changes kept, as asked for by Load(); 0: all
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_SQLITE_PLAN_STORE_H_
