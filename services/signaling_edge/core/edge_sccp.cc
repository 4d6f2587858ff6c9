// The part of EdgeCore that is about voicemail ports: each has a session that
// speaks SCCP to the port and SIP to the rest of the core, as a user agent that
// is connected by the same connection.
#include <algorithm>
#include <utility>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/binding_rules.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {

bool EdgeCore::IsSccp(const Connection& connection) const {
  return connection.incoming && options_.listeners[connection.listener].sccp;
}

SccpSession* EdgeCore::SccpOf(ConnectionId id) const {
  const auto it = sccp_.find(id);
  return it == sccp_.end() ? nullptr : it->second.session.get();
}

absl::StatusOr<ConnectionIdentity> EdgeCore::IdentityOf(
    ListenerId listener, const CertificateInfo& certificate,
    TrustedFor trusted) const {
  if (options_.listeners[listener].sccp) {
    return sccp_ports_.Identify(certificate, trusted);
  }
  return IdentifyClient(certificate, plan_->index(),
                        options_.listeners[listener].logical_port, trusted,
                        usage_policy());
}

std::optional<Party> EdgeCore::PortOf(const Flow& flow) const {
  const SccpSession* session = SccpOf(flow.connection);
  if (session == nullptr || session->port() == nullptr || plan_ == nullptr) {
    return std::nullopt;
  }
  return PartyOf(*session->port());
}

std::optional<Party> EdgeCore::PartyOf(const SccpPort& port) const {
  const PeerEntry* peer = plan_->index().Peer(port.peer);
  if (peer == nullptr) return std::nullopt;
  Party party;
  party.kind = Party::Kind::kPeer;
  party.resource = peer->name;
  party.tenant = TenantOf(peer->name);
  party.identity = port.device_name;
  party.port = port.device_name;
  party.dial_plan = peer->dial_plan;
  party.mode =
      port.encrypted ? SecurityMode::kSecured : SecurityMode::kUnsecured;
  party.authentication = port.encrypted ? Authentication::kPeerCertificate
                                        : Authentication::kSourceAddress;
  return party;
}

std::vector<CallPort::Port> EdgeCore::PortsOf(const std::string& line,
                                              MonoTime now) {
  std::vector<Port> out;
  for (const Binding* binding : registrar_.Of(line)) {
    if (auto party = PortOf(binding->flow)) {
      out.push_back({*std::move(party), binding->flow, binding->contact});
    }
  }
  const auto it = ports_elsewhere_.find(line);
  if (!out.empty() || it == ports_elsewhere_.end() || plan_ == nullptr) {
    return out;
  }
  const auto party = PartyOf(it->second.port);
  const auto flow = Import(it->second.flow, now);
  if (party.has_value() && flow.ok()) {
    out.push_back({*party, *flow, it->second.contact});
  }
  return out;
}

void EdgeCore::TellPort(ConnectionId id, bool up) {
  const SccpSession* session = SccpOf(id);
  const Connection* connection = connections_.Find(id);
  if (options_.share == nullptr || session == nullptr ||
      session->port() == nullptr || connection == nullptr) {
    return;
  }
  const SccpPort& port = *session->port();
  PortNews news{up, port, "", Export(connection->flow())};
  for (const Binding* binding : registrar_.Of(port.line)) {
    news.contact = binding->contact;
  }
  Perform(TellLoops{std::move(news)});
}

void EdgeCore::OnPortNews(const PortNews& news, MonoTime now) {
  const std::string& line = news.port.line;
  if (!news.up) {
    const auto it = ports_elsewhere_.find(line);
    // Another one may have come in its place.
    if (it != ports_elsewhere_.end() && it->second.flow == news.flow) {
      ports_elsewhere_.erase(it);
    }
    return;
  }
  ports_elsewhere_[line] = news;
  // What is left of it here has not heard of its end.
  for (const Binding* binding : registrar_.Of(line)) {
    if (SccpOf(binding->flow.connection) == nullptr) continue;
    Drop(binding->flow.connection, true, "REGISTERED_AGAIN", now);
    break;
  }
}

