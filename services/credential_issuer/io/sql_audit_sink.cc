#include "services/credential_issuer/io/sql_audit_sink.h"

#include <soci/soci.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/status/status_macros.h"
#include "services/credential_issuer/io/issuer_schema.h"

namespace sallyport::credential_issuer {
namespace {

// Rows of one statement: six parameters each, of 32 766 that SQLite allows.
constexpr size_t kRowsAtOnce = 256;
// Removed in one transaction, so that none lasts long.
constexpr int kPruneAtOnce = 10'000;

// "INSERT ... VALUES (:a0,:b0,...),(:a1,...)" of `rows` rows.
std::string InsertText(size_t rows) {
  std::string out =
      "INSERT INTO audit (id, time_us, tenant, credential_id, subject, line)"
      " VALUES ";
  for (size_t i = 0; i < rows; ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ",", "(:a", i, ",:b", i, ",:c", i,
                    ",:d", i, ",:e", i, ",:f", i, ")");
  }
  return out;
}

void InsertRows(soci::session& sql, absl::Span<const AuditRecord> rows) {
  std::vector<long long> times;
  times.reserve(rows.size());
  soci::statement insert(sql);
  for (const AuditRecord& record : rows) {
    times.push_back(absl::ToUnixMicros(record.time));
    insert.exchange(soci::use(record.id));
    insert.exchange(soci::use(times.back()));
    insert.exchange(soci::use(record.tenant));
    insert.exchange(soci::use(record.credential_id));
    insert.exchange(soci::use(record.subject));
    insert.exchange(soci::use(record.line));
  }
  insert.alloc();
  insert.prepare(InsertText(rows.size()));
  insert.define_and_bind();
  insert.execute(true);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqlAuditSink>> SqlAuditSink::Open(
    SqlDatabase& database) {
  SP_RETURN_IF_ERROR(MigrateIssuer(database));
  return std::unique_ptr<SqlAuditSink>(new SqlAuditSink(database));
}

absl::Status SqlAuditSink::Write(absl::Span<const AuditRecord> records) {
  return database_.Write("write", [&](soci::session& sql) {
    for (size_t i = 0; i < records.size(); i += kRowsAtOnce) {
      InsertRows(sql, records.subspan(i, kRowsAtOnce));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<AuditRecord>> SqlAuditSink::List(
    const AuditQuery& query) {
  std::vector<AuditRecord> out;
  SP_RETURN_IF_ERROR(database_.Read("read", [&](soci::session& sql) {
    out.clear();
    AuditRecord row;
    long long time_us;
    std::string text =
        "SELECT id, time_us, tenant, credential_id, subject, line FROM audit"
        " WHERE 1 = 1";
    soci::statement rows(sql);
    const auto narrow = [&](const std::string& value, const char* condition) {
      if (value.empty()) return;
      text += condition;
      rows.exchange(soci::use(value));
    };
    narrow(query.tenant, " AND tenant = :t");
    narrow(query.credential_id, " AND credential_id = :c");
    narrow(query.subject, " AND subject = :s");
    narrow(query.before_id, " AND id < :b");
    absl::StrAppend(&text, " ORDER BY id DESC LIMIT ", query.limit);
    rows.exchange(soci::into(row.id));
    rows.exchange(soci::into(time_us));
    rows.exchange(soci::into(row.tenant));
    rows.exchange(soci::into(row.credential_id));
    rows.exchange(soci::into(row.subject));
    rows.exchange(soci::into(row.line));
    rows.alloc();
    rows.prepare(text);
    rows.define_and_bind();
    rows.execute();
    while (rows.fetch()) {
      row.time = absl::FromUnixMicros(time_us);
      out.push_back(row);
    }
    return absl::OkStatus();
  }));
  return out;
}

absl::Status SqlAuditSink::Prune(absl::Time oldest) {
  const std::string before = AuditId(oldest, 0);
  while (true) {
    long long removed = 0;
    SP_RETURN_IF_ERROR(database_.Write("prune", [&](soci::session& sql) {
      soci::statement remove =
          (sql.prepare << "DELETE FROM audit WHERE id IN (SELECT id FROM audit"
                          " WHERE id < :before ORDER BY id LIMIT " +
                              std::to_string(kPruneAtOnce) + ")",
           soci::use(before));
      remove.execute(true);
      removed = remove.get_affected_rows();
      return absl::OkStatus();
    }));
    if (removed < kPruneAtOnce) return absl::OkStatus();
  }
}

}  // namespace sallyport::credential_issuer
