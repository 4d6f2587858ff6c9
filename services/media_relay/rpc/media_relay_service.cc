#include "services/media_relay/rpc/media_relay_service.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/rpc/list_filter.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/turn_server.h"
#include "services/media_relay/rpc/access_rules.h"
#include "services/media_relay/rpc/session_codec.h"
#include "services/media_relay/rpc/session_methods.h"

namespace sallyport::media_relay {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 1000;
constexpr int kMaxRenewals = 10000;

grpc::ServerUnaryReactor* Finish(grpc::ServerUnaryReactor* reactor,
                                 const absl::Status& status) {
  reactor->Finish(ToGrpc(status));
  return reactor;
}

// INVALID_ARGUMENT for a page size or a filter that is none.
template <typename Item>
absl::StatusOr<ListFilter> ReadFilter(int32_t page_size,
                                      std::string_view filter) {
  if (page_size < 0) {
    return MakeError(absl::StatusCode::kInvalidArgument, "PAGE_INVALID",
                     "page_size is negative");
  }
  return ListFilter::Parse(filter, *Item::descriptor());
}

// What several loops collect for one list. Thread-safe by its mutex.
template <typename Item>
struct Collected {
  absl::Mutex mutex;
  std::vector<Item> items;
};

// Sorts by name, cuts out the page after `token` (the last name, in hex).
template <typename Item, typename Response, typename Add>
absl::Status Page(std::vector<Item>& items, int32_t page_size,
                  const std::string& token, Response& response, Add add) {
  std::string after;
  if (!token.empty()) {
    absl::StatusOr<std::string> decoded = HexDecode(token);
    if (!decoded.ok()) {
      return MakeError(absl::StatusCode::kInvalidArgument, "PAGE_INVALID",
                       "page_token is not one of ours");
    }
    after = *std::move(decoded);
  }
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return a.name() < b.name(); });
  const size_t limit = static_cast<size_t>(
      page_size == 0 ? kDefaultPage : std::min<int32_t>(page_size, kMaxPage));
  size_t added = 0;
  std::string last;
  for (Item& item : items) {
    if (!after.empty() && item.name() <= after) continue;
    if (added == limit) {
      response.set_next_page_token(HexEncode(AsBytes(last)));
      break;
    }
    last = item.name();
    add(std::move(item));
    ++added;
  }
  return absl::OkStatus();
}

std::string AllocationName(std::string_view tenant, size_t loop,
                           SocketId socket) {
  return absl::StrCat("tenants/", AbslView(tenant), "/allocations/", loop, "-",
                      absl::Hex(socket));
}

// The loop and the socket of "2-100000000".
std::optional<std::pair<size_t, SocketId>> ParseAllocationId(
    std::string_view id) {
  const size_t dash = id.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  uint64_t loop = 0;
  uint64_t socket = 0;
  if (!absl::SimpleAtoi(AbslView(id.substr(0, dash)), &loop) ||
      !absl::SimpleHexAtoi(AbslView(id.substr(dash + 1)), &socket)) {
    return std::nullopt;
  }
  return std::make_pair(static_cast<size_t>(loop), socket);
}

v1::TurnTransport TransportOf(ClientTransport transport) {
  switch (transport) {
    case ClientTransport::kUdp:
      return v1::TURN_TRANSPORT_UDP;
    case ClientTransport::kTcp:
      return v1::TURN_TRANSPORT_TCP;
    case ClientTransport::kTls:
      return v1::TURN_TRANSPORT_TLS;
    case ClientTransport::kPseudoTls:
      return v1::TURN_TRANSPORT_PSEUDO_TLS;
    case ClientTransport::kDtls:
      return v1::TURN_TRANSPORT_DTLS;
  }
  return v1::TURN_TRANSPORT_UNSPECIFIED;
}

