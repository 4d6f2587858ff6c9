#include "services/common/sql/sql_migration.h"

#include <soci/soci.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

// Two replicas of one service use the same; any number will do.
constexpr std::string_view kPostgresLock =
    "SELECT pg_advisory_xact_lock(7310579437)";

absl::Status CheckOwner(soci::session& sql, const std::string& service) {
  sql << "CREATE TABLE IF NOT EXISTS schema_owner (service TEXT NOT NULL)";
  std::string owner;
  sql << "SELECT service FROM schema_owner", soci::into(owner);
  if (!sql.got_data()) {
    sql << "INSERT INTO schema_owner (service) VALUES (:s)", soci::use(service);
  } else if (owner != service) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "STORE_OF_ANOTHER_SERVICE",
                     absl::StrCat("the database belongs to ", owner));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Migrate(
    SqlDatabase& database, std::string_view service,
    absl::Span<const SqlMigration> steps,
    const std::function<absl::Status(soci::session& sql, int from)>& fill) {
  const auto run = [&](soci::session& sql) -> absl::Status {
    if (database.is_postgres()) {
      // However long the other replica takes.
      sql << "SET LOCAL lock_timeout = 0";
      sql << "SET LOCAL statement_timeout = 0";
      sql << std::string(kPostgresLock);
    }
    sql << "CREATE TABLE IF NOT EXISTS schema_version"
           " (version INTEGER NOT NULL)";
    SP_RETURN_IF_ERROR(CheckOwner(sql, std::string(service)));
    int version = 0;
    soci::indicator indicator = soci::i_null;
    sql << "SELECT MAX(version) FROM schema_version",
        soci::into(version, indicator);
    if (indicator == soci::i_null) version = 0;
    const int newest = steps.back().version;
    if (version > newest) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "STORE_SCHEMA_TOO_NEW",
                       absl::StrCat("the store has schema ", version,
                                    ", this program knows ", newest));
    }
    for (const SqlMigration& step : steps) {
      if (step.version <= version) continue;
      for (const std::string_view statement : step.statements) {
        sql << std::string(statement);
      }
      sql << "INSERT INTO schema_version (version) VALUES (:v)",
          soci::use(step.version);
    }
    return fill(sql, version);
  };
  return database.Write("migrate", run, absl::InfiniteDuration());
}

}  // namespace sallyport