// SccpHost.
absl::StatusOr<SccpPort> EdgeCore::AdmitPort(ConnectionId id,
                                             std::string_view device_name) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr || plan_ == nullptr) {
    return MakeError(absl::StatusCode::kUnavailable, "NO_CONFIGURATION",
                     "no dial plan has been received yet");
  }
  const bool is_tls = connection->transport == SipTransport::kTls;
  auto port = sccp_ports_.Admit(
      device_name, is_tls,
      is_tls ? connection->identity : std::optional<ConnectionIdentity>());
  if (!port.ok() || is_tls) return port;
  // In clear a port is where its server is.
  const PeerEntry* peer = plan_->index().Peer(port->peer);
  if (peer == nullptr ||
      !RequestAuth::IsFrom(*peer, connection->remote.Canonical())) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "PEER_IDENTITY_MISMATCH",
                     "the port is not at its server's address");
  }
  connection->identity = ConnectionIdentity{ConnectionIdentity::Kind::kPeer,
                                            peer->name, CertifiedName{}};
  connection->proven = peer->name;
  connection->scope = ScopeOfResource(peer->name);
  return port;
}

absl::Duration EdgeCore::WaitForDigit(const SccpPort& port,
                                      std::string_view digits) {
  RouteQuery query;
  query.tenant = TenantOf(port.peer);
  query.caller = port.peer;
  query.calling = port.number;
  query.called = digits;
  query.overlap = true;
  const Resolution resolution = plan_->Resolve(query);
  return resolution.incomplete ? resolution.interdigit_timeout
                               : absl::ZeroDuration();
}

absl::Time EdgeCore::WallTime(MonoTime now) const {
  return options_.wall_time + (now - options_.wall_time_at);
}

void EdgeCore::OpenSccp(ConnectionId id) {
  SccpHost& host = *this;
  sccp_[id].session = std::make_unique<SccpSession>(id, host, random_);
}

void EdgeCore::OnSccpData(Connection& connection, std::string_view octets,
                          MonoTime now) {
  const ConnectionId id = connection.id;  // outlives the connection
  SccpSession* session = SccpOf(id);
  if (session == nullptr) return;
  ++connection.messages_received;
  DoSccp(id, session->OnData(octets, now), now);
  if (Connection* left = connections_.Find(id)) {
    RearmConnection(*left);
  }
}

void EdgeCore::DoSccp(ConnectionId id, SccpActions actions, MonoTime now) {
  for (SccpAction& action : actions) {
    Connection* connection = connections_.Find(id);
    if (connection == nullptr) return;
    const Flow flow = connection->flow();
    if (auto* send = std::get_if<SccpSendOctets>(&action)) {
      connection->bytes_sent += send->octets.size();
      ++connection->messages_sent;
      Perform(SendBytes{id, std::move(send->octets)});
    } else if (const auto* sip = std::get_if<SccpSendSip>(&action)) {
      OnText(flow, sip->text, now, {});
    } else if (std::holds_alternative<SccpPortUp>(action)) {
      OnPortUp(id, now);
    } else if (std::holds_alternative<SccpPortDown>(action)) {
      OnPortDown(id, now);
    } else if (const auto* refused = std::get_if<SccpRefused>(&action)) {
      EdgeEvent event =
          RefusalOf(refused->registration ? RefusalKind::kRegistration
                                          : RefusalKind::kCall,
                    flow, refused->status, 0, "SCCP", now,
                    connection->tls.has_value() ? &*connection->tls : nullptr);
      event.refusal->call = calls_.CallOf(refused->call_id, refused->tag);
      Perform(Report{std::move(event)});
      sccp_[id].end_reason = ReasonOf(refused->status);
    } else {
      const std::string reason = sccp_[id].end_reason;
      Drop(id, true, reason.empty() ? "SCCP_CLOSED" : reason, now);
      return;
    }
  }
  if (const SccpSession* session = SccpOf(id)) {
    sccp_deadlines_.Set(id, session->deadline());
  }
}

