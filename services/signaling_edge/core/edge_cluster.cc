// What lands on one edge or loop and belongs to another: it goes to its owner
// with what is known of its sender, and the owner speaks by a mirror of the
// connection that it came by (design.md section 6, "any pod").
#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_method.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

using Kind = ClusterMessage::Kind;

// An edge that was there so lately may come back with its calls.
constexpr absl::Duration kGrace = absl::Seconds(10);
constexpr int kRetryAfterSeconds = 2;
// For the answers of all others.
constexpr absl::Duration kAskTime = absl::Seconds(1);
constexpr size_t kMaxAsks = 1024;

// Our tag of the dialog that an INVITE is to replace (RFC 3891), or that a
// REFER is about (RFC 4538); empty if there is none.
std::string NamedDialog(const SipMessage& request) {
  std::string_view value = request.Value(HeaderId::kReplaces);
  if (const auto target = request.FirstNamed("Target-Dialog");
      value.empty() && target.has_value()) {
    value = *target;
  }
  if (value.empty()) return {};
  const auto parsed = ParseValueWithParams(value);
  if (!parsed.ok()) return {};
  for (const std::string_view name : {"to-tag", "local-tag"}) {
    if (const auto tag = parsed->Param(name)) return std::string(*tag);
  }
  return {};
}

}  // namespace

std::optional<NodeId> EdgeCore::OwnerOf(const SipMessage& request) const {
  // What has no To tag is of no dialog: whoever has it serves it, unless it
  // names one.
  const auto to = ParseNameAddr(request.Value(HeaderId::kTo));
  if (!to.ok()) return std::nullopt;
  if (to->tag().empty()) {
    const auto named = NamedDialog(request);
    return named.empty() ? std::nullopt
                         : OwnerOfToken(*options_.token_keys, named);
  }
  // Our Contact, before the tag: a leg that was handed over has got another
  // one, but keeps its tag.
  const auto uri = ParseSipUri(request.request_uri());
  if (uri.ok()) {
    if (const auto owner = OwnerOfToken(*options_.token_keys, uri->user)) {
      return owner;
    }
  }
  return OwnerOfToken(*options_.token_keys, to->tag());
}

bool EdgeCore::HandOverRequest(const Flow& flow, const SipMessage& request,
                               std::string_view text, MonoTime now) {
  if (options_.token_keys == nullptr) return false;
  const auto owner = OwnerOf(request);
  if (!owner.has_value()) return false;
  if (*owner == options_.node) return PassOn(flow, request, text);
  const EdgeState* edge = Reachable(*owner);
  if (edge != nullptr) {
    ++stats_.handed_over;
    Perform(HandOver{MessageFor(*owner, flow, text)});
    return true;
  }
  const auto known = edges_.find(owner->edge);
  const bool may_return = known != edges_.end() && known->second.was_up &&
                          now < known->second.lost + kGrace;
  const int code = may_return ? 503 : 481;
  const absl::Status why =
      may_return
          ? MakeError(absl::StatusCode::kUnavailable, "CALL_OWNER_UNREACHABLE",
                      "the edge of this call is out of reach")
          : MakeError(absl::StatusCode::kNotFound, "CALL_OWNER_GONE",
                      "the edge of this call is gone, and its calls");
  RespondStateless(flow, request, code, may_return ? kRetryAfterSeconds : 0);
  EdgeEvent event = RefusalOf(RefusalKind::kRequest, flow, why, code,
                              MethodName(request.method()), now);
  NameSenderOf(flow, "owner", event);
  Perform(Report{std::move(event)});
  return true;
}

bool EdgeCore::PassOn(const Flow& flow, const SipMessage& request,
                      std::string_view text) {
  const auto owner = calls_.MovedTo(request);
  if (!owner.has_value() || Reachable(*owner) == nullptr) return false;
  ++stats_.handed_over;
  Perform(HandOver{MessageFor(*owner, flow, text)});
  return true;
}

std::optional<NodeId> EdgeCore::OtherOwnerOf(std::string_view tag) const {
  if (options_.token_keys == nullptr || tag.empty()) return std::nullopt;
  const auto owner = OwnerOfToken(*options_.token_keys, tag);
  if (!owner.has_value() || Reachable(*owner) == nullptr) return std::nullopt;
  return owner;
}

