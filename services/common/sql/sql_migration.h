// Bringing the tables of a database up to date.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_SQL_MIGRATION_H_
#define SALLYPORT_SERVICES_COMMON_SQL_SQL_MIGRATION_H_

#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/common/sql/sql_database.h"

namespace sallyport {

// One step: from schema `version` - 1 to `version`, in SQL that SQLite and
// PostgreSQL both take. A released step is never edited.
struct SqlMigration {
  int version;
  absl::Span<const std::string_view> statements;
};

// Runs, in one transaction, the steps that the database lacks, in order, then
// `fill` with the version found (0: the database was empty), for what is not
// SQL alone; OK if there was nothing to do. Replicas that start at once wait
// for each other. `service` ("dialplan") is noted in the database: that of
// another service is refused, FAILED_PRECONDITION STORE_OF_ANOTHER_SERVICE.
// FAILED_PRECONDITION, STORE_SCHEMA_TOO_NEW: a later release wrote it.
// Otherwise as SqlDatabase::Write.
absl::Status Migrate(
    SqlDatabase& database, std::string_view service,
    absl::Span<const SqlMigration> steps,
    const std::function<absl::Status(soci::session& sql, int from)>& fill =
        [](soci::session&, int) { return absl::OkStatus(); });

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_SQL_MIGRATION_H_
