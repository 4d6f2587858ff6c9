#include "services/signaling_edge/rpc/signaling_edge_service.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/plan_snapshot/route_answer.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_trace.h"
#include "services/signaling_edge/io/listener_set.h"
#include "services/signaling_edge/rpc/drain_stream.h"
#include "services/signaling_edge/rpc/list_page.h"
#include "services/signaling_edge/rpc/method_policy.h"
#include "services/signaling_edge/rpc/resource_scope.h"

namespace sallyport::signaling_edge {
namespace {

// The resource with this name, or nothing.
std::optional<v1::Connection> FindConnection(EdgeLoop& loop,
                                             const std::string& name,
                                             const ProtoContext& context) {
  const auto id = IdOfName(name, "connections");
  const Connection* const found =
      id.has_value() ? std::as_const(loop).core().connections().Find(*id)
                     : nullptr;
  if (found == nullptr) return std::nullopt;
  v1::Connection out = ToProto(*found, loop.Find(*id), context);
  if (out.name() != name) return std::nullopt;
  return out;
}

const PlanIndex* IndexOf(EdgeLoop& loop) {
  return loop.core().plan() == nullptr ? nullptr : &loop.core().plan()->index();
}

std::optional<v1::Registration> FindRegistration(EdgeLoop& loop,
                                                 const std::string& name,
                                                 const ProtoContext& context) {
  const auto id = IdOfName(name, "registrations");
  const Binding* const binding =
      id.has_value() ? loop.core().registrar().Find(*id) : nullptr;
  // Copies of other loops' are theirs to show.
  if (binding == nullptr || binding->foreign) return std::nullopt;
  v1::Registration out = ToProto(*binding, IndexOf(loop), context);
  if (out.name() != name) return std::nullopt;
  return out;
}

void FillSource(const std::string& name, bool connected, int64_t version,
                bool from_cache, absl::Time since, const absl::Status& error,
                type::v1::ServiceInfo& info) {
  type::v1::SourceState& out = *info.add_sources();
  out.set_source(name);
  out.set_connected(connected);
  out.set_active_version(version);
  out.set_from_cache(from_cache);
  if (since > absl::InfinitePast()) {
    *out.mutable_active_time() = sallyport::ToProto(since);
  }
  if (!connected && !error.ok()) {
    const std::string reason = ReasonOf(error);
    out.set_last_error(reason.empty() ? absl::StatusCodeToString(error.code())
                                      : reason);
  }
}

void AddTotals(const v1::ConnectionTotals& from, v1::ConnectionTotals& to) {
  to.set_active_tcp(to.active_tcp() + from.active_tcp());
  to.set_active_tls(to.active_tls() + from.active_tls());
  to.set_opened(to.opened() + from.opened());
  to.set_send_failures(to.send_failures() + from.send_failures());
  to.set_remote_closures(to.remote_closures() + from.remote_closures());
}

}  // namespace

SignalingEdgeService::SignalingEdgeService(Options options, const Parts& parts)
    : options_(std::move(options)), parts_(parts) {}

void SignalingEdgeService::EndStreams() {
  streams_.Close(MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                           "this instance is ending; connect to another"));
}

// ------------------------------------------------------------------- common

absl::Status SignalingEdgeService::Authorize(
    const grpc::CallbackServerContext& context, const std::string& method,
    const std::string& name) const {
  const std::string tenant(TenantOfName(absl::StrCat(name, "/")));
  // What belongs to nobody is for those who may see every tenant.
  return parts_.policy
      .Authorize(context, MethodPath(method), tenant == "-" ? "" : tenant)
      .status();
}

