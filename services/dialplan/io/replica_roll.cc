#include "services/dialplan/io/replica_roll.h"

#include <soci/soci.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "services/common/log/log.h"
#include "services/dialplan/io/plan_rows.h"

namespace sallyport::dialplan {
namespace {

// Not our clock: replicas run on machines with others.
constexpr char kNow[] =
    "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT";

}  // namespace

ReplicaRoll::ReplicaRoll(SqlDatabase& database, Options options)
    : database_(database),
      options_(std::move(options)),
      thread_([this] { Run(); }) {}

ReplicaRoll::~ReplicaRoll() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  database_
      .Write("leave",
             [&](soci::session& sql) {
               sql << "DELETE FROM replicas WHERE instance = :i",
                   soci::use(options_.instance);
               return absl::OkStatus();
             })
      .IgnoreError();  // the others see that it does not beat
}

std::vector<ReplicaRoll::Replica> ReplicaRoll::Others() const {
  absl::MutexLock lock(&mutex_);
  if (absl::Now() - seen_ > options_.expiry) return {};
  return others_;
}

absl::Status ReplicaRoll::Beat() {
  const std::string text = ToBase64(options_.text());
  const bool renew = has_row_ && text == written_;
  const int64_t expiry = absl::ToInt64Microseconds(options_.expiry);
  const std::string now(kNow);
  std::vector<Replica> others;
  const absl::Status status =
      database_.Write("beat", [&](soci::session& sql) -> absl::Status {
        others.clear();
        if (renew) {
          soci::statement update =
              (sql.prepare << "UPDATE replicas SET beat_time = " << now
                           << " WHERE instance = :i",
               soci::use(options_.instance));
          update.execute(true);
          // Removed, as it was silent: written whole with the next beat.
          has_row_ = update.get_affected_rows() > 0;
        } else {
          sql << "INSERT INTO replicas (instance, beat_time, consumers)"
                 " VALUES (:i, "
              << now
              << ", :t) ON CONFLICT (instance) DO UPDATE SET"
                 " beat_time = excluded.beat_time,"
                 " consumers = excluded.consumers",
              soci::use(options_.instance), soci::use(text);
        }
        sql << "DELETE FROM replicas WHERE beat_time < " << now << " - :e",
            soci::use(expiry);
        const soci::rowset<soci::row> rows =
            (sql.prepare << "SELECT instance, consumers FROM replicas"
                            " WHERE instance <> :i ORDER BY instance",
             soci::use(options_.instance));
        for (const soci::row& row : rows) {
          others.push_back({row.get<std::string>(0), row.get<std::string>(1)});
        }
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  if (!renew) has_row_ = true;
  written_ = text;
  for (Replica& other : others) {
    // A replica of another release may write what this one cannot read.
    other.text = FromBase64(other.text).value_or("");
  }
  absl::MutexLock lock(&mutex_);
  others_ = std::move(others);
  seen_ = absl::Now();
  return absl::OkStatus();
}

void ReplicaRoll::Run() {
  for (;;) {
    const absl::Status status = Beat();
    if (!status.ok()) {
      SALLYPORT_LOG_LIMITED(kWarning, "cannot tell other replicas of this one",
                            {{"status", status}});
    }
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.beat)) {
      return;
    }
  }
}

}  // namespace sallyport::dialplan
