// The methods of SignalingEdgeService that are about calls.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/q850_cause.h"
#include "services/signaling_edge/rpc/call_trace_proto.h"
#include "services/signaling_edge/rpc/list_page.h"
#include "services/signaling_edge/rpc/resource_scope.h"
#include "services/signaling_edge/rpc/signaling_edge_service.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kTrace[] = "/trace";

// The resource with this name, or nothing.
std::optional<v1::Call> FindCall(EdgeLoop& loop, const std::string& name,
                                 const ProtoContext& context) {
  const auto id = IdOfName(name, "calls");
  const CallRecord* const record =
      id.has_value() ? loop.core().calls().Find(*id) : nullptr;
  if (record == nullptr) return std::nullopt;
  v1::Call call = ToProto(*record, context);
  if (call.name() != name) return std::nullopt;
  return call;
}

}  // namespace

grpc::ServerUnaryReactor* SignalingEdgeService::GetCall(
    grpc::CallbackServerContext* context, const v1::GetCallRequest* request,
    v1::Call* response) {
  return OnLoop(context, "GetCall", request->name(),
                [this, request, response](EdgeLoop& loop) -> absl::Status {
                  auto found = FindCall(loop, request->name(), ContextOf(loop));
                  if (!found.has_value()) return NotFound(request->name());
                  *response = *std::move(found);
                  return absl::OkStatus();
                });
}

grpc::ServerUnaryReactor* SignalingEdgeService::ListCalls(
    grpc::CallbackServerContext* context, const v1::ListCallsRequest* request,
    v1::ListCallsResponse* response) {
  const auto look = [this, request](EdgeLoop& loop) {
    std::vector<v1::Call> items;
    const ProtoContext names = ContextOf(loop);
    for (const CallRecord* record : loop.core().calls().Records()) {
      if (!BelongsTo(record->tenant, request->parent())) continue;
      items.push_back(ToProto(*record, names));
    }
    return items;
  };
  return ListOfAll<v1::Call>(context, "ListCalls", request->parent(), look,
                             [request, response](std::vector<v1::Call> items) {
                               return FillPage(*request, std::move(items),
                                               *response->mutable_calls(),
                                               *response);
                             });
}

grpc::ServerUnaryReactor* SignalingEdgeService::EndCall(
    grpc::CallbackServerContext* context, const v1::EndCallRequest* request,
    v1::Call* response) {
  return OnLoop(
      context, "EndCall", request->name(),
      [this, request, response](EdgeLoop& loop) -> absl::Status {
        if (request->cause() > kMaxQ850Cause) {
          return MakeError(absl::StatusCode::kInvalidArgument,
                           "CAUSE_OUT_OF_RANGE", "cause must be 0 to 127",
                           {{"cause", "must be 0 to 127"}});
        }
        auto found = FindCall(loop, request->name(), ContextOf(loop));
        if (!found.has_value()) return NotFound(request->name());
        if (found->state() != v1::CALL_STATE_ENDED) {
          const uint32_t cause = request->cause() == 0 ? 16 : request->cause();
          loop.Do(loop.core().OnEndCall(*IdOfName(request->name(), "calls"),
                                        "ENDED_BY_OPERATOR", loop.now(),
                                        cause));
          found = FindCall(loop, request->name(), ContextOf(loop));
          if (!found.has_value()) return NotFound(request->name());
        }
        *response = *std::move(found);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* SignalingEdgeService::SetAgentState(
    grpc::CallbackServerContext* context,
    const v1::SetAgentStateRequest* request, v1::Agent* response) {
  // Its calls may come to any loop.
  return OnAllLoops<int>(
      context, "SetAgentState", request->user(),
      [request](EdgeLoop& loop) {
        const bool known = loop.core().HasUser(request->user());
        if (known) {
          loop.core().SetAgentReady(request->user(), request->ready());
        }
        return known ? 1 : 0;
      },
      [request, response](std::vector<int> known) -> absl::Status {
        if (known.empty() || known[0] == 0) return NotFound(request->user());
        response->set_user(request->user());
        response->set_ready(request->ready());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* SignalingEdgeService::GetCallTrace(
    grpc::CallbackServerContext* context,
    const v1::GetCallTraceRequest* request, v1::CallTrace* response) {
  return OnLoop(
      context, "GetCallTrace", request->name(),
      [this, request, response](EdgeLoop& loop) -> absl::Status {
        const std::string call(absl::StripSuffix(request->name(), kTrace));
        if (call == request->name() ||
            !FindCall(loop, call, ContextOf(loop)).has_value()) {
          return NotFound(request->name());
        }
        const uint64_t id = *IdOfName(call, "calls");
        const CallLadder::View view = loop.core().LadderOf(id);
        if (!view.kept) {
          return MakeError(absl::StatusCode::kFailedPrecondition,
                           "CALL_NOT_TRACED",
                           "the configuration's call_trace leaves it out");
        }
        *response =
            TraceToProto(*loop.core().calls().Find(id), view, ContextOf(loop));
        return absl::OkStatus();
      });
}

}  // namespace sallyport::signaling_edge
