#include "services/capf/io/sql_store.h"

#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/io/store_rows.h"
#include "services/capf/io/store_schema.h"
#include "services/common/bytes/string_view.h"
#include "services/common/net/errno_status.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

using soci::into;
using soci::use;

constexpr size_t kAuditPage = 10000;

// What SOCI throws, as a status. Its text quotes SQL, never a value.
absl::Status FromException(std::string_view doing, const std::exception& e) {
  const std::string_view what = e.what();
  // SQLite's own words; the statement that SOCI appends names every column.
  const std::string_view cause = what.substr(0, what.find(" while "));
  const auto holds = [cause](std::string_view part) {
    return cause.find(part) != std::string_view::npos;
  };
  if (holds("database is locked")) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "STORE_LOCKED",
                     "another process has the store open");
  }
  if (holds("UNIQUE constraint")) {
    std::string_view reason = "ENROLLMENT_EXISTS";
    if (holds("device_name")) reason = "DEVICE_EXISTS";
    if (holds("request_key")) reason = "REQUEST_EXISTS";
    if (holds("certificates.serial")) reason = "SERIAL_EXISTS";
    if (holds("trusted_certificates")) reason = "TRUSTED_EXISTS";
    return MakeError(absl::StatusCode::kAlreadyExists, reason,
                     "it is already there");
  }
  return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                   absl::StrCat("cannot ", AbslView(doing),
                                " the store: ", AbslView(cause)));
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

absl::Status MakePrivateFile(const std::string& file) {
  std::error_code error;
  const std::filesystem::path folder =
      std::filesystem::path(file).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                     StdView(ErrnoStatus(errno, "open store").message()));
  }
  close(fd);
  return absl::OkStatus();
}

// Runs `body`, which may throw, and turns what it throws into a status.
template <typename Body>
auto Guard(std::string_view doing, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& e) {
    return FromException(doing, e);
  }
}

}  // namespace

SqlStore::SqlStore(std::unique_ptr<soci::session> session)
    : session_(std::move(session)) {}

SqlStore::~SqlStore() = default;

absl::StatusOr<std::unique_ptr<SqlStore>> SqlStore::Open(
    const std::string& file) {
  if (file.find('"') != std::string::npos) {
    return MakeError(absl::StatusCode::kInvalidArgument, "STORE_UNAVAILABLE",
                     "the file name of the store holds a quotation mark");
  }
  SP_RETURN_IF_ERROR(MakePrivateFile(file));
  return Guard("open", [&]() -> absl::StatusOr<std::unique_ptr<SqlStore>> {
    auto session = std::make_unique<soci::session>(
        soci::sqlite3, absl::StrCat("dbname=\"", file, "\" timeout=1"));
    // The lock comes with the first read and stays.
    *session << "PRAGMA locking_mode=EXCLUSIVE";
    *session << "PRAGMA journal_mode=WAL";
    *session << "PRAGMA synchronous=FULL";
    std::unique_ptr<SqlStore> store(new SqlStore(std::move(session)));
    SP_RETURN_IF_ERROR(store->Migrate());
    SP_RETURN_IF_ERROR(store->CheckAudit());
    return store;
  });
}

absl::Status SqlStore::Migrate() {
  soci::session& sql = *session_;
  soci::transaction transaction(sql);
  sql << "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)";
  int version = 0;
  soci::indicator indicator = soci::i_null;
  sql << "SELECT MAX(version) FROM schema_version", into(version, indicator);
  if (indicator == soci::i_null) version = 0;
  if (version > StoreMigrations().back().version) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "STORE_SCHEMA_TOO_NEW",
                     "the store was written by a newer program");
  }
  for (const StoreMigration& step : StoreMigrations()) {
    if (step.version <= version) continue;
    for (const std::string_view statement : step.statements) {
      sql << std::string(statement);
    }
    sql << "INSERT INTO schema_version (version) VALUES (:v)",
        use(step.version);
  }
  transaction.commit();
  return absl::OkStatus();
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

absl::Status SqlStore::ApplyRows(const StoreChange& change) {
  soci::session& sql = *session_;
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
  if (ChangesTrust(change)) {
    sql << "UPDATE counters SET value = value + 1"
           " WHERE name = 'trust_version'";
  }
  return absl::OkStatus();
}