void EdgeCore::OnPortUp(ConnectionId id, MonoTime now) {
  const SccpPort& port = *SccpOf(id)->port();
  const Connection& connection = *connections_.Find(id);
  // A port that comes back is not kept out by what is left of it.
  for (const Binding* binding : registrar_.Of(port.line)) {
    if (binding->flow.connection == id) continue;
    Drop(binding->flow.connection, true, "REGISTERED_AGAIN", now);
    break;
  }
  RegisterRequest request;
  request.user = port.line;
  request.flow = connection.flow();
  request.call_id = Cat("sccp-", id);
  request.cseq = ++sccp_[id].cseq;
  request.max_contacts = 1;
  request.user_agent = Cat("SCCP voicemail port ", port.device_name);
  request.authentication =
      port.encrypted ? "PEER_CERTIFICATE" : "SOURCE_ADDRESS";
  RegisterContact contact;
  contact.uri =
      Cat("sip:", port.number, "@",
          HostPortText(connection.remote.IpText(), connection.remote.port(),
                       connection.transport),
          ";transport=", port.encrypted ? "tls" : "tcp");
  contact.expires =
      static_cast<uint32_t>(absl::ToInt64Seconds(std::max<absl::Duration>(
          SccpSession::kSilence, registrar_.min_expires())));
  request.contacts.push_back(std::move(contact));
  NoteProved(request.flow);
  const auto changes = registrar_.OnRegister(request, now);
  if (!changes.ok()) {
    ReportRefusal(RefusalKind::kRegistration, request.flow, changes.status(), 0,
                  "SCCP", now);
    Drop(id, true, ReasonOf(changes.status()), now);
    return;
  }
  ReportChanges(*changes, now);
  ports_elsewhere_.erase(port.line);
  TellPort(id, true);
}

void EdgeCore::OnPortDown(ConnectionId id, MonoTime now) {
  TellPort(id, false);
  Registrar::Changes changes = registrar_.OnConnectionClosed(id);
  for (Registrar::Change& change : changes) {
    change.kind = Registrar::Change::Kind::kRemoved;
  }
  ReportChanges(changes, now);
}

void EdgeCore::CloseSccp(ConnectionId id, MonoTime now) {
  const auto it = sccp_.find(id);
  if (it == sccp_.end()) return;
  TellPort(id, false);
  // Its user agent is gone before it says good-bye, so that nothing answers.
  const std::unique_ptr<SccpSession> session = std::move(it->second.session);
  sccp_.erase(it);
  sccp_deadlines_.Erase(id);
  const Connection* connection = connections_.Find(id);
  if (connection == nullptr) return;
  const Flow flow = connection->flow();
  for (const SccpAction& action : session->OnClosed(now)) {
    if (const auto* sip = std::get_if<SccpSendSip>(&action)) {
      OnText(flow, sip->text, now, {});
    }
  }
}

void EdgeCore::OnSccpRemoved(const Registrar::Changes& changes, MonoTime now) {
  for (const Registrar::Change& change : changes) {
    const ConnectionId id = change.binding.flow.connection;
    if (SccpSession* session = SccpOf(id)) {
      TellPort(id, false);
      DoSccp(id, session->OnRemoved(now), now);
    }
  }
}

void EdgeCore::OnSccpPlan(MonoTime now) {
  std::vector<ConnectionId> ids;
  for (const auto& [id, port] : sccp_) ids.push_back(id);
  for (const ConnectionId id : ids) {
    if (SccpSession* session = SccpOf(id)) {
      DoSccp(id, session->OnPlan(now), now);
    }
  }
}

void EdgeCore::OnSccpDeadline(MonoTime now) {
  while (const auto id = sccp_deadlines_.PopExpired(now)) {
    if (SccpSession* session = SccpOf(*id)) {
      DoSccp(*id, session->OnDeadline(now), now);
    }
  }
}

EdgeActions EdgeCore::Finish(MonoTime now) {
  // What user agents of ports are told, they are told when all else is done.
  while (!sccp_texts_.empty()) {
    const SccpText text = std::move(sccp_texts_.front());
    sccp_texts_.pop_front();
    if (SccpSession* session = SccpOf(text.connection)) {
      DoSccp(text.connection, session->OnSip(text.text, now), now);
    }
  }
  if (options_.share != nullptr) {
    total_connections_.Set(connections_.size());
    for (HuntMemory::News& news : calls_.TakeHuntNews()) {
      Perform(TellLoops{std::move(news)});
    }
  }
  return TakeActions();
}

}  // namespace sallyport::signaling_edge
