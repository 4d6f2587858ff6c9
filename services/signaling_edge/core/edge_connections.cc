// The part of EdgeCore that is about connections, and what it reports.
#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "services/common/bytes/hex.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/expected_names.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/peer_transport.h"
#include "services/signaling_edge/core/proxy_header.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Denied(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, what);
}

// A mirror that no call uses.
constexpr absl::Duration kMirrorIdle = absl::Minutes(2);

// Nothing was refused where nobody listens.
bool IsConnectFailure(std::string_view reason) {
  return reason == "CONNECT_FAILED" || reason == "CONNECT_TIMEOUT";
}

bool IsOfCertificate(std::string_view reason) {
  return reason.starts_with("PEER_CERTIFICATE_") ||
         reason.starts_with("PEER_IDENTITY_");
}

// IMP-40: an incoming connection is known to be the peer's only when its
// handshake is over.
absl::Status CheckTls(const TlsFacts& facts, const TlsSettings& settings) {
  const TlsVersion version = facts.version == "TLSv1.3"   ? TlsVersion::kTls13
                             : facts.version == "TLSv1.2" ? TlsVersion::kTls12
                                                          : TlsVersion::kUnset;
  if (version < settings.minimum_version ||
      (settings.maximum_version != TlsVersion::kUnset &&
       version > settings.maximum_version)) {
    return Denied("TLS_VERSION_NOT_ALLOWED",
                  Cat(facts.version, " is not of the peer's TLS context"));
  }
  if (version == TlsVersion::kTls12 && !settings.ciphers.empty() &&
      std::find(settings.ciphers.begin(), settings.ciphers.end(),
                facts.cipher) == settings.ciphers.end()) {
    return Denied("TLS_CIPHER_NOT_ALLOWED",
                  Cat(facts.cipher, " is not of the peer's TLS context"));
  }
  return absl::OkStatus();
}

}  // namespace

// ------------------------------------------------------------- connections

absl::Status EdgeCore::CheckStartMode(const EdgeListener& listener) const {
  const bool tls = listener.transport == SipTransport::kTls;
  if (!start_mode_.has_value() || *start_mode_ == tls) return absl::OkStatus();
  return *start_mode_
             ? Denied("START_MODE_SECURED",
                      "the edge has started with encryption (StartSecured)")
             : Denied("START_MODE_NON_SECURE",
                      "the edge has started without encryption (StartSecured)");
}

ConnectionId EdgeCore::OnAccepted(ListenerId listener,
                                  const SocketAddress& remote, MonoTime now) {
  const EdgeListener& entry = options_.listeners[listener];
  const Flow flow = {
      .transport = entry.transport, .listener = listener, .remote = remote};
  if (absl::Status status = CheckStartMode(entry); !status.ok()) {
    ReportOverload(flow, status, "", now);
    return 0;
  }
  const LoadClass who = ClassOf(flow, now);
  const size_t most =
      (who == LoadClass::kStranger ? 1 : 2) * options_.max_handshakes;
  if (const bool crowded = handshakes_ + total_handshakes_.elsewhere() >= most;
      crowded || !gate_.Admit(who, now)) {
    ++stats_.rate_limited;
    ReportOverload(
        flow,
        crowded
            ? MakeError(absl::StatusCode::kResourceExhausted, "HANDSHAKE_LIMIT",
                        "too many connections are beginning")
            : MakeError(absl::StatusCode::kResourceExhausted, "OVERLOADED",
                        "the edge has more to do than it can"),
        "", now);
    return 0;
  }
  const size_t from_source =
      options_.share == nullptr
          ? connections_.CountFrom(remote)
          : options_.share->sources().Of(options_.share->KeyOf(remote));
  if (absl::Status status = admission_.OnConnection(
          remote, connections_.size() + total_connections_.elsewhere(),
          from_source, now);
      !status.ok()) {
    ++stats_.rate_limited;
    ++stats_.refusals[ReasonOf(status)];
    return 0;
  }
  Connection& connection = connections_.Add(remote, true, options_.parse);
  connection.transport = entry.transport;
  connection.listener = listener;
  connection.scope = ConnectionScope(connection.id);
  connection.created = connection.last_activity = now;
  CountSource(connection, true);
  total_connections_.Set(connections_.size());
  connection_deadlines_.Set(connection.id, now + options_.handshake_timeout);
  CountHandshake(true);
  return connection.id;
}