bool EdgeCore::HandOverResponse(const Flow& flow, const SipMessage& response,
                                std::string_view text) {
  if (options_.token_keys == nullptr) return false;
  const auto vias = response.Items(HeaderId::kVia);
  if (vias.empty()) return false;
  const auto via = ParseVia(vias.front());
  if (!via.ok()) return false;
  std::string_view branch = via->branch();
  if (!branch.starts_with(kBranchCookie)) return false;
  branch.remove_prefix(kBranchCookie.size());
  // A mark of loops may follow the token.
  branch = branch.substr(0, branch.find('.'));
  const auto owner = OwnerOfToken(*options_.token_keys, branch);
  if (!owner.has_value() || *owner == options_.node ||
      Reachable(*owner) == nullptr) {
    return false;
  }
  ++stats_.handed_over;
  Perform(HandOver{MessageFor(*owner, flow, text)});
  return true;
}

const EdgeCore::EdgeState* EdgeCore::Reachable(const NodeId& node) const {
  const auto it = edges_.find(node.edge);
  if (it == edges_.end() || !it->second.up || node.loop >= it->second.loops ||
      node == options_.node) {
    return nullptr;
  }
  return &it->second;
}

ClusterMessage EdgeCore::MessageFor(const NodeId& to, const Flow& flow,
                                    std::string_view text) {
  ClusterMessage out;
  out.kind = Kind::kMessage;
  out.from = options_.node;
  out.to = to;
  out.flow = Export(flow);
  if (Connection* connection = connections_.Find(flow.connection)) {
    connection->mirrored_at.insert(to);
    out.incoming = connection->incoming;
    out.dialled = connection->dialled;
    out.tls = connection->tls;
  }
  out.text = text;
  return out;
}

bool EdgeCore::AskOthers(const Flow& flow, const SipMessage& cancel,
                         MonoTime now) {
  if (options_.token_keys == nullptr || asks_.size() >= kMaxAsks) return false;
  const uint64_t id = last_ask_ + 1;
  size_t open = 0;
  for (const auto& [number, edge] : edges_) {
    for (uint32_t loop = 0; edge.up && loop < edge.loops; ++loop) {
      const NodeId node = {number, loop};
      if (node == options_.node) continue;
      ClusterMessage message = MessageFor(node, flow, WriteSipMessage(cancel));
      message.kind = Kind::kAsk;
      message.ask = id;
      Perform(HandOver{std::move(message)});
      ++open;
    }
  }
  if (open == 0) return false;
  last_ask_ = id;
  asks_[id] = {flow, cancel, open};
  ask_deadlines_.Set(id, now + kAskTime);
  return true;
}

void EdgeCore::OnNotMine(uint64_t ask, MonoTime now) {
  const auto it = asks_.find(ask);
  if (it == asks_.end() || --it->second.open > 0) return;
  const Ask over = std::move(it->second);
  asks_.erase(it);
  ask_deadlines_.Erase(ask);
  RespondStateless(over.flow, over.cancel, 481);
  TellRefused(over.flow, over.cancel, NothingToCancel(), 481, now);
}

void EdgeCore::OnAskDeadlines(MonoTime now) {
  // Who had it has answered; who did not say so is gone.
  while (const auto id = ask_deadlines_.PopExpired(now)) asks_.erase(*id);
}

// ------------------------------------------------------------------- mirrors

std::optional<ListenerId> EdgeCore::ListenerAt(SipTransport transport,
                                               uint32_t logical_port) const {
  std::optional<ListenerId> any;
  for (size_t i = 0; i < options_.listeners.size(); ++i) {
    if (options_.listeners[i].transport != transport) continue;
    if (options_.listeners[i].sccp &&
        options_.listeners[i].logical_port != logical_port) {
      continue;
    }
    if (options_.listeners[i].logical_port == logical_port) {
      return static_cast<ListenerId>(i);
    }
    if (!any.has_value()) any = static_cast<ListenerId>(i);
  }
  return any;
}

