#include "services/signaling_edge/core/edge_core.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/hash/hash.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/registration_desk.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kAllow =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, "
    "MESSAGE, REFER, SUBSCRIBE, NOTIFY, SERVICE";
constexpr std::string_view kExtensions[] = {"100rel", "timer", "norefersub",
                                            "tdialog"};
// A scope that is no resource's (TransactionTable).
constexpr PeerScope kAddressScope = PeerScope{1} << 63;

bool HasToTag(const SipMessage& request) {
  const auto to = ParseNameAddr(request.Value(HeaderId::kTo));
  return to.ok() && !to->tag().empty();
}

// One that needs nothing but an answer, and so no transaction (RFC 3261
// section 8.2.7).
bool IsPlainOptions(const SipMessage& request) {
  return request.method() == SipMethod::kOptions && !HasToTag(request) &&
         !request.Has(HeaderId::kRequire) &&
         !request.Has(HeaderId::kProxyRequire) &&
         ParseSipUri(request.request_uri()).ok();
}

RefusalKind KindOf(SipMethod method) {
  if (method == SipMethod::kRegister) return RefusalKind::kRegistration;
  if (method == SipMethod::kInvite) return RefusalKind::kCall;
  return RefusalKind::kRequest;
}

// The extensions that a request cannot do without and we do not have, as a
// list (RFC 3261 section 8.2.2.3).
std::string UnsupportedOf(const SipMessage& request) {
  std::string unsupported;
  for (const HeaderId id : {HeaderId::kRequire, HeaderId::kProxyRequire}) {
    for (const std::string_view item : request.Items(id)) {
      const bool known =
          id == HeaderId::kRequire &&
          std::any_of(std::begin(kExtensions), std::end(kExtensions),
                      [&](std::string_view one) {
                        return EqualsIgnoreCase(one, item);
                      });
      if (!known) CatTo(unsupported, unsupported.empty() ? "" : ", ", item);
    }
  }
  return unsupported;
}

absl::Status Denied(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, what);
}

}  // namespace

EdgeCore::EdgeCore(EdgeOptions options, RandomSource& random)
    : options_(std::move(options)),
      random_(random),
      scope_key_(random.NextU64()),
      transactions_(TransactionTable::Options{
          .timers = options_.sip,
          .max_transactions = options_.max_transactions}),
      digest_(random, {.nonce_lifetime = options_.nonce_lifetime}),
      auth_(digest_),
      registrar_({.min_expires = options_.min_registration,
                  .max_expires = options_.max_registration,
                  .default_expires = options_.max_registration,
                  .max_bindings = options_.max_registrations}),
      admission_(options_, random),
      calls_(options_, *this, registrar_, random),
      mwi_(*this, registrar_, random, options_.max_registrations),
      checks_({}, *this, random),
      monitor_(random) {}

EdgeActions EdgeCore::TakeActions() { return std::exchange(actions_, {}); }

void EdgeCore::Perform(EdgeAction action) {
  if (auto* report = std::get_if<Report>(&action)) {
    std::string& tenant = report->event.tenant;
    if (tenant.empty()) tenant = TenantOf(report->event.resource);
    // Where there is one tenant, what strangers do happens to it.
    if (tenant.empty() && plan_ != nullptr &&
        plan_->index().OnlyTenant() != nullptr) {
      tenant = plan_->index().OnlyTenant()->name;
    }
    if (report->event.type == EdgeEvent::Type::kRefused) {
      ++stats_.refusals[report->event.reason];
    } else if (report->event.type == EdgeEvent::Type::kCallStarted) {
      ++stats_.calls;
    }
  }
  actions_.push_back(std::move(action));
}

std::string EdgeCore::NewToken() {
  std::array<uint8_t, 10> bytes;
  random_.Fill(absl::MakeSpan(bytes));
  return HexEncode(bytes);
}

