// What is too long for UDP goes by TCP, unless that is not taken there (RFC
// 3261 section 18.1.1).
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {

Flow EdgeCore::AddViaFor(const Flow& flow, SipMessage& request,
                         std::string_view branch, CallLeg owner, MonoTime now) {
  const Connection* const connection = connections_.Find(flow.connection);
  AddVia(
      request, ListenerOf(flow), branch,
      flow.is_tls() && connection != nullptr && !connection->dialled.empty());
  // Who another loop or edge holds is sent to by its holder.
  if (flow.transport != SipTransport::kUdp || flow.connection != 0 ||
      !long_requests_.WantsStream(request)) {
    return flow;
  }
  const std::optional<Flow> stream = StreamInsteadOf(flow, owner, now);
  if (!stream.has_value()) {
    if (long_requests_.IsLong(request)) ++stats_.long_by_udp;
    return flow;
  }
  if (long_requests_.IsLong(request)) ++stats_.long_by_tcp;
  request.RemoveFirstItem(HeaderId::kVia);
  AddVia(request, ListenerOf(*stream), branch);
  return *stream;
}

// Peers unless their SIP profile says otherwise; phones where the address that
// we see is the one that they gave, as no other takes a connection.
bool EdgeCore::MayHaveStream(const Flow& flow, const Party& party) const {
  if (party.kind == Party::Kind::kPeer) {
    const PeerEntry* const peer =
        plan_ == nullptr ? nullptr : plan_->index().Peer(party.resource);
    return peer != nullptr && peer->sip.long_requests == LongRequestsBy::kTcp;
  }
  for (const Binding* binding : registrar_.Of(party.resource)) {
    if (!SameFlow(binding->flow, flow)) continue;
    // RFC 5626 section 5.3: by that flow and by no other way.
    if (binding->is_outbound() || !binding->path.empty()) return false;
    const auto contact = ParseSipUri(binding->contact);
    if (!contact.ok()) return false;
    std::string_view host = contact->host;
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    return host == flow.remote.Canonical().IpText() &&
           contact->port.value_or(5060) == flow.remote.port();
  }
  return false;
}

std::optional<Flow> EdgeCore::StreamInsteadOf(const Flow& flow, CallLeg owner,
                                              MonoTime now) {
  const Party* const party = calls_.PartyOf(owner);
  if (party == nullptr || !MayHaveStream(flow, *party) ||
      long_requests_.IsRefused(flow.remote, now)) {
    return std::nullopt;
  }
  if (const Connection* const known =
          connections_.Find(long_requests_.ConnectionTo(flow.remote))) {
    return known->flow();
  }
  const std::optional<ListenerId> listener = StreamListenerBeside(flow);
  if (!listener.has_value() ||
      connections_.size() + total_connections_.elsewhere() >=
          options_.max_connections) {
    return std::nullopt;
  }
  Connection& connection = connections_.Add(flow.remote, false, options_.parse);
  connection.transport = SipTransport::kTcp;
  connection.listener = *listener;
  if (party->kind == Party::Kind::kPeer) connection.dialled = party->resource;
  connection.scope = AddressScope(flow.remote);
  connection.created = connection.last_activity = now;
  connection.instead_of = flow;
  connection_deadlines_.Set(connection.id,
                            now + options_.long_request_connect_timeout);
  long_requests_.NoteConnection(flow.remote, connection.id);
  Perform(Connect{
      connection.id, SipTransport::kTcp, flow.remote, "", {}, *listener});
  return connection.flow();
}

std::optional<ListenerId> EdgeCore::StreamListenerBeside(
    const Flow& flow) const {
  const EdgeListener& udp = ListenerOf(flow);
  for (size_t i = 0; i < options_.listeners.size(); ++i) {
    const EdgeListener& one = options_.listeners[i];
    if (one.transport == SipTransport::kTcp && !one.sccp &&
        one.host == udp.host && one.port == udp.port) {
      return static_cast<ListenerId>(i);
    }
  }
  const absl::StatusOr<ListenerId> any =
      ListenerBy(SipTransport::kTcp, flow.remote);
  return any.ok() ? std::optional(*any) : std::nullopt;
}

void EdgeCore::NoteSilence(const Flow& flow, MonoTime now) {
  const Connection* const connection = connections_.Find(flow.connection);
  if (connection == nullptr || !connection->instead_of.has_value() ||
      connection->messages_received != 0) {
    return;
  }
  long_requests_.NoteRefused(connection->instead_of->remote, now);
}

void EdgeCore::SendAgainByUdp(TransactionId id, const Flow& udp, MonoTime now) {
  const auto it = clients_.find(id);
  if (it == clients_.end()) return;
  const CallLeg owner = it->second.owner;
  SipMessage request = *it->second.request;
  transactions_.Forget(id);
  ForgetEnded(id);
  ++stats_.long_by_udp;
  // The same branch: if it did arrive after all, it is the same request.
  const std::string branch = BranchOf(request);
  request.RemoveFirstItem(HeaderId::kVia);
  AddVia(request, ListenerOf(udp), branch);
  const auto sent = std::make_shared<const SipMessage>(std::move(request));
  auto outcome = transactions_.Send(sent, ScopeOf(udp), false, now);
  if (!outcome.ok()) {
    calls_.OnRequestFailed(owner, *sent, /*timed_out=*/false, now);
    return;
  }
  NoteClient(outcome->id, {owner, udp, sent});
  DoClient(outcome->id, std::move(outcome->actions), nullptr, now);
}

}  // namespace sallyport::signaling_edge
