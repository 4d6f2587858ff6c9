// gRPC in, plan, gRPC out.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_DIALPLAN_SERVICE_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_DIALPLAN_SERVICE_H_

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/dialplan/v1/dialplan_status.pb.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "sallyport/dialplan/v1/snapshot.pb.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/dispatch_service.h"
#include "services/common/time/clock.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/io/replica_roll.h"
#include "services/dialplan/rpc/audit_methods.h"
#include "services/dialplan/rpc/change_evaluator.h"
#include "services/dialplan/rpc/change_methods.h"
#include "services/dialplan/rpc/consumer_table.h"
#include "services/dialplan/rpc/finding_methods.h"
#include "services/dialplan/rpc/plan_resolver.h"
#include "services/dialplan/rpc/plan_watch.h"
#include "services/dialplan/rpc/resource_methods.h"
#include "services/dialplan/rpc/route_streams.h"
#include "services/dialplan/rpc/security_methods.h"

namespace sallyport::dialplan {

// The API. A method that the constructor names no handler for answers
// UNIMPLEMENTED. Thread-safe.
class DialplanService final : public DispatchService {
 public:
  // All must outlive this object.
  struct Parts {
    const AccessPolicy& policy;
    const PlanBoard& board;
    ResourceMethods& methods;
    ChangeMethods& changes;
    FindingMethods& findings;
    AuditMethods& audit;
    SecurityMethods& security;
    PlanResolver& resolver;
    ChangeEvaluator& evaluator;
    PlanWatch& watch;
    RouteStreams& routes;
    ConsumerTable& consumers;
    const ReplicaRoll* replicas;  // null: there are no others
  };
  struct Self {
    std::string instance;
    std::string trust_domain;
  };

  // Answers UNAVAILABLE, reason STORE_UNAVAILABLE, until Begin().
  DialplanService(const Self& self, const Clock& clock);

  // Once, from any thread.
  void Begin(const Parts& parts);

  // From now on status says so.
  void SetDraining() { draining_ = true; }

 private:
  using Context = grpc::CallbackServerContext;
  using Message = google::protobuf::Message;

  // Names a handler that answers at once, to callers authorized for the tenant
  // of the request.
  template <typename Request, typename Response>
  void Handle(std::string_view method,
              absl::Status (DialplanService::*handler)(const CallerIdentity&,
                                                       const Request&,
                                                       Response&)) {
    HandleUnary(method, [this, method, handler](Context& context,
                                                const Message& request,
                                                Message& response, Done done) {
      const auto caller = Authorize(context, method, request);
      if (!caller.ok()) return done(caller.status());
      done((this->*handler)(*caller, static_cast<const Request&>(request),
                            static_cast<Response&>(response)));
    });
  }
  // A handler of writes, which answers later.
  template <typename Call>
  void HandleWrite(const std::string& method, Call call) {
    HandleUnary(method,
                [this, method, call](Context& context, const Message& request,
                                     Message& response, Done done) {
                  const auto caller = Authorize(context, method, request);
                  if (!caller.ok()) return done(caller.status());
                  call(*caller, request, response, std::move(done));
                });
  }
  // The five standard methods of a kind.
  void HandleKind(const ResourceKind& kind);
  void HandleImport(const std::string& method, const ResourceKind& kind);

  // What an operator may do to the tenant itself is for its own methods' rules
  // to say.
  absl::Status AuthorizeChanges(
      const CallerIdentity& caller,
      const ::sallyport::dialplan::v1::ApplyChangesRequest& request) const;

  absl::Status ResolveRoute(
      const CallerIdentity& caller,
      const ::sallyport::dialplan::v1::ResolveRouteRequest& request,
      ::sallyport::dialplan::v1::ResolveRouteResponse& response);
  RouteStreams::Reactor* ResolveRoutes(Context* context);
  // In octets, so that a message is encoded once for many streams.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchSnapshot(
      Context* context, const grpc::ByteBuffer* octets);
  absl::Status ReportSnapshotVersion(
      const CallerIdentity& caller,
      const ::sallyport::dialplan::v1::ReportSnapshotVersionRequest& request,
      ::sallyport::dialplan::v1::ReportSnapshotVersionResponse& response);
  absl::Status GetStatus(
      const CallerIdentity& caller,
      const ::sallyport::dialplan::v1::GetStatusRequest& request,
      ::sallyport::dialplan::v1::DialplanStatus& response);

  absl::StatusOr<CallerIdentity> Authorize(Context& context,
                                           std::string_view method,
                                           const Message& request) const;
  std::string IdentityOf(const CallerIdentity& service) const;

  const Self self_;
  const Clock& clock_;
  const absl::Time start_time_;
  std::atomic<bool> draining_ = false;
  std::optional<const Parts> parts_;  // from Begin() on
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_DIALPLAN_SERVICE_H_
