// Writes what a change says, whole or not at all, and the audit of it.

#ifndef SALLYPORT_SERVICES_CAPF_IO_STORE_APPLY_H_
#define SALLYPORT_SERVICES_CAPF_IO_STORE_APPLY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/capf/core/audit_record.h"
#include "services/capf/io/enrollment_store.h"
#include "services/common/sql/sql_statements.h"

namespace sallyport::capf {

// Where the audit's chain ends.
struct ChainEnd {
  long long sequence = 0;
  std::string hash;
};

// One change, within a transaction of somebody who writes alone; its records go
// to the end of `audit`. What is wrong with the change itself is the result,
// and the transaction is to be rolled back: part of the change is written. What
// is wrong with the store is thrown.
absl::Status ApplyOne(SqlStatements& sql, const StoreChange& change,
                      absl::Time now, ChainEnd& end,
                      std::vector<AuditRecord>& audit);

// The same in a frame of its own, so that a change which is refused leaves no
// trace and is told precisely. For those frames SQLite copies each page that
// it touches, and PostgreSQL is asked three times.
absl::Status ApplyGuarded(SqlStatements& sql, const StoreChange& change,
                          absl::Time now, ChainEnd& end,
                          std::vector<AuditRecord>& audit);

// Whether consumers of trust are to hear of it.
bool ChangesTrust(const StoreChange& change);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_STORE_APPLY_H_