void SqlStore::AppendAudit(const StoreChange& change, absl::Time now) {
  soci::session& sql = *session_;
  long long sequence = 0;
  std::string hash;
  sql << "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1",
      into(sequence), into(hash);
  for (const AuditEvent& event : change.audit) {
    const AuditRecord record = ChainAudit(sequence + 1, hash, now, event);
    sequence = record.sequence;
    hash = record.hash;
    InsertAudit(sql, record);
  }
}

absl::Status SqlStore::Apply(const StoreChange& change, absl::Time now) {
  return Guard("change", [&]() -> absl::Status {
    // Rolls back unless committed.
    soci::transaction transaction(*session_);
    SP_RETURN_IF_ERROR(ApplyRows(change));
    AppendAudit(change, now);
    transaction.commit();
    return absl::OkStatus();
  });
}

absl::StatusOr<std::optional<Enrollment>> SqlStore::GetEnrollment(
    const std::string& name) {
  return Guard("read", [&]() -> absl::StatusOr<std::optional<Enrollment>> {
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM enrollments WHERE name = :n",
         use(name));
    for (const soci::row& row : rows) return ReadEnrollment(row);
    return std::nullopt;
  });
}

absl::StatusOr<std::optional<Enrollment>> SqlStore::FindDevice(
    const std::string& device_name) {
  return Guard("read",
               [&]() -> absl::StatusOr<std::optional<Enrollment>> {
                 soci::rowset<soci::row> rows =
                     (session_->prepare
                          << "SELECT * FROM enrollments WHERE device_name = :n",
                      use(device_name));
                 for (const soci::row& row : rows) return ReadEnrollment(row);
                 return std::nullopt;
               });
}

absl::StatusOr<std::vector<Enrollment>> SqlStore::ListEnrollments(
    const Page& page) {
  return Guard("read", [&]() -> absl::StatusOr<std::vector<Enrollment>> {
    const auto limit = static_cast<long long>(page.limit);
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM enrollments WHERE name > :a AND"
                              " (:t = '' OR tenant = :u)"
                              " ORDER BY name LIMIT :l",
         use(page.after), use(page.tenant), use(page.tenant), use(limit));
    std::vector<Enrollment> all;
    for (const soci::row& row : rows) all.push_back(ReadEnrollment(row));
    return all;
  });
}

absl::StatusOr<int64_t> SqlStore::CountPendingEnrollments() {
  return Guard("read", [&]() -> absl::StatusOr<int64_t> {
    long long count = 0;
    *session_ << "SELECT COUNT(*) FROM enrollments WHERE operation <> 0",
        into(count);
    return count;
  });
}

absl::StatusOr<std::optional<CertificateRecord>> SqlStore::GetCertificate(
    const std::string& serial) {
  return Guard("read",
               [&]() -> absl::StatusOr<std::optional<CertificateRecord>> {
                 soci::rowset<soci::row> rows =
                     (session_->prepare
                          << "SELECT * FROM certificates WHERE serial = :s",
                      use(serial));
                 for (const soci::row& row : rows) return ReadCertificate(row);
                 return std::nullopt;
               });
}

