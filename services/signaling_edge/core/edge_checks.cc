// The part of EdgeCore that lets checks of peers use its connections and
// transactions.
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/invite_client_transaction.h"
#include "services/signaling_edge/core/peer_transport.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
absl::StatusOr<EdgeActions> EdgeCore::OnCheckPeer(
    const PeerCheckRequest& request, MonoTime now) {
  SP_RETURN_IF_ERROR(checks_.Start(request, plan_, now));
  return TakeActions();
}

void EdgeCore::ResolveForCheck(uint64_t check, const std::string& host) {
  Perform(ResolveHost{check | kCheckQuery, host});
}

absl::StatusOr<Flow> EdgeCore::OpenForCheck(
    uint64_t check, const PeerEntry& peer,
    const std::vector<SocketAddress>& addresses, MonoTime now) {
  const SipTransport transport = TransportOf(peer);
  SP_ASSIGN_OR_RETURN(const ListenerId listener, ListenerBy(transport));
  if (transport == SipTransport::kUdp) {
    return Flow{
        .transport = transport, .listener = listener, .remote = addresses[0]};
  }
  SP_ASSIGN_OR_RETURN(Connection* const connection,
                      Dial(peer, transport, listener, addresses, now));
  connection->check = check;
  // io's own bound, a second later than ours, tells connect from handshake.
  connection_deadlines_.Set(
      connection->id, now + options_.handshake_timeout + absl::Seconds(2));
  return connection->flow();
}

absl::Status EdgeCore::SendForCheck(uint64_t check, const Flow& flow,
                                    SipMessage request, MonoTime now) {
  if (!IsAlive(flow)) {
    return MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                     "the connection is gone");
  }
  AddVia(request, ListenerOf(flow), NewToken());
  if (!options_.server_header.empty()) {
    request.Set(HeaderId::kUserAgent, options_.server_header);
  }
  SP_ASSIGN_OR_RETURN(
      const TransactionOutcome outcome,
      transactions_.Send(request, ScopeOf(flow),
                         flow.transport != SipTransport::kUdp, now));
  if (request.method() == SipMethod::kInvite) {
    invite_of_check_[check] = outcome.id;
  }
  NoteClient(outcome.id, {.owner = {},
                          .flow = flow,
                          .request = std::move(request),
                          .check = check});
  DoClient(outcome.id, outcome.actions, nullptr, now);
  return absl::OkStatus();
}

void EdgeCore::CancelForCheck(uint64_t check, MonoTime now) {
  const auto it = invite_of_check_.find(check);
  if (it == invite_of_check_.end()) return;
  const auto client = clients_.find(it->second);
  if (client == clients_.end()) return;
  const Flow flow = client->second.flow;
  SipMessage cancel = MakeCancel(client->second.request);
  const auto outcome = transactions_.Send(
      cancel, ScopeOf(flow), flow.transport != SipTransport::kUdp, now);
  if (!outcome.ok()) return;
  NoteClient(outcome->id, {.owner = {},
                           .flow = flow,
                           .request = std::move(cancel),
                           .check = check});
  DoClient(outcome->id, outcome->actions, nullptr, now);
}

void EdgeCore::SendPlain(const Flow& flow, SipMessage message) {
  AddVia(message, ListenerOf(flow), NewToken());
  Transmit(flow, WriteSipMessage(message));
}

void EdgeCore::CloseForCheck(const Flow& flow, MonoTime now) {
  // Its transactions end with it; the check is over and hears nothing.
  if (flow.connection != 0) Drop(flow.connection, true, "CHECK_DONE", now);
}

const EdgeListener& EdgeCore::ListenerFor(const Flow& flow) const {
  return ListenerOf(flow);
}

void EdgeCore::CheckDone(PeerCheckResult result, MonoTime now) {
  invite_of_check_.erase(result.id);
  if (peer_health_.OnChecked(result, now)) {
    const bool up = peer_health_.Find(result.peer)->up;
    EdgeEvent event;
    event.type = up ? EdgeEvent::Type::kPeerUp : EdgeEvent::Type::kPeerDown;
    event.at = now;
    event.reason = up ? std::string() : result.reason;
    event.summary =
        up ? "a peer can be reached again" : "a peer cannot be reached";
    event.resource = result.peer;
    Perform(Report{std::move(event)});
  }
  Perform(PeerChecked{std::move(result)});
}

}  // namespace sallyport::signaling_edge