void EdgeCore::CountSource(const Connection& connection, bool begins) {
  if (options_.share == nullptr || !connection.incoming ||
      connection.held_by.has_value()) {
    return;
  }
  const uint64_t key = options_.share->KeyOf(connection.remote);
  begins ? options_.share->sources().Add(key)
         : options_.share->sources().Remove(key);
}

absl::StatusOr<ListenerId> EdgeCore::ListenerBy(SipTransport transport,
                                                const SocketAddress& to) const {
  const auto first = [&](auto fits) {
    return std::find_if(options_.listeners.begin(), options_.listeners.end(),
                        [&](const EdgeListener& l) {
                          return l.transport == transport && !l.sccp && fits(l);
                        });
  };
  const bool v6 = to.Canonical().is_v6();
  auto listener = first([&](const EdgeListener& l) { return l.v6 == v6; });
  if (listener == options_.listeners.end() && transport != SipTransport::kUdp) {
    listener = first([](const EdgeListener&) { return true; });
  }
  if (listener == options_.listeners.end()) {
    return MakeError(absl::StatusCode::kUnavailable, "PEER_UNREACHABLE",
                     "no listener for the peer's transport and address");
  }
  return static_cast<ListenerId>(listener - options_.listeners.begin());
}

absl::StatusOr<Flow> EdgeCore::UdpFlowTo(
    const std::vector<SocketAddress>& addresses) const {
  absl::Status status;
  for (const SocketAddress& address : addresses) {
    const auto listener = ListenerBy(SipTransport::kUdp, address);
    if (listener.ok()) {
      return Flow{.transport = SipTransport::kUdp,
                  .listener = *listener,
                  .remote = address};
    }
    status.Update(listener.status());
  }
  return status;
}

absl::StatusOr<Connection*> EdgeCore::Dial(
    const PeerEntry& peer, SipTransport transport, ListenerId listener,
    const std::vector<SocketAddress>& addresses, MonoTime now) {
  if (connections_.size() + total_connections_.elsewhere() >=
      options_.max_connections) {
    return MakeError(absl::StatusCode::kResourceExhausted, "CONNECTION_LIMIT",
                     "too many connections");
  }
  Connection& connection =
      connections_.Add(addresses[0], false, options_.parse);
  connection.transport = transport;
  connection.listener = listener;
  connection.dialled = peer.name;
  connection.scope = ScopeOfResource(peer.name);
  connection.created = connection.last_activity = now;
  connection.addresses.assign(addresses.begin() + 1, addresses.end());
  connection_deadlines_.Set(connection.id, now + options_.handshake_timeout);
  Perform(Connect{connection.id, transport, connection.remote, peer.fqdn,
                  peer.tls, listener});
  return &connection;
}

absl::StatusOr<Flow> EdgeCore::FlowTo(
    const PeerEntry& peer, const std::vector<SocketAddress>& addresses,
    MonoTime now) {
  const SipTransport transport = TransportOf(peer);
  if (addresses.empty()) {
    return MakeError(absl::StatusCode::kUnavailable, "PEER_UNREACHABLE",
                     "the peer has no address");
  }
  if (transport == SipTransport::kUdp) return UdpFlowTo(addresses);
  SP_ASSIGN_OR_RETURN(const ListenerId listener,
                      ListenerBy(transport, addresses[0]));
  if (const Connection* known = connections_.DialledTo(peer.name, addresses);
      known != nullptr && known->transport == transport) {
    return known->flow();
  }
  if (const Connection* alias = connections_.AliasOf(peer.name, addresses);
      alias != nullptr && alias->transport == transport) {
    return alias->flow();
  }
  SP_ASSIGN_OR_RETURN(Connection* const connection,
                      Dial(peer, transport, listener, addresses, now));
  connections_.NoteDialled(*connection, peer.name);
  return connection->flow();
}

std::optional<SocketAddress> EdgeCore::ConnectedTo(const Flow& flow) const {
  if (flow.transport == SipTransport::kUdp) return flow.remote;
  const Connection* connection = connections_.Find(flow.connection);
  if (connection == nullptr || connection->state != Connection::State::kOpen) {
    return std::nullopt;
  }
  return connection->alias.value_or(connection->remote);
}