// The same for a request that comes again.
std::string EdgeCore::StatelessTag(const SipMessage& request) const {
  return HexOf(absl::Hash<std::tuple<uint64_t, absl::string_view,
                                     absl::string_view, absl::string_view>>{}(
      {scope_key_, AbslView(request.Value(HeaderId::kVia)),
       AbslView(request.Value(HeaderId::kCallId)),
       AbslView(request.Value(HeaderId::kCseq))}));
}

// ---------------------------------------------------------------- messages

EdgeActions EdgeCore::OnDatagram(ListenerId listener, const SocketAddress& from,
                                 std::string_view octets, MonoTime now) {
  // Keep-alives: empty lines, and STUN-less clients' zero octets.
  if (octets.find_first_not_of(std::string_view("\r\n\0", 3)) ==
      std::string_view::npos) {
    return TakeActions();
  }
  const Flow flow = {
      .transport = SipTransport::kUdp, .listener = listener, .remote = from};
  OnText(flow, octets, now);
  return TakeActions();
}

void EdgeCore::OnText(const Flow& flow, std::string_view text, MonoTime now) {
  const std::string_view proven = ProvenResource(flow);
  if (proven.empty() &&
      !admission_
           .OnMessage(flow.remote,
                      auth_.KnowsSource(
                          flow, options_.listeners[flow.listener].logical_port),
                      now)
           .ok()) {
    ++stats_.rate_limited;
    return;
  }
  auto message = ParseSipMessage(text, options_.parse);
  if (!message.ok()) {
    ++stats_.malformed;
    const SipStatus answer = SipStatusOf(message.status());
    auto salvaged = SalvageRequest(text, options_.parse);
    if (salvaged.ok()) RespondStateless(flow, *salvaged, answer.code);
    ReportRefusal(RefusalKind::kMalformed, flow, message.status(),
                  salvaged.ok() ? answer.code : 0, "", now);
    return;
  }
  if (message->is_response()) {
    ++stats_.responses;
    OnResponse(flow, *message, now);
  } else {
    ++stats_.requests;
    OnRequest(flow, *std::move(message), now);
  }
}

void EdgeCore::OnResponse(const Flow& flow, const SipMessage& response,
                          MonoTime now) {
  const TransactionOutcome outcome =
      transactions_.OnResponse(response, ScopeOf(flow), now);
  if (outcome.id == 0) {
    ++stats_.unmatched_responses;
    return;
  }
  DoClient(outcome.id, outcome.actions, &response, now);
}

void EdgeCore::OnRequest(const Flow& flow, SipMessage request, MonoTime now) {
  const SocketAddress reply_to = ResponseAddress(request, flow.remote);
  StampReceived(request, flow.remote);
  if (IsPlainOptions(request)) {
    SipMessage response =
        MakeResponse(request, 200, ReasonPhrase(200), StatelessTag(request));
    response.Add(HeaderId::kAllow, kAllow);
    response.Add(HeaderId::kAccept, "application/sdp");
    if (!options_.server_header.empty()) {
      response.Set(HeaderId::kServer, options_.server_header);
    }
    TransmitTo({flow, reply_to}, WriteSipMessage(response));
    return;
  }
  const RequestOutcome outcome = transactions_.OnRequest(
      request, ScopeOf(flow), flow.transport != SipTransport::kUdp, now);
  switch (outcome.kind) {
    case RequestOutcome::Kind::kAbsorbed:
      DoServer(outcome.id, outcome.actions);
      return;
    case RequestOutcome::Kind::kAck:
      calls_.OnAck(request, flow, ProvenResource(flow), now);
      return;
    case RequestOutcome::Kind::kMerged:
      RespondStateless(flow, request, 482);
      return;
    case RequestOutcome::Kind::kFull:
      ++stats_.refusals["TRANSACTION_LIMIT"];
      RespondStateless(flow, request, 503);
      return;
    case RequestOutcome::Kind::kNew:
      break;
  }
  servers_[outcome.id] = {flow, reply_to};
  if (request.method() == SipMethod::kCancel) {
    const int code = outcome.cancelled == 0 ? 481 : 200;
    SipMessage response =
        MakeResponse(request, code, ReasonPhrase(code), NewToken());
    if (outcome.cancelled == 0) {
      RespondUnproven(outcome.id, std::move(response), now);
      return;
    }
    Respond(outcome.id, std::move(response), now);
    calls_.OnCancel(outcome.cancelled, now);
    return;
  }
  OnNewRequest(flow, request, outcome.id, now);
}

