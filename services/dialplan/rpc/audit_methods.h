// The audit log, read.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_AUDIT_METHODS_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_AUDIT_METHODS_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "sallyport/dialplan/v1/audit_record.pb.h"
#include "services/common/sql/group_commit.h"
#include "services/dialplan/io/audit_log.h"
#include "services/dialplan/rpc/page_token.h"

namespace sallyport::dialplan {

// The database is read on a thread of this object's own, one call after the
// other. The caller has been authorized for the tenant. Thread-safe.
class AuditMethods {
 public:
  using Done = std::function<void(const absl::Status&)>;

  // `log` must outlive this object. `key` as of PageTokens.
  AuditMethods(const AuditLog& log, const std::string& key);

  // Newest first. A page may hold less than was asked for, even nothing,
  // though there is a next one: a call looks at no more than kMaxScanned
  // records. Answers later, on this object's thread, or at once if the request
  // is malformed; both messages must live until then. RESOURCE_EXHAUSTED,
  // reason READ_QUEUE_FULL, if too many wait.
  void List(const ::sallyport::dialplan::v1::ListAuditRecordsRequest& request,
            ::sallyport::dialplan::v1::ListAuditRecordsResponse* response,
            Done done);

  static constexpr size_t kMaxScanned = 5000;

 private:
  using Job = std::function<void()>;

  const AuditLog& log_;
  const PageTokens tokens_;
  GroupCommit<Job> queue_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_AUDIT_METHODS_H_