v1::Allocation ToProto(const Allocation& allocation, size_t loop, Now now) {
  v1::Allocation out;
  const AllocationOwner& owner = allocation.owner();
  out.set_name(AllocationName(owner.tenant, loop, allocation.relay_socket()));
  out.set_key_id(owner.key_id);
  out.set_subject(owner.subject);
  out.set_dialect(allocation.dialect == TurnDialect::kMsTurn
                      ? v1::TURN_DIALECT_MS_TURN
                      : v1::TURN_DIALECT_TURN);
  out.set_client_transport(TransportOf(allocation.path().transport));
  out.set_relay_transport(allocation.tcp ? v1::TURN_TRANSPORT_TCP
                                         : v1::TURN_TRANSPORT_UDP);
  ToProto(allocation.path().client, *out.mutable_client_address());
  ToProto(allocation.relayed, *out.mutable_relayed_address());
  *out.mutable_create_time() = sallyport::ToProto(allocation.create_time);
  *out.mutable_expire_time() =
      sallyport::ToProto(now.wall + (allocation.expiry - now.mono));
  *out.mutable_credential_expire_time() =
      sallyport::ToProto(owner.credential_expiry);
  out.set_permission_count(
      static_cast<uint32_t>(allocation.permission_count(now.mono)));
  out.set_channel_count(
      static_cast<uint32_t>(allocation.channel_count(now.mono)));
  const AllocationCounters& counters = allocation.counters;
  out.set_packets_to_peers(counters.packets_to_peers);
  out.set_bytes_to_peers(counters.bytes_to_peers);
  out.set_packets_to_client(counters.packets_to_client);
  out.set_bytes_to_client(counters.bytes_to_client);
  auto& dropped = *out.mutable_dropped_packets();
  if (counters.dropped_no_permission > 0) {
    dropped[std::string(DropReasonName(DropReason::kNoPermission))] =
        counters.dropped_no_permission;
  }
  if (counters.dropped_policy > 0) {
    dropped[std::string(DropReasonName(DropReason::kPeerRefused))] =
        counters.dropped_policy;
  }
  return out;
}

absl::Status NoAllocation() {
  return MakeError(absl::StatusCode::kNotFound, "ALLOCATION_NOT_FOUND",
                   "there is no such allocation");
}

Allocation* FindAllocation(RelayLoopContext& context, std::string_view tenant,
                           SocketId socket) {
  for (Allocation* allocation : context.core.turn().allocations().All()) {
    if (allocation->relay_socket() == socket &&
        allocation->owner().tenant == tenant) {
      return allocation;
    }
  }
  return nullptr;
}

}  // namespace

MediaRelayService::MediaRelayService(const AccessPolicy& access,
                                     RelayFleet& fleet,
                                     SessionMethods& sessions,
                                     RelayWatches watches,
                                     MediaRelayServiceOptions options)
    : access_(access),
      fleet_(fleet),
      sessions_(sessions),
      watches_(watches),
      options_(std::move(options)) {}

void MediaRelayService::OnLoop(
    size_t loop, grpc::ServerUnaryReactor* reactor,
    std::function<absl::Status(RelayLoopContext&)> command) {
  const absl::Status posted = fleet_.Post(
      loop, [reactor, command = std::move(command)](RelayLoopContext& c) {
        reactor->Finish(ToGrpc(command(c)));
      });
  if (!posted.ok()) reactor->Finish(ToGrpc(LoopOverloaded()));
}

absl::StatusOr<CallerIdentity> MediaRelayService::Authorize(
    const grpc::CallbackServerContext& context, std::string_view method,
    std::string_view tenant) const {
  return access_.Authorize(context, MethodPath(method), tenant);
}

template <typename Request>
grpc::ServerUnaryReactor* MediaRelayService::ChangeSession(
    grpc::CallbackServerContext* context, std::string_view method,
    const Request& request, v1::Session* response,
    void (SessionMethods::*work)(const Request&, SessionMethods::Authorize,
                                 SessionMethods::Done)) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto authorize = [&](std::string_view tenant) {
    return Authorize(*context, method, tenant).status();
  };
  (sessions_.*work)(request, authorize,
                    [reactor, response](absl::StatusOr<v1::Session> answer) {
                      if (answer.ok()) *response = *std::move(answer);
                      Finish(reactor, answer.status());
                    });
  return reactor;
}