void EdgeCore::OnNewRequest(const Flow& flow, const SipMessage& request,
                            TransactionId transaction, MonoTime now) {
  const SipMethod method = request.method();
  const auto answer = [&](int code) {
    return MakeResponse(request, code, ReasonPhrase(code), NewToken());
  };
  const bool proven = !ProvenResource(flow).empty();
  const auto trying = [&] {
    if (method != SipMethod::kInvite) return;
    Respond(transaction, MakeResponse(request, 100, ReasonPhrase(100), ""),
            now);
  };
  if (proven) trying();  // to others not before we know them
  if (!ParseSipUri(request.request_uri()).ok()) {
    RespondUnproven(transaction, answer(416), now);
    return;
  }
  const std::string unsupported = UnsupportedOf(request);
  if (!unsupported.empty()) {  // we have no extension that is named so
    SipMessage response = answer(420);
    response.Add(HeaderId::kUnsupported, unsupported);
    RespondUnproven(transaction, std::move(response), now);
    return;
  }
  if (method == SipMethod::kRegister) {
    OnRegister(flow, request, transaction, now);
    return;
  }
  if (HasToTag(request)) {
    if (method == SipMethod::kSubscribe && mwi_.Has(request, flow)) {
      mwi_.OnResubscribe(request, transaction, now);
      return;
    }
    if (!calls_.IsInDialog(request, flow, ProvenResource(flow))) {
      RespondUnproven(transaction, answer(481), now);
      return;
    }
    NoteProved(flow);
    if (!proven) trying();
    calls_.OnInDialog(request, transaction, flow, ProvenResource(flow), now);
    return;
  }
  switch (method) {
    case SipMethod::kInvite:
      if (ParseMaxForwards(request.Value(HeaderId::kMaxForwards))
              .value_or(70) == 0) {
        Refuse(flow, request, transaction,
               MakeError(absl::StatusCode::kFailedPrecondition, "TOO_MANY_HOPS",
                         "Max-Forwards is used up"),
               RefusalKind::kCall, now);
        return;
      }
      OnInvite(flow, request, transaction, now);
      return;
    case SipMethod::kSubscribe: {
      const auto user = Prove(flow, request, transaction, now);
      if (user.has_value()) {
        mwi_.OnSubscribe(request, transaction, flow, *user, now);
      }
      return;
    }
    case SipMethod::kNotify:
      OnNotify(flow, request, transaction, now);
      return;
    case SipMethod::kRefer: {
      const auto sender = Prove(flow, request, transaction, now);
      if (sender.has_value()) {
        calls_.OnRefer(request, transaction, flow, *sender, now);
      }
      return;
    }
    case SipMethod::kService:
      OnService(flow, request, transaction, now);
      return;
    case SipMethod::kBye:
    case SipMethod::kUpdate:
    case SipMethod::kInfo:
    case SipMethod::kPrack:
      RespondUnproven(transaction, answer(481), now);
      return;
    default: {
      SipMessage response = answer(method == SipMethod::kOther ? 501 : 405);
      response.Add(HeaderId::kAllow, kAllow);
      RespondUnproven(transaction, std::move(response), now);
      return;
    }
  }
}

