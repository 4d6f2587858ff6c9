#include "services/dialplan/io/audit_log.h"

#include <soci/soci.h>

#include <string>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/io/plan_rows.h"

namespace sallyport::dialplan {

void AppendAudit(soci::session& sql, const std::vector<PlanChange>& changes,
                 absl::Time now) {
  if (changes.empty()) return;
  int64_t version = 0;
  const int64_t time = ToColumn(now);
  std::string tenant, resource, actor, method, request_id, before, after;
  soci::statement put =
      (sql.prepare << "INSERT INTO audit (version, tenant, resource, actor, "
                      "method, request_id, change_time, before_body, "
                      "after_body) VALUES (:version, :tenant, :resource, "
                      ":actor, :method, :request, :time, :before, :after)",
       soci::use(version), soci::use(tenant), soci::use(resource),
       soci::use(actor), soci::use(method), soci::use(request_id),
       soci::use(time), soci::use(before), soci::use(after));
  const ChangeCause ourselves{"service dialplan", "", ""};
  for (const PlanChange& change : changes) {
    const ChangeCause& cause =
        change.cause == nullptr ? ourselves : *change.cause;
    version = change.version;
    tenant = std::string(TenantOf(change.name));
    resource = change.name;
    actor = cause.actor;
    method = cause.method;
    request_id = cause.request_id;
    before = change.before == nullptr ? "" : ToBase64(change.before->body);
    after = change.after == nullptr ? "" : ToBase64(change.after->body);
    put.execute(true);
  }
}

size_t PruneAudit(soci::session& sql, absl::Time oldest, size_t limit) {
  const int64_t time = ToColumn(oldest);
  const auto most = static_cast<int64_t>(limit);
  soci::statement remove =
      (sql.prepare << "DELETE FROM audit WHERE version IN "
                      "(SELECT version FROM audit WHERE change_time < :time "
                      "ORDER BY change_time LIMIT :limit)",
       soci::use(time), soci::use(most));
  remove.execute(true);
  return static_cast<size_t>(remove.get_affected_rows());
}

absl::StatusOr<std::vector<AuditEntry>> AuditLog::Read(
    const std::string& tenant, int64_t before, size_t limit) const {
  std::vector<AuditEntry> out;
  const auto most = static_cast<int64_t>(limit);
  SP_RETURN_IF_ERROR(database_.Read("read", [&](soci::session& sql) {
    out.clear();
    AuditEntry row;
    int64_t time = 0;
    std::string before_body, after_body;
    soci::statement rows =
        (sql.prepare << "SELECT version, resource, actor, method, request_id, "
                        "change_time, before_body, after_body FROM audit "
                        "WHERE tenant = :tenant AND version < :before "
                        "ORDER BY version DESC LIMIT :limit",
         soci::use(tenant), soci::use(before), soci::use(most),
         soci::into(row.version), soci::into(row.resource),
         soci::into(row.actor), soci::into(row.method),
         soci::into(row.request_id), soci::into(time), soci::into(before_body),
         soci::into(after_body));
    rows.execute();
    while (rows.fetch()) {
      row.change_time = FromColumn(time);
      SP_ASSIGN_OR_RETURN(row.before, FromBase64(before_body));
      SP_ASSIGN_OR_RETURN(row.after, FromBase64(after_body));
      out.push_back(row);
    }
    return absl::OkStatus();
  }));
  return out;
}

}  // namespace sallyport::dialplan
