// Where every change goes through: into the store, then into the audit file,
// and only then is it told.

#ifndef SALLYPORT_SERVICES_CAPF_IO_LEDGER_H_
#define SALLYPORT_SERVICES_CAPF_IO_LEDGER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/capf/io/audit_file.h"
#include "services/capf/io/enrollment_store.h"
#include "services/common/sql/group_commit.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {

// Changes that come while others are written share the next transaction, and
// the next sync of the audit file. Thread-safe.
class Ledger {
 public:
  // All must outlive this object; nobody else uses `audit` meanwhile.
  Ledger(EnrollmentStore& store, AuditFile& audit, const Clock& clock);
  // Nobody may be in Apply() any more.
  ~Ledger() = default;

  // Called, on a thread of this object, after each change of trust or
  // revocation that is committed, by whichever replica. Must not call Apply().
  void OnTrustChange(std::function<void()> callback)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same after each batch that made events.
  void OnEvents(std::function<void()> callback) ABSL_LOCKS_EXCLUDED(mutex_);

  // OK when the change and its audit records are durable in both. Begins by
  // catching the audit file up: while that cannot be written, nothing is
  // changed and nothing is signed. An error after the commit (the audit file
  // failed just then) means that nothing may go out; whoever asks again finds
  // what was done. Waits; RESOURCE_EXHAUSTED, reason TOO_BUSY, if too many do.
  absl::Status Apply(const StoreChange& change);
  // The same for who does not wait: `done` is called with that status, once, on
  // the thread of this object, or at once on this one if too many changes wait.
  // It must neither block nor call Apply().
  using Done = std::function<void(const absl::Status&)>;
  void ApplyAsync(std::shared_ptr<StoreChange> change, Done done);

  // Ends the thread, and with it all callbacks. Nobody may call Apply() any
  // more.
  void Stop() { writer_.reset(); }

  // Others may have changed something: looks soon.
  void Wake() { writer_->Wake(); }

  // Whether a change could be written now; for the status.
  absl::Status Check() ABSL_LOCKS_EXCLUDED(mutex_);

  EnrollmentStore& store() { return store_; }
  const Clock& clock() const { return clock_; }

 private:
  struct Job {
    const StoreChange* change = nullptr;
    std::shared_ptr<StoreChange> own;  // null: of the caller, who waits
    Done done;
    absl::Status result;
  };

  // TOO_BUSY, and the job is as it was, if too many wait.
  absl::Status Submit(Job& job);

  void Write(std::vector<Job> batch) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WriteAll(std::vector<Job>& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CatchUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EnrollmentStore& store_;
  const Clock& clock_;
  absl::Mutex mutex_;
  AuditFile& audit_ ABSL_GUARDED_BY(mutex_);
  // The file may lack what the store has.
  bool audit_lags_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the last OnTrustChange(), or of the start.
  int64_t told_version_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  bool made_events_ ABSL_GUARDED_BY(mutex_) = false;  // by this batch
  std::function<void()> on_trust_change_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_events_ ABSL_GUARDED_BY(mutex_);
  std::optional<GroupCommit<Job>> writer_;  // last: it uses all of the above
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_LEDGER_H_
