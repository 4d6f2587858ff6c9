// One database, SQLite or PostgreSQL, through SOCI.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_SQL_DATABASE_H_
#define SALLYPORT_SERVICES_COMMON_SQL_SQL_DATABASE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/sql/postgres_options.h"
#include "services/common/sql/socket_watchdog.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"

namespace soci {
class session;
}  // namespace soci

namespace sallyport {

class SqlStatements;

struct SqliteOptions {
  std::string file;
  // False: a commit survives the process, but perhaps not the machine.
  bool durable = true;
};

using SqlOptions = std::variant<SqliteOptions, PostgresOptions>;

// SQLite: write-ahead log with synchronous=FULL, so each commit waits for the
// disk; the file has mode 0600 and is locked for this process alone; its
// damage is looked for when it is opened, and that it is still the file of its
// name before each change. One connection: transactions wait for each
// other.
//
// PostgreSQL: a pool of connections, made when needed. A lost one is made
// again by the next transaction, with a growing pause (50 ms to 2 s) between
// attempts that fail, during which all fail at once. A server that does not
// keep what it has committed (fsync=off) is refused.
//
// Thread-safe.
class SqlDatabase {
 public:
  // Runs between BEGIN and COMMIT; may throw what SOCI throws. It may run more
  // than once, so it begins from what it finds and keeps nothing outside that
  // it does not set anew. An error rolls back and is returned as it is.
  using Body = std::function<absl::Status(soci::session& sql)>;
  // The same with statements that are prepared once for each connection.
  using PreparedBody = std::function<absl::Status(SqlStatements& sql)>;

  // Opens, or makes, the database. FAILED_PRECONDITION, reason STORE_LOCKED,
  // if another process has the SQLite file; otherwise as SqlStatus. `clock`
  // must outlive the database.
  static absl::StatusOr<std::unique_ptr<SqlDatabase>> Open(
      SqlOptions options, const Clock& clock = Clock::Real());
  ~SqlDatabase();
  SqlDatabase(const SqlDatabase&) = delete;
  SqlDatabase& operator=(const SqlDatabase&) = delete;

  bool is_postgres() const {
    return std::holds_alternative<PostgresOptions>(options_);
  }
  const SqlOptions& options() const { return options_; }

  // Runs `body` in one transaction (PostgreSQL: READ COMMITTED) and commits
  // it: OK means that it survives the loss of power. Conflicts (deadlock,
  // serialization) are tried again, and so is what met a lost connection
  // before COMMIT was sent. UNAVAILABLE, reason STORE_OUTCOME_UNKNOWN: the
  // connection was lost during COMMIT, so it may have been stored.
  // RESOURCE_EXHAUSTED and the like: nothing is stored.
  //
  // A PostgreSQL server that falls silent is given up after `limit` (zero: four
  // times the timeout of its options).
  absl::Status Write(std::string_view doing, const Body& body,
                     absl::Duration limit = absl::ZeroDuration());
  absl::Status Write(std::string_view doing, const PreparedBody& body,
                     absl::Duration limit = absl::ZeroDuration());
  // Runs `body` on one consistent state, which it cannot change.
  absl::Status Read(std::string_view doing, const Body& body);
  absl::Status Read(std::string_view doing, const PreparedBody& body);

 private:
  enum class Kind { kRead, kWrite };
  struct Connection;
  using Session = std::unique_ptr<Connection>;

  SqlDatabase(SqlOptions options, const Clock& clock, size_t pool_size);

  absl::Status Run(Kind kind, std::string_view doing, const PreparedBody& body,
                   absl::Duration limit);
  std::optional<SocketWatchdog::Watch> Guard(soci::session& sql,
                                             absl::Duration limit);
  absl::StatusOr<Session> Take(bool* fresh);
  void Give(Session session);
  absl::StatusOr<Session> Connect();
  absl::StatusOr<Session> ConnectSqlite(const SqliteOptions& options);
  absl::StatusOr<Session> ConnectPostgres(const PostgresOptions& options);
  absl::Status CheckFiles();

  const SqlOptions options_;
  const Clock& clock_;
  std::unique_ptr<SocketWatchdog> watchdog_;  // PostgreSQL only
  absl::Mutex mutex_;
  size_t free_slots_ ABSL_GUARDED_BY(mutex_);  // sessions that may be taken
  std::vector<Session> idle_ ABSL_GUARDED_BY(mutex_);
  MonoTime retry_at_ ABSL_GUARDED_BY(mutex_) = MonoTime::InfinitePast();
  absl::Duration backoff_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  absl::Status last_failure_ ABSL_GUARDED_BY(mutex_);
  // Device and inode of the SQLite file and of its log, once seen.
  std::vector<std::pair<std::string, std::pair<uint64_t, uint64_t>>> files_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_SQL_DATABASE_H_
