#include "services/credential_issuer/io/sqlite_issuer_store.h"

#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::credential_issuer {
namespace {

constexpr int kSchemaVersion = 1;

// One statement each; PRAGMA user_version counts how many ran.
constexpr const char* kSchema[] = {
    "CREATE TABLE state (only_row INTEGER PRIMARY KEY CHECK (only_row = 1),"
    " version INTEGER NOT NULL, version_us INTEGER NOT NULL,"
    " next_key_id INTEGER NOT NULL)",
    "CREATE TABLE keys (id INTEGER PRIMARY KEY, sealed TEXT NOT NULL,"
    " create_us INTEGER NOT NULL, not_before_us INTEGER NOT NULL,"
    " not_after_us INTEGER NOT NULL, revoked INTEGER NOT NULL,"
    " version INTEGER NOT NULL, request_id TEXT NOT NULL)",
    "CREATE TABLE revocations (id TEXT PRIMARY KEY, tenant TEXT NOT NULL,"
    " kind INTEGER NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL,"
    " create_us INTEGER NOT NULL, expire_us INTEGER NOT NULL,"
    " version INTEGER NOT NULL)",
};

// What SOCI throws, as a status. Its text may quote SQL but never a value.
absl::Status FromException(const char* doing, const std::exception& e) {
  const std::string what = e.what();
  if (what.find("locked") != std::string::npos) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "STORE_LOCKED",
                     "another process has the store open");
  }
  return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                   absl::StrCat("cannot ", doing, " the store: ", what));
}

// An empty file that only we can read: SQLite gives its log the same mode.
absl::Status MakePrivateFile(const std::string& file) {
  std::error_code error;
  const std::filesystem::path folder =
      std::filesystem::path(file).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  const int fd =
      error ? -1 : ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return MakeError(
        absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
        absl::StrCat("cannot make ", file, ": ",
                     error ? error.message() : std::strerror(errno)));
  }
  ::close(fd);
  return absl::OkStatus();
}

std::string ConnectionOf(const std::string& file) {
  return absl::StrCat("db=\"", file, "\" timeout=2 shared_cache=false");
}

long long ToColumn(absl::Time time) { return absl::ToUnixMicros(time); }
absl::Time FromColumn(long long micros) { return absl::FromUnixMicros(micros); }

}  // namespace

struct SqliteIssuerStore::Database {
  soci::session sql;

  void Migrate() {
    int version = 0;
    sql << "PRAGMA user_version", soci::into(version);
    if (version >= kSchemaVersion) return;
    soci::transaction transaction(sql);
    for (const char* statement : kSchema) sql << statement;
    sql << "PRAGMA user_version = " + std::to_string(kSchemaVersion);
    transaction.commit();
  }

  int UserVersion() {
    int version = 0;
    sql << "PRAGMA user_version", soci::into(version);
    return version;
  }
};

absl::StatusOr<std::unique_ptr<SqliteIssuerStore>> SqliteIssuerStore::Open(
    const std::string& file, const KeySealer& sealer, RandomSource& random) {
  SP_RETURN_IF_ERROR(MakePrivateFile(file));
  try {
    auto database = std::make_unique<Database>();
    database->sql.open(soci::sqlite3, ConnectionOf(file));
    std::string mode;
    // The lock is held as long as the process lives: one writer, and it knows
    // all that is in the file.
    database->sql << "PRAGMA locking_mode = EXCLUSIVE", soci::into(mode);
    database->sql << "PRAGMA journal_mode = WAL", soci::into(mode);
    database->sql << "PRAGMA synchronous = FULL";
    if (database->UserVersion() > kSchemaVersion) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "STORE_TOO_NEW",
                       absl::StrCat(file, " was written by a later release"));
    }
    database->Migrate();
    return std::unique_ptr<SqliteIssuerStore>(
        new SqliteIssuerStore(std::move(database), sealer, random));
  } catch (const std::exception& e) {
    return FromException("open", e);
  }
}

