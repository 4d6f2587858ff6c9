// Where every change goes through: into the store, then into the audit file,
// and only then is it told.

#ifndef SALLYPORT_SERVICES_CAPF_IO_LEDGER_H_
#define SALLYPORT_SERVICES_CAPF_IO_LEDGER_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "services/capf/io/audit_file.h"
#include "services/capf/io/enrollment_store.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {

// Thread-compatible.
class Ledger {
 public:
  // All must outlive this object.
  Ledger(EnrollmentStore& store, AuditFile& audit, const Clock& clock)
      : store_(store), audit_(audit), clock_(clock) {}

  // Called after each committed change of trust or revocation.
  void OnTrustChange(std::function<void()> callback) {
    on_trust_change_ = std::move(callback);
  }

  // OK when the change and its audit records are durable in both. Begins by
  // catching the audit file up: while that cannot be written, nothing is
  // changed and nothing is signed. An error after the commit (the audit file
  // failed just then) means that nothing may go out; whoever asks again finds
  // what was done.
  absl::Status Apply(const StoreChange& change);

  // Whether a change could be written now; for the status.
  absl::Status Check() { return audit_.Sync(store_); }

  EnrollmentStore& store() { return store_; }
  const Clock& clock() const { return clock_; }

 private:
  EnrollmentStore& store_;
  AuditFile& audit_;
  const Clock& clock_;
  std::function<void()> on_trust_change_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_LEDGER_H_