grpc::ServerUnaryReactor* MediaRelayService::CreateSession(
    grpc::CallbackServerContext* context,
    const v1::CreateSessionRequest* request, v1::Session* response) {
  return ChangeSession(context, "CreateSession", *request, response,
                       &SessionMethods::Create);
}

grpc::ServerUnaryReactor* MediaRelayService::GetSession(
    grpc::CallbackServerContext* context, const v1::GetSessionRequest* request,
    v1::Session* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto name = ParseName(request->name(), "sessions");
  if (!name.ok()) return Finish(reactor, name.status());
  const auto caller = Authorize(*context, "GetSession", name->first);
  if (!caller.ok()) return Finish(reactor, caller.status());
  const bool with_keys = caller->is_service();
  OnLoop(
      fleet_.LoopOf(name->first, name->second), reactor,
      [name = *name, with_keys, response](RelayLoopContext& c) -> absl::Status {
        SP_ASSIGN_OR_RETURN(
            const SessionView view,
            c.core.sessions().Get(name.first, name.second, c.now));
        ToProto(view, with_keys, *response);
        return absl::OkStatus();
      });
  return reactor;
}

grpc::ServerUnaryReactor* MediaRelayService::ListSessions(
    grpc::CallbackServerContext* context,
    const v1::ListSessionsRequest* request,
    v1::ListSessionsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto tenant = ParseParent(request->parent(), /*wildcard=*/true);
  if (!tenant.ok()) return Finish(reactor, tenant.status());
  const auto caller = Authorize(*context, "ListSessions", *tenant);
  if (!caller.ok()) return Finish(reactor, caller.status());
  const auto filter =
      ReadFilter<v1::Session>(request->page_size(), request->filter());
  if (!filter.ok()) return Finish(reactor, filter.status());
  auto collected = std::make_shared<Collected<v1::Session>>();
  fleet_.PostToAll(
      [collected, tenant = *tenant, filter = *filter](size_t,
                                                      RelayLoopContext& c) {
        for (const SessionView& view : c.core.sessions().List(tenant, c.now)) {
          v1::Session session;
          ToProto(view, /*with_keys=*/false, session);
          if (!filter.Matches(session)) continue;
          absl::MutexLock lock(&collected->mutex);
          collected->items.push_back(std::move(session));
        }
      },
      [collected, request, response, reactor](const absl::Status& status) {
        if (!status.ok()) {
          Finish(reactor, status);
          return;
        }
        Finish(reactor, Page(collected->items, request->page_size(),
                             request->page_token(), *response,
                             [response](v1::Session&& session) {
                               *response->add_sessions() = std::move(session);
                             }));
      });
  return reactor;
}

grpc::ServerUnaryReactor* MediaRelayService::UpdateSession(
    grpc::CallbackServerContext* context,
    const v1::UpdateSessionRequest* request, v1::Session* response) {
  return ChangeSession(context, "UpdateSession", *request, response,
                       &SessionMethods::Update);
}

grpc::ServerUnaryReactor* MediaRelayService::DeleteSession(
    grpc::CallbackServerContext* context,
    const v1::DeleteSessionRequest* request, v1::Session* response) {
  return ChangeSession(context, "DeleteSession", *request, response,
                       &SessionMethods::Delete);
}

