// The audit in SQLite or PostgreSQL.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQL_AUDIT_SINK_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQL_AUDIT_SINK_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/sql/sql_database.h"
#include "services/credential_issuer/io/audit_log.h"

namespace sallyport::credential_issuer {

// Table `audit`. Thread-safe.
class SqlAuditSink final : public AuditSink {
 public:
  // Brings the tables up to date. `database` outlives it.
  static absl::StatusOr<std::unique_ptr<SqlAuditSink>> Open(
      SqlDatabase& database);

  absl::Status Write(absl::Span<const AuditRecord> records) override;
  absl::StatusOr<std::vector<AuditRecord>> List(
      const AuditQuery& query) override;
  absl::Status Prune(absl::Time oldest) override;

 private:
  explicit SqlAuditSink(SqlDatabase& database) : database_(database) {}

  SqlDatabase& database_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_SQL_AUDIT_SINK_H_