SqliteIssuerStore::SqliteIssuerStore(std::unique_ptr<Database> database,
                                     const KeySealer& sealer,
                                     RandomSource& random)
    : database_(std::move(database)), sealer_(sealer), random_(random) {}

SqliteIssuerStore::~SqliteIssuerStore() = default;

absl::StatusOr<IssuerState> SqliteIssuerStore::Load(
    const KeyRingPolicy& policy) {
  try {
    soci::session& sql = database_->sql;
    long long version = 0;
    long long version_us = 0;
    long long next_key_id = 1;
    sql << "SELECT version, version_us, next_key_id FROM state",
        soci::into(version), soci::into(version_us), soci::into(next_key_id);
    std::vector<RingKey> keys;
    const soci::rowset<soci::row> key_rows =
        (sql.prepare << "SELECT CAST(id AS TEXT), sealed,"
                        " CAST(create_us AS TEXT), CAST(not_before_us AS TEXT),"
                        " CAST(not_after_us AS TEXT), CAST(revoked AS TEXT),"
                        " CAST(version AS TEXT), request_id FROM keys");
    for (const soci::row& row : key_rows) {
      RingKey key;
      key.id = static_cast<uint32_t>(std::stoul(row.get<std::string>(0)));
      SP_ASSIGN_OR_RETURN(const std::string sealed,
                          HexDecode(row.get<std::string>(1)));
      SP_ASSIGN_OR_RETURN(Secret secret, sealer_.Open(key.id, sealed));
      key.secret = std::make_shared<const Secret>(std::move(secret));
      key.create_time = FromColumn(std::stoll(row.get<std::string>(2)));
      key.not_before = FromColumn(std::stoll(row.get<std::string>(3)));
      key.not_after = FromColumn(std::stoll(row.get<std::string>(4)));
      key.revoked = row.get<std::string>(5) != "0";
      key.version = std::stoll(row.get<std::string>(6));
      key.request_id = row.get<std::string>(7);
      keys.push_back(std::move(key));
    }
    std::vector<Revocation> revocations;
    const soci::rowset<soci::row> revocation_rows =
        (sql.prepare << "SELECT id, tenant, CAST(kind AS TEXT), target, reason,"
                        " CAST(create_us AS TEXT), CAST(expire_us AS TEXT),"
                        " CAST(version AS TEXT) FROM revocations"
                        " ORDER BY version, id");
    for (const soci::row& row : revocation_rows) {
      Revocation revocation;
      revocation.id = row.get<std::string>(0);
      revocation.tenant = row.get<std::string>(1);
      revocation.kind =
          static_cast<RevocationKind>(std::stoi(row.get<std::string>(2)));
      revocation.target = row.get<std::string>(3);
      revocation.reason = row.get<std::string>(4);
      revocation.create_time = FromColumn(std::stoll(row.get<std::string>(5)));
      revocation.expire_time = FromColumn(std::stoll(row.get<std::string>(6)));
      revocation.version = std::stoll(row.get<std::string>(7));
      revocations.push_back(std::move(revocation));
    }
    return IssuerState{
        version, FromColumn(version_us),
        KeyRing(policy, static_cast<uint32_t>(next_key_id), std::move(keys)),
        RevocationList(std::move(revocations))};
  } catch (const std::exception& e) {
    return FromException("read", e);
  }
}

