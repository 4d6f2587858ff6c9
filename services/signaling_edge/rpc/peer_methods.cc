// The methods of SignalingEdgeService that are about peers.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "services/common/config/proto_time.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/rpc/list_page.h"
#include "services/signaling_edge/rpc/resource_scope.h"
#include "services/signaling_edge/rpc/signaling_edge_service.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kStates[] = "/peerStates/";
constexpr char kPeers[] = "/peers/";

// "tenants/t/peers/p" of "tenants/t/peerStates/p"; empty for other names.
std::string PeerOfState(const std::string& name) {
  const std::string tenant(sallyport::TenantOf(name));
  const std::string prefix = tenant + kStates;
  if (tenant.empty() || name.rfind(prefix, 0) != 0) return "";
  return absl::StrCat(tenant, kPeers, name.substr(prefix.size()));
}

std::string StateOfPeer(const std::string& peer) {
  const std::string tenant(sallyport::TenantOf(peer));
  return absl::StrCat(tenant, kStates,
                      peer.substr(tenant.size() + sizeof(kPeers) - 1));
}

// Open connections by the peer at their other end.
absl::flat_hash_map<std::string, uint32_t> ConnectionsByPeer(
    const EdgeCore& core) {
  absl::flat_hash_map<std::string, uint32_t> out;
  for (const Connection* connection : core.connections().All()) {
    if (connection->state != Connection::State::kOpen) continue;
    if (connection->identity.has_value()) {
      ++out[connection->identity->resource];
    } else if (!connection->dialled.empty()) {
      ++out[connection->dialled];
    }
  }
  return out;
}

// By the plan: a peer that nobody asks has no service that could be told.
bool IsMonitored(const PeerEntry& peer, const EdgeCore& core) {
  if (peer.monitoring.enabled) return true;
  const auto* group =
      core.plan()->index().Find<ServerGroupEntry>(peer.server_group);
  return group != nullptr && group->monitoring.enabled;
}

// CUC-60.
void FillService(const PeerEntry& peer, const EdgeCore& core,
                 const PeerHealth* health, const TimeBase& time,
                 v1::PeerState& out) {
  out.set_service(v1::TRUNK_SERVICE_UNKNOWN);
  if (peer.status == PeerStatus::kDisabled) {
    out.set_service(v1::TRUNK_SERVICE_NO_SERVICE);
    return;
  }
  if (health == nullptr || !health->service_time.has_value() ||
      !IsMonitored(peer, core)) {
    return;
  }
  switch (health->service) {
    case PeerHealth::Service::kUnknown:
      return;
    case PeerHealth::Service::kNone:
      out.set_service(v1::TRUNK_SERVICE_NO_SERVICE);
      break;
    case PeerHealth::Service::kPartial:
      out.set_service(v1::TRUNK_SERVICE_PARTIAL_SERVICE);
      break;
    case PeerHealth::Service::kFull:
      out.set_service(v1::TRUNK_SERVICE_FULL_SERVICE);
      break;
  }
  *out.mutable_service_time() =
      sallyport::ToProto(time.At(*health->service_time));
}

v1::PeerState StateOf(const PeerEntry& peer, const EdgeCore& core,
                      uint32_t connections, const TimeBase& time) {
  v1::PeerState out;
  out.set_name(StateOfPeer(peer.name));
  out.set_peer(peer.name);
  out.set_active_calls(core.calls().CallsOf(peer.name));
  out.set_connections(connections);
  const PeerHealth* health = core.peer_health().Find(peer.name);
  const bool enabled = peer.status == PeerStatus::kEnabled;
  out.set_in_service(enabled && (health == nullptr || health->up));
  if (!enabled) {
    out.set_reason(peer.status == PeerStatus::kDisabled ? "PEER_DISABLED"
                                                        : "PEER_NO_NEW_CALLS");
  } else if (health != nullptr) {
    out.set_reason(health->reason);
  }
  FillService(peer, core, health, time, out);
  if (health == nullptr) return out;
  if (health->change_time.has_value()) {
    *out.mutable_change_time() =
        sallyport::ToProto(time.At(*health->change_time));
  }
  if (health->mutual_tls_time.has_value()) {
    *out.mutable_mutual_tls_time() =
        sallyport::ToProto(time.At(*health->mutual_tls_time));
  }
  const auto add = [&](const DestinationHealth& found) {
    v1::DestinationState& destination = *out.add_destinations();
    if (found.address.port() != 0) {
      *destination.mutable_address() = ToProto(found.address, found.transport);
    }
    destination.set_up(found.up);
    destination.set_reason(found.reason);
    destination.set_last_sip_status(static_cast<uint32_t>(found.sip_status));
    *destination.mutable_probe_time() =
        sallyport::ToProto(time.At(found.probe_time));
    if (found.sip_status != 0) {
      *destination.mutable_round_trip_time() =
          sallyport::ToProto(found.round_trip_time);
    }
  };
  if (!health->servers.empty()) {
    for (const auto& [server, found] : health->servers) add(found);
  } else if (health->probed) {
    add(health->last);
  }
  return out;
}