std::optional<Party> EdgeCore::Prove(const Flow& flow,
                                     const SipMessage& request,
                                     TransactionId transaction, MonoTime now) {
  std::optional<ConnectionIdentity> identity;
  if (const Connection* connection = connections_.Find(flow.connection)) {
    identity = connection->identity;
  }
  RequestAuth::Outcome outcome =
      auth_.Authenticate(request, flow, identity,
                         options_.listeners[flow.listener].logical_port, now);
  if (auto* party = std::get_if<Party>(&outcome)) {
    NoteProved(flow);
    return std::move(*party);
  }
  if (const auto* status = std::get_if<absl::Status>(&outcome)) {
    Refuse(flow, request, transaction, *status, KindOf(request.method()), now);
    return std::nullopt;
  }
  const auto& challenge = std::get<RequestAuth::Challenge>(outcome);
  ++stats_.challenges;
  SipMessage response =
      MakeResponse(request, challenge.status_code,
                   ReasonPhrase(challenge.status_code), NewToken());
  response.Add(challenge.header, challenge.value);
  RespondUnproven(transaction, std::move(response), now);
  if (challenge.reason == "DIGEST_FAILED") {
    ReportRefusal(KindOf(request.method()), flow,
                  Denied(challenge.reason, "the password or user is wrong"),
                  challenge.status_code, request.method_text(), now);
  }
  return std::nullopt;
}

void EdgeCore::OnRegister(const Flow& flow, const SipMessage& request,
                          TransactionId transaction, MonoTime now) {
  const std::optional<Party> user = Prove(flow, request, transaction, now);
  if (!user.has_value()) return;
  const UserEntry* entry = plan_->index().User(user->resource);
  RegisterOutcome outcome =
      Register(request, *user, flow, entry == nullptr ? 0 : entry->max_contacts,
               NewToken(), registrar_, now);
  const int code = outcome.response.status_code();
  Respond(transaction, std::move(outcome.response), now);
  if (!outcome.refusal.ok()) {
    ReportRefusal(RefusalKind::kRegistration, flow, outcome.refusal, code,
                  "REGISTER", now);
  }
  ReportChanges(outcome.changes, now);
}

void EdgeCore::OnInvite(const Flow& flow, const SipMessage& request,
                        TransactionId transaction, MonoTime now) {
  const std::optional<Party> caller = Prove(flow, request, transaction, now);
  if (!caller.has_value()) return;
  if (ProvenResource(flow).empty()) {
    Respond(transaction, MakeResponse(request, 100, ReasonPhrase(100), ""),
            now);
  }
  calls_.OnInvite(request, transaction, flow, *caller, now);
}

void EdgeCore::OnNotify(const Flow& flow, const SipMessage& request,
                        TransactionId transaction, MonoTime now) {
  const std::optional<Party> sender = Prove(flow, request, transaction, now);
  if (!sender.has_value()) return;
  if (absl::Status status = mwi_.OnNotify(request, *sender, now);
      !status.ok()) {
    Refuse(flow, request, transaction, status, RefusalKind::kRequest, now);
    return;
  }
  Respond(transaction,
          MakeResponse(request, 200, ReasonPhrase(200), NewToken()), now);
}

void EdgeCore::Refuse(const Flow& flow, const SipMessage& request,
                      TransactionId transaction, const absl::Status& status,
                      RefusalKind kind, MonoTime now) {
  const SipStatus answer = SipStatusOf(status);
  RespondUnproven(transaction,
                  MakeResponse(request, answer.code, answer.phrase, NewToken()),
                  now);
  ReportRefusal(kind, flow, status, answer.code, request.method_text(), now);
}

// ------------------------------------------------------------ transactions

absl::Status EdgeCore::SendRequest(const Flow& flow, SipMessage request,
                                   CallLeg owner, MonoTime now) {
  if (!IsAlive(flow)) return absl::UnavailableError("the connection is gone");
  AddVia(request, ListenerOf(flow), NewToken());
  if (!options_.server_header.empty()) {
    request.Set(HeaderId::kUserAgent, options_.server_header);
  }
  auto outcome = transactions_.Send(request, ScopeOf(flow),
                                    flow.transport != SipTransport::kUdp, now);
  if (!outcome.ok()) return outcome.status();
  NoteClient(outcome->id, {owner, flow, std::move(request)});
  DoClient(outcome->id, outcome->actions, nullptr, now);
  return absl::OkStatus();
}