grpc::ServerUnaryReactor* MediaRelayService::RenewSessions(
    grpc::CallbackServerContext* context,
    const v1::RenewSessionsRequest* request,
    v1::RenewSessionsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto caller = Authorize(*context, "RenewSessions", "");
  if (!caller.ok()) return Finish(reactor, caller.status());
  const absl::Duration lease =
      FromProtoOr(request->lease_duration(), sessions_.default_lease());
  std::vector<FieldViolation> violations;
  if (request->owner().empty()) {
    violations.push_back({"owner", "is required"});
  }
  if (request->names_size() > kMaxRenewals) {
    violations.push_back({"names", "are more than 10000"});
  }
  if (lease < absl::Seconds(10) || lease > absl::Hours(1)) {
    violations.push_back({"lease_duration", "is not 10 s to 1 hour"});
  }
  using Names = std::vector<std::pair<std::string, std::string>>;
  auto names = std::make_shared<std::vector<Names>>(fleet_.size());
  for (int i = 0; i < request->names_size(); ++i) {
    auto name = ParseName(request->names(i), "sessions");
    if (!name.ok()) {
      violations.push_back(
          {absl::StrCat("names[", i, "]"), "is not a session's name"});
      continue;
    }
    const size_t loop = fleet_.LoopOf(name->first, name->second);
    (*names)[loop].push_back(*std::move(name));
  }
  if (!violations.empty()) {
    return Finish(reactor, MakeError(absl::StatusCode::kInvalidArgument,
                                     "RENEWAL_INVALID",
                                     "the renewal is not valid", violations));
  }
  struct Outcome {
    absl::Mutex mutex;
    size_t renewed = 0;
    std::vector<std::string> missing;
    absl::Time expiry = absl::InfinitePast();
  };
  auto outcome = std::make_shared<Outcome>();
  const bool all = request->names().empty();
  fleet_.PostToAll(
      [outcome, names, all, lease, owner = request->owner()](
          size_t loop, RelayLoopContext& c) {
        const Names& mine = (*names)[loop];
        if (!all && mine.empty()) return;
        std::vector<std::string> missing;
        const size_t renewed =
            c.core.sessions().Renew(owner, mine, lease, c.now, missing);
        absl::MutexLock lock(&outcome->mutex);
        outcome->renewed += renewed;
        outcome->missing.insert(outcome->missing.end(), missing.begin(),
                                missing.end());
        outcome->expiry = std::max(outcome->expiry, c.now.wall + lease);
      },
      [outcome, response, reactor](const absl::Status& status) {
        response->set_renewed_count(static_cast<uint32_t>(outcome->renewed));
        for (std::string& name : outcome->missing) {
          response->add_missing(std::move(name));
        }
        if (outcome->expiry != absl::InfinitePast()) {
          *response->mutable_lease_expire_time() =
              sallyport::ToProto(outcome->expiry);
        }
        Finish(reactor, status);
      });
  return reactor;
}

grpc::ServerUnaryReactor* MediaRelayService::GetAllocation(
    grpc::CallbackServerContext* context,
    const v1::GetAllocationRequest* request, v1::Allocation* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto name = ParseName(request->name(), "allocations");
  if (!name.ok()) return Finish(reactor, name.status());
  const auto caller = Authorize(*context, "GetAllocation", name->first);
  if (!caller.ok()) return Finish(reactor, caller.status());
  const auto id = ParseAllocationId(name->second);
  if (!id.has_value() || id->first >= fleet_.size()) {
    return Finish(reactor, NoAllocation());
  }
  OnLoop(id->first, reactor,
         [tenant = name->first, id = *id,
          response](RelayLoopContext& c) -> absl::Status {
           c.core.turn().CollectFlows();
           const Allocation* allocation = FindAllocation(c, tenant, id.second);
           if (allocation == nullptr) return NoAllocation();
           *response = ToProto(*allocation, id.first, c.now);
           return absl::OkStatus();
         });
  return reactor;
}

grpc::ServerUnaryReactor* MediaRelayService::ListAllocations(
    grpc::CallbackServerContext* context,
    const v1::ListAllocationsRequest* request,
    v1::ListAllocationsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto tenant = ParseParent(request->parent(), /*wildcard=*/true);
  if (!tenant.ok()) return Finish(reactor, tenant.status());
  const auto caller = Authorize(*context, "ListAllocations", *tenant);
  if (!caller.ok()) return Finish(reactor, caller.status());
  const auto filter =
      ReadFilter<v1::Allocation>(request->page_size(), request->filter());
  if (!filter.ok()) return Finish(reactor, filter.status());
  auto collected = std::make_shared<Collected<v1::Allocation>>();
  fleet_.PostToAll(
      [collected, tenant = *tenant, filter = *filter](size_t loop,
                                                      RelayLoopContext& c) {
        c.core.turn().CollectFlows();
        for (const Allocation* allocation : c.core.turn().allocations().All()) {
          if (!tenant.empty() && allocation->owner().tenant != tenant) {
            continue;
          }
          v1::Allocation out = ToProto(*allocation, loop, c.now);
          if (!filter.Matches(out)) continue;
          absl::MutexLock lock(&collected->mutex);
          collected->items.push_back(std::move(out));
        }
      },
      [collected, request, response, reactor](const absl::Status& status) {
        if (!status.ok()) {
          Finish(reactor, status);
          return;
        }
        Finish(reactor, Page(collected->items, request->page_size(),
                             request->page_token(), *response,
                             [response](v1::Allocation&& allocation) {
                               *response->add_allocations() =
                                   std::move(allocation);
                             }));
      });
  return reactor;
}

