#include "services/capf/io/ledger.h"

#include <cstdint>

#include "absl/status/statusor.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

absl::Status Ledger::Apply(const StoreChange& change) {
  SP_RETURN_IF_ERROR(audit_.Sync(store_));
  SP_ASSIGN_OR_RETURN(const int64_t before, store_.TrustVersion());
  SP_RETURN_IF_ERROR(store_.Apply(change, clock_.Now()));
  const absl::Status synced = audit_.Sync(store_);
  // A revocation that is committed holds, whatever the audit file does.
  const absl::StatusOr<int64_t> after = store_.TrustVersion();
  if (on_trust_change_ && (!after.ok() || *after != before)) {
    on_trust_change_();
  }
  return synced;
}

}  // namespace sallyport::capf
