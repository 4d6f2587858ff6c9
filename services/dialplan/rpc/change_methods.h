// ApplyChanges: writes that hold together or not at all.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_CHANGE_METHODS_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_CHANGE_METHODS_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "sallyport/dialplan/v1/apply_changes.pb.h"
#include "services/common/rpc/caller_identity.h"
#include "services/dialplan/io/plan_writer.h"

namespace sallyport::dialplan {

// Thread-safe.
class ChangeMethods {
 public:
  using Done = std::function<void(absl::Status)>;

  static constexpr int kMaxChanges = 10000;

  // `writer` must outlive this object. `key` is the store's own.
  ChangeMethods(PlanWriter& writer, std::string key)
      : writer_(writer), key_(std::move(key)) {}

  // The caller has been authorized for the tenant, and for what it does to the
  // tenant itself. `request` and `response` live until `done`. INVALID_ARGUMENT
  // for what is no such request.
  void Apply(const CallerIdentity& caller,
             const ::sallyport::dialplan::v1::ApplyChangesRequest& request,
             ::sallyport::dialplan::v1::ApplyChangesResponse* response,
             Done done);

 private:
  PlanWriter& writer_;
  const std::string key_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_CHANGE_METHODS_H_
