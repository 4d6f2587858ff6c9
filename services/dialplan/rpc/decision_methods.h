// ResolveRoute and ResolveRoutes as the loop of the decision listener serves
// them.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_DECISION_METHODS_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_DECISION_METHODS_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/common/metrics/metrics.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/dialplan/rpc/job_thread.h"
#include "services/dialplan/rpc/plan_resolver.h"

namespace sallyport::dialplan {

// Answers as DialplanService does: at once, on the loop, what is asked of a
// tenant that is compiled, and from a thread of its own what has to be compiled
// or explained first, so that nobody else waits for it. A stream has one answer
// for each request. Thread-safe.
class DecisionMethods {
 public:
  // All outlive this object; `metrics` has kDialplanMetrics and may be null.
  DecisionMethods(const AccessPolicy& policy, PlanResolver& resolver,
                  MetricsRegistry* metrics);

  // For a server that ends before this object does.
  std::vector<GrpcLoopServer::Method> Methods();

  // Until then the answer is UNAVAILABLE, reason STORE_UNAVAILABLE.
  void Open() { open_ = true; }
  void SetDraining() { draining_ = true; }
  // For the names of GrpcServer's health.
  std::optional<bool> Health(std::string_view name) const;

 private:
  using Answered = absl::StatusOr<std::string>;

  void ResolveRoute(const CallerIdentity& caller, const std::string& octets,
                    GrpcLoopServer::Reply reply);
  void ResolveRoutes(const CallerIdentity& caller, const std::string& octets,
                     GrpcLoopServer::Reply reply);
  absl::StatusOr<::sallyport::dialplan::v1::ResolveRouteResponse> Answer(
      const CallerIdentity& caller, std::string_view method,
      const ::sallyport::dialplan::v1::ResolveRouteRequest& question);
  bool IsQuick(const ::sallyport::dialplan::v1::ResolveRouteRequest& question);
  // `work` on the thread, and its answer to `reply`.
  void Later(std::function<Answered()> work, GrpcLoopServer::Reply reply);

  const AccessPolicy& policy_;
  PlanResolver& resolver_;
  const std::string unary_;  // paths of the methods
  const std::string stream_;
  GaugeFamily open_streams_;
  CounterFamily questions_;
  std::atomic<bool> open_ = false;
  std::atomic<bool> draining_ = false;
  JobThread jobs_;  // last: it uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_DECISION_METHODS_H_