void EdgeCore::SendAck(const Flow& flow, SipMessage ack) {
  AddVia(ack, ListenerOf(flow), NewToken());
  Transmit(flow, WriteSipMessage(ack));
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
        client.request.method() != SipMethod::kInvite ||
        CseqNumber(client.request) != cseq) {
      continue;
    }
    const Flow flow = client.flow;
    SipMessage cancel = MakeCancel(client.request);
    if (!reason.empty()) cancel.Add(HeaderId::kReason, reason);
    auto outcome = transactions_.Send(
        cancel, ScopeOf(flow), flow.transport != SipTransport::kUdp, now);
    if (!outcome.ok()) return;
    NoteClient(outcome->id, {owner, flow, std::move(cancel)});
    DoClient(outcome->id, outcome->actions, nullptr, now);
    return;
  }
}

void EdgeCore::CallGone(uint64_t call) {
  const auto it = by_call_.find(call);
  if (it == by_call_.end()) return;
  const std::vector<TransactionId> ids = it->second;
  for (const TransactionId id : ids) {
    const auto client = clients_.find(id);
    if (client->second.request.method() != SipMethod::kInvite) continue;
    transactions_.OnTransportError(id);  // nobody is left to be told
    ForgetEnded(id);
  }
}

void EdgeCore::Respond(TransactionId transaction, SipMessage response,
                       MonoTime now) {
  if (!options_.server_header.empty()) {
    response.Set(HeaderId::kServer, options_.server_header);
  }
  DoServer(transaction, transactions_.Respond(transaction, response, now));
}

void EdgeCore::RespondUnproven(TransactionId transaction, SipMessage response,
                               MonoTime now) {
  Respond(transaction, std::move(response), now);
  transactions_.Forget(transaction);
  ForgetEnded(transaction);
}

void EdgeCore::RespondStateless(const Flow& flow, const SipMessage& request,
                                int code) {
  if (request.method() == SipMethod::kAck) return;
  SipMessage copy = request;
  const ServerSide side = {flow, ResponseAddress(request, flow.remote)};
  StampReceived(copy, flow.remote);
  TransmitTo(side, WriteSipMessage(MakeResponse(copy, code, ReasonPhrase(code),
                                                NewToken())));
}

void EdgeCore::DoServer(TransactionId id, const TransactionActions& actions) {
  if (const auto it = servers_.find(id); it != servers_.end()) {
    const ServerSide side = it->second;
    for (const TransactionAction& action : actions) {
      if (const auto* send = std::get_if<SendToPeer>(&action)) {
        TransmitTo(side, send->wire);
      }
    }
  }
  ForgetEnded(id);
}

void EdgeCore::DoClient(TransactionId id, const TransactionActions& actions,
                        const SipMessage* response, MonoTime now) {
  const auto it = clients_.find(id);
  if (it == clients_.end()) return;
  const ClientSide side = it->second;
  ForgetEnded(id);
  for (const TransactionAction& action : actions) {
    if (const auto* send = std::get_if<SendToPeer>(&action)) {
      Transmit(side.flow, send->wire);
    } else if (std::holds_alternative<DeliverResponse>(action)) {
      if (response == nullptr) continue;
      if (side.check != 0) {
        checks_.OnResponse(side.check, side.request, *response, now);
      } else {
        if ((side.owner.call & MessageWaiting::kOwner) != 0) {
          if (response->status_code() >= 200) {
            mwi_.OnNotified(side.owner.call, response->status_code());
          }
        } else {
          calls_.OnResponse(side.owner, side.request, *response, now);
        }
      }
    } else if (std::holds_alternative<ReportTimeout>(action) ||
               std::holds_alternative<ReportTransportError>(action)) {
      const bool timed_out = std::holds_alternative<ReportTimeout>(action);
      if (side.check != 0) {
        checks_.OnRequestFailed(side.check, side.request, timed_out, now);
      } else {
        if ((side.owner.call & MessageWaiting::kOwner) != 0) {
          mwi_.OnNotified(side.owner.call, 0);
        } else {
          calls_.OnRequestFailed(side.owner, side.request, timed_out, now);
        }
      }
    }
  }
}

