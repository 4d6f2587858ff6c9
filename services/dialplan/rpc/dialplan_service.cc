#include "services/dialplan/rpc/dialplan_service.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grpcpp/impl/codegen/proto_utils.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/rpc/access_rules.h"
#include "services/dialplan/rpc/consumer_status.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr char kVersion[] = "0.1.0";
constexpr size_t kMaxConsumer = 255;

// A stream that ends before it begins.
template <typename Reactor>
class Refused final : public Reactor {
 public:
  explicit Refused(const absl::Status& status) {
    Reactor::Finish(ToGrpc(status));
  }
  void OnDone() override { delete this; }
};
using RefusedStream = Refused<grpc::ServerWriteReactor<grpc::ByteBuffer>>;

absl::Status BadField(std::string_view field, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "VALUE_INVALID",
                   std::string(field) + ": " + std::string(what),
                   {{std::string(field), std::string(what)}});
}

absl::Status CheckConsumer(const std::string& consumer) {
  if (!consumer.empty() && consumer.size() <= kMaxConsumer) {
    return absl::OkStatus();
  }
  return BadField("consumer", "must be 1 to 255 octets");
}

const google::protobuf::ServiceDescriptor& Descriptor() {
  const auto* found =
      pb::WatchSnapshotRequest::descriptor()->file()->pool()->FindServiceByName(
          "sallyport.dialplan.v1.DialplanService");
  SP_CHECK(found != nullptr);
  return *found;
}

}  // namespace

DialplanService::DialplanService(const Self& self, const Clock& clock)
    : DispatchService(Descriptor()),
      self_(self),
      clock_(clock),
      start_time_(clock.Now()) {
  CloseWith(MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                      "the store has not been reached since this instance "
                      "started: try another, or again"));
}

void DialplanService::Begin(const Parts& parts) {
  parts_.emplace(parts);
  for (const ResourceKind& kind : ResourceKinds()) HandleKind(kind);
  HandleImport("ImportUsers", KindOf("user"));
  HandleImport("ImportNumbers", KindOf("line"));
  HandleWrite(
      "ListAuditRecords",
      [&audit = parts_->audit](const CallerIdentity&, const Message& request,
                               Message& response, Done done) {
        audit.List(static_cast<const pb::ListAuditRecordsRequest&>(request),
                   static_cast<pb::ListAuditRecordsResponse*>(&response),
                   std::move(done));
      });
  HandleWrite("EvaluateChange", [&evaluator = parts_->evaluator](
                                    const CallerIdentity&,
                                    const Message& request, Message& response,
                                    Done done) {
    evaluator.Evaluate(static_cast<const pb::EvaluateChangeRequest&>(request),
                       static_cast<pb::EvaluateChangeResponse&>(response),
                       std::move(done));
  });
  HandleWrite("ApplyChanges", [this](const CallerIdentity& caller,
                                     const Message& request, Message& response,
                                     Done done) {
    const auto& changes = static_cast<const pb::ApplyChangesRequest&>(request);
    const absl::Status allowed = AuthorizeChanges(caller, changes);
    if (!allowed.ok()) return done(allowed);
    parts_->changes.Apply(caller, changes,
                          static_cast<pb::ApplyChangesResponse*>(&response),
                          std::move(done));
  });
  HandleWrite("ListPlanFindings", [this](const CallerIdentity&,
                                         const Message& request,
                                         Message& response, Done done) {
    parts_->findings.List(
        static_cast<const pb::ListPlanFindingsRequest&>(request),
        static_cast<pb::ListPlanFindingsResponse&>(response), std::move(done));
  });
  SecurityMethods& security = parts_->security;
  HandleWrite("TestConnectivity", [&security](const CallerIdentity&,
                                              const Message& request,
                                              Message& response, Done done) {
    security.TestConnectivity(
        static_cast<const pb::TestConnectivityRequest&>(request),
        static_cast<pb::TestConnectivityResponse*>(&response), std::move(done));
  });
  HandleWrite(
      "GetSecurityReadiness",
      [&security](const CallerIdentity&, const Message& request,
                  Message& response, Done done) {
        security.GetSecurityReadiness(
            static_cast<const pb::GetSecurityReadinessRequest&>(request),
            static_cast<pb::SecurityReadiness*>(&response), std::move(done));
      });
  HandleWrite("ListThreats", [&security](const CallerIdentity&,
                                         const Message& request,
                                         Message& response, Done done) {
    security.ListThreats(static_cast<const pb::ListThreatsRequest&>(request),
                         static_cast<pb::ListThreatsResponse*>(&response),
                         std::move(done));
  });
  HandleWrite(
      "ListLinks", [&security](const CallerIdentity&, const Message& request,
                               Message& response, Done done) {
        security.ListLinks(static_cast<const pb::ListLinksRequest&>(request),
                           static_cast<pb::ListLinksResponse*>(&response),
                           std::move(done));
      });
  Handle("ResolveRoute", &DialplanService::ResolveRoute);
  Handle("ReportSnapshotVersion", &DialplanService::ReportSnapshotVersion);
  Handle("GetStatus", &DialplanService::GetStatus);
  HandleBidi("ResolveRoutes",
             [this](Context* context) { return ResolveRoutes(context); });
  HandleStream("WatchSnapshot",
               [this](Context* context, const grpc::ByteBuffer* request) {
                 return WatchSnapshot(context, request);
               });
  Open();
}

