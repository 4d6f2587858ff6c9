#include "services/dialplan/rpc/dialplan_service.h"

#include <string>
#include <string_view>
#include <utility>

#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/rpc/access_rules.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr char kVersion[] = "0.1.0";
constexpr size_t kMaxConsumer = 255;

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

// A stream that ends before it begins.
class RefusedStream final
    : public grpc::ServerWriteReactor<pb::WatchSnapshotResponse> {
 public:
  explicit RefusedStream(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

absl::Status BadField(std::string_view field, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "VALUE_INVALID",
                   std::string(field) + ": " + std::string(what),
                   {{std::string(field), std::string(what)}});
}

}  // namespace

absl::StatusOr<CallerIdentity> DialplanService::Authorize(
    Context* context, std::string_view method, const Message& request) const {
  return parts_.policy.Authorize(*context, MethodPath(method),
                                 ResourceMethods::TenantOfRequest(request));
}

absl::StatusOr<CallerIdentity> DialplanService::AuthorizeConsumer(
    Context* context, std::string_view method,
    const std::string& consumer) const {
  SP_ASSIGN_OR_RETURN(
      CallerIdentity caller,
      parts_.policy.Authorize(*context, MethodPath(method), ""));
  if (consumer.empty() || consumer.size() > kMaxConsumer) {
    return BadField("consumer", "must be 1 to 255 octets");
  }
  return caller;
}

std::string DialplanService::IdentityOf(const CallerIdentity& service) const {
  return ServiceSpiffeId(self_.trust_domain, service.name());
}

