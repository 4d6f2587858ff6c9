// The transactions of requests that came and of those that were sent, and the
// flows that they use.
#include <utility>

#include "absl/hash/hash.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

// Scopes that are no resource's (TransactionTable).
constexpr PeerScope kAddressScope = PeerScope{1} << 63;
constexpr PeerScope kConnectionScope = PeerScope{1} << 62;

}  // namespace

absl::Status EdgeCore::SendRequest(const Flow& flow, SipMessage request,
                                   CallLeg owner, MonoTime now,
                                   std::string_view mark) {
  if (!IsAlive(flow)) return absl::UnavailableError("the connection is gone");
  if (!options_.server_header.empty()) {
    request.Set(HeaderId::kUserAgent, options_.server_header);
  }
  const Flow way = AddViaFor(flow, request, Cat(NewToken(), mark), owner, now);
  auto sent = std::make_shared<const SipMessage>(std::move(request));
  auto outcome = transactions_.Send(sent, ScopeOf(way),
                                    way.transport != SipTransport::kUdp, now);
  if (!outcome.ok()) return outcome.status();
  NoteClient(outcome->id, {owner, way, std::move(sent)});
  DoClient(outcome->id, std::move(outcome->actions), nullptr, now);
  return absl::OkStatus();
}

void EdgeCore::SendAck(const Flow& flow, SipMessage ack, CallLeg owner,
                       MonoTime now) {
  const Flow way = AddViaFor(flow, ack, NewToken(), owner, now);
  std::string text = WriteSipMessage(ack);
  calls_.ladder().Add(calls_.ladder().Of(owner.call, owner.side), way, true,
                      text, now);
  Transmit(way, std::move(text));
}

EdgeCore::ServerSide& EdgeCore::ServerOf(TransactionId id) {
  std::unique_ptr<ServerSide>& side = servers_[id];
  if (side == nullptr) side = std::make_unique<ServerSide>();
  return *side;
}

void EdgeCore::KeepReceived(LegTraceId trace, const Flow& flow,
                            const SipMessage& message, MonoTime now) {
  if (trace == 0) return;
  kept_text_.clear();
  AppendSipMessage(message, kept_text_);
  calls_.ladder().Add(trace, flow, false, kept_text_, now);
}

void EdgeCore::KeepInvite(const Flow& flow, const SipMessage& invite,
                          TransactionId transaction, MonoTime now) {
  LegTraceId& trace = ServerOf(transaction).trace;
  if (trace != 0) return;  // it is there already
  trace = calls_.ladder().Begin(transaction);
  KeepReceived(trace, flow, invite, now);
}

LegTraceId EdgeCore::TraceOf(const ClientSide& side) {
  if (side.check != 0 || (side.owner.call & MessageWaiting::kOwner) != 0) {
    return 0;
  }
  return calls_.ladder().Of(side.owner.call, side.owner.side);
}

void EdgeCore::NoteClient(TransactionId id, ClientSide side) {
  if (Connection* connection = connections_.Find(side.flow.connection)) {
    connection->transactions.insert(id);
  }
  if (side.check == 0) by_call_[side.owner.call].push_back(id);
  clients_[id] = std::move(side);
}

void EdgeCore::CancelInvite(CallLeg owner, uint32_t cseq,
                            std::string_view reason, MonoTime now) {
  const auto it = by_call_.find(owner.call);
  if (it == by_call_.end()) return;
  for (const TransactionId id : it->second) {
    const ClientSide& client = clients_.find(id)->second;
    if (client.owner.side != owner.side ||
        client.request->method() != SipMethod::kInvite ||
        CseqNumber(*client.request) != cseq) {
      continue;
    }
    const Flow flow = client.flow;
    auto cancel = std::make_shared<SipMessage>(MakeCancel(*client.request));
    if (!reason.empty()) cancel->Add(HeaderId::kReason, reason);
    auto outcome = transactions_.Send(
        cancel, ScopeOf(flow), flow.transport != SipTransport::kUdp, now);
    if (!outcome.ok()) return;
    NoteClient(outcome->id, {owner, flow, std::move(cancel)});
    DoClient(outcome->id, std::move(outcome->actions), nullptr, now);
    return;
  }
}

