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
namespace {

constexpr size_t kMaxOwnChecks = 1984;

}  // namespace

absl::StatusOr<EdgeActions> EdgeCore::OnCheckPeer(
    const PeerCheckRequest& request, MonoTime now) {
  SP_RETURN_IF_ERROR(checks_.Start(request, plan_, now));
  return Finish(now);
}

void EdgeCore::ResolveForCheck(uint64_t check, const std::string& host,
                               std::string_view service, AddressFamily family) {
  Perform(ResolveHost{check | kCheckQuery, host, std::string(service), family});
}

absl::StatusOr<PeerCheckPort::Way> EdgeCore::OpenForCheck(
    uint64_t check, const PeerEntry& peer,
    const std::vector<SocketAddress>& addresses, MonoTime now) {
  const SipTransport transport = TransportOf(peer);
  if (transport == SipTransport::kUdp) {
    SP_ASSIGN_OR_RETURN(const Flow flow, UdpFlowTo(addresses));
    return Way{flow, /*open=*/true};
  }
  SP_ASSIGN_OR_RETURN(const ListenerId listener,
                      ListenerBy(transport, addresses[0]));
  // Those that an operator asks for show how a connection comes to be; those of
  // OPTIONS go by the one that is there for calls (CCE-58).
  const bool keep = (check & OptionsMonitor::kCheckBit) != 0;
  if (keep) {
    Connection* const known = connections_.DialledTo(peer.name, addresses);
    if (known != nullptr && known->transport == transport) {
      const bool open = known->state == Connection::State::kOpen;
      if (open || known->check == 0) {
        if (known->check == 0) known->check = check;
        return Way{known->flow(), open};
      }
    }
  }
  SP_ASSIGN_OR_RETURN(Connection* const connection,
                      Dial(peer, transport, listener, addresses, now));
  connection->check = check;
  if (keep) connections_.NoteDialled(*connection, peer.name);
  // io's own bound, a second later than ours, tells connect from handshake.
  connection_deadlines_.Set(
      connection->id, now + options_.handshake_timeout + absl::Seconds(2));
  return Way{connection->flow(), /*open=*/false};
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
  auto sent = std::make_shared<const SipMessage>(std::move(request));
  SP_ASSIGN_OR_RETURN(
      const TransactionOutcome outcome,
      transactions_.Send(sent, ScopeOf(flow),
                         flow.transport != SipTransport::kUdp, now));
  if (sent->method() == SipMethod::kInvite) {
    invite_of_check_[check] = outcome.id;
  }
  NoteClient(
      outcome.id,
      {.owner = {}, .flow = flow, .request = std::move(sent), .check = check});
  DoClient(outcome.id, std::move(outcome.actions), nullptr, now);
  return absl::OkStatus();
}

void EdgeCore::CancelForCheck(uint64_t check, MonoTime now) {
  const auto it = invite_of_check_.find(check);
  if (it == invite_of_check_.end()) return;
  const auto client = clients_.find(it->second);
  if (client == clients_.end()) return;
  const Flow flow = client->second.flow;
  auto cancel =
      std::make_shared<const SipMessage>(MakeCancel(*client->second.request));
  const auto outcome = transactions_.Send(
      cancel, ScopeOf(flow), flow.transport != SipTransport::kUdp, now);
  if (!outcome.ok()) return;
  NoteClient(outcome->id, {.owner = {},
                           .flow = flow,
                           .request = std::move(cancel),
                           .check = check});
  DoClient(outcome->id, std::move(outcome->actions), nullptr, now);
}

void EdgeCore::SendPlain(const Flow& flow, SipMessage message) {
  AddVia(message, ListenerOf(flow), NewToken());
  Transmit(flow, WriteSipMessage(message));
}

void EdgeCore::CloseForCheck(const Flow& flow, bool answered, MonoTime now) {
  if (flow.connection == 0) return;
  // A kept one stays, unless it may be dead and no call is to be seen by it.
  Connection* const connection = connections_.Find(flow.connection);
  if (connection != nullptr && connection->kept &&
      (answered || connection->state != Connection::State::kOpen ||
       calls_.Uses(flow.connection))) {
    connection->check = 0;
    return;
  }
  // Its transactions end with it; the check is over and hears nothing.
  Drop(flow.connection, true, "CHECK_DONE", now);
}

const EdgeListener& EdgeCore::ListenerFor(const Flow& flow) const {
  return ListenerOf(flow);
}

void EdgeCore::CheckDone(PeerCheckResult result, MonoTime now) {
  invite_of_check_.erase(result.id);
  const OptionsMonitor::Verdict verdict = monitor_.OnChecked(result, now);
  if (verdict.known && !verdict.decided) return;
  if (verdict.decided) {
    Perform(TellLoops{HealthNews{verdict.member, verdict.up}});
  }
  const bool peer_changed = peer_health_.OnChecked(
      result, now,
      verdict.known ? std::optional(!monitor_.IsDown(result.peer))
                    : std::nullopt);
  if (peer_changed || verdict.changed) {
    const PeerHealth& health = *peer_health_.Find(result.peer);
    const bool up = peer_changed ? health.up : health.last.up;
    EdgeEvent event;
    event.type = up ? EdgeEvent::Type::kPeerUp : EdgeEvent::Type::kPeerDown;
    event.at = now;
    event.reason = up ? std::string() : result.reason;
    event.summary =
        peer_changed
            ? (up ? "a peer can be reached again" : "a peer cannot be reached")
            : (up ? "a server of a peer's group can be reached again"
                  : "a server of a peer's group cannot be reached");
    event.resource = result.peer;
    Perform(Report{std::move(event)});
  }
  if (!verdict.known) Perform(PeerChecked{std::move(result)});
}

void EdgeCore::StartDueChecks(MonoTime now) {
  while (monitor_.deadline() <= now) {
    const std::optional<PeerCheckRequest> request = monitor_.NextDue(now);
    if (!request.has_value()) return;
    // Some room is kept for checks that somebody asks for.
    if (checks_.size() >= kMaxOwnChecks ||
        !checks_.Start(*request, plan_, now).ok()) {
      monitor_.OnNotStarted(request->id, now);
    }
  }
}

bool EdgeCore::IsDown(const PeerEntry& peer, std::string_view host,
                      uint32_t port) const {
  return monitor_.IsDown(peer.name, host, port);
}

}  // namespace sallyport::signaling_edge
