#include "services/dialplan/io/sql_plan_store.h"

#include <soci/soci.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/sql/sql_migration.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/io/audit_log.h"
#include "services/dialplan/io/plan_rows.h"
#include "services/dialplan/io/plan_schema.h"

namespace sallyport::dialplan {
namespace {

constexpr size_t kPruned = 1000;  // audit records a transaction

// A write is worth another try, whatever was wrong with our SQL.
absl::Status ForWriter(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason != "STORE_ERROR" && reason != "STORE_DUPLICATE" &&
      reason != "STORE_ACCESS_DENIED" && reason != "STORE_LOCKED") {
    return status;
  }
  return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                   StdView(status.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqlPlanStore>> SqlPlanStore::Open(
    SqlDatabase& database, RandomSource& random) {
  SP_RETURN_IF_ERROR(Migrate(
      database, "dialplan", PlanMigrations(),
      [&](soci::session& sql, int from) {
        if (from > 0) return absl::OkStatus();
        std::array<uint8_t, 32> key;
        random.Fill(absl::MakeSpan(key));
        const std::string encoded = ToBase64(ToString(key));
        sql << "INSERT INTO settings (name, value) VALUES ('version', '0'),"
               " ('version_time', '0'), ('token_key', :k)",
            soci::use(encoded);
        return absl::OkStatus();
      }));
  return std::unique_ptr<SqlPlanStore>(new SqlPlanStore(database));
}

absl::StatusOr<StoredPlan> SqlPlanStore::Load(size_t history) {
  StoredPlan out;
  Known known;
  SP_RETURN_IF_ERROR(
      database_.Read("read", [&](soci::session& sql) -> absl::Status {
        out = StoredPlan();
        SP_ASSIGN_OR_RETURN(StoreSettings settings, ReadSettings(sql, false));
        out.version = settings.version;
        out.version_time = settings.version_time;
        out.token_key = std::move(settings.token_key);
        known = {settings.version, settings.request_sequence};
        SP_ASSIGN_OR_RETURN(out.resources, ReadResources(sql, -1));
        SP_ASSIGN_OR_RETURN(out.requests, ReadRequests(sql, -1));
        out.changes =
            ReadChanges(sql, out.version - static_cast<int64_t>(history));
        return absl::OkStatus();
      }));
  known_ = known;
  history_ = history;
  return out;
}

absl::StatusOr<StoredUpdate> SqlPlanStore::ReadUpdate(soci::session& sql,
                                                      bool lock,
                                                      Known* now_known) const {
  StoredUpdate out;
  SP_ASSIGN_OR_RETURN(const StoreSettings settings, ReadSettings(sql, lock));
  *now_known = {settings.version, settings.request_sequence};
  if (settings.version < known_.version) {
    return MakeError(absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                     absl::StrCat("the store is at version ", settings.version,
                                  ", this replica at ", known_.version,
                                  ": was an older copy of it put back? "
                                  "Restart this service"));
  }
  if (settings.version > known_.version) {
    out.version = settings.version;
    out.version_time = settings.version_time;
    out.changes = ReadChanges(sql, known_.version);
    out.whole = static_cast<int64_t>(out.changes.size()) !=
                settings.version - known_.version;
    SP_ASSIGN_OR_RETURN(out.resources,
                        ReadResources(sql, out.whole ? -1 : known_.version));
  }
  if (settings.request_sequence > known_.request_sequence) {
    SP_ASSIGN_OR_RETURN(out.requests,
                        ReadRequests(sql, known_.request_sequence));
  }
  return out;
}

absl::StatusOr<StoredUpdate> SqlPlanStore::Refresh() {
  StoredUpdate out;
  Known known;
  SP_RETURN_IF_ERROR(
      database_.Read("read", [&](soci::session& sql) -> absl::Status {
        SP_ASSIGN_OR_RETURN(out, ReadUpdate(sql, false, &known));
        return absl::OkStatus();
      }));
  known_ = known;
  return out;
}

absl::Status SqlPlanStore::Store(soci::session& sql, const PlanChanges& changes,
                                 absl::Time now, Known* known) const {
  WriteChanges(sql, changes.changes, now);
  AppendAudit(sql, changes.changes, now);
  if (!changes.changes.empty()) {
    known->version = changes.changes.back().version;
    WriteSetting(sql, "version", known->version);
    WriteSetting(sql, "version_time", ToColumn(now));
    if (history_ > 0) {
      const int64_t since = known->version - static_cast<int64_t>(history_);
      sql << "DELETE FROM changes WHERE version <= :since", soci::use(since);
    }
  }
  if (!changes.requests.empty()) {
    known->request_sequence =
        WriteRequests(sql, changes.requests, known->request_sequence);
    WriteSetting(sql, "request_sequence", known->request_sequence);
  }
  ForgetRequests(sql, changes.forgotten_requests, now);
  return absl::OkStatus();
}

absl::Status SqlPlanStore::Commit(const Apply& apply, absl::Time now) {
  Known stored = known_;
  if (!shared()) {
    SP_ASSIGN_OR_RETURN(const PlanChanges* const changes,
                        apply(StoredUpdate()));
    if (changes->empty()) return absl::OkStatus();
    const absl::Status status =
        database_.Write("write", [&](soci::session& sql) {
          stored = known_;
          return Store(sql, *changes, now, &stored);
        });
    if (status.ok()) known_ = stored;
    return ForWriter(status);
  }
  const absl::Status status =
      database_.Write("write", [&](soci::session& sql) -> absl::Status {
        SP_ASSIGN_OR_RETURN(const StoredUpdate others,
                            ReadUpdate(sql, true, &stored));
        SP_ASSIGN_OR_RETURN(const PlanChanges* const changes, apply(others));
        // It has them now, whatever becomes of this transaction.
        known_ = stored;
        if (changes->empty()) return absl::OkStatus();
        sql << absl::StrCat("NOTIFY ", kChannel);
        return Store(sql, *changes, now, &stored);
      });
  if (status.ok()) known_ = stored;
  return ForWriter(status);
}

absl::StatusOr<bool> SqlPlanStore::PruneAudit(absl::Time oldest) {
  size_t removed = 0;
  SP_RETURN_IF_ERROR(database_.Write("prune", [&](soci::session& sql) {
    removed = dialplan::PruneAudit(sql, oldest, kPruned);
    return absl::OkStatus();
  }));
  return removed == kPruned;
}

}  // namespace sallyport::dialplan
