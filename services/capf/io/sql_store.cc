#include "services/capf/io/sql_store.h"

#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/io/store_schema.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
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

absl::Status Conflict() {
  return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                   "it was changed meanwhile");
}

long long ToColumn(absl::Time time) {
  if (time == absl::InfiniteFuture()) {
    return std::numeric_limits<long long>::max();
  }
  if (time == absl::InfinitePast()) {
    return std::numeric_limits<long long>::min();
  }
  return absl::ToUnixMicros(time);
}

absl::Time TimeFromColumn(long long micros) {
  if (micros == std::numeric_limits<long long>::max()) {
    return absl::InfiniteFuture();
  }
  if (micros == std::numeric_limits<long long>::min()) {
    return absl::InfinitePast();
  }
  return absl::FromUnixMicros(micros);
}

std::string ToHexColumn(const std::string& octets) {
  return HexEncode(AsBytes(octets));
}

std::string FromHexColumn(const std::string& hex) {
  absl::StatusOr<std::string> octets = HexDecode(hex);
  return octets.ok() ? *std::move(octets) : std::string();
}

std::string TenantOf(const std::string& name) {
  // "tenants/{tenant}/..."
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return parts.size() > 1 ? parts[1] : std::string();
}

// Reads a row by column name. SOCI throws on a wrong name or type, which is
// then a fault of ours.
class RowReader {
 public:
  explicit RowReader(const soci::row& row) : row_(row) {}

  std::string Text(const char* column) const {
    return row_.get<std::string>(column);
  }
  std::string Octets(const char* column) const {
    return FromHexColumn(Text(column));
  }
  long long Number(const char* column) const {
    return row_.get<long long>(column);
  }
  absl::Time Time(const char* column) const {
    return TimeFromColumn(Number(column));
  }
  template <typename Enum>
  Enum As(const char* column) const {
    return static_cast<Enum>(Number(column));
  }

 private:
  const soci::row& row_;
};

Enrollment ReadEnrollment(const soci::row& row) {
  const RowReader r(row);
  Enrollment e;
  e.name = r.Text("name");
  e.device_name = r.Text("device_name");
  e.operation = r.As<Operation>("operation");
  e.mode = r.As<AuthenticationMode>("mode");
  e.verifier.iterations = r.As<uint32_t>("verifier_iterations");
  e.verifier.salt = r.Octets("verifier_salt");
  e.verifier.hash = r.Octets("verifier_hash");
  e.string_spent = r.Number("string_spent") != 0;
  e.key_order = r.As<KeyOrder>("key_order");
  e.rsa_bits = r.As<int>("rsa_bits");
  e.curve = r.As<KeyKind>("curve");
  e.validity = absl::Microseconds(r.Number("validity"));
  e.completes_by = r.Time("completes_by");
  e.status.outcome = r.As<OperationStatus::Outcome>("status_outcome");
  e.status.operation = r.As<Operation>("status_operation");
  e.status.reason = r.As<FailureReason>("status_reason");
  e.failed_attempts = r.As<uint32_t>("failed_attempts");
  e.locked = r.Number("locked") != 0;
  e.lsc_serial = r.Text("lsc_serial");
  e.unconfirmed_serial = r.Text("unconfirmed_serial");
  e.lsc_expire_time = r.Time("lsc_expire_time");
  e.last_contact_time = r.Time("last_contact_time");
  e.protocol_version = r.As<uint8_t>("protocol_version");
  e.request_key = r.Text("request_key");
  e.create_time = r.Time("create_time");
  e.update_time = r.Time("update_time");
  e.version = r.Number("version");
  return e;
}

// The columns of an enrollment as SOCI takes them: by reference, so this must
// live as long as the statement.
struct EnrollmentColumns {
  explicit EnrollmentColumns(const Enrollment& e)
      : name(e.name),
        tenant(TenantOf(e.name)),
        device_name(e.device_name),
        operation(static_cast<long long>(e.operation)),
        mode(static_cast<long long>(e.mode)),
        iterations(e.verifier.iterations),
        salt(ToHexColumn(e.verifier.salt)),
        hash(ToHexColumn(e.verifier.hash)),
        spent(e.string_spent),
        key_order(static_cast<long long>(e.key_order)),
        rsa_bits(e.rsa_bits),
        curve(static_cast<long long>(e.curve)),
        validity(absl::ToInt64Microseconds(e.validity)),
        completes_by(ToColumn(e.completes_by)),
        outcome(static_cast<long long>(e.status.outcome)),
        status_operation(static_cast<long long>(e.status.operation)),
        reason(static_cast<long long>(e.status.reason)),
        failed(e.failed_attempts),
        locked(e.locked),
        lsc(e.lsc_serial),
        unconfirmed(e.unconfirmed_serial),
        expires(ToColumn(e.lsc_expire_time)),
        contact(ToColumn(e.last_contact_time)),
        protocol(e.protocol_version),
        request_key(e.request_key),
        created(ToColumn(e.create_time)),
        updated(ToColumn(e.update_time)),
        version(e.version) {}