void EdgeCore::CallGone(uint64_t call) {
  const auto it = by_call_.find(call);
  if (it == by_call_.end()) return;
  const std::vector<TransactionId> ids = it->second;
  for (const TransactionId id : ids) {
    const auto client = clients_.find(id);
    if (client->second.request->method() != SipMethod::kInvite) continue;
    // Nobody is left to be told, of a second answer either: half a minute of
    // calls that were answered would wait for it (timer M).
    transactions_.Forget(id);
    ForgetEnded(id);
  }
}

void EdgeCore::Respond(TransactionId transaction, SipMessage response,
                       MonoTime now) {
  if (!options_.server_header.empty()) {
    response.Set(HeaderId::kServer, options_.server_header);
  }
  DoServer(transaction, transactions_.Respond(transaction, response, now), now);
}

void EdgeCore::RespondUnproven(TransactionId transaction, SipMessage response,
                               MonoTime now) {
  Respond(transaction, std::move(response), now);
  transactions_.Forget(transaction);
  ForgetEnded(transaction);
}

void EdgeCore::RespondStateless(const Flow& flow, const SipMessage& request,
                                int code, int retry_after, LegTraceId trace,
                                MonoTime now) {
  if (request.method() == SipMethod::kAck) return;
  SipMessage copy = request;
  const ServerSide side = {flow,
                           StampReceived(copy, flow.remote, FlowTimerOf(flow))};
  SipMessage response =
      MakeResponse(copy, code, ReasonPhrase(code), PlainTag());
  if (retry_after > 0) {
    response.SetUint(HeaderId::kRetryAfter, static_cast<uint32_t>(retry_after));
  }
  std::string wire = WriteSipMessage(response);
  calls_.ladder().Add(trace, flow, true, wire, now);
  TransmitTo(side, std::move(wire));
}

void EdgeCore::DoServer(TransactionId id, TransactionActions actions,
                        MonoTime now) {
  if (const auto it = servers_.find(id); it != servers_.end()) {
    const ServerSide side = *it->second;
    for (TransactionAction& action : actions) {
      if (auto* send = std::get_if<SendToPeer>(&action)) {
        calls_.ladder().Add(side.trace, side.flow, true, send->wire, now);
        TransmitTo(side, std::move(send->wire));
      }
    }
  }
  ForgetEnded(id);
}

void EdgeCore::DoClient(TransactionId id, TransactionActions actions,
                        const SipMessage* response, MonoTime now) {
  const auto it = clients_.find(id);
  if (it == clients_.end()) return;
  const ClientSide side = it->second;
  const LegTraceId trace = TraceOf(side);
  if (response != nullptr) KeepReceived(trace, side.flow, *response, now);
  ForgetEnded(id);
  for (TransactionAction& action : actions) {
    if (auto* send = std::get_if<SendToPeer>(&action)) {
      calls_.ladder().Add(trace, side.flow, true, send->wire, now);
      Transmit(side.flow, std::move(send->wire));
    } else if (std::holds_alternative<DeliverResponse>(action)) {
      if (response == nullptr) continue;
      if (side.check != 0) {
        checks_.OnResponse(side.check, *side.request, *response, now);
      } else {
        if ((side.owner.call & MessageWaiting::kOwner) != 0) {
          if (response->status_code() >= 200) {
            mwi_.OnNotified(side.owner.call, response->status_code());
          }
        } else {
          calls_.OnResponse(side.owner, *side.request, *response, now);
        }
      }
    } else if (std::holds_alternative<ReportTimeout>(action) ||
               std::holds_alternative<ReportTransportError>(action)) {
      const bool timed_out = std::holds_alternative<ReportTimeout>(action);
      if (timed_out) NoteSilence(side.flow, now);
      if (side.check != 0) {
        checks_.OnRequestFailed(side.check, *side.request, timed_out, now);
      } else {
        if ((side.owner.call & MessageWaiting::kOwner) != 0) {
          mwi_.OnNotified(side.owner.call, 0);
        } else {
          calls_.OnRequestFailed(side.owner, *side.request, timed_out, now);
        }
      }
    }
  }
}

