#include "services/common/sql/sql_database.h"

#include <fcntl.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/secret.h"
#include "services/common/sql/gathered_log.h"
#include "services/common/sql/sql_statements.h"
#include "services/common/sql/sql_status.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr int kMaxAttempts = 5;
constexpr absl::Duration kFirstBackoff = absl::Milliseconds(50);
constexpr absl::Duration kLongestBackoff = absl::Seconds(2);
constexpr absl::Duration kLongestRead = absl::Minutes(2);

absl::Status Unavailable(std::string_view what) {
  return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE", what);
}

// An empty file that only we can read: SQLite gives its log the same mode.
absl::Status MakePrivateFile(const std::string& file) {
  std::error_code error;
  const std::filesystem::path folder =
      std::filesystem::path(file).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) {
    return Unavailable("cannot make the folder of the store: " +
                       error.message());
  }
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Unavailable(std::string("cannot open the store: ") +
                       std::strerror(errno));
  }
  close(fd);
  return absl::OkStatus();
}

bool Stat(const std::string& file, std::pair<uint64_t, uint64_t>* out) {
  struct stat found;
  if (stat(file.c_str(), &found) != 0) return false;
  *out = {found.st_dev, found.st_ino};
  return true;
}

// Counting its own octets costs SQLite a lock for each allocation, and nobody
// reads the count. Only before its first use in the process.
void DoNotCountMemory() {
  static const int kResult =
      sqlite_api::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)kResult;  // too late: it counts
}

// From BEGIN to COMMIT, or to ROLLBACK if it goes away before. SOCI's own has
// SQLite parse these words each time.
class Transaction {
 public:
  Transaction(SqlStatements& sql, bool is_postgres) : sql_(sql) {
    if (is_postgres) {
      soci_.emplace(sql.session());
    } else {
      sql.Execute("BEGIN");
      open_ = true;
    }
  }
  ~Transaction() {
    if (!open_) return;
    try {
      sql_.Execute("ROLLBACK");
    } catch (const std::exception&) {
      // SQLite has rolled back by itself, as after an error of the disk.
    }
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void Commit() {
    if (soci_.has_value()) return soci_->commit();
    sql_.Execute("COMMIT");
    open_ = false;
  }

 private:
  SqlStatements& sql_;
  std::optional<soci::transaction> soci_;
  bool open_ = false;
};

}  // namespace

// A session, and what is prepared on it.
struct SqlDatabase::Connection {
  Connection(const soci::backend_factory& factory, const std::string& options)
      : sql(factory, options) {}

  soci::session sql;
  SqlStatements statements{sql};
};

SqlDatabase::SqlDatabase(SqlOptions options, const Clock& clock,
                         size_t pool_size)
    : options_(std::move(options)), clock_(clock), free_slots_(pool_size) {
  if (is_postgres()) watchdog_ = std::make_unique<SocketWatchdog>();
}

SqlDatabase::~SqlDatabase() = default;

absl::StatusOr<std::unique_ptr<SqlDatabase>> SqlDatabase::Open(
    SqlOptions options, const Clock& clock) {
  const auto* const postgres = std::get_if<PostgresOptions>(&options);
  const size_t pool_size =
      postgres == nullptr ? 1 : std::max<size_t>(postgres->pool_size, 1);
  std::unique_ptr<SqlDatabase> out(
      new SqlDatabase(std::move(options), clock, pool_size));
  bool fresh = false;
  absl::StatusOr<Session> session = out->Take(&fresh);
  if (!session.ok()) {
    if (ReasonOf(session.status()) == "STORE_LOCKED") {
      return MakeError(absl::StatusCode::kFailedPrecondition, "STORE_LOCKED",
                       "another process has the store open");
    }
    return session.status();
  }
  out->Give(*std::move(session));
  return out;
}

absl::StatusOr<SqlDatabase::Session> SqlDatabase::Connect() {
  try {
    if (const auto* sqlite = std::get_if<SqliteOptions>(&options_)) {
      return ConnectSqlite(*sqlite);
    }
    return ConnectPostgres(std::get<PostgresOptions>(options_));
  } catch (const std::exception& e) {
    return SqlStatus("open", e);
  }
}

absl::StatusOr<SqlDatabase::Session> SqlDatabase::ConnectSqlite(
    const SqliteOptions& options) {
  if (options.file.find('"') != std::string::npos) {
    return Unavailable("the file name of the store holds a quotation mark");
  }
  SP_RETURN_IF_ERROR(MakePrivateFile(options.file));
  DoNotCountMemory();
  std::string name;
  if (options.durable) name = GatheredLogUri(options.file);
  if (name.empty()) name = options.file;
  auto session = std::make_unique<Connection>(
      soci::sqlite3, absl::StrCat("dbname=\"", name, "\" timeout=1"));
  soci::session& sql = session->sql;
  // The lock comes with the first read and stays.
  sql << "PRAGMA locking_mode=EXCLUSIVE";
  sql << "PRAGMA journal_mode=WAL";
  sql << (options.durable ? "PRAGMA synchronous=FULL"
                          : "PRAGMA synchronous=NORMAL");
  std::string damage;
  sql << "PRAGMA quick_check(1)", soci::into(damage);
  if (damage != "ok") {
    return MakeError(absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                     "the store's file is damaged: " + damage);
  }
  files_.clear();
  files_.emplace_back(options.file, std::make_pair(0, 0));
  Stat(options.file, &files_.back().second);
  return session;
}

