// The store in SQLite or PostgreSQL.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_SQL_PLAN_STORE_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_SQL_PLAN_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/sql/sql_database.h"
#include "services/dialplan/io/plan_store.h"

namespace sallyport::dialplan {

// A SQLite file has one writer, this process. In PostgreSQL any replica
// writes: a transaction locks the row of the version, reads what others have
// committed since this replica last looked, and commits only what was checked
// on top of that; so no two replicas' writes, each right alone, are wrong
// together, and versions have no gap. Each commit notifies kChannel.
// Thread-compatible.
class SqlPlanStore final : public PlanStore {
 public:
  static constexpr char kChannel[] = "dialplan_changes";

  // Brings the schema up to date; as Migrate(). `database` must outlive this.
  static absl::StatusOr<std::unique_ptr<SqlPlanStore>> Open(
      SqlDatabase& database, RandomSource& random);

  absl::StatusOr<StoredPlan> Load(size_t history) override;
  absl::Status Commit(const Apply& apply, absl::Time now) override;
  bool shared() const override { return database_.is_postgres(); }
  absl::StatusOr<StoredUpdate> Refresh() override;
  absl::StatusOr<bool> PruneAudit(absl::Time oldest) override;

 private:
  // How far this replica knows what is stored.
  struct Known {
    int64_t version = 0;
    int64_t request_sequence = 0;
  };

  explicit SqlPlanStore(SqlDatabase& database) : database_(database) {}

  absl::StatusOr<StoredUpdate> ReadUpdate(soci::session& sql, bool lock,
                                          Known* now_known) const;
  absl::Status Store(soci::session& sql, const PlanChanges& changes,
                     absl::Time now, Known* known) const;

  SqlDatabase& database_;
  Known known_;
  size_t history_ = 0;  // changes kept, as asked for by Load(); 0: all
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_SQL_PLAN_STORE_H_