absl::StatusOr<std::optional<CertificateRecord>> SqlStore::FindRequest(
    const std::string& request_key) {
  return Guard(
      "read", [&]() -> absl::StatusOr<std::optional<CertificateRecord>> {
        soci::rowset<soci::row> rows =
            (session_->prepare << "SELECT * FROM certificates"
                                  " WHERE request_key = :s AND state <> 5",
             use(request_key));
        for (const soci::row& row : rows) return ReadCertificate(row);
        return std::nullopt;
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::FindKey(
    const std::string& key_sha256) {
  return Guard("read", [&]() -> absl::StatusOr<std::vector<CertificateRecord>> {
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM certificates"
                              " WHERE key_sha256 = :s ORDER BY serial",
         use(key_sha256));
    std::vector<CertificateRecord> all;
    for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
    return all;
  });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListCertificates(
    const Page& page) {
  return Guard("read", [&]() -> absl::StatusOr<std::vector<CertificateRecord>> {
    const auto limit = static_cast<long long>(page.limit);
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM certificates WHERE serial > :a"
                              " AND (:t = '' OR tenant = :u)"
                              " AND state <> 0 AND state <> 5"
                              " ORDER BY serial LIMIT :l",
         use(page.after), use(page.tenant), use(page.tenant), use(limit));
    std::vector<CertificateRecord> all;
    for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
    return all;
  });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListIntents() {
  return Guard(
      "read", [&]() -> absl::StatusOr<std::vector<CertificateRecord>> {
        soci::rowset<soci::row> rows =
            (session_->prepare
             << "SELECT * FROM certificates WHERE state = 0 ORDER BY serial");
        std::vector<CertificateRecord> all;
        for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
        return all;
      });
}

absl::StatusOr<std::vector<CertificateRecord>> SqlStore::ListRevoked(
    absl::Time now) {
  return Guard("read", [&]() -> absl::StatusOr<std::vector<CertificateRecord>> {
    const long long at = ToColumn(now);
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM certificates WHERE state = 4"
                              " AND not_after >= :n ORDER BY serial",
         use(at));
    std::vector<CertificateRecord> all;
    for (const soci::row& row : rows) all.push_back(ReadCertificate(row));
    return all;
  });
}

absl::StatusOr<std::vector<TrustedCertificate>> SqlStore::ListTrusted() {
  return Guard("read",
               [&]() -> absl::StatusOr<std::vector<TrustedCertificate>> {
                 soci::rowset<soci::row> rows =
                     (session_->prepare << "SELECT * FROM trusted_certificates"
                                           " ORDER BY store, sha256");
                 std::vector<TrustedCertificate> all;
                 for (const soci::row& row : rows) {
                   all.push_back(ReadTrusted(row));
                 }
                 return all;
               });
}

absl::StatusOr<int64_t> SqlStore::TrustVersion() {
  return Guard("read", [&]() -> absl::StatusOr<int64_t> {
    long long version = 0;
    *session_ << "SELECT value FROM counters WHERE name = 'trust_version'",
        into(version);
    return version;
  });
}

absl::StatusOr<std::vector<PublishedList>> SqlStore::ListPublished(
    const std::string& tenant, TrustListKind kind, size_t limit) {
  return Guard("read", [&]() -> absl::StatusOr<std::vector<PublishedList>> {
    const auto number = static_cast<long long>(kind);
    const auto most = static_cast<long long>(limit);
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM trust_lists WHERE tenant = :t"
                              " AND kind = :k ORDER BY sequence DESC LIMIT :l",
         use(tenant), use(number), use(most));
    std::vector<PublishedList> all;
    for (const soci::row& row : rows) all.push_back(ReadPublished(row));
    return all;
  });
}

absl::StatusOr<std::vector<PhoneLists>> SqlStore::ListPhoneLists(
    const std::string& tenant) {
  return Guard("read", [&]() -> absl::StatusOr<std::vector<PhoneLists>> {
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM phone_lists WHERE tenant = :t"
                              " ORDER BY device",
         use(tenant));
    std::vector<PhoneLists> all;
    for (const soci::row& row : rows) all.push_back(ReadPhoneLists(row));
    return all;
  });
}

absl::StatusOr<std::optional<PhoneLists>> SqlStore::GetPhoneLists(
    const std::string& device) {
  return Guard("read", [&]() -> absl::StatusOr<std::optional<PhoneLists>> {
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM phone_lists WHERE device = :d",
         use(device));
    for (const soci::row& row : rows) return ReadPhoneLists(row);
    return std::nullopt;
  });
}

absl::StatusOr<std::vector<AuditRecord>> SqlStore::ReadAudit(int64_t sequence,
                                                             size_t limit) {
  return Guard("read", [&]() -> absl::StatusOr<std::vector<AuditRecord>> {
    const long long after = sequence;
    const auto most = static_cast<long long>(limit);
    soci::rowset<soci::row> rows =
        (session_->prepare << "SELECT * FROM audit WHERE sequence > :a"
                              " ORDER BY sequence LIMIT :l",
         use(after), use(most));
    std::vector<AuditRecord> all;
    for (const soci::row& row : rows) all.push_back(ReadAuditRow(row));
    return all;
  });
}

}  // namespace sallyport::capf