bool EdgeCore::TryNextAddress(Connection& connection, MonoTime now) {
  if (connection.addresses.empty() || plan_ == nullptr) return false;
  const PeerEntry* peer = plan_->index().Peer(connection.dialled);
  if (peer == nullptr) return false;
  connection.remote = connection.addresses.front();
  connection.addresses.erase(connection.addresses.begin());
  connection_deadlines_.Set(connection.id, now + options_.handshake_timeout);
  Perform(Connect{connection.id, connection.transport, connection.remote,
                  peer->fqdn, peer->tls, connection.listener});
  return true;
}

// Whose connection it is, by its certificate and the plan in force.
absl::Status EdgeCore::Identify(Connection& connection, MonoTime /*now*/) {
  const bool sccp = IsSccp(connection);
  // A port in clear is who it registers as.
  if (sccp && connection.transport != SipTransport::kTls) {
    return absl::OkStatus();
  }
  connection.identity.reset();
  if (connection.transport != SipTransport::kTls) return absl::OkStatus();
  if (plan_ == nullptr) {
    return MakeError(absl::StatusCode::kUnavailable, "NO_CONFIGURATION",
                     "no dial plan has been received yet");
  }
  const TlsFacts& facts = *connection.tls;
  if (!facts.certificate.has_value()) {
    if (connection.incoming && !sccp) return absl::OkStatus();  // digest users
    return Denied("PEER_CERTIFICATE_MISSING", "the peer shows no certificate");
  }
  absl::StatusOr<ConnectionIdentity> who = absl::InternalError("");
  if (connection.incoming) {
    who = IdentityOf(connection.listener, *facts.certificate, facts.trusted);
  } else {
    const PeerEntry* peer = plan_->index().Peer(connection.dialled);
    if (peer == nullptr) return Denied("PEER_DISABLED", "the peer was removed");
    who = IdentifyServer(*facts.certificate, *peer, facts.trusted,
                         usage_policy());
  }
  if (!who.ok()) return who.status();
  if (who->kind == ConnectionIdentity::Kind::kPeer) {
    const PeerEntry* peer = plan_->index().Peer(who->resource);
    if (peer != nullptr) {
      if (absl::Status s = CheckTls(facts, peer->tls); !s.ok()) return s;
    }
  }
  connection.identity = *std::move(who);
  // Transactions are found by the scope: it is that of the first time, or what
  // a mirror had used before, also when a new plan has it judged again.
  if (connection.proven.empty()) {
    connection.scope = ScopeOfResource(connection.identity->resource);
  }
  connection.proven = connection.identity->resource;
  // Of several stores that hold the anchor the one that counted is told.
  if (connection.identity->kind == ConnectionIdentity::Kind::kPeer) {
    connection.tls->trust_store = connection.identity->trust_store.empty()
                                      ? std::string(kPeerTrustStores[0])
                                      : connection.identity->trust_store;
  }
  return absl::OkStatus();
}

EdgeActions EdgeCore::OnConnectionOpened(ConnectionId id,
                                         std::optional<TlsFacts> tls,
                                         MonoTime now) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr) return Finish(now);
  connection->tls = std::move(tls);
  if (connection->transport == SipTransport::kTls &&
      !connection->tls.has_value()) {
    connection->tls.emplace();
  }
  connection->last_activity = now;
  if (absl::Status status = Identify(*connection, now); !status.ok()) {
    ReportUnidentified(*connection, status, now);
    connection->addresses.clear();
    const uint64_t check = connection->check;
    const SocketAddress remote = connection->remote;
    const TlsFacts facts = *connection->tls;
    Drop(id, true, ReasonOf(status), now);
    checks_.OnRefused(check, remote, facts, status, now);
    return Finish(now);
  }
  connection->state = Connection::State::kOpen;
  if (connection->incoming) CountHandshake(false);
  if (connection->identity.has_value()) {
    sources_.OnProven(connection->remote, "", now);
  }
  if (connection->identity.has_value() &&
      connection->identity->kind == ConnectionIdentity::Kind::kPeer) {
    peer_health_.OnMutualTls(connection->identity->resource, now);
  }
  ++stats_.connections;
  if (IsSccp(*connection)) OpenSccp(id);
  RearmConnection(*connection);
  EdgeEvent event;
  event.type = EdgeEvent::Type::kConnectionOpened;
  event.at = now;
  event.connection = id;
  event.summary = connection->incoming ? "a connection was accepted"
                                       : "a connection was opened";
  event.resource = ProvenResource(connection->flow());
  Perform(Report{std::move(event)});
  if (!connection->queue.empty()) {
    Transmit(connection->flow(), std::exchange(connection->queue, {}));
  }
  if (connection->check != 0) {
    checks_.OnOpened(
        connection->check, connection->remote,
        connection->tls.has_value() ? &*connection->tls : nullptr,
        connection->identity.has_value() ? &*connection->identity : nullptr,
        now);
  }
  return Finish(now);
}