// What another loop has of the same peer; it does not ask whether it is there.
void AddState(const v1::PeerState& other, v1::PeerState& out) {
  out.set_active_calls(out.active_calls() + other.active_calls());
  out.set_connections(out.connections() + other.connections());
  if (other.has_mutual_tls_time() &&
      (!out.has_mutual_tls_time() ||
       FromProto(out.mutual_tls_time()) < FromProto(other.mutual_tls_time()))) {
    *out.mutable_mutual_tls_time() = other.mutual_tls_time();
  }
}

absl::Status NoPlan() {
  return MakeError(absl::StatusCode::kFailedPrecondition, "NO_CONFIGURATION",
                   "no dial plan has been received yet");
}

}  // namespace

grpc::ServerUnaryReactor* SignalingEdgeService::GetPeerState(
    grpc::CallbackServerContext* context,
    const v1::GetPeerStateRequest* request, v1::PeerState* response) {
  using Part = absl::StatusOr<v1::PeerState>;
  const auto look = [this, request](EdgeLoop& loop) -> Part {
    if (loop.core().plan() == nullptr) return NoPlan();
    const PeerEntry* peer =
        loop.core().plan()->index().Peer(PeerOfState(request->name()));
    if (peer == nullptr) return NotFound(request->name());
    const auto connections = ConnectionsByPeer(loop.core());
    const auto it = connections.find(peer->name);
    return StateOf(*peer, loop.core(), it == connections.end() ? 0 : it->second,
                   ContextOf(loop).time);
  };
  return OnAllLoops<Part>(context, "GetPeerState", request->name(), look,
                          [response](std::vector<Part> said) -> absl::Status {
                            SP_ASSIGN_OR_RETURN(*response, std::move(said[0]));
                            for (size_t i = 1; i < said.size(); ++i) {
                              if (said[i].ok()) AddState(*said[i], *response);
                            }
                            return absl::OkStatus();
                          });
}

grpc::ServerUnaryReactor* SignalingEdgeService::ListPeerStates(
    grpc::CallbackServerContext* context,
    const v1::ListPeerStatesRequest* request,
    v1::ListPeerStatesResponse* response) {
  using Part = absl::StatusOr<std::vector<v1::PeerState>>;
  const auto look = [this, request](EdgeLoop& loop) -> Part {
    SP_RETURN_IF_ERROR(CheckParent(request->parent()));
    if (loop.core().plan() == nullptr) return NoPlan();
    const auto connections = ConnectionsByPeer(loop.core());
    const TimeBase time = ContextOf(loop).time;
    std::vector<v1::PeerState> items;
    // In order of name, as the snapshot is.
    loop.core().plan()->index().ForEach<PeerEntry>([&](const PeerEntry& peer) {
      if (!BelongsTo(peer.name, request->parent())) return;
      const auto it = connections.find(peer.name);
      items.push_back(StateOf(peer, loop.core(),
                              it == connections.end() ? 0 : it->second, time));
    });
    return items;
  };
  return OnAllLoops<Part>(
      context, "ListPeerStates", request->parent(), look,
      [request, response](std::vector<Part> said) -> absl::Status {
        SP_ASSIGN_OR_RETURN(std::vector<v1::PeerState> items,
                            std::move(said[0]));
        absl::flat_hash_map<std::string, v1::PeerState*> by_name;
        for (v1::PeerState& state : items) by_name[state.name()] = &state;
        for (size_t i = 1; i < said.size(); ++i) {
          if (!said[i].ok()) continue;
          for (const v1::PeerState& state : *said[i]) {
            const auto it = by_name.find(state.name());
            if (it != by_name.end()) AddState(state, *it->second);
          }
        }
        return FillPage(*request, std::move(items),
                        *response->mutable_peer_states(), *response);
      });
}

grpc::ServerUnaryReactor* SignalingEdgeService::CheckPeer(
    grpc::CallbackServerContext* context, const v1::CheckPeerRequest* request,
    v1::CheckPeerResponse* response) {
  if (absl::Status status = Authorize(*context, "CheckPeer", request->peer());
      !status.ok()) {
    return Answer(context, std::move(status));
  }
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  // The first loop is the one that keeps what checks find out.
  const absl::Status posted =
      parts_.loops.first().Post([reactor, request, response](EdgeLoop& loop) {
        loop.CheckPeer(
            {.peer = request->peer(),
             .secured = request->secured(),
             .media_secured = request->media_secured(),
             .host = request->server(),
             .port = static_cast<uint16_t>(request->server_port()),
             .phone = request->phone()},
            [reactor, response](absl::StatusOr<PeerCheckResult> result) {
              if (result.ok()) {
                response->set_succeeded(result->succeeded);
                response->set_reason(result->reason);
                for (const PeerCheckStep& step : result->steps) {
                  v1::CheckStep& out = *response->add_steps();
                  out.set_step(step.step);
                  out.set_succeeded(step.succeeded);
                  out.set_detail(step.detail);
                }
              }
              reactor->Finish(ToGrpc(result.status()));
            });
      });
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

}  // namespace sallyport::signaling_edge