absl::Status SqliteIssuerStore::Save(const IssuerState& current,
                                     const IssuerState& next) {
  try {
    soci::session& sql = database_->sql;
    soci::transaction transaction(sql);
    const long long version = next.version;
    const long long version_us = ToColumn(next.version_time);
    const long long next_key_id = next.ring.next_id();
    sql << "INSERT OR REPLACE INTO state (only_row, version, version_us,"
           " next_key_id) VALUES (1, :version, :time, :next)",
        soci::use(version), soci::use(version_us), soci::use(next_key_id);
    // A ring is few keys: all of them, so that the table is the ring.
    sql << "DELETE FROM keys";
    for (const RingKey& key : next.ring.keys()) {
      const long long id = key.id;
      const std::string sealed =
          HexEncode(AsBytes(sealer_.Seal(key.id, *key.secret, random_)));
      const long long create_us = ToColumn(key.create_time);
      const long long not_before_us = ToColumn(key.not_before);
      const long long not_after_us = ToColumn(key.not_after);
      const int revoked = key.revoked ? 1 : 0;
      const long long key_version = key.version;
      sql << "INSERT INTO keys (id, sealed, create_us, not_before_us,"
             " not_after_us, revoked, version, request_id)"
             " VALUES (:id, :sealed, :c, :b, :a, :r, :v, :q)",
          soci::use(id), soci::use(sealed), soci::use(create_us),
          soci::use(not_before_us), soci::use(not_after_us), soci::use(revoked),
          soci::use(key_version), soci::use(key.request_id);
    }
    // Revocations can be many: only what changed.
    const long long now_us = version_us;
    sql << "DELETE FROM revocations WHERE expire_us <= :now", soci::use(now_us);
    for (const Revocation& r : next.revocations.all()) {
      if (r.version <= current.version) continue;
      const int kind = static_cast<int>(r.kind);
      const long long create_us = ToColumn(r.create_time);
      const long long expire_us = ToColumn(r.expire_time);
      const long long r_version = r.version;
      sql << "INSERT INTO revocations (id, tenant, kind, target, reason,"
             " create_us, expire_us, version)"
             " VALUES (:id, :tenant, :kind, :target, :reason, :c, :e, :v)",
          soci::use(r.id), soci::use(r.tenant), soci::use(kind),
          soci::use(r.target), soci::use(r.reason), soci::use(create_us),
          soci::use(expire_us), soci::use(r_version);
    }
    transaction.commit();
    return absl::OkStatus();
  } catch (const std::exception& e) {
    return FromException("write", e);
  }
}

struct SqliteAuditLog::Database {
  absl::Mutex mutex;
  soci::session sql ABSL_GUARDED_BY(mutex);
  uint64_t written ABSL_GUARDED_BY(mutex) = 0;
};

absl::StatusOr<std::unique_ptr<SqliteAuditLog>> SqliteAuditLog::Open(
    const std::string& file) {
  SP_RETURN_IF_ERROR(MakePrivateFile(file));
  try {
    auto database = std::make_unique<Database>();
    absl::MutexLock lock(&database->mutex);
    database->sql.open(soci::sqlite3, ConnectionOf(file));
    std::string mode;
    database->sql << "PRAGMA journal_mode = WAL", soci::into(mode);
    database->sql << "PRAGMA synchronous = NORMAL";
    database->sql << "CREATE TABLE IF NOT EXISTS audit ("
                     "time_us INTEGER NOT NULL, line TEXT NOT NULL)";
    database->sql << "CREATE INDEX IF NOT EXISTS audit_time"
                     " ON audit (time_us)";
    return std::unique_ptr<SqliteAuditLog>(
        new SqliteAuditLog(std::move(database)));
  } catch (const std::exception& e) {
    return FromException("open", e);
  }
}

SqliteAuditLog::SqliteAuditLog(std::unique_ptr<Database> database)
    : database_(std::move(database)) {}

SqliteAuditLog::~SqliteAuditLog() = default;

absl::Status SqliteAuditLog::Write(std::string_view line) {
  constexpr uint64_t kPruneEvery = 1000;
  const absl::Time now = absl::Now();
  const long long now_us = ToColumn(now);
  const std::string text(line);
  absl::MutexLock lock(&database_->mutex);
  try {
    database_->sql << "INSERT INTO audit (time_us, line) VALUES (:t, :l)",
        soci::use(now_us), soci::use(text);
    if (++database_->written % kPruneEvery == 0) {
      const long long oldest_us = ToColumn(now - kKeep);
      database_->sql << "DELETE FROM audit WHERE time_us < :t",
          soci::use(oldest_us);
    }
    return absl::OkStatus();
  } catch (const std::exception& e) {
    return FromException("write", e);
  }
}

}  // namespace sallyport::credential_issuer