Connection* EdgeCore::MirrorOf(const RemoteFlow& of, MonoTime now) {
  Connection* mirror = connections_.MirrorOf(of);
  if (mirror == nullptr) {
    const auto listener = ListenerAt(of.transport, of.logical_port);
    if (!listener.has_value() ||
        connections_.mirrors() >= options_.max_connections) {
      return nullptr;
    }
    mirror = &connections_.AddMirror(of, options_.parse);
    mirror->listener = *listener;
    mirror->state = Connection::State::kOpen;
    mirror->created = now;
    mirror->scope = of.transport == SipTransport::kUdp
                        ? AddressScope(of.remote)
                        : ConnectionScope(mirror->id);
  }
  mirror->last_activity = now;
  RearmConnection(*mirror);
  return mirror;
}

RemoteFlow EdgeCore::Export(const Flow& flow) const {
  if (const Connection* connection = connections_.Find(flow.connection);
      connection != nullptr && connection->held_by.has_value()) {
    return *connection->held_by;
  }
  return {.node = options_.node,
          .connection = flow.connection,
          .transport = flow.transport,
          .logical_port = options_.listeners[flow.listener].logical_port,
          .remote = flow.remote};
}

absl::StatusOr<Flow> EdgeCore::Import(const RemoteFlow& flow, MonoTime now) {
  const auto gone = [] {
    return MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                     "the connection, or the edge that had it, is gone");
  };
  // All loops of this edge send by the same UDP ports.
  const bool is_ours =
      flow.node == options_.node || (flow.node.edge == options_.node.edge &&
                                     flow.transport == SipTransport::kUdp);
  if (is_ours) {
    if (flow.connection != 0) {
      const Connection* connection = connections_.Find(flow.connection);
      if (connection == nullptr) return gone();
      return connection->flow();
    }
    const auto listener = ListenerAt(flow.transport, flow.logical_port);
    if (!listener.has_value()) return gone();
    return Flow{.transport = flow.transport,
                .listener = *listener,
                .remote = flow.remote};
  }
  if (Reachable(flow.node) == nullptr) return gone();
  const Connection* mirror = MirrorOf(flow, now);
  if (mirror == nullptr) return gone();
  return mirror->flow();
}

void EdgeCore::SendByMirror(Connection& mirror, const SocketAddress& to,
                            std::string bytes) {
  mirror.bytes_sent += bytes.size();
  ++mirror.messages_sent;
  ClusterMessage message;
  message.kind = Kind::kSend;
  message.from = options_.node;
  message.to = mirror.held_by->node;
  message.flow = *mirror.held_by;
  message.flow.remote = to;
  message.text = std::move(bytes);
  Perform(HandOver{std::move(message)});
}

void EdgeCore::TellMirrors(const Connection& gone) {
  for (const NodeId& node : gone.mirrored_at) {
    SendClosed(node, Export(gone.flow()));
  }
}

void EdgeCore::SendClosed(const NodeId& to, const RemoteFlow& flow) {
  ClusterMessage message;
  message.kind = Kind::kClosed;
  message.from = options_.node;
  message.to = to;
  message.flow = flow;
  Perform(HandOver{std::move(message)});
}

// -------------------------------------------------------------------- inputs

EdgeActions EdgeCore::OnClusterMessage(const ClusterMessage& message,
                                       MonoTime now) {
  switch (message.kind) {
    case Kind::kMessage:
    case Kind::kAsk:
      OnHanded(message, now);
      break;
    case Kind::kSend:
      OnSendFor(message);
      break;
    case Kind::kClosed:
      if (const Connection* mirror = connections_.MirrorOf(message.flow)) {
        Drop(mirror->id, false, "CONNECTION_LOST", now);
      }
      break;
    case Kind::kNotMine:
      OnNotMine(message.ask, now);
      break;
    case Kind::kLegWanted:
      calls_.OnLegWanted(message, now);
      break;
    case Kind::kLegGiven:
      calls_.OnLegGiven(message, now);
      break;
    case Kind::kRegistryChanged:
      if (shared_.has_value()) shared_->Refresh(message.text);
      break;
  }
  return Finish(now);
}

