// Who changed what, and when: written with each change, read by an API that
// cannot change it.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_AUDIT_LOG_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_AUDIT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/sql/sql_database.h"
#include "services/dialplan/core/plan_editor.h"

namespace sallyport::dialplan {

// One change.
struct AuditEntry {
  int64_t version = 0;   // that it made
  std::string resource;  // its name
  std::string actor;     // verified identity
  std::string method;
  std::string request_id;
  absl::Time change_time;
  std::string
      before;  // as PlanRecord::body, which holds no secret; empty: none
  std::string after;
};

// Adds the records of `changes` in the transaction that makes them. Throws
// what SOCI throws.
void AppendAudit(soci::session& sql, const std::vector<PlanChange>& changes,
                 absl::Time now);
// Removes at most `limit` records of before `oldest`; returns how many. Throws
// what SOCI throws.
size_t PruneAudit(soci::session& sql, absl::Time oldest, size_t limit);

// The log as its readers see it. Thread-safe.
class AuditLog {
 public:
  // `database` must outlive this object.
  explicit AuditLog(SqlDatabase& database) : database_(database) {}

  // Up to `limit` records of `tenant` ("tenants/t") with a version below
  // `before` (INT64_MAX: all), newest first.
  absl::StatusOr<std::vector<AuditEntry>> Read(const std::string& tenant,
                                               int64_t before,
                                               size_t limit) const;

 private:
  SqlDatabase& database_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_AUDIT_LOG_H_