EdgeActions EdgeCore::OnConnectionRefused(ListenerId listener,
                                          const SocketAddress& remote,
                                          const absl::Status& why,
                                          MonoTime now) {
  const Flow flow = {.transport = options_.listeners[listener].transport,
                     .listener = listener,
                     .remote = remote};
  ReportRefusal(RefusalKind::kConnection, flow, why, 0, "", now);
  return Finish(now);
}

EdgeActions EdgeCore::OnData(ConnectionId id, std::string_view octets,
                             MonoTime now) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr || connection->state != Connection::State::kOpen) {
    return Finish(now);
  }
  connection->last_activity = now;
  if (connection->bytes_received == 0 && LooksLikeProxyHeader(octets)) {
    // Whoever is no balancer of ours may not say who it is.
    const absl::Status why =
        Denied("PROXY_HEADER_NOT_ALLOWED",
               "a PROXY header from an address that is no balancer's");
    ReportRefusal(RefusalKind::kConnection, connection->flow(), why, 0, "",
                  now);
    Drop(id, true, ReasonOf(why), now);
    return Finish(now);
  }
  connection->bytes_received += octets.size();
  if (IsSccp(*connection)) {
    OnSccpData(*connection, octets, now);
    return Finish(now);
  }
  connection->framer.Append(octets);
  bool ponged = false;
  // A message may end the connection, so it is looked up anew each time.
  while ((connection = connections_.Find(id)) != nullptr) {
    auto frame = connection->framer.Next();
    if (!frame.ok()) {
      const std::string text(connection->framer.pending());
      OnUnreadable(connection->flow(), text, frame.status(), now);
      Drop(id, true, ReasonOf(frame.status()), now);
      break;
    }
    if (!frame->has_value()) break;
    if ((*frame)->kind == SipFrame::Kind::kPing) {
      // One for all that came at once: an answer costs more than a ping.
      if (!ponged) Transmit(connection->flow(), "\r\n");
      ponged = true;
    } else if ((*frame)->kind == SipFrame::Kind::kMessage) {
      ++connection->messages_received;
      const std::string text((*frame)->text);
      OnText(connection->flow(), text, now, {});
    }
  }
  if ((connection = connections_.Find(id)) != nullptr) {
    RearmConnection(*connection);
  }
  return Finish(now);
}

EdgeActions EdgeCore::OnConnectionClosed(ConnectionId id,
                                         const absl::Status& why,
                                         const std::optional<TlsFacts>& tls,
                                         MonoTime now) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr) return Finish(now);
  const std::string reason = ReasonOf(why);
  const uint64_t check = connection->check;
  const SocketAddress remote = connection->remote;
  if (connection->state == Connection::State::kConnecting) {
    // A certificate that did not verify, an alert, a handshake that broke.
    if (tls.has_value() ||
        (!why.ok() && !reason.empty() && !IsConnectFailure(reason))) {
      ReportRefusal(RefusalKind::kConnection, connection->flow(), why, 0, "",
                    now, tls.has_value() ? &*tls : nullptr);
    }
    if (!connection->incoming && TryNextAddress(*connection, now)) {
      checks_.OnAddressFailed(check, remote, why);
      return Finish(now);
    }
  }
  // A TLS 1.3 server may refuse our certificate when we are open already.
  if (connection->state == Connection::State::kOpen &&
      reason == "TLS_ALERT_RECEIVED") {
    ReportRefusal(RefusalKind::kConnection, connection->flow(), why, 0, "", now,
                  tls.has_value() ? &*tls : nullptr);
  }
  if (connection->state == Connection::State::kOpen &&
      !connection->send_failed) {
    ++stats_.remote_closures;
  }
  // Before its transactions are told less.
  checks_.OnGone(check, remote, why, tls.has_value() ? &*tls : nullptr, now);
  Drop(id, false, reason, now);
  return Finish(now);
}