void EdgeCore::OnHanded(const ClusterMessage& message, MonoTime now) {
  Connection* mirror = MirrorOf(message.flow, now);
  if (mirror == nullptr) {
    ++stats_.refusals["MIRROR_LIMIT"];
    return;
  }
  if (!mirror->told) {
    mirror->told = true;
    mirror->incoming = message.incoming;
    mirror->dialled = message.dialled;
    mirror->tls = message.tls;
    if (mirror->transport == SipTransport::kTls && !mirror->tls.has_value()) {
      mirror->tls.emplace();
    }
    const PeerScope scope = mirror->scope;
    // What it has sent meanwhile, as a way to a phone, is of the old scope.
    const bool used = !mirror->transactions.empty();
    if (const absl::Status status = Identify(*mirror, now); !status.ok()) {
      ReportUnidentified(*mirror, status, now);
      Drop(mirror->id, false, ReasonOf(status), now);
      return;
    }
    if (used) mirror->scope = scope;
  }
  ++mirror->messages_received;
  mirror->bytes_received += message.text.size();
  ++stats_.taken_over;
  OnText(mirror->flow(), message.text, now,
         {.handed = true,
          .ask = message.kind == Kind::kAsk ? message.ask : 0,
          .from = message.from});
}

void EdgeCore::OnSendFor(const ClusterMessage& message) {
  const RemoteFlow& flow = message.flow;
  if (flow.connection == 0) {
    const auto listener = ListenerAt(flow.transport, flow.logical_port);
    if (!listener.has_value() || flow.transport != SipTransport::kUdp) return;
    Perform(SendDatagram{*listener, flow.remote, message.text});
    return;
  }
  Connection* connection = connections_.Find(flow.connection);
  if (connection == nullptr || connection->held_by.has_value() ||
      connection->state != Connection::State::kOpen) {
    SendClosed(message.from, flow);
    return;
  }
  connection->mirrored_at.insert(message.from);
  Transmit(connection->flow(), message.text);
}

EdgeActions EdgeCore::OnHandOverFailed(const ClusterMessage& message,
                                       MonoTime now) {
  const absl::Status full =
      MakeError(absl::StatusCode::kResourceExhausted, "CLUSTER_QUEUE_FULL",
                "the way to the edge of this call is full");
  if (message.kind != Kind::kMessage) ++stats_.refusals[ReasonOf(full)];
  if (message.kind == Kind::kSend) {
    if (const Connection* mirror = connections_.MirrorOf(message.flow)) {
      Drop(mirror->id, false, "CLUSTER_QUEUE_FULL", now);
    }
  } else if (message.kind == Kind::kAsk) {
    OnNotMine(message.ask, now);
  } else if (message.kind == Kind::kLegWanted ||
             message.kind == Kind::kLegGiven) {
    calls_.OnLegMessageLost(message, now);
  } else if (message.kind == Kind::kMessage) {
    // Export() made it of a flow of our own.
    const auto flow = Import(message.flow, now);
    const auto request = SalvageRequest(message.text, options_.parse);
    if (flow.ok() && request.ok()) {
      RespondStateless(*flow, *request, 503, kRetryAfterSeconds);
      ReportOverload(*flow, full, request->method_text(), now);
    } else {
      ++stats_.refusals[ReasonOf(full)];
    }
  }
  return Finish(now);
}

EdgeActions EdgeCore::OnEdges(const std::vector<EdgePresence>& edges,
                              MonoTime now) {
  for (auto& [number, edge] : edges_) {
    if (!edge.up) continue;
    const bool stays = std::any_of(edges.begin(), edges.end(),
                                   [&, n = number](const EdgePresence& each) {
                                     return each.edge == n && each.up;
                                   });
    if (!stays) {
      edge.up = false;
      edge.lost = now;
    }
  }
  for (const EdgePresence& each : edges) {
    if (!each.up) continue;
    EdgeState& edge = edges_[each.edge];
    edge.up = edge.was_up = true;
    edge.loops = each.loops;
  }
  for (const Connection* mirror : connections_.Mirrors()) {
    if (Reachable(mirror->held_by->node) == nullptr) {
      Drop(mirror->id, false, "EDGE_LOST", now);
    }
  }
  for (const Connection* each : connections_.All()) {
    Connection& connection = *connections_.Find(each->id);
    absl::erase_if(connection.mirrored_at, [this](const NodeId& node) {
      return Reachable(node) == nullptr;
    });
  }
  return Finish(now);
}

}  // namespace sallyport::signaling_edge