absl::StatusOr<CallerIdentity> DialplanService::Authorize(
    Context& context, std::string_view method, const Message& request) const {
  return parts_->policy.Authorize(context, MethodPath(method),
                                  ResourceMethods::TenantOfRequest(request));
}

absl::Status DialplanService::AuthorizeChanges(
    const CallerIdentity& caller,
    const pb::ApplyChangesRequest& request) const {
  const std::string_view tenant = TenantOfName(request.parent());
  const auto check = [&](const char* method, std::string_view of) {
    return parts_->policy.CheckTenant(caller, MethodPath(method), of);
  };
  for (const pb::PlanChange& change : request.changes()) {
    if (change.has_create() && change.create().has_tenant()) {
      SP_RETURN_IF_ERROR(check("CreateTenant", ""));
    } else if (change.has_update() && change.update().resource().has_tenant()) {
      SP_RETURN_IF_ERROR(check("UpdateTenant", tenant));
    } else if (change.has_delete_() &&
               change.delete_().name() == request.parent()) {
      SP_RETURN_IF_ERROR(check("DeleteTenant", tenant));
    }
  }
  return absl::OkStatus();
}

std::string DialplanService::IdentityOf(const CallerIdentity& service) const {
  return ServiceSpiffeId(self_.trust_domain, service.name());
}

void DialplanService::HandleKind(const ResourceKind& kind) {
  ResourceMethods& methods = parts_->methods;
  HandleWrite(
      "Create" + kind.TypeName(),
      [&methods, &kind](const CallerIdentity& caller, const Message& request,
                        Message& response, Done done) {
        methods.Create(kind, caller, request, &response, std::move(done));
      });
  HandleWrite(
      "Update" + kind.TypeName(),
      [&methods, &kind](const CallerIdentity& caller, const Message& request,
                        Message& response, Done done) {
        if (caller.is_service()) {
          // The rules let a service in for tenants alone.
          const absl::Status allowed = ServiceMayUpdate(
              static_cast<const pb::UpdateTenantRequest&>(request));
          if (!allowed.ok()) return done(allowed);
        }
        methods.Update(kind, caller, request, &response, std::move(done));
      });
  HandleWrite("Delete" + kind.TypeName(),
              [&methods, &kind](const CallerIdentity& caller,
                                const Message& request, Message&, Done done) {
                methods.Delete(kind, caller, request, std::move(done));
              });
  HandleWrite("Get" + kind.TypeName(),
              [&methods, &kind](const CallerIdentity&, const Message& request,
                                Message& response, const Done& done) {
                done(methods.Get(kind, request, response));
              });
  const std::string list = "List" + kind.TypeNames();
  HandleUnary(list, [this, list, &kind](Context& context,
                                        const Message& request,
                                        Message& response, const Done& done) {
    // Tenants are shown as far as the caller has a role in them, so for those
    // it is enough to be allowed the method at all, which was checked.
    const auto caller = kind.singular == "tenant"
                            ? parts_->policy.Identify(*context.auth_context())
                            : Authorize(context, list, request);
    if (!caller.ok()) return done(caller.status());
    done(parts_->methods.List(kind, *caller, request, response));
  });
}

void DialplanService::HandleImport(const std::string& method,
                                   const ResourceKind& kind) {
  HandleWrite(method, [this, &kind](const CallerIdentity& caller,
                                    const Message& request, Message& response,
                                    Done done) {
    Message* const result = response.GetReflection()->MutableMessage(
        &response, &FieldOf(response, "result"));
    parts_->methods.Import(kind, caller, request,
                           static_cast<pb::ImportResult*>(result),
                           std::move(done));
  });
}

