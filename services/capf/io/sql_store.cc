#include "services/capf/io/sql_store.h"

#include <soci/soci.h>

#include <exception>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/io/store_rows.h"
#include "services/capf/io/store_schema.h"
#include "services/common/sql/sql_migration.h"
#include "services/common/sql/sql_status.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

using soci::into;
using soci::use;

constexpr size_t kAuditPage = 10000;

absl::Status Exists(std::string_view reason) {
  return MakeError(absl::StatusCode::kAlreadyExists, reason,
                   "it is already there");
}

bool ChangesTrust(const StoreChange& change) {
  if (!change.insert_trusted.empty() || !change.delete_trusted.empty()) {
    return true;
  }
  for (const CertificateUpdate& update : change.update_certificates) {
    if (update.record.state == CertificateState::kRevoked) return true;
  }
  return false;
}

bool Any(soci::session& sql, const std::string& where,
         const std::string& value) {
  long long count = 0;
  sql << absl::StrCat("SELECT COUNT(*) FROM ", where, " = :v"), into(count),
      use(value);
  return count > 0;
}

// Which of the rows that `change` inserts is there already.
absl::Status DuplicateOf(soci::session& sql, const StoreChange& change) {
  for (const Enrollment& e : change.insert_enrollments) {
    if (Any(sql, "enrollments WHERE name", e.name)) {
      return Exists("ENROLLMENT_EXISTS");
    }
    if (Any(sql, "enrollments WHERE device_name", e.device_name)) {
      return Exists("DEVICE_EXISTS");
    }
    if (!e.request_key.empty() &&
        Any(sql, "enrollments WHERE request_key", e.request_key)) {
      return Exists("REQUEST_EXISTS");
    }
  }
  for (const CertificateRecord& c : change.insert_certificates) {
    if (Any(sql, "certificates WHERE serial", c.serial)) {
      return Exists("SERIAL_EXISTS");
    }
    if (!c.request_key.empty() &&
        Any(sql, "certificates WHERE state <> 5 AND request_key",
            c.request_key)) {
      return Exists("REQUEST_EXISTS");
    }
  }
  return Exists("TRUSTED_EXISTS");
}

// pki.md 9.2: one key, one name. Nobody else writes meanwhile, so this holds
// whoever asked at the same time.
absl::Status CheckKeyIsNoOthers(soci::session& sql,
                                const CertificateRecord& c) {
  long long count = 0;
  sql << "SELECT COUNT(*) FROM certificates WHERE key_sha256 = :k"
         " AND (tenant <> :t OR common_name <> :c)",
      into(count), use(c.key_sha256), use(c.tenant), use(c.common_name);
  if (count == 0) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAlreadyExists, "KEY_REUSED",
                   "the key is certified for another name");
}

absl::Status ApplyRows(soci::session& sql, const StoreChange& change) {
  for (const Enrollment& e : change.insert_enrollments) {
    InsertEnrollment(sql, e);
  }
  for (const Enrollment& e : change.update_enrollments) {
    SP_RETURN_IF_ERROR(UpdateEnrollment(sql, e));
  }
  for (const VersionedName& which : change.delete_enrollments) {
    SP_RETURN_IF_ERROR(DeleteEnrollment(sql, which));
  }
  for (const CertificateRecord& c : change.insert_certificates) {
    SP_RETURN_IF_ERROR(CheckKeyIsNoOthers(sql, c));
    InsertCertificate(sql, c);
  }
  for (const CertificateUpdate& update : change.update_certificates) {
    SP_RETURN_IF_ERROR(UpdateCertificate(sql, update));
  }
  for (const TrustedCertificate& t : change.insert_trusted) {
    InsertTrusted(sql, t);
  }
  for (const TrustedCertificate& t : change.delete_trusted) {
    SP_RETURN_IF_ERROR(DeleteTrusted(sql, t));
  }
  for (const PublishedList& list : change.insert_lists) {
    InsertPublished(sql, list);
  }
  for (const PhoneLists& lists : change.put_phone_lists) {
    PutPhoneLists(sql, lists);
  }
  for (const CertificateEvent& event : change.insert_events) {
    InsertEvent(sql, event);
  }
  for (const ExpiryProgress& progress : change.put_progress) {
    PutProgress(sql, progress);
  }
  for (const PeerChain& chain : change.put_peer_chains) {
    PutPeerChain(sql, chain);
  }
  return absl::OkStatus();
}

// Where the chain ends.
struct ChainEnd {
  long long sequence = 0;
  std::string hash;
};