absl::StatusOr<SqlDatabase::Session> SqlDatabase::ConnectPostgres(
    const PostgresOptions& options) {
  SP_ASSIGN_OR_RETURN(const Secret connection, PostgresConnection(options));
  auto session = std::make_unique<Connection>(
      soci::postgresql, std::string(connection.DangerousText()));
  soci::session& sql = session->sql;
  // What the operator has set stays if it promises more.
  sql << "SELECT set_config('synchronous_commit', 'on', false) WHERE "
         "current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";
  std::string fsync;
  sql << "SELECT current_setting('fsync')", soci::into(fsync);
  if (fsync != "on") {
    return MakeError(absl::StatusCode::kFailedPrecondition, "STORE_NOT_DURABLE",
                     "the PostgreSQL server runs with fsync=off: what it "
                     "commits may be lost");
  }
  return session;
}

// SQLite writes on to a file that was removed or replaced, and all of it is
// lost when the process ends.
absl::Status SqlDatabase::CheckFiles() {
  for (const auto& [file, identity] : files_) {
    std::pair<uint64_t, uint64_t> now;
    if (!Stat(file, &now) || now != identity) {
      return Unavailable(
          "the store's file was removed or replaced: restart "
          "this service with the right one");
    }
  }
  if (files_.size() == 1) {
    std::pair<uint64_t, uint64_t> log;
    const std::string name = files_[0].first + "-wal";
    if (Stat(name, &log)) files_.emplace_back(name, log);
  }
  return absl::OkStatus();
}

absl::StatusOr<SqlDatabase::Session> SqlDatabase::Take(bool* fresh) {
  {
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return free_slots_ > 0;
    };
    absl::MutexLock lock(&mutex_, absl::Condition(&ready));
    --free_slots_;
    if (!idle_.empty()) {
      Session session = std::move(idle_.back());
      idle_.pop_back();
      *fresh = false;
      return session;
    }
    if (clock_.MonoNow() < retry_at_) {
      ++free_slots_;
      return last_failure_;
    }
  }
  *fresh = true;
  absl::StatusOr<Session> session = Connect();
  absl::MutexLock lock(&mutex_);
  if (session.ok()) {
    backoff_ = absl::ZeroDuration();
    return session;
  }
  ++free_slots_;
  backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kLongestBackoff);
  retry_at_ = clock_.MonoNow() + backoff_;
  last_failure_ = session.status();
  return session;
}

// Null: it was lost.
void SqlDatabase::Give(Session session) {
  absl::MutexLock lock(&mutex_);
  ++free_slots_;
  if (session != nullptr) {
    idle_.push_back(std::move(session));
  } else {
    // The others of the pool have lost the same server.
    idle_.clear();
  }
}

std::optional<SocketWatchdog::Watch> SqlDatabase::Guard(soci::session& sql,
                                                        absl::Duration limit) {
  if (watchdog_ == nullptr) return std::nullopt;
  const auto* const backend =
      static_cast<soci::postgresql_session_backend*>(sql.get_backend());
  return watchdog_->Start(PQsocket(backend->conn_), limit);
}

absl::Status SqlDatabase::Run(Kind kind, std::string_view doing,
                              const PreparedBody& body, absl::Duration limit) {
  absl::Status status;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    bool fresh = false;
    SP_ASSIGN_OR_RETURN(Session session, Take(&fresh));
    soci::session& sql = session->sql;
    SqlStatements& statements = session->statements;
    bool threw = false;
    bool committing = false;
    status = kind == Kind::kWrite ? CheckFiles() : absl::OkStatus();
    if (!status.ok()) {
      Give(std::move(session));
      return status;
    }
    try {
      const auto guard = Guard(sql, limit);
      Transaction transaction(statements, is_postgres());
      if (kind == Kind::kRead && is_postgres()) {
        sql << "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        // A whole plan takes longer than one row of it.
        sql << "SET LOCAL statement_timeout = 0";
      }
      status = body(statements);
      if (status.ok() && kind == Kind::kWrite) {
        committing = true;
        transaction.Commit();
      }
    } catch (const std::exception& e) {
      threw = true;
      status = SqlStatus(doing, e);
    }
    const bool lost = threw && is_postgres() && !sql.is_connected();
    statements.OnTransactionEnd();
    // They may be for a schema that another replica has changed.
    if (threw) statements.Clear();
    if (lost) session.reset();
    Give(std::move(session));
    if (lost && committing) {
      return MakeError(absl::StatusCode::kUnavailable, "STORE_OUTCOME_UNKNOWN",
                       "the store was lost while it committed: it may or may "
                       "not have stored the change");
    }
    if (!threw) return status;
    const bool again = (lost && !fresh) || ReasonOf(status) == "STORE_CONFLICT";
    if (!again) break;
  }
  // Whoever waits for a conflict that does not end tries again later.
  if (ReasonOf(status) == "STORE_CONFLICT") {
    return Unavailable("too many others change the store: try again");
  }
  return status;
}

absl::Status SqlDatabase::Write(std::string_view doing, const Body& body,
                                absl::Duration limit) {
  return Write(
      doing, [&](SqlStatements& sql) { return body(sql.session()); }, limit);
}

absl::Status SqlDatabase::Read(std::string_view doing, const Body& body) {
  return Read(doing, [&](SqlStatements& sql) { return body(sql.session()); });
}

absl::Status SqlDatabase::Write(std::string_view doing,
                                const PreparedBody& body,
                                absl::Duration limit) {
  const auto* const postgres = std::get_if<PostgresOptions>(&options_);
  if (postgres != nullptr && limit == absl::ZeroDuration()) {
    limit = 4 * postgres->timeout;
  }
  return Run(Kind::kWrite, doing, body, limit);
}

absl::Status SqlDatabase::Read(std::string_view doing,
                               const PreparedBody& body) {
  // A whole plan may be a gigabyte.
  return Run(Kind::kRead, doing, body, kLongestRead);
}

}  // namespace sallyport