void EdgeCore::OnSendFailed(ConnectionId id) {
  Connection* const connection = connections_.Find(id);
  if (connection == nullptr || connection->send_failed) return;
  connection->send_failed = true;
  ++stats_.send_failures;
}

EdgeActions EdgeCore::OnConnectionUntrusted(ConnectionId id,
                                            const absl::Status& why,
                                            MonoTime now) {
  if (const Connection* connection = connections_.Find(id)) {
    ReportRefusal(RefusalKind::kConnection, connection->flow(), why, 0, "", now,
                  connection->tls.has_value() ? &*connection->tls : nullptr,
                  ConnectionStage::kLive);
    const uint64_t check = connection->check;
    const SocketAddress remote = connection->remote;
    checks_.OnGone(check, remote, why, nullptr, now);
    Drop(id, true, ReasonOf(why), now);
  }
  return Finish(now);
}

void EdgeCore::Drop(ConnectionId id, bool tell_io, std::string_view reason,
                    MonoTime now) {
  CloseSccp(id, now);
  Connection* connection = connections_.Find(id);
  if (connection == nullptr) return;
  const std::vector<TransactionId> transactions(
      connection->transactions.begin(), connection->transactions.end());
  EdgeEvent event;
  event.type = EdgeEvent::Type::kConnectionClosed;
  event.at = now;
  event.connection = id;
  event.reason = reason;
  event.summary = "a connection was closed";
  event.resource = ProvenResource(connection->flow());
  const bool mirror = connection->held_by.has_value();
  const bool was_open = connection->state == Connection::State::kOpen;
  const std::optional<Flow> instead_of = connection->instead_of;
  // Nobody has read what we wrote, or somebody who does not speak SIP.
  const bool by_udp = instead_of.has_value() &&
                      connection->messages_received == 0 &&
                      (!was_open || !tell_io);
  if (connection->incoming && !mirror && !was_open) CountHandshake(false);
  TellMirrors(*connection);
  CountSource(*connection, false);
  connection_deadlines_.Erase(id);
  connections_.Remove(id);
  if (instead_of.has_value()) {
    long_requests_.ForgetConnection(instead_of->remote, id);
    if (by_udp) long_requests_.NoteRefused(instead_of->remote, now);
  }
  if (tell_io && !mirror) Perform(CloseConnection{id});
  if (was_open && !mirror) Perform(Report{std::move(event)});
  ReportChanges(registrar_.OnConnectionClosed(id), now);
  for (const TransactionId transaction : transactions) {
    if (by_udp) {
      SendAgainByUdp(transaction, *instead_of, now);
      continue;
    }
    DoClient(transaction, transactions_.OnTransportError(transaction), nullptr,
             now);
  }
}

void EdgeCore::NoteProved(const Flow& flow) {
  if (Connection* connection = connections_.Find(flow.connection)) {
    connection->proved = true;
  }
}

void EdgeCore::NoteAlias(const Flow& flow, const SipMessage& request) {
  // RFC 5923 section 8.2: over mutual TLS, and for who it was proven to be.
  Connection* const connection = connections_.Find(flow.connection);
  if (connection == nullptr || !connection->incoming || !flow.is_tls() ||
      !connection->identity.has_value() ||
      connection->identity->kind != ConnectionIdentity::Kind::kPeer) {
    return;
  }
  const auto via = ParseVia(request.FirstItem(HeaderId::kVia));
  if (!via.ok() || !FindParam(via->params, "alias").has_value()) return;
  connections_.NoteAlias(*connection, connection->identity->resource,
                         connection->remote.WithPort(via->sent_by_port()));
}

void EdgeCore::RearmConnection(Connection& connection) {
  if (connection.held_by.has_value()) {
    connection_deadlines_.Set(connection.id,
                              connection.last_activity + kMirrorIdle);
    return;
  }
  const bool proven =
      connection.identity.has_value() || !connection.incoming ||
      connection.proved ||
      auth_.IsPeerSource(connection.flow(),
                         options_.listeners[connection.listener].logical_port);
  connection_deadlines_.Set(
      connection.id,
      registrar_.CarriesOutbound(connection.id) ? FlowDeadline(connection)
      : proven ? connection.last_activity + options_.idle_timeout
               : connection.created + options_.first_request_timeout);
}

// ------------------------------------------------------------------ events

