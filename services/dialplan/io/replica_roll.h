// What the replicas of one store tell each other about themselves.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_REPLICA_ROLL_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_REPLICA_ROLL_H_

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/sql/sql_database.h"

namespace sallyport::dialplan {

// A row of the store for each replica, which it renews with every beat: the
// text only when it is another. Rows that have not been renewed for `expiry`,
// by the clock of the database, are of replicas that are gone; they are removed
// by those that live. One transaction a beat, whatever is reported meanwhile.
// For PostgreSQL. Thread-safe.
class ReplicaRoll {
 public:
  struct Options {
    std::string instance;
    absl::Duration beat = absl::Seconds(3);
    absl::Duration expiry = absl::Seconds(15);
    // What the others shall see. Called on this object's thread.
    std::function<std::string()> text;
  };
  struct Replica {
    std::string instance;
    std::string text;
  };

  // `database` must outlive this object.
  ReplicaRoll(SqlDatabase& database, Options options);
  // Removes its own row, if the database can be reached.
  ~ReplicaRoll();
  ReplicaRoll(const ReplicaRoll&) = delete;
  ReplicaRoll& operator=(const ReplicaRoll&) = delete;

  // The others that lived at the last beat, by instance; none while the
  // database has been out of reach for `expiry`.
  std::vector<Replica> Others() const;

 private:
  void Run();
  absl::Status Beat();

  SqlDatabase& database_;
  const Options options_;
  std::string written_;  // the thread's
  bool has_row_ = false;
  mutable absl::Mutex mutex_;
  std::vector<Replica> others_ ABSL_GUARDED_BY(mutex_);
  absl::Time seen_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_REPLICA_ROLL_H_
