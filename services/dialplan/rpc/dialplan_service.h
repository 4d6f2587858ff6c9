// gRPC in, plan, gRPC out.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_DIALPLAN_SERVICE_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_DIALPLAN_SERVICE_H_

#include <atomic>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/empty.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/time/clock.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/rpc/consumer_table.h"
#include "services/dialplan/rpc/plan_resolver.h"
#include "services/dialplan/rpc/plan_watch.h"
#include "services/dialplan/rpc/resource_methods.h"

namespace sallyport::dialplan {

// The API. What it does not override answers UNIMPLEMENTED with its name,
// which the server's interceptor adds. Thread-safe.
class DialplanService final
    : public ::sallyport::dialplan::v1::DialplanService::CallbackService {
 public:
  // All must outlive this object.
  struct Parts {
    const AccessPolicy& policy;
    const PlanBoard& board;
    ResourceMethods& methods;
    PlanResolver& resolver;
    PlanWatch& watch;
    ConsumerTable& consumers;
    const Clock& clock;
  };
  struct Self {
    std::string instance;
    std::string trust_domain;
  };

  DialplanService(const Parts& parts, const Self& self)
      : parts_(parts), self_(self), start_time_(parts.clock.Now()) {}

  // From now on status says so.
  void SetDraining() { draining_ = true; }

// The five standard methods of one kind. They differ in nothing but types.
#define SALLYPORT_STANDARD_METHODS(Type, Types, singular)                      \
  grpc::ServerUnaryReactor* Create##Type(                                      \
      grpc::CallbackServerContext* context,                                    \
      const ::sallyport::dialplan::v1::Create##Type##Request* request,         \
      ::sallyport::dialplan::v1::Type* response) override {                    \
    return Create(context, "Create" #Type, KindOf(singular), *request,         \
                  response);                                                   \
  }                                                                            \
  grpc::ServerUnaryReactor* Get##Type(                                         \
      grpc::CallbackServerContext* context,                                    \
      const ::sallyport::dialplan::v1::Get##Type##Request* request,            \
      ::sallyport::dialplan::v1::Type* response) override {                    \
    return Get(context, "Get" #Type, KindOf(singular), *request, response);    \
  }                                                                            \
  grpc::ServerUnaryReactor* List##Types(                                       \
      grpc::CallbackServerContext* context,                                    \
      const ::sallyport::dialplan::v1::List##Types##Request* request,          \
      ::sallyport::dialplan::v1::List##Types##Response* response) override {   \
    return List(context, "List" #Types, KindOf(singular), *request, response); \
  }                                                                            \
  grpc::ServerUnaryReactor* Update##Type(                                      \
      grpc::CallbackServerContext* context,                                    \
      const ::sallyport::dialplan::v1::Update##Type##Request* request,         \
      ::sallyport::dialplan::v1::Type* response) override {                    \
    return Update(context, "Update" #Type, KindOf(singular), *request,         \
                  response);                                                   \
  }                                                                            \
  grpc::ServerUnaryReactor* Delete##Type(                                      \
      grpc::CallbackServerContext* context,                                    \
      const ::sallyport::dialplan::v1::Delete##Type##Request* request,         \
      google::protobuf::Empty*) override {                                     \
    return Delete(context, "Delete" #Type, KindOf(singular), *request);        \
  }

  SALLYPORT_STANDARD_METHODS(Tenant, Tenants, "tenant")
  SALLYPORT_STANDARD_METHODS(DialPlan, DialPlans, "dial_plan")
  SALLYPORT_STANDARD_METHODS(Peer, Peers, "peer")
  SALLYPORT_STANDARD_METHODS(User, Users, "user")
  SALLYPORT_STANDARD_METHODS(Phone, Phones, "phone")
  SALLYPORT_STANDARD_METHODS(Partition, Partitions, "partition")
  SALLYPORT_STANDARD_METHODS(CallingSearchSpace, CallingSearchSpaces,
                             "calling_search_space")
  SALLYPORT_STANDARD_METHODS(RoutePattern, RoutePatterns, "route_pattern")
#undef SALLYPORT_STANDARD_METHODS

  grpc::ServerUnaryReactor* ResolveRoute(
      grpc::CallbackServerContext* context,
      const ::sallyport::dialplan::v1::ResolveRouteRequest* request,
      ::sallyport::dialplan::v1::ResolveRouteResponse* response) override;
  grpc::ServerWriteReactor<::sallyport::dialplan::v1::WatchSnapshotResponse>*
  WatchSnapshot(
      grpc::CallbackServerContext* context,
      const ::sallyport::dialplan::v1::WatchSnapshotRequest* request) override;
  grpc::ServerUnaryReactor* ReportSnapshotVersion(
      grpc::CallbackServerContext* context,
      const ::sallyport::dialplan::v1::ReportSnapshotVersionRequest* request,
      ::sallyport::dialplan::v1::ReportSnapshotVersionResponse* response)
      override;
  grpc::ServerUnaryReactor* GetStatus(
      grpc::CallbackServerContext* context,
      const ::sallyport::dialplan::v1::GetStatusRequest* request,
      ::sallyport::dialplan::v1::DialplanStatus* response) override;

 private:
  using Context = grpc::CallbackServerContext;
  using Message = google::protobuf::Message;

  grpc::ServerUnaryReactor* Create(Context* context, std::string_view method,
                                   const ResourceKind& kind,
                                   const Message& request, Message* response);
  grpc::ServerUnaryReactor* Get(Context* context, std::string_view method,
                                const ResourceKind& kind,
                                const Message& request, Message* response);
  grpc::ServerUnaryReactor* List(Context* context, std::string_view method,
                                 const ResourceKind& kind,
                                 const Message& request, Message* response);
  grpc::ServerUnaryReactor* Update(Context* context, std::string_view method,
                                   const ResourceKind& kind,
                                   const Message& request, Message* response);
  grpc::ServerUnaryReactor* Delete(Context* context, std::string_view method,
                                   const ResourceKind& kind,
                                   const Message& request);

  absl::StatusOr<CallerIdentity> Authorize(Context* context,
                                           std::string_view method,
                                           const Message& request) const;
  // The caller of a method that only services call, which says who it is.
  absl::StatusOr<CallerIdentity> AuthorizeConsumer(
      Context* context, std::string_view method,
      const std::string& consumer) const;
  std::string IdentityOf(const CallerIdentity& service) const;

  const Parts parts_;
  const Self self_;
  const absl::Time start_time_;
  std::atomic<bool> draining_ = false;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_DIALPLAN_SERVICE_H_