absl::Status ApplyRecorded(soci::session& sql, const StoreChange& change,
                           absl::Time now, ChainEnd& end,
                           std::vector<AuditRecord>& audit) {
  SP_RETURN_IF_ERROR(ApplyRows(sql, change));
  for (const AuditEvent& event : change.audit) {
    AuditRecord record = ChainAudit(end.sequence + 1, end.hash, now, event);
    InsertAudit(sql, record);
    end = {record.sequence, record.hash};
    audit.push_back(std::move(record));
  }
  return absl::OkStatus();
}

// One change in a frame of its own. What is wrong with the change itself is
// its result; what is wrong with the store is thrown.
absl::Status ApplyOne(soci::session& sql, const StoreChange& change,
                      absl::Time now, ChainEnd& end,
                      std::vector<AuditRecord>& audit) {
  const ChainEnd before = end;
  const size_t records = audit.size();
  sql << "SAVEPOINT one_change";
  absl::Status result;
  bool duplicate = false;
  try {
    result = ApplyRecorded(sql, change, now, end, audit);
  } catch (const std::exception& e) {
    result = SqlStatus("change", e);
    duplicate = ReasonOf(result) == "STORE_DUPLICATE";
    if (!duplicate && ReasonOf(result) != "STORE_ERROR") throw;
  }
  if (result.ok()) {
    sql << "RELEASE SAVEPOINT one_change";
    return result;
  }
  end = before;
  audit.resize(records);
  sql << "ROLLBACK TO SAVEPOINT one_change";
  sql << "RELEASE SAVEPOINT one_change";
  return duplicate ? DuplicateOf(sql, change) : result;
}

std::vector<AuditRecord> ReadAuditRows(soci::session& sql, int64_t sequence,
                                       size_t limit) {
  const long long after = sequence;
  const auto most = static_cast<long long>(limit);
  soci::rowset<soci::row> rows =
      (sql.prepare << "SELECT * FROM audit WHERE sequence > :a"
                      " ORDER BY sequence LIMIT :l",
       use(after), use(most));
  std::vector<AuditRecord> all;
  for (const soci::row& row : rows) all.push_back(ReadAuditRow(row));
  return all;
}

// The version, under a lock that all writers take: they follow each other, so
// the chain has no fork, and what one looked up holds until it commits.
int64_t LockVersion(soci::session& sql, bool is_postgres) {
  long long version = 0;
  std::string query = "SELECT value FROM counters WHERE name = 'trust_version'";
  if (is_postgres) query += " FOR UPDATE";
  sql << query, into(version);
  return version;
}

// What each query of ours reads, in one transaction.
template <typename T, typename Body>
absl::StatusOr<T> ReadIn(SqlDatabase& database, Body body) {
  T out{};
  SP_RETURN_IF_ERROR(database.Read("read", [&](soci::session& sql) {
    out = body(sql);
    return absl::OkStatus();
  }));
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqlStore>> SqlStore::Open(
    SqlDatabase& database) {
  SP_RETURN_IF_ERROR(Migrate(database, "capf", StoreMigrations()));
  std::unique_ptr<SqlStore> store(new SqlStore(database));
  SP_RETURN_IF_ERROR(store->CheckAudit());
  return store;
}

absl::Status SqlStore::CheckAudit() {
  int64_t sequence = 0;
  std::string hash;
  while (true) {
    SP_ASSIGN_OR_RETURN(const std::vector<AuditRecord> records,
                        ReadAudit(sequence, kAuditPage));
    for (const AuditRecord& record : records) {
      if (!AuditFollows(record, sequence, hash)) {
        return MakeError(
            absl::StatusCode::kDataLoss, "AUDIT_BROKEN",
            absl::StrCat("the audit chain breaks after record ", sequence));
      }
      sequence = record.sequence;
      hash = record.hash;
    }
    if (records.size() < kAuditPage) return absl::OkStatus();
  }
}

absl::StatusOr<StoreApplied> SqlStore::ApplyAll(
    absl::Span<const StoreChange* const> changes, absl::Time now) {
  StoreApplied out;
  const auto body = [&](soci::session& sql) -> absl::Status {
    out = StoreApplied();
    out.trust_version = LockVersion(sql, database_.is_postgres());
    ChainEnd end;
    sql << "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1",
        into(end.sequence), into(end.hash);
    bool changes_trust = false;
    bool tells = false;
    for (const StoreChange* const change : changes) {
      out.results.push_back(ApplyOne(sql, *change, now, end, out.audit));
      if (!out.results.back().ok()) continue;
      changes_trust = changes_trust || ChangesTrust(*change);
      tells = tells || changes_trust || !change->insert_lists.empty();
    }
    if (changes_trust) {
      ++out.trust_version;
      sql << "UPDATE counters SET value = value + 1"
             " WHERE name = 'trust_version'";
    }
    if (tells && database_.is_postgres()) {
      sql << absl::StrCat("NOTIFY ", kChannel);
    }
    return absl::OkStatus();
  };
  SP_RETURN_IF_ERROR(database_.Write("change", body));
  return out;
}

absl::StatusOr<std::optional<Enrollment>> SqlStore::GetEnrollment(
    const std::string& name) {
  return ReadIn<std::optional<Enrollment>>(
      database_, [&](soci::session& sql) -> std::optional<Enrollment> {
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM enrollments WHERE name = :n",
             use(name));
        for (const soci::row& row : rows) return ReadEnrollment(row);
        return std::nullopt;
      });
}