grpc::ServerUnaryReactor* DialplanService::Create(Context* context,
                                                  std::string_view method,
                                                  const ResourceKind& kind,
                                                  const Message& request,
                                                  Message* response) {
  const auto caller = Authorize(context, method, request);
  if (!caller.ok()) return Finish(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.methods.Create(
      kind, *caller, request, response,
      [reactor](const absl::Status& s) { reactor->Finish(ToGrpc(s)); });
  return reactor;
}

grpc::ServerUnaryReactor* DialplanService::Update(Context* context,
                                                  std::string_view method,
                                                  const ResourceKind& kind,
                                                  const Message& request,
                                                  Message* response) {
  const auto caller = Authorize(context, method, request);
  if (!caller.ok()) return Finish(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.methods.Update(
      kind, *caller, request, response,
      [reactor](const absl::Status& s) { reactor->Finish(ToGrpc(s)); });
  return reactor;
}

grpc::ServerUnaryReactor* DialplanService::Delete(Context* context,
                                                  std::string_view method,
                                                  const ResourceKind& kind,
                                                  const Message& request) {
  const auto caller = Authorize(context, method, request);
  if (!caller.ok()) return Finish(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  parts_.methods.Delete(
      kind, *caller, request,
      [reactor](const absl::Status& s) { reactor->Finish(ToGrpc(s)); });
  return reactor;
}

grpc::ServerUnaryReactor* DialplanService::Get(Context* context,
                                               std::string_view method,
                                               const ResourceKind& kind,
                                               const Message& request,
                                               Message* response) {
  const auto caller = Authorize(context, method, request);
  if (!caller.ok()) return Finish(context, caller.status());
  return Finish(context, parts_.methods.Get(kind, request, *response));
}

grpc::ServerUnaryReactor* DialplanService::List(Context* context,
                                                std::string_view method,
                                                const ResourceKind& kind,
                                                const Message& request,
                                                Message* response) {
  // Tenants are shown as far as the caller has a role in them, so for those it
  // is enough to be allowed the method at all, which was checked.
  const auto caller = kind.singular == "tenant"
                          ? parts_.policy.Identify(*context->auth_context())
                          : Authorize(context, method, request);
  if (!caller.ok()) return Finish(context, caller.status());
  return Finish(context,
                parts_.methods.List(kind, *caller, request, *response));
}

grpc::ServerUnaryReactor* DialplanService::ResolveRoute(
    Context* context, const pb::ResolveRouteRequest* request,
    pb::ResolveRouteResponse* response) {
  const auto caller = Authorize(context, "ResolveRoute", *request);
  if (!caller.ok()) return Finish(context, caller.status());
  absl::StatusOr<pb::ResolveRouteResponse> answer =
      parts_.resolver.Answer(*request);
  if (answer.ok()) *response = *std::move(answer);
  return Finish(context, answer.status());
}

grpc::ServerWriteReactor<pb::WatchSnapshotResponse>*
DialplanService::WatchSnapshot(Context* context,
                               const pb::WatchSnapshotRequest* request) {
  const auto caller =
      AuthorizeConsumer(context, "WatchSnapshot", request->consumer());
  if (!caller.ok()) return new RefusedStream(caller.status());
  if (request->known_version() < 0) {
    return new RefusedStream(BadField("known_version", "must not be negative"));
  }
  if (request->tenants_size() > 1000) {
    return new RefusedStream(BadField("tenants", "at most 1000"));
  }
  WatchCaller who;
  who.identity = IdentityOf(*caller);
  who.sees_secrets = caller->name() == "signaling_edge";
  return parts_.watch.Open(*request, who);
}

grpc::ServerUnaryReactor* DialplanService::ReportSnapshotVersion(
    Context* context, const pb::ReportSnapshotVersionRequest* request,
    pb::ReportSnapshotVersionResponse* response) {
  const auto caller =
      AuthorizeConsumer(context, "ReportSnapshotVersion", request->consumer());
  if (!caller.ok()) return Finish(context, caller.status());
  if (request->error().size() > 1024) {
    return Finish(context, BadField("error", "at most 1024 octets"));
  }
  ConsumerState state;
  state.consumer = request->consumer();
  state.identity = IdentityOf(*caller);
  state.active_version = request->active_version();
  state.from_cache = request->from_cache();
  if (request->has_active_time()) {
    state.active_time = FromProto(request->active_time());
  }
  state.report_time = parts_.clock.Now();
  state.error = request->error();
  parts_.consumers.Reported(state);
  response->set_configured_version(parts_.board.head().version);
  return Finish(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* DialplanService::GetStatus(
    Context* context, const pb::GetStatusRequest* request,
    pb::DialplanStatus* response) {
  const auto caller = Authorize(context, "GetStatus", *request);
  if (!caller.ok()) return Finish(context, caller.status());
  auto& info = *response->mutable_info();
  info.set_service("dialplan");
  info.set_instance(self_.instance);
  info.set_version(kVersion);
  *info.mutable_start_time() = ToProto(start_time_);
  *info.mutable_server_time() = ToProto(parts_.clock.Now());
  info.set_identity(ServiceSpiffeId(self_.trust_domain, "dialplan"));
  info.set_draining(draining_);
  const PlanBoard::Head head = parts_.board.head();
  response->set_configured_version(head.version);
  response->set_configured_checksum(head.checksum);
  *response->mutable_configured_time() = ToProto(head.time);
  for (const ConsumerState& state : parts_.consumers.All()) {
    pb::ConsumerStatus& shown = *response->add_consumers();
    shown.set_consumer(state.consumer);
    shown.set_identity(state.identity);
    shown.set_connected(state.streams > 0);
    shown.set_sent_version(state.sent_version);
    shown.set_active_version(state.active_version);
    shown.set_from_cache(state.from_cache);
    shown.set_error(state.error);
    if (state.active_time != absl::UnixEpoch()) {
      *shown.mutable_active_time() = ToProto(state.active_time);
    }
    if (state.report_time != absl::UnixEpoch()) {
      *shown.mutable_report_time() = ToProto(state.report_time);
    }
  }
  const auto counts = parts_.board.counts();
  for (const ResourceKind& kind : ResourceKinds()) {
    (*response->mutable_resource_counts())[std::string(kind.collection)] =
        static_cast<int64_t>(counts[kind.entry_index]);
  }
  return Finish(context, absl::OkStatus());
}

}  // namespace sallyport::dialplan