EdgeEvent EdgeCore::RefusalOf(RefusalKind kind, const Flow& flow,
                              const absl::Status& status, int sip_status,
                              std::string_view method, MonoTime now,
                              const TlsFacts* tls, ConnectionStage stage) {
  EdgeEvent event;
  event.type = EdgeEvent::Type::kRefused;
  event.at = now;
  event.reason = ReasonOf(status);
  if (event.reason.empty()) event.reason = "REFUSED";
  event.connection = flow.connection;
  event.resource = ProvenResource(flow);
  event.summary = kind == RefusalKind::kConnection ? "a connection was refused"
                  : kind == RefusalKind::kMalformed
                      ? "a message could not be read"
                      : "a request was refused";
  Refusal refusal;
  refusal.kind = kind;
  refusal.transport = flow.transport;
  refusal.remote = flow.remote;
  refusal.explanation = std::string(status.message());
  refusal.sip_method = method;
  refusal.sip_status = sip_status;
  if (tls != nullptr) {
    event.tls_alert = refusal.tls_alert = tls->alert;
    event.alert_sent = refusal.alert_sent = tls->alert_sent;
  }
  if (tls != nullptr && tls->certificate.has_value()) {
    for (const CertifiedName& name : SipIdentities(*tls->certificate)) {
      refusal.presented_identities.push_back(
          Cat(NameSourceName(name.source), ":", name.name));
    }
    refusal.certificate_subject = tls->certificate->subject;
    refusal.certificate_issuer = tls->certificate->issuer;
    refusal.certificate_sha256 = HexEncode(tls->certificate->sha256);
  }
  if (const Connection* connection = connections_.Find(flow.connection);
      connection != nullptr && !connection->dialled.empty()) {
    refusal.peer = connection->dialled;
  }
  const std::string_view address =
      NameExpected(flow, event.reason, tls, refusal);
  refusal.steps =
      kind == RefusalKind::kConnection
          ? ConnectionSteps(event.reason, stage, tls, address)
          : RequestSteps(ClassOf(flow, now), event.reason,
                         kind == RefusalKind::kMalformed ? "parser" : "request",
                         address);
  event.refusal = std::move(refusal);
  return event;
}

void EdgeCore::ReportRefusal(RefusalKind kind, const Flow& flow,
                             const absl::Status& status, int sip_status,
                             std::string_view method, MonoTime now,
                             const TlsFacts* tls, ConnectionStage stage) {
  Perform(Report{
      RefusalOf(kind, flow, status, sip_status, method, now, tls, stage)});
}

void EdgeCore::ReportUnidentified(const Connection& connection,
                                  const absl::Status& status, MonoTime now) {
  ReportRefusal(RefusalKind::kConnection, connection.flow(), status, 0, "", now,
                connection.tls.has_value() ? &*connection.tls : nullptr,
                ConnectionStage::kIdentity);
}

std::string_view EdgeCore::NameExpected(const Flow& flow,
                                        std::string_view reason,
                                        const TlsFacts* tls,
                                        Refusal& refusal) const {
  const EdgeListener& listener = options_.listeners[flow.listener];
  const Connection* const connection = connections_.Find(flow.connection);
  const bool certified =
      (flow.is_tls() || listener.sccp) && IsOfCertificate(reason);
  if (plan_ == nullptr || (!certified && reason != "IDENTITY_NOT_ALLOWED")) {
    return {};
  }
  FarSide far;
  far.remote = flow.remote;
  far.incoming_port = listener.logical_port;
  far.is_port = listener.sccp;
  if (connection != nullptr) {
    far.dialled = connection->dialled;
    far.proven = connection->proven;
    far.is_port = far.is_port && connection->incoming;
  }
  if (!far.is_port) far.at_address = auth_.PeerAt(flow, far.incoming_port);
  if (certified) {
    if (tls != nullptr && tls->certificate.has_value()) {
      far.certificate = &*tls->certificate;
    }
    refusal.expected_identities =
        ExpectedNames(far, plan_->index(), sccp_ports_);
  }
  if (!refusal.expected_identities.empty() || far.at_address != nullptr ||
      !far.dialled.empty() || !far.proven.empty()) {
    return {};
  }
  return far.is_port ? "no voicemail server is declared there"
                     : "no peer is declared there";
}

}  // namespace sallyport::signaling_edge