  std::string name, tenant, device_name;
  long long operation, mode, iterations;
  std::string salt, hash;
  long long spent, key_order, rsa_bits, curve, validity, completes_by;
  long long outcome, status_operation, reason, failed, locked;
  std::string lsc, unconfirmed;
  long long expires, contact, protocol;
  std::string request_key;
  long long created, updated, version;
};

void InsertEnrollment(soci::session& sql, const Enrollment& enrollment) {
  EnrollmentColumns c(enrollment);
  c.version = 1;
  sql << "INSERT INTO enrollments (name, tenant, device_name, operation, mode,"
         " verifier_iterations, verifier_salt, verifier_hash, string_spent,"
         " key_order, rsa_bits, curve, validity, completes_by, status_outcome,"
         " status_operation, status_reason, failed_attempts, locked,"
         " lsc_serial, unconfirmed_serial, lsc_expire_time, last_contact_time,"
         " protocol_version, request_key, create_time, update_time, version)"
         " VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j, :k, :l, :m, :n, :o,"
         " :p, :q, :r, :s, :t, :u, :v, :w, :x, :y, :z, :aa, :ab)",
      use(c.name), use(c.tenant), use(c.device_name), use(c.operation),
      use(c.mode), use(c.iterations), use(c.salt), use(c.hash), use(c.spent),
      use(c.key_order), use(c.rsa_bits), use(c.curve), use(c.validity),
      use(c.completes_by), use(c.outcome), use(c.status_operation),
      use(c.reason), use(c.failed), use(c.locked), use(c.lsc),
      use(c.unconfirmed), use(c.expires), use(c.contact), use(c.protocol),
      use(c.request_key), use(c.created), use(c.updated), use(c.version);
}

absl::Status UpdateEnrollment(soci::session& sql,
                              const Enrollment& enrollment) {
  const EnrollmentColumns c(enrollment);
  soci::statement statement =
      (sql.prepare
           << "UPDATE enrollments SET operation = :d, mode = :e,"
              " verifier_iterations = :f, verifier_salt = :g,"
              " verifier_hash = :h, string_spent = :i, key_order = :j,"
              " rsa_bits = :k, curve = :l, validity = :m, completes_by = :n,"
              " status_outcome = :o, status_operation = :p,"
              " status_reason = :q, failed_attempts = :r, locked = :s,"
              " lsc_serial = :t, unconfirmed_serial = :u,"
              " lsc_expire_time = :v, last_contact_time = :w,"
              " protocol_version = :x, request_key = :y, update_time = :aa,"
              " version = version + 1 WHERE name = :a AND version = :ab",
       use(c.operation), use(c.mode), use(c.iterations), use(c.salt),
       use(c.hash), use(c.spent), use(c.key_order), use(c.rsa_bits),
       use(c.curve), use(c.validity), use(c.completes_by), use(c.outcome),
       use(c.status_operation), use(c.reason), use(c.failed), use(c.locked),
       use(c.lsc), use(c.unconfirmed), use(c.expires), use(c.contact),
       use(c.protocol), use(c.request_key), use(c.updated), use(c.name),
       use(c.version));
  statement.execute(true);
  return statement.get_affected_rows() == 1 ? absl::OkStatus() : Conflict();
}

absl::Status DeleteEnrollment(soci::session& sql, const VersionedName& which) {
  const long long version = which.version;
  soci::statement statement =
      (sql.prepare << "DELETE FROM enrollments WHERE name = :n"
                      " AND (:v = 0 OR version = :w)",
       use(which.name), use(version), use(version));
  statement.execute(true);
  return statement.get_affected_rows() == 1 ? absl::OkStatus() : Conflict();
}

CertificateRecord ReadCertificate(const soci::row& row) {
  const RowReader r(row);
  CertificateRecord c;
  c.serial = r.Text("serial");
  c.tenant = r.Text("tenant");
  c.profile = ProfileByName(r.Text("profile")).value_or(ProfileId::kClient);
  c.state = r.As<CertificateState>("state");
  c.common_name = r.Text("common_name");
  c.enrollment = r.Text("enrollment");
  c.requester = r.Text("requester");
  c.request_key = r.Text("request_key");
  c.request_sha256 = r.Text("request_sha256");
  c.key_sha256 = r.Text("key_sha256");
  c.tbs = r.Octets("tbs");
  c.der = r.Octets("der");
  c.not_before = r.Time("not_before");
  c.not_after = r.Time("not_after");
  c.create_time = r.Time("create_time");
  c.revoke_time = r.Time("revoke_time");
  c.revocation_reason = r.As<RevocationReason>("revocation_reason");
  return c;
}