absl::Status DialplanService::ResolveRoute(
    const CallerIdentity& /*caller*/, const pb::ResolveRouteRequest& request,
    pb::ResolveRouteResponse& response) {
  SP_ASSIGN_OR_RETURN(response, parts_->resolver.Answer(request));
  return absl::OkStatus();
}

RouteStreams::Reactor* DialplanService::ResolveRoutes(Context* context) {
  auto caller = parts_->policy.Identify(*context->auth_context());
  if (!caller.ok()) {
    return new Refused<RouteStreams::Reactor>(caller.status());
  }
  return parts_->routes.Open(
      [this, caller = *std::move(caller), method = MethodPath("ResolveRoutes")](
          const pb::ResolveRouteRequest& question)
          -> absl::StatusOr<pb::ResolveRouteResponse> {
        SP_RETURN_IF_ERROR(parts_->policy.CheckTenant(
            caller, method, TenantOfName(question.parent())));
        return parts_->resolver.Answer(question);
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* DialplanService::WatchSnapshot(
    Context* context, const grpc::ByteBuffer* octets) {
  pb::WatchSnapshotRequest request;
  grpc::ByteBuffer bytes = *octets;  // shares them
  if (!grpc::SerializationTraits<pb::WatchSnapshotRequest>::Deserialize(
           &bytes, &request)
           .ok()) {
    return new RefusedStream(MakeError(absl::StatusCode::kInvalidArgument,
                                       "REQUEST_MALFORMED",
                                       "it is no WatchSnapshotRequest"));
  }
  const auto caller = Authorize(*context, "WatchSnapshot", request);
  if (!caller.ok()) return new RefusedStream(caller.status());
  if (absl::Status s = CheckConsumer(request.consumer()); !s.ok()) {
    return new RefusedStream(s);
  }
  if (request.known_version() < 0) {
    return new RefusedStream(BadField("known_version", "must not be negative"));
  }
  if (request.tenants_size() > 1000) {
    return new RefusedStream(BadField("tenants", "at most 1000"));
  }
  WatchCaller who;
  who.identity = IdentityOf(*caller);
  who.sees_secrets = caller->name() == "signaling_edge";
  return parts_->watch.Open(context, request, who);
}

absl::Status DialplanService::ReportSnapshotVersion(
    const CallerIdentity& caller,
    const pb::ReportSnapshotVersionRequest& request,
    pb::ReportSnapshotVersionResponse& response) {
  SP_RETURN_IF_ERROR(CheckConsumer(request.consumer()));
  if (request.error().size() > 1024) {
    return BadField("error", "at most 1024 octets");
  }
  ConsumerState state;
  state.consumer = request.consumer();
  state.identity = IdentityOf(caller);
  state.active_version = request.active_version();
  state.from_cache = request.from_cache();
  if (request.has_active_time()) {
    state.active_time = FromProto(request.active_time());
  }
  state.report_time = clock_.Now();
  state.error = request.error();
  parts_->consumers.Reported(state);
  response.set_configured_version(parts_->board.head().version);
  return absl::OkStatus();
}

absl::Status DialplanService::GetStatus(const CallerIdentity& /*caller*/,
                                        const pb::GetStatusRequest& /*request*/,
                                        pb::DialplanStatus& response) {
  auto& info = *response.mutable_info();
  info.set_service("dialplan");
  info.set_instance(self_.instance);
  info.set_version(kVersion);
  *info.mutable_start_time() = ToProto(start_time_);
  *info.mutable_server_time() = ToProto(clock_.Now());
  info.set_identity(ServiceSpiffeId(self_.trust_domain, "dialplan"));
  info.set_draining(draining_);
  const PlanBoard::Head head = parts_->board.head();
  response.set_configured_version(head.version);
  response.set_configured_checksum(head.checksum);
  *response.mutable_configured_time() = ToProto(head.time);
  std::vector<pb::DialplanStatus> seen(1);
  AddConsumers(parts_->consumers.All(), self_.instance, seen[0]);
  if (parts_->replicas != nullptr) {
    for (const ReplicaRoll::Replica& other : parts_->replicas->Others()) {
      if (!seen.emplace_back().ParseFromString(other.text)) seen.pop_back();
    }
  }
  MergeConsumers(seen, response);
  const auto counts = parts_->board.counts();
  for (const ResourceKind& kind : ResourceKinds()) {
    (*response.mutable_resource_counts())[std::string(kind.collection)] =
        static_cast<int64_t>(counts[kind.entry_index]);
  }
  return absl::OkStatus();
}

}  // namespace sallyport::dialplan