grpc::ServerUnaryReactor* MediaRelayService::DeleteAllocation(
    grpc::CallbackServerContext* context,
    const v1::DeleteAllocationRequest* request, google::protobuf::Empty*) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto name = ParseName(request->name(), "allocations");
  if (!name.ok()) return Finish(reactor, name.status());
  const auto caller = Authorize(*context, "DeleteAllocation", name->first);
  if (!caller.ok()) return Finish(reactor, caller.status());
  const absl::Status missing =
      request->allow_missing() ? absl::OkStatus() : NoAllocation();
  const auto id = ParseAllocationId(name->second);
  if (!id.has_value() || id->first >= fleet_.size()) {
    return Finish(reactor, missing);
  }
  OnLoop(id->first, reactor,
         [tenant = name->first, socket = id->second,
          missing](RelayLoopContext& c) -> absl::Status {
           if (FindAllocation(c, tenant, socket) == nullptr) return missing;
           c.core.turn().Delete(socket, c.now, c.sockets);
           return absl::OkStatus();
         });
  return reactor;
}

grpc::ServerWriteReactor<v1::WatchLoadResponse>* MediaRelayService::WatchLoad(
    grpc::CallbackServerContext* context, const v1::WatchLoadRequest* request) {
  const auto caller = Authorize(*context, "WatchLoad", "");
  if (!caller.ok()) return LoadWatch::Refuse(caller.status());
  return watches_.load.Open(*request);
}

grpc::ServerWriteReactor<v1::WatchSessionsResponse>*
MediaRelayService::WatchSessions(grpc::CallbackServerContext* context,
                                 const v1::WatchSessionsRequest* request) {
  const auto tenant = ParseParent(request->parent(), /*wildcard=*/true);
  if (!tenant.ok()) return SessionWatch::Refuse(tenant.status());
  const auto caller = Authorize(*context, "WatchSessions", *tenant);
  if (!caller.ok()) return SessionWatch::Refuse(caller.status());
  return watches_.sessions.Open(*tenant, *request);
}

grpc::ServerWriteReactor<v1::DrainResponse>* MediaRelayService::Drain(
    grpc::CallbackServerContext* context, const v1::DrainRequest* request) {
  const auto caller = Authorize(*context, "Drain", "");
  if (!caller.ok()) return DrainWatch::Refuse(caller.status());
  return watches_.drain.Open(*request);
}

grpc::ServerUnaryReactor* MediaRelayService::GetStatus(
    grpc::CallbackServerContext* context, const v1::GetStatusRequest*,
    v1::RelayStatus* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const auto caller = Authorize(*context, "GetStatus", "");
  if (!caller.ok()) return Finish(reactor, caller.status());
  CollectReports(fleet_, [this, response, reactor](
                             const std::vector<RelayLoopReport>& reports,
                             const absl::Status& status) {
    *response->mutable_load() = LoadOf(reports, options_.capacity, absl::Now());
    auto& dropped = *response->mutable_dropped_packets();
    for (const RelayLoopReport& report : reports) {
      for (size_t i = 1; i < kDropReasonCount; ++i) {
        if (report.stats.drops[i] == 0) continue;
        dropped[std::string(DropReasonName(static_cast<DropReason>(i)))] +=
            report.stats.drops[i];
      }
    }
    if (options_.describe) options_.describe(*response);
    Finish(reactor, status);
  });
  return reactor;
}

}  // namespace sallyport::media_relay