void EdgeCore::ForgetEnded(TransactionId id) {
  if (transactions_.contains(id)) return;
  if (servers_.erase(id) != 0) calls_.ladder().Release(id);
  const auto it = clients_.find(id);
  if (it == clients_.end()) return;
  if (Connection* connection = connections_.Find(it->second.flow.connection)) {
    connection->transactions.erase(id);
  }
  if (const auto call = by_call_.find(it->second.owner.call);
      it->second.check == 0 && call != by_call_.end()) {
    std::erase(call->second, id);
    if (call->second.empty()) by_call_.erase(call);
  }
  clients_.erase(it);
}

void EdgeCore::Transmit(const Flow& flow, std::string bytes) {
  if (flow.connection == 0) {
    Perform(SendDatagram{flow.listener, flow.remote, std::move(bytes)});
    return;
  }
  Connection* connection = connections_.Find(flow.connection);
  if (connection == nullptr) return;
  if (connection->held_by.has_value()) {
    SendByMirror(*connection, connection->remote, std::move(bytes));
    return;
  }
  if (IsSccp(*connection)) {
    sccp_texts_.push_back({flow.connection, std::move(bytes)});
    return;
  }
  if (connection->state == Connection::State::kOpen) {
    connection->bytes_sent += bytes.size();
    if (bytes.size() > 2) ++connection->messages_sent;
    Perform(SendBytes{flow.connection, std::move(bytes)});
  } else if (connection->queue.size() + bytes.size() <= options_.max_queue) {
    connection->queue += bytes;
  }
}

void EdgeCore::TransmitTo(const ServerSide& side, std::string bytes) {
  if (side.flow.transport == SipTransport::kUdp) {
    if (side.flow.connection == 0) {
      Perform(
          SendDatagram{side.flow.listener, side.reply_to, std::move(bytes)});
    } else if (Connection* mirror = connections_.Find(side.flow.connection)) {
      SendByMirror(*mirror, side.reply_to, std::move(bytes));
    }
    return;
  }
  Transmit(side.flow, std::move(bytes));
}

bool EdgeCore::IsAlive(const Flow& flow) const {
  return flow.connection == 0 || connections_.Find(flow.connection) != nullptr;
}

const EdgeListener& EdgeCore::ListenerOf(const Flow& flow) const {
  return options_.listeners[flow.listener];
}

PeerScope EdgeCore::ScopeOf(const Flow& flow) const {
  const Connection* connection = connections_.Find(flow.connection);
  if (connection == nullptr) return AddressScope(flow.remote);
  // A peer that is known by its address is the same by any connection.
  if (connection->transport == SipTransport::kTcp &&
      connection->dialled.empty() &&
      auth_.IsPeerSource(flow,
                         options_.listeners[flow.listener].logical_port)) {
    return AddressScope(flow.remote);
  }
  return connection->scope;
}

PeerScope EdgeCore::AddressScope(const SocketAddress& remote) const {
  return kAddressScope | absl::Hash<std::pair<uint64_t, SocketAddress>>{}(
                             {scope_key_, remote.WithPort(0)});
}

PeerScope EdgeCore::ConnectionScope(ConnectionId id) {
  return kConnectionScope | id;
}

PeerScope EdgeCore::ScopeOfResource(std::string_view resource) {
  const auto [it, added] =
      scopes_.try_emplace(std::string(resource), scopes_.size() + 1);
  return it->second;
}

std::string_view EdgeCore::ProvenResource(const Flow& flow) const {
  const Connection* connection = connections_.Find(flow.connection);
  if (connection == nullptr) return {};
  if (connection->identity.has_value()) return connection->identity->resource;
  return connection->dialled;
}

}  // namespace sallyport::signaling_edge