absl::StatusOr<std::optional<Enrollment>> SqlStore::FindDevice(
    const std::string& device_name) {
  return ReadIn<std::optional<Enrollment>>(
      database_, [&](soci::session& sql) -> std::optional<Enrollment> {
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM enrollments WHERE device_name = :n",
             use(device_name));
        for (const soci::row& row : rows) return ReadEnrollment(row);
        return std::nullopt;
      });
}

absl::StatusOr<std::vector<Enrollment>> SqlStore::ListEnrollments(
    const Page& page) {
  return ReadIn<std::vector<Enrollment>>(database_, [&](soci::session& sql) {
    const auto limit = static_cast<long long>(page.limit);
    soci::rowset<soci::row> rows =
        (sql.prepare << "SELECT * FROM enrollments WHERE name > :a AND"
                        " (CAST(:t AS TEXT) = '' OR tenant = :u)"
                        " ORDER BY name LIMIT :l",
         use(page.after), use(page.tenant), use(page.tenant), use(limit));
    std::vector<Enrollment> all;
    for (const soci::row& row : rows) all.push_back(ReadEnrollment(row));
    return all;
  });
}

absl::StatusOr<int64_t> SqlStore::CountPendingEnrollments() {
  return ReadIn<int64_t>(database_, [&](soci::session& sql) {
    long long count = 0;
    sql << "SELECT COUNT(*) FROM enrollments WHERE operation <> 0", into(count);
    return count;
  });
}

absl::StatusOr<std::optional<CertificateRecord>> SqlStore::GetCertificate(
    const std::string& serial) {
  return ReadIn<std::optional<CertificateRecord>>(
      database_, [&](soci::session& sql) -> std::optional<CertificateRecord> {
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM certificates WHERE serial = :s",
             use(serial));
        for (const soci::row& row : rows) return ReadCertificate(row);
        return std::nullopt;
      });
}

absl::StatusOr<std::optional<CertificateRecord>> SqlStore::FindRequest(
    const std::string& request_key) {
  return ReadIn<std::optional<CertificateRecord>>(
      database_, [&](soci::session& sql) -> std::optional<CertificateRecord> {
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM certificates"
                            " WHERE request_key = :s AND state <> 5",
             use(request_key));
        for (const soci::row& row : rows) return ReadCertificate(row);
        return std::nullopt;
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::FindKey(
    const std::string& key_sha256) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](soci::session& sql) {
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM certificates"
                            " WHERE key_sha256 = :s ORDER BY serial",
             use(key_sha256));
        std::vector<CertificateRecord> all;
        for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
        return all;
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListCertificates(
    const Page& page) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](soci::session& sql) {
        const auto limit = static_cast<long long>(page.limit);
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM certificates WHERE serial > :a"
                            " AND (CAST(:t AS TEXT) = '' OR tenant = :u)"
                            " AND state <> 0 AND state <> 5"
                            " ORDER BY serial LIMIT :l",
             use(page.after), use(page.tenant), use(page.tenant), use(limit));
        std::vector<CertificateRecord> all;
        for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
        return all;
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListIntents() {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](soci::session& sql) {
        soci::rowset<soci::row> rows =
            (sql.prepare
             << "SELECT * FROM certificates WHERE state = 0 ORDER BY serial");
        std::vector<CertificateRecord> all;
        for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
        return all;
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListRevoked(
    absl::Time now) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](soci::session& sql) {
        const long long at = ToColumn(now);
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM certificates WHERE state = 4"
                            " AND not_after >= :n ORDER BY serial",
             use(at));
        std::vector<CertificateRecord> all;
        for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
        return all;
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListExpiring(
    absl::Time until) {
  return ReadIn<std::vector<CertificateRecord>>(
      database_, [&](soci::session& sql) {
        const long long at = ToColumn(until);
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM certificates WHERE state = 2"
                            " AND not_after <= :n ORDER BY serial",
             use(at));
        std::vector<CertificateRecord> all;
        for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
        return all;
      });
}