grpc::ServerUnaryReactor* SignalingEdgeService::Answer(
    grpc::CallbackServerContext* context, absl::Status status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

grpc::ServerUnaryReactor* SignalingEdgeService::OnLoop(
    grpc::CallbackServerContext* context, const std::string& method,
    const std::string& name, Handler handler) {
  if (absl::Status status = Authorize(*context, method, name); !status.ok()) {
    return Answer(context, std::move(status));
  }
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  uint64_t id = 0;
  for (const std::string_view collection :
       {"calls", "connections", "registrations"}) {
    // A call's trace is where the call is.
    const std::string resource(absl::StripSuffix(name, "/trace"));
    id = IdOfName(resource, collection).value_or(id);
  }
  const absl::Status posted = parts_.loops.OwnerOf(id).Post(
      [reactor, handler = std::move(handler)](EdgeLoop& loop) {
        reactor->Finish(ToGrpc(handler(loop)));
      });
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

ProtoContext SignalingEdgeService::ContextOf(EdgeLoop& loop) const {
  return {options_.instance, TimeBase::Of(loop.event_loop().clock())};
}

// ------------------------------------------------------------ registrations

grpc::ServerUnaryReactor* SignalingEdgeService::GetRegistration(
    grpc::CallbackServerContext* context,
    const v1::GetRegistrationRequest* request, v1::Registration* response) {
  return OnLoop(context, "GetRegistration", request->name(),
                [this, request, response](EdgeLoop& loop) -> absl::Status {
                  auto found =
                      FindRegistration(loop, request->name(), ContextOf(loop));
                  if (!found.has_value()) return NotFound(request->name());
                  *response = *std::move(found);
                  return absl::OkStatus();
                });
}

grpc::ServerUnaryReactor* SignalingEdgeService::ListRegistrations(
    grpc::CallbackServerContext* context,
    const v1::ListRegistrationsRequest* request,
    v1::ListRegistrationsResponse* response) {
  const auto look = [this, request](EdgeLoop& loop) {
    std::vector<v1::Registration> items;
    const ProtoContext names = ContextOf(loop);
    for (const Binding* binding : loop.core().registrar().All()) {
      if (!BelongsTo(binding->user, request->parent())) continue;
      items.push_back(ToProto(*binding, IndexOf(loop), names));
    }
    return items;
  };
  return ListOfAll<v1::Registration>(
      context, "ListRegistrations", request->parent(), look,
      [request, response](std::vector<v1::Registration> items) {
        return FillPage(*request, std::move(items),
                        *response->mutable_registrations(), *response);
      });
}

grpc::ServerUnaryReactor* SignalingEdgeService::DeleteRegistration(
    grpc::CallbackServerContext* context,
    const v1::DeleteRegistrationRequest* request,
    google::protobuf::Empty* /*response*/) {
  return OnLoop(context, "DeleteRegistration", request->name(),
                [this, request](EdgeLoop& loop) -> absl::Status {
                  if (!FindRegistration(loop, request->name(), ContextOf(loop))
                           .has_value()) {
                    return request->allow_missing() ? absl::OkStatus()
                                                    : NotFound(request->name());
                  }
                  loop.Do(loop.core().OnRemoveRegistration(
                      *IdOfName(request->name(), "registrations"), loop.now()));
                  return absl::OkStatus();
                });
}

// -------------------------------------------------------------- connections

grpc::ServerUnaryReactor* SignalingEdgeService::GetConnection(
    grpc::CallbackServerContext* context,
    const v1::GetConnectionRequest* request, v1::Connection* response) {
  return OnLoop(context, "GetConnection", request->name(),
                [this, request, response](EdgeLoop& loop) -> absl::Status {
                  auto found =
                      FindConnection(loop, request->name(), ContextOf(loop));
                  if (!found.has_value()) return NotFound(request->name());
                  *response = *std::move(found);
                  return absl::OkStatus();
                });
}

grpc::ServerUnaryReactor* SignalingEdgeService::ListConnections(
    grpc::CallbackServerContext* context,
    const v1::ListConnectionsRequest* request,
    v1::ListConnectionsResponse* response) {
  const auto look = [this, request](EdgeLoop& loop) {
    std::vector<v1::Connection> items;
    const ProtoContext names = ContextOf(loop);
    for (const Connection* connection : loop.core().connections().All()) {
      v1::Connection item =
          ToProto(*connection, loop.Find(connection->id), names);
      if (BelongsTo(item.name(), request->parent())) {
        items.push_back(std::move(item));
      }
    }
    return items;
  };
  return ListOfAll<v1::Connection>(
      context, "ListConnections", request->parent(), look,
      [request, response](std::vector<v1::Connection> items) {
        return FillPage(*request, std::move(items),
                        *response->mutable_connections(), *response);
      });
}

grpc::ServerUnaryReactor* SignalingEdgeService::CloseConnection(
    grpc::CallbackServerContext* context,
    const v1::CloseConnectionRequest* request,
    v1::CloseConnectionResponse* /*response*/) {
  return OnLoop(context, "CloseConnection", request->name(),
                [this, request](EdgeLoop& loop) -> absl::Status {
                  if (!FindConnection(loop, request->name(), ContextOf(loop))
                           .has_value()) {
                    return NotFound(request->name());
                  }
                  loop.Do(loop.core().OnCloseConnection(
                      *IdOfName(request->name(), "connections"), loop.now()));
                  return absl::OkStatus();
                });
}

// ------------------------------------------------------------------ history

grpc::ServerUnaryReactor* SignalingEdgeService::ListRefusals(
    grpc::CallbackServerContext* context,
    const v1::ListRefusalsRequest* request,
    v1::ListRefusalsResponse* response) {
  const auto answer = [&]() -> absl::Status {
    SP_RETURN_IF_ERROR(Authorize(*context, "ListRefusals", request->parent()));
    SP_RETURN_IF_ERROR(CheckParent(request->parent()));
    std::vector<v1::Refusal> items;
    for (const auto& entry : parts_.reporter.refusals().Newest(absl::Now())) {
      if (!BelongsTo(TenantOf(*entry.value), request->parent())) continue;
      items.push_back(RefusalToProto(entry.sequence, entry.time, *entry.value,
                                     options_.instance));
    }
    return FillPage(*request, std::move(items), *response->mutable_refusals(),
                    *response);
  };
  return Answer(context, answer());
}

grpc::ServerUnaryReactor* SignalingEdgeService::ListEvents(
    grpc::CallbackServerContext* context, const v1::ListEventsRequest* request,
    v1::ListEventsResponse* response) {
  const auto answer = [&]() -> absl::Status {
    SP_RETURN_IF_ERROR(Authorize(*context, "ListEvents", request->parent()));
    SP_RETURN_IF_ERROR(CheckParent(request->parent()));
    std::vector<v1::Event> items;
    for (const auto& entry : parts_.reporter.events().Newest(absl::Now())) {
      if (!BelongsTo(TenantOf(*entry.value), request->parent())) continue;
      items.push_back(
          ToProto(entry.sequence, entry.time, *entry.value, options_.instance));
    }
    return FillPage(*request, std::move(items), *response->mutable_events(),
                    *response);
  };
  return Answer(context, answer());
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>*
SignalingEdgeService::WatchEvents(grpc::CallbackServerContext* context,
                                  const v1::WatchEventsRequest* request) {
  absl::Status status = Authorize(*context, "WatchEvents", request->parent());
  if (status.ok()) status = CheckParent(request->parent());
  if (!status.ok()) return new RefusedStream<v1::WatchEventsResponse>(status);
  using Stream = JournalStream<EdgeEvent, v1::WatchEventsResponse>;
  return Stream::Open(
      parts_.reporter.events(), streams_, request->after_sequence(),
      [wanted = *request, edge = options_.instance](const Stream::Entry& entry)
          -> std::optional<v1::WatchEventsResponse> {
        if (!BelongsTo(TenantOf(*entry.value), wanted.parent())) {
          return std::nullopt;
        }
        v1::WatchEventsResponse out;
        *out.mutable_event() =
            ToProto(entry.sequence, entry.time, *entry.value, edge);
        if (!wanted.types().empty() &&
            std::find(wanted.types().begin(), wanted.types().end(),
                      out.event().type()) == wanted.types().end()) {
          return std::nullopt;
        }
        return out;
      });
}

grpc::ServerUnaryReactor* SignalingEdgeService::ListCallRecords(
    grpc::CallbackServerContext* context,
    const v1::ListCallRecordsRequest* request,
    v1::ListCallRecordsResponse* response) {
  const auto answer = [&]() -> absl::Status {
    SP_RETURN_IF_ERROR(
        Authorize(*context, "ListCallRecords", request->parent()));
    SP_RETURN_IF_ERROR(CheckParent(request->parent()));
    const absl::Time since = request->has_since_time()
                                 ? FromProto(request->since_time())
                                 : absl::InfinitePast();
    Journal<EndedCall>& records = parts_.reporter.records();
    std::vector<v1::CallRecord> items;
    for (const auto& entry : records.Newest(absl::Now())) {
      if (entry.time < since) break;
      if (!BelongsTo(entry.value->record.tenant, request->parent())) continue;
      v1::WatchCallRecordsResponse streamed =
          ToProto(entry.sequence, *entry.value, options_.instance);
      v1::CallRecord& record = items.emplace_back();
      record.set_sequence(streamed.sequence());
      record.mutable_call()->Swap(streamed.mutable_call());
      record.set_disposition(streamed.disposition());
      if (streamed.has_duration()) {
        *record.mutable_duration() = streamed.duration();
      }
    }
    *response->mutable_complete_since_time() =
        sallyport::ToProto(std::max(records.forgotten_until(), started_));
    return FillPage(*request, std::move(items),
                    *response->mutable_call_records(), *response);
  };
  return Answer(context, answer());
}

grpc::ServerWriteReactor<v1::WatchCallRecordsResponse>*
SignalingEdgeService::WatchCallRecords(
    grpc::CallbackServerContext* context,
    const v1::WatchCallRecordsRequest* request) {
  absl::Status status =
      Authorize(*context, "WatchCallRecords", request->parent());
  if (status.ok()) status = CheckParent(request->parent());
  if (!status.ok()) {
    return new RefusedStream<v1::WatchCallRecordsResponse>(status);
  }
  using Stream = JournalStream<EndedCall, v1::WatchCallRecordsResponse>;
  return Stream::Open(parts_.reporter.records(), streams_,
                      request->after_sequence(),
                      [parent = request->parent(),
                       edge = options_.instance](const Stream::Entry& entry)
                          -> std::optional<v1::WatchCallRecordsResponse> {
                        if (!BelongsTo(entry.value->record.tenant, parent))
                          return std::nullopt;
                        return ToProto(entry.sequence, *entry.value, edge);
                      });
}

// ------------------------------------------------------------ route, status

grpc::ServerUnaryReactor* SignalingEdgeService::ExplainRoute(
    grpc::CallbackServerContext* context,
    const v1::ExplainRouteRequest* request,
    v1::ExplainRouteResponse* response) {
  using Part = absl::StatusOr<v1::ExplainRouteResponse>;
  const auto look = [request](EdgeLoop& loop) -> Part {
    const Resolver* const plan = loop.core().plan();
    if (plan == nullptr) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "NO_CONFIGURATION",
                       "no dial plan has been received yet");
    }
    v1::ExplainRouteResponse out;
    SP_ASSIGN_OR_RETURN(*out.mutable_route(),
                        AnswerRoute(request->request(), *plan));
    for (const auto& target : out.route().targets()) {
      if (!target.user().empty() &&
          loop.core().registrar().Of(target.user()).empty()) {
        (*out.mutable_unavailable_targets())[target.user()] =
            "USER_NOT_REGISTERED";
      }
    }
    return out;
  };
  return OnAllLoops<Part>(
      context, "ExplainRoute", request->request().parent(), look,
      [response](std::vector<Part> said) -> absl::Status {
        SP_ASSIGN_OR_RETURN(*response, std::move(said[0]));
        // Who is registered at any loop is registered.
        auto& unavailable = *response->mutable_unavailable_targets();
        for (size_t i = 1; i < said.size(); ++i) {
          if (!said[i].ok()) continue;
          for (const auto& target : said[i]->route().targets()) {
            if (!said[i]->unavailable_targets().contains(target.user())) {
              unavailable.erase(target.user());
            }
          }
        }
        return absl::OkStatus();
      });
}

v1::EdgeStatus SignalingEdgeService::LoopStatus(EdgeLoop& loop) const {
  v1::EdgeStatus out;
  const EdgeCore& core = loop.core();
  if (loop.index() == 0) FillStatus(loop, out);
  out.mutable_info()->set_draining(core.draining());
  out.set_active_calls(static_cast<uint32_t>(core.calls().live()));
  out.set_registrations(static_cast<uint32_t>(core.registrar().held()));
  out.set_connections(static_cast<uint32_t>(core.connections().size()));
  for (const auto& [reason, count] : core.stats().refusals) {
    (*out.mutable_refusals())[reason] = count;
  }
  v1::ConnectionTotals& totals = *out.mutable_connection_totals();
  for (const Connection* connection : core.connections().All()) {
    if (connection->transport == SipTransport::kTls) {
      totals.set_active_tls(totals.active_tls() + 1);
    } else {
      totals.set_active_tcp(totals.active_tcp() + 1);
    }
  }
  totals.set_opened(core.stats().connections);
  totals.set_send_failures(core.stats().send_failures);
  totals.set_remote_closures(core.stats().remote_closures);
  return out;
}

void SignalingEdgeService::FillTlsDebug(v1::TlsDebug& out) const {
  const TlsTrace::Switches switches = parts_.feed.tls_trace().switches();
  out.set_errors(switches.errors);
  out.set_messages(switches.messages);
  out.set_states(switches.states);
}

grpc::ServerUnaryReactor* SignalingEdgeService::SetTlsDebug(
    grpc::CallbackServerContext* context, const v1::SetTlsDebugRequest* request,
    v1::TlsDebug* response) {
  // Of all tenants: a handshake is nobody's until it is over.
  if (absl::Status status = Authorize(*context, "SetTlsDebug", "");
      !status.ok()) {
    return Answer(context, std::move(status));
  }
  const v1::TlsDebug& wanted = request->tls_debug();
  parts_.feed.tls_trace().Set({.errors = wanted.errors(),
                               .messages = wanted.messages(),
                               .states = wanted.states()});
  FillTlsDebug(*response);
  return Answer(context, absl::OkStatus());
}

void SignalingEdgeService::FillStatus(EdgeLoop& loop,
                                      v1::EdgeStatus& out) const {
  type::v1::ServiceInfo& info = *out.mutable_info();
  info.set_service("signaling_edge");
  info.set_instance(options_.instance);
  info.set_version(options_.version);
  info.set_identity(options_.identity);
  *info.mutable_start_time() = sallyport::ToProto(started_);
  *info.mutable_server_time() = sallyport::ToProto(loop.wall_now());
  const EdgeCore& core = loop.core();
  if (core.plan() != nullptr) {
    out.set_snapshot_version(core.plan()->index().version());
    out.set_snapshot_checksum(core.plan()->index().checksum());
  }
  if (loop.trust() != nullptr) out.set_trust_version(loop.trust()->version());
  const DialplanClient::Status dialplan = parts_.feed.dialplan();
  FillSource("dialplan.snapshot", dialplan.connected, out.snapshot_version(),
             dialplan.from_cache, parts_.feed.plan_time(),
             parts_.feed.dialplan_error(), info);
  const TrustClient::Status trust = parts_.feed.trust();
  FillSource("capf.trust_bundle", trust.connected, out.trust_version(),
             trust.from_cache, parts_.feed.trust_time(),
             parts_.feed.trust_error(), info);
  const auto& specs = loop.listeners().specs();
  const std::vector<EdgeListener> names = loop.listeners().Names();
  for (size_t i = 0; i < specs.size(); ++i) {
    v1::EdgeListener& listener = *out.add_listeners();
    listener.set_protocol(std::string(ProtocolName(specs[i])));
    *listener.mutable_address() = ToProto(
        loop.listeners().bound(static_cast<ListenerId>(i)), specs[i].transport);
    listener.set_advertised_address(names[i].host);
  }
  if (loop.contexts().server != nullptr &&
      loop.contexts().server->certificate() != nullptr) {
    *out.mutable_sip_certificate() =
        ToProto(*loop.contexts().server->certificate());
    *out.mutable_sip_certificate_time() =
        sallyport::ToProto(parts_.feed.certificate_time());
    // The file may hold the key as well.
    const auto chain = CertificatesFromPem(
        loop.contexts().server->options().certificate_chain_pem);
    for (size_t i = 0; chain.ok() && i < chain->size(); ++i) {
      out.mutable_sip_certificate_pem()->append(
          CertificateToPem(AsBytes((*chain)[i])));
    }
  }
  for (const MediaClient::RelayStatus& relay : parts_.media.status()) {
    v1::RelayState& state = *out.add_relays();
    state.set_target(relay.target);
    state.set_available(relay.available);
    state.set_reason(relay.reason);
    state.set_load(relay.load);
    state.set_sessions(static_cast<uint32_t>(relay.sessions));
  }
}

grpc::ServerUnaryReactor* SignalingEdgeService::GetStatus(
    grpc::CallbackServerContext* context,
    const v1::GetStatusRequest* /*request*/, v1::EdgeStatus* response) {
  return OnAllLoops<v1::EdgeStatus>(
      context, "GetStatus", "",
      [this](EdgeLoop& loop) { return LoopStatus(loop); },
      [this, response](std::vector<v1::EdgeStatus> said) {
        *response = std::move(said[0]);
        bool draining = response->info().draining();
        for (size_t i = 1; i < said.size(); ++i) {
          const v1::EdgeStatus& one = said[i];
          draining &= one.info().draining();
          response->set_active_calls(response->active_calls() +
                                     one.active_calls());
          response->set_registrations(response->registrations() +
                                      one.registrations());
          response->set_connections(response->connections() +
                                    one.connections());
          AddTotals(one.connection_totals(),
                    *response->mutable_connection_totals());
          for (const auto& [reason, count] : one.refusals()) {
            (*response->mutable_refusals())[reason] += count;
          }
        }
        response->mutable_info()->set_draining(draining);
        FillTlsDebug(*response->mutable_tls_debug());
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::DrainResponse>* SignalingEdgeService::Drain(
    grpc::CallbackServerContext* context, const v1::DrainRequest* request) {
  if (absl::Status status = Authorize(*context, "Drain", ""); !status.ok()) {
    return new RefusedStream<v1::DrainResponse>(status);
  }
  return DrainStream::Open(
      parts_.loops, streams_,
      FromProtoOr(request->timeout(), options_.drain_timeout));
}

}  // namespace sallyport::signaling_edge