void InsertCertificate(soci::session& sql, const CertificateRecord& c) {
  const std::string profile(ProfileFor(c.profile).name);
  const auto state = static_cast<long long>(c.state);
  const std::string tbs = ToHexColumn(c.tbs);
  const std::string der = ToHexColumn(c.der);
  const long long not_before = ToColumn(c.not_before);
  const long long not_after = ToColumn(c.not_after);
  const long long created = ToColumn(c.create_time);
  const long long revoked = ToColumn(c.revoke_time);
  const auto reason = static_cast<long long>(c.revocation_reason);
  sql << "INSERT INTO certificates (serial, tenant, profile, state,"
         " common_name, enrollment, requester, request_key, request_sha256,"
         " key_sha256, tbs, der, not_before, not_after, create_time,"
         " revoke_time, revocation_reason) VALUES (:a, :b, :c, :d, :e, :f, :g,"
         " :h, :i, :j, :k, :l, :m, :n, :o, :p, :q)",
      use(c.serial), use(c.tenant), use(profile), use(state),
      use(c.common_name), use(c.enrollment), use(c.requester),
      use(c.request_key), use(c.request_sha256), use(c.key_sha256), use(tbs),
      use(der), use(not_before), use(not_after), use(created), use(revoked),
      use(reason);
}

absl::Status UpdateCertificate(soci::session& sql,
                               const CertificateUpdate& update) {
  const CertificateRecord& c = update.record;
  const auto state = static_cast<long long>(c.state);
  const auto expected = static_cast<long long>(update.expected);
  const std::string der = ToHexColumn(c.der);
  const long long revoked = ToColumn(c.revoke_time);
  const auto reason = static_cast<long long>(c.revocation_reason);
  soci::statement statement =
      (sql.prepare << "UPDATE certificates SET state = :a, der = :b,"
                      " revoke_time = :c, revocation_reason = :d"
                      " WHERE serial = :e AND state = :f",
       use(state), use(der), use(revoked), use(reason), use(c.serial),
       use(expected));
  statement.execute(true);
  return statement.get_affected_rows() == 1 ? absl::OkStatus() : Conflict();
}

void InsertTrusted(soci::session& sql, const TrustedCertificate& t) {
  const std::string der = ToHexColumn(t.der);
  const std::string contexts = absl::StrJoin(t.tls_contexts, "\n");
  const long long created = ToColumn(t.create_time);
  sql << "INSERT INTO trusted_certificates (store, sha256, der, origin,"
         " tls_peer_subject, tls_contexts, create_time)"
         " VALUES (:a, :b, :c, :d, :e, :f, :g)",
      use(t.store), use(t.sha256), use(der), use(t.origin),
      use(t.tls_peer_subject), use(contexts), use(created);
}

absl::Status DeleteTrusted(soci::session& sql, const TrustedCertificate& t) {
  soci::statement statement =
      (sql.prepare << "DELETE FROM trusted_certificates"
                      " WHERE store = :a AND sha256 = :b",
       use(t.store), use(t.sha256));
  statement.execute(true);
  return statement.get_affected_rows() == 1 ? absl::OkStatus() : Conflict();
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

AuditRecord ReadAuditRow(const soci::row& row) {
  const RowReader r(row);
  return {.sequence = r.Number("sequence"),
          .time = r.Time("time"),
          .event = {.event = r.Text("event"),
                    .actor = r.Text("actor"),
                    .subject = r.Text("subject"),
                    .details = r.Text("details")},
          .previous_hash = r.Text("previous_hash"),
          .hash = r.Text("hash")};
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
    const long long time = ToColumn(record.time);
    sql << "INSERT INTO audit (sequence, time, event, actor, subject, details,"
           " previous_hash, hash) VALUES (:a, :b, :c, :d, :e, :f, :g, :h)",
        use(sequence), use(time), use(record.event.event),
        use(record.event.actor), use(record.event.subject),
        use(record.event.details), use(record.previous_hash), use(record.hash);
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
  return Guard(
      "read", [&]() -> absl::StatusOr<std::vector<TrustedCertificate>> {
        soci::rowset<soci::row> rows =
            (session_->prepare << "SELECT * FROM trusted_certificates"
                                  " ORDER BY store, sha256");
        std::vector<TrustedCertificate> all;
        for (const soci::row& row : rows) {
          const RowReader r(row);
          TrustedCertificate t;
          t.store = r.Text("store");
          t.sha256 = r.Text("sha256");
          t.der = r.Octets("der");
          t.origin = r.Text("origin");
          t.tls_peer_subject = r.Text("tls_peer_subject");
          t.tls_contexts =
              absl::StrSplit(r.Text("tls_contexts"), '\n', absl::SkipEmpty());
          t.create_time = r.Time("create_time");
          all.push_back(std::move(t));
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