absl::StatusOr<std::vector<CertificateEvent>> SqlStore::ListEvents(
    const std::string& tenant, int64_t after, int64_t before, size_t limit) {
  return ReadIn<std::vector<CertificateEvent>>(
      database_, [&](soci::session& sql) {
        const long long from = after;
        const long long to = before;
        const auto most = static_cast<long long>(limit);
        const std::string order = before > 0 ? "DESC" : "ASC";
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM certificate_events"
                            " WHERE sequence > :a AND"
                            " (CAST(:b AS BIGINT) = 0 OR sequence < :c) AND"
                            " (CAST(:t AS TEXT) = '' OR tenant = :u)"
                            " ORDER BY sequence " +
                                order + " LIMIT :l",
             use(from), use(to), use(to), use(tenant), use(tenant), use(most));
        std::vector<CertificateEvent> all;
        for (const soci::row& row : rows) all.push_back(ReadEvent(row));
        return all;
      });
}

absl::StatusOr<std::vector<ExpiryProgress>> SqlStore::ListProgress() {
  return ReadIn<std::vector<ExpiryProgress>>(
      database_, [&](soci::session& sql) {
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM expiry_progress ORDER BY occasion");
        std::vector<ExpiryProgress> all;
        for (const soci::row& row : rows) all.push_back(ReadProgress(row));
        return all;
      });
}

absl::StatusOr<std::vector<PeerChain>> SqlStore::ListPeerChains(
    const std::string& store) {
  return ReadIn<std::vector<PeerChain>>(database_, [&](soci::session& sql) {
    soci::rowset<soci::row> rows =
        (sql.prepare << "SELECT * FROM peer_chains WHERE store = :s"
                        " ORDER BY peer",
         use(store));
    std::vector<PeerChain> all;
    for (const soci::row& row : rows) all.push_back(ReadPeerChain(row));
    return all;
  });
}

absl::StatusOr<std::vector<TrustedCertificate>> SqlStore::ListTrusted() {
  return ReadIn<std::vector<TrustedCertificate>>(
      database_, [&](soci::session& sql) {
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM trusted_certificates"
                            " ORDER BY store, sha256");
        std::vector<TrustedCertificate> all;
        for (const soci::row& row : rows) all.push_back(ReadTrusted(row));
        return all;
      });
}

absl::StatusOr<int64_t> SqlStore::TrustVersion() {
  return ReadIn<int64_t>(
      database_, [&](soci::session& sql) { return LockVersion(sql, false); });
}

absl::StatusOr<std::vector<PublishedList>> SqlStore::ListPublished(
    const std::string& tenant, TrustListKind kind, size_t limit) {
  return ReadIn<std::vector<PublishedList>>(database_, [&](soci::session& sql) {
    const auto number = static_cast<long long>(kind);
    const auto most = static_cast<long long>(limit);
    soci::rowset<soci::row> rows =
        (sql.prepare << "SELECT * FROM trust_lists WHERE tenant = :t"
                        " AND kind = :k ORDER BY sequence DESC LIMIT :l",
         use(tenant), use(number), use(most));
    std::vector<PublishedList> all;
    for (const soci::row& row : rows) all.push_back(ReadPublished(row));
    return all;
  });
}

absl::StatusOr<std::vector<PhoneLists>> SqlStore::ListPhoneLists(
    const std::string& tenant) {
  return ReadIn<std::vector<PhoneLists>>(database_, [&](soci::session& sql) {
    soci::rowset<soci::row> rows =
        (sql.prepare << "SELECT * FROM phone_lists WHERE tenant = :t"
                        " ORDER BY device",
         use(tenant));
    std::vector<PhoneLists> all;
    for (const soci::row& row : rows) all.push_back(ReadPhoneLists(row));
    return all;
  });
}

absl::StatusOr<std::optional<PhoneLists>> SqlStore::GetPhoneLists(
    const std::string& device) {
  return ReadIn<std::optional<PhoneLists>>(
      database_, [&](soci::session& sql) -> std::optional<PhoneLists> {
        soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT * FROM phone_lists WHERE device = :d",
             use(device));
        for (const soci::row& row : rows) return ReadPhoneLists(row);
        return std::nullopt;
      });
}

absl::StatusOr<std::vector<AuditRecord>> SqlStore::ReadAudit(int64_t sequence,
                                                             size_t limit) {
  return ReadIn<std::vector<AuditRecord>>(database_, [&](soci::session& sql) {
    return ReadAuditRows(sql, sequence, limit);
  });
}

}  // namespace sallyport::capf