void EdgeCore::ForgetEnded(TransactionId id) {
  if (transactions_.contains(id)) return;
  servers_.erase(id);
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
  if (flow.transport == SipTransport::kUdp) {
    Perform(SendDatagram{flow.listener, flow.remote, std::move(bytes)});
    return;
  }
  Connection* connection = connections_.Find(flow.connection);
  if (connection == nullptr) return;
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
    Perform(SendDatagram{side.flow.listener, side.reply_to, std::move(bytes)});
    return;
  }
  Transmit(side.flow, std::move(bytes));
}

bool EdgeCore::IsAlive(const Flow& flow) const {
  return flow.transport == SipTransport::kUdp ||
         connections_.Find(flow.connection) != nullptr;
}

const EdgeListener& EdgeCore::ListenerOf(const Flow& flow) const {
  return options_.listeners[flow.listener];
}

PeerScope EdgeCore::ScopeOf(const Flow& flow) const {
  if (const Connection* connection = connections_.Find(flow.connection)) {
    return connection->scope;
  }
  return kAddressScope | absl::Hash<std::pair<uint64_t, SocketAddress>>{}(
                             {scope_key_, flow.remote.WithPort(0)});
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

// ----------------------------------------------------------- other inputs

EdgeActions EdgeCore::OnHostResolved(
    uint64_t query, absl::StatusOr<std::vector<SocketAddress>> addresses,
    MonoTime now) {
  if ((query & kCheckQuery) != 0) {
    checks_.OnResolved(query & ~kCheckQuery, std::move(addresses), now);
  } else {
    calls_.OnHostResolved(query, std::move(addresses), now);
  }
  return TakeActions();
}

EdgeActions EdgeCore::OnMediaReply(uint64_t request,
                                   absl::StatusOr<RelaySession> session,
                                   MonoTime now) {
  calls_.OnMediaReply(request, std::move(session), now);
  return TakeActions();
}

EdgeActions EdgeCore::OnMediaDeleted(uint64_t call,
                                     const std::array<LegStatistics, 2>& legs,
                                     MonoTime /*now*/) {
  calls_.OnMediaDeleted(call, legs);
  return TakeActions();
}

EdgeActions EdgeCore::OnSnapshot(std::shared_ptr<const Resolver> plan,
                                 MonoTime now) {
  const std::shared_ptr<const Resolver> old = std::exchange(plan_, plan);
  auth_.SetPlan(&plan_->index());
  calls_.SetPlan(plan_);
  mwi_.SetPlan(plan_);
  monitor_.OnPlan(plan_->index(), now);
  peer_health_.OnPlan(plan_->index(),
                      [this](std::string_view peer, std::string_view server) {
                        return monitor_.Watches(peer, server);
                      });
  for (const Connection* known : connections_.All()) {
    Connection& connection = *connections_.Find(known->id);
    if (connection.state != Connection::State::kOpen) continue;
    const std::string before(ProvenResource(connection.flow()));
    absl::Status status = Identify(connection, now);
    if (status.ok() && ProvenResource(connection.flow()) != before) {
      status = Denied("PEER_IDENTITY_MISMATCH", "it is another party's now");
    }
    if (status.ok() && !connection.dialled.empty()) {
      const PeerEntry* peer = plan_->index().Peer(connection.dialled);
      if (peer == nullptr || peer->status == PeerStatus::kDisabled) {
        status = Denied("PEER_DISABLED", "the peer was removed or disabled");
      }
    }
    if (status.ok()) continue;
    ReportRefusal(RefusalKind::kConnection, connection.flow(), status, 0, "",
                  now, connection.tls.has_value() ? &*connection.tls : nullptr);
    Drop(known->id, true, ReasonOf(status), now);
  }
  for (const Binding* binding : registrar_.All()) {
    // What has not changed is the same object.
    const std::string_view tenant = TenantOf(binding->user);
    if (old != nullptr &&
        old->index().PartOf(tenant) == plan_->index().PartOf(tenant)) {
      continue;
    }
    if (MayStay(*binding)) continue;
    const uint64_t id = binding->id;
    ReportChanges(registrar_.Remove(id), now);
  }
  EdgeEvent event;
  event.type = EdgeEvent::Type::kSnapshotActivated;
  event.at = now;
  event.summary = "a new configuration is in force";
  Perform(Report{std::move(event)});
  return TakeActions();
}

// By the rules that RequestAuth has for a REGISTER.
bool EdgeCore::MayStay(const Binding& binding) const {
  const PlanIndex& index = plan_->index();
  const UserEntry* user = index.User(binding.user);
  if (user == nullptr || user->disabled ||
      !CheckTransport(index.ModeOf(user->dial_plan), binding.flow.is_tls())
           .ok()) {
    return false;
  }
  if (binding.phone.empty()) {
    return !binding.flow.is_tls() || user->allow_without_certificate;
  }
  const PhoneEntry* phone = index.Phone(binding.phone);
  return phone != nullptr && !phone->disabled &&
         phone->owner_user == binding.user;
}

EdgeActions EdgeCore::OnDrain(MonoTime now) {
  if (!draining_) {
    draining_ = true;
    calls_.Drain();
    EdgeEvent event;
    event.type = EdgeEvent::Type::kDraining;
    event.at = now;
    event.summary = "new calls are refused";
    Perform(Report{std::move(event)});
  }
  return TakeActions();
}

EdgeActions EdgeCore::OnEndCall(uint64_t call, std::string_view reason,
                                MonoTime now) {
  calls_.EndCall(call, reason, now).IgnoreError();  // it may have just ended
  return TakeActions();
}

EdgeActions EdgeCore::OnEndAllCalls(std::string_view reason, MonoTime now) {
  calls_.EndAll(reason, now);
  return TakeActions();
}

EdgeActions EdgeCore::OnRemoveRegistration(uint64_t id, MonoTime now) {
  ReportChanges(registrar_.Remove(id), now);
  return TakeActions();
}

EdgeActions EdgeCore::OnCloseConnection(ConnectionId id, MonoTime now) {
  Drop(id, true, "CLOSED_BY_OPERATOR", now);
  return TakeActions();
}

MonoTime EdgeCore::deadline() const {
  return std::min({transactions_.deadline(), calls_.deadline(), mwi_.deadline(),
                   registrar_.deadline(), checks_.deadline(),
                   monitor_.deadline(), connection_deadlines_.next()});
}

EdgeActions EdgeCore::OnDeadline(MonoTime now) {
  while (transactions_.deadline() <= now) {
    const TransactionOutcome outcome = transactions_.OnDeadline(now);
    if (clients_.contains(outcome.id)) {
      DoClient(outcome.id, outcome.actions, nullptr, now);
    } else {
      DoServer(outcome.id, outcome.actions);
    }
  }
  calls_.OnDeadline(now);
  mwi_.OnDeadline(now);
  checks_.OnDeadline(now);
  StartDueChecks(now);
  ReportChanges(registrar_.OnDeadline(now), now);
  while (const auto id = connection_deadlines_.PopExpired(now)) {
    Connection* connection = connections_.Find(*id);
    if (connection == nullptr) continue;
    if (connection->state == Connection::State::kConnecting) {
      if (!connection->incoming && TryNextAddress(*connection, now)) continue;
      const absl::Status why =
          MakeError(absl::StatusCode::kDeadlineExceeded, "HANDSHAKE_TIMEOUT",
                    "the connection was not ready in time");
      ReportRefusal(RefusalKind::kConnection, connection->flow(), why, 0, "",
                    now);
      const uint64_t check = connection->check;
      const SocketAddress remote = connection->remote;
      Drop(*id, true, "HANDSHAKE_TIMEOUT", now);
      checks_.OnGone(check, remote, why, nullptr, now);
    } else if (registrar_.Carries(*id) || calls_.Uses(*id)) {
      connection_deadlines_.Set(*id, now + options_.idle_timeout);
    } else {
      Drop(*id, true, "IDLE", now);
    }
  }
  return TakeActions();
}

}  // namespace sallyport::signaling_edge
