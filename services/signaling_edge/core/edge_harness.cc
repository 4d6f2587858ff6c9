#include "services/signaling_edge/core/edge_harness.h"

#include <map>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/stun_keep_alive.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

std::string Md5Hex(std::string_view text) {
  return HexEncode(Md5(AsBytes(text)));
}

// "\n" to CRLF, and Content-Length by the body after the blank line.
std::string Wire(std::string_view text) {
  const size_t blank = text.find("\n\n");
  std::string head(text.substr(0, blank));
  std::string body = blank == std::string_view::npos
                         ? ""
                         : std::string(text.substr(blank + 2));
  std::string out;
  for (const char c : head) {
    if (c == '\n') out += '\r';
    out += c;
  }
  CatTo(out, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  return out;
}

void AddHeaders(SipMessage& message, const std::vector<std::string>& headers) {
  for (const std::string_view line : headers) {
    const size_t colon = line.find(':');
    const std::string_view value = line.substr(colon + 2);
    const HeaderId id = HeaderIdFrom(line.substr(0, colon));
    if (id == HeaderId::kOther) {
      message.AddNamed(line.substr(0, colon), value);
    } else {
      message.Add(id, value);
    }
  }
}

}  // namespace

std::shared_ptr<PlanSnapshot> TestPlan() {
  auto plan = std::make_shared<PlanSnapshot>();
  plan->version = 1;
  plan->tenants = {{.name = "tenants/t", .domains = {"d.test"}}};
  const auto dial_plan = [](std::string name, SecurityMode mode) {
    return DialPlanEntry{.name = "tenants/t/dialPlans/" + name,
                         .security_mode = mode};
  };
  plan->dial_plans = {dial_plan("clear", SecurityMode::kUnsecured),
                      dial_plan("gateway", SecurityMode::kSipSecured),
                      dial_plan("secured", SecurityMode::kSecured)};
  plan->peers = {
      {.name = "tenants/t/peers/far",
       .dial_plan = "tenants/t/dialPlans/clear",
       .fqdn = "far.d.test",
       .port = 5060,
       .transport = sallyport::SipTransport::kTcp,
       .incoming_port = 5060,
       .outcalls_allowed = true},
      {.name = "tenants/t/peers/gw",
       .dial_plan = "tenants/t/dialPlans/gateway",
       .fqdn = "gw.d.test",
       .address = "192.0.2.20",
       .port = 5061,
       .transport = sallyport::SipTransport::kTls,
       .incoming_port = 5061,
       .outcalls_allowed = true},
      {.name = "tenants/t/peers/pbx",
       .dial_plan = "tenants/t/dialPlans/clear",
       .address = "192.0.2.10",
       .port = 5060,
       .transport = sallyport::SipTransport::kUdp,
       .incoming_port = 5060,
       .outcalls_allowed = true},
  };
  const auto user = [](std::string name, std::string dial_plan) {
    UserEntry entry;
    entry.name = "tenants/t/users/" + name;
    entry.username = name;
    entry.domain = entry.realm = "d.test";
    entry.dial_plan = "tenants/t/dialPlans/" + dial_plan;
    entry.digest_algorithm = DigestAlgorithm::kMd5;
    entry.ha1_md5 = TestHa1(name);
    return entry;
  };
  plan->users = {user("alice", "secured"), user("bob", "clear"),
                 user("carol", "clear")};
  plan->users[0].phone_numbers = {"1001"};
  plan->phones = {{.name = "tenants/t/phones/SEP1",
                   .device_name = "SEP1",
                   .dial_plan = "tenants/t/dialPlans/secured",
                   .owner_user = "tenants/t/users/alice"}};
  const auto route = [](std::string name, std::string pattern,
                        std::string peer) {
    return RoutePatternEntry{
        .name = "tenants/t/routePatterns/" + name,
        .pattern = std::move(pattern),
        .peer = "tenants/t/peers/" + peer,
        .transformation = {.discard = DiscardDigits::kPreDot}};
  };
  plan->route_patterns = {route("far", "7.!", "far"), route("gw", "9.!", "gw"),
                          route("pbx", "8.!", "pbx")};
  ResolveDefaults(*plan);
  return plan;
}

EdgeOptions EdgeHarness::Options() {
  EdgeOptions options;
  options.listeners = {{SipTransport::kUdp, "203.0.113.1", 5060, 5060},
                       {SipTransport::kTcp, "203.0.113.1", 5060, 5060},
                       {SipTransport::kTls, "203.0.113.1", 5061, 5061},
                       {SipTransport::kTls, "203.0.113.1", 2443, 2443, true},
                       {SipTransport::kTcp, "203.0.113.1", 2000, 2000, true}};
  return options;
}

EdgeHarness::EdgeHarness(EdgeOptions options)
    : core_(std::make_unique<EdgeCore>(std::move(options), random_)) {
  Load(TestPlan());
  events.clear();
}

void EdgeHarness::Load(std::shared_ptr<PlanSnapshot> plan) {
  // Tenant by tenant, as the edge gets it.
  std::map<std::string, std::shared_ptr<PlanSnapshot>> tenants;
  ForEachList(*plan, [&tenants](const auto& list) {
    for (const auto& entry : list) {
      auto& own = tenants[std::string(TenantOf(entry.name))];
      if (own == nullptr) own = std::make_shared<PlanSnapshot>();
      AddTo(*own, entry);
    }
  });
  PlanUpdate update{plan->version, plan->checksum, /*all=*/true, {}};
  for (auto& [name, own] : tenants) update.tenants.push_back({name, own});
  auto resolver = region_.Apply(std::move(update));
  ASSERT_TRUE(resolver.ok()) << resolver.status();
  Perform(core_->OnSnapshot(*std::move(resolver), now_));
}

namespace {

std::optional<TlsFacts> FactsOf(std::string_view dns,
                                std::string_view common_name) {
  TlsFacts facts;
  facts.version = "TLSv1.3";
  if (dns.empty() && common_name.empty()) return facts;
  CertificateInfo certificate;
  certificate.client_auth = certificate.server_auth = true;
  if (!dns.empty()) {
    certificate.alt_names = {{SubjectAltName::Type::kDns, std::string(dns)}};
    facts.trusted.peers = true;
  } else {
    certificate.common_names = {std::string(common_name)};
    facts.trusted.phones = true;
  }
  facts.certificate = std::move(certificate);
  return facts;
}

}  // namespace

ConnectionId EdgeHarness::ConnectTls(std::string_view dns,
                                     std::string_view common_name,
                                     std::string_view ip) {
  const ConnectionId id =
      core_->OnAccepted(kTls, *SocketAddress::FromIp(ip, 40000), now_);
  if (id != 0) {
    Perform(core_->OnConnectionOpened(id, FactsOf(dns, common_name), now_));
  }
  return id;
}

ConnectionId EdgeHarness::ConnectSccp(std::string_view common_name,
                                      std::string_view ip) {
  const bool tls = !common_name.empty();
  const ConnectionId id = core_->OnAccepted(
      tls ? kSccpTls : kSccpTcp, *SocketAddress::FromIp(ip, 40000), now_);
  sccp_.insert(id);
  std::optional<TlsFacts> facts;
  if (tls) {
    facts = FactsOf("", common_name);
    facts->trusted = {.peers = true, .phones = false};
  }
  Perform(core_->OnConnectionOpened(id, facts, now_));
  return id;
}

void EdgeHarness::ReceiveOctets(ConnectionId from, std::string_view octets) {
  Perform(core_->OnData(from, octets, now_));
}

ConnectionId EdgeHarness::ConnectTcp(std::string_view ip) {
  const ConnectionId id =
      core_->OnAccepted(kTcp, *SocketAddress::FromIp(ip, 40000), now_);
  Perform(core_->OnConnectionOpened(id, std::nullopt, now_));
  return id;
}

ConnectionId EdgeHarness::AcceptDialled(std::string_view dns) {
  EXPECT_FALSE(connects.empty());
  if (connects.empty()) return 0;
  const Connect last = connects.back();
  Perform(core_->OnConnectionOpened(
      last.connection,
      last.transport == SipTransport::kTls ? FactsOf(dns, "") : std::nullopt,
      now_));
  return last.connection;
}

void EdgeHarness::Receive(ConnectionId from, std::string_view text) {
  Perform(core_->OnData(from, Wire(text), now_));
}

void EdgeHarness::ReceiveUdp(std::string_view from, std::string_view text) {
  Perform(
      core_->OnDatagram(kUdp, *SocketAddress::Parse(from), Wire(text), now_));
}

void EdgeHarness::ReceiveUdpOctets(std::string_view from,
                                   std::string_view octets) {
  Perform(core_->OnDatagram(kUdp, *SocketAddress::Parse(from), octets, now_));
}

void EdgeHarness::Answer(const Sent& request, int code, std::string_view to_tag,
                         std::string_view sdp, std::string_view contact,
                         const std::vector<std::string>& headers) {
  SipMessage response =
      MakeResponse(request.message, code, ReasonPhrase(code), to_tag);
  if (code > 100 && code < 300) {
    response.Add(
        HeaderId::kContact,
        contact.empty() ? "<sip:far@192.0.2.20:5061;transport=tls>" : contact);
  }
  AddHeaders(response, headers);
  if (!sdp.empty()) {
    response.Add(HeaderId::kContentType, "application/sdp");
    response.SetBody(sdp);
  }
  const std::string wire = WriteSipMessage(response);
  if (request.connection != 0) {
    Perform(core_->OnData(request.connection, wire, now_));
  } else {
    Perform(core_->OnDatagram(kUdp, request.to, wire, now_));
  }
}

void EdgeHarness::RequestFrom(const Sent& invite, std::string_view to_tag,
                              std::string_view method, uint32_t cseq,
                              std::string_view sdp,
                              const std::vector<std::string>& headers) {
  const SipMessage& made = invite.message;
  SipMessage request =
      SipMessage::Request(method, "sip:edge@203.0.113.1:5061;transport=tls");
  request.Add(HeaderId::kVia,
              Cat("SIP/2.0/", invite.connection ? "TLS" : "UDP",
                  " 192.0.2.20:5061;branch=z9hG4bKfar", method, cseq));
  request.SetUint(HeaderId::kMaxForwards, 70);
  request.Add(HeaderId::kFrom, Cat(made.Value(HeaderId::kTo), ";tag=", to_tag));
  request.Add(HeaderId::kTo, made.Value(HeaderId::kFrom));
  request.Add(HeaderId::kCallId, made.Value(HeaderId::kCallId));
  request.Add(HeaderId::kCseq, Cat(cseq, " ", method));
  request.Add(HeaderId::kContact, "<sip:far@192.0.2.20:5061;transport=tls>");
  AddHeaders(request, headers);
  if (!sdp.empty()) {
    request.Add(HeaderId::kContentType, "application/sdp");
    request.SetBody(sdp);
  }
  const std::string wire = WriteSipMessage(request);
  if (invite.connection != 0) {
    Perform(core_->OnData(invite.connection, wire, now_));
  } else {
    Perform(core_->OnDatagram(kUdp, invite.to, wire, now_));
  }
}

std::string EdgeHarness::WithDigest(std::string text, const Sent& challenge,
                                    std::string_view user,
                                    std::string_view method,
                                    std::string_view uri) {
  const bool proxy = challenge.message.status_code() == 407;
  const auto value = ParseAuthValue(challenge.message.Value(
      proxy ? HeaderId::kProxyAuthenticate : HeaderId::kWwwAuthenticate));
  const std::string nonce =
      value.ok() ? value->Get("nonce").value_or("") : std::string();
  const std::string response =
      Md5Hex(Cat(Md5Hex(Cat(user, ":d.test:pw")), ":", nonce,
                 ":00000001:c:auth:", Md5Hex(Cat(method, ":", uri))));
  const std::string_view before = "Max-Forwards: 70\n";
  return text.insert(
      text.find(before) + before.size(),
      Cat(proxy ? "Proxy-" : "", "Authorization: Digest username=\"", user,
          "\", realm=\"d.test\", nonce=\"", nonce, "\", uri=\"", uri,
          "\", response=\"", response,
          "\", cnonce=\"c\", nc=00000001, qop=auth, algorithm=MD5\n"));
}

bool EdgeHarness::Register(ConnectionId connection, std::string_view user) {
  const auto text = [&](int cseq, std::string_view authorization) {
    return Cat(
        "REGISTER sip:d.test SIP/2.0\n"
        "Via: SIP/2.0/TLS 203.0.113.5:40000;branch=z9hG4bKreg",
        connection, "x", cseq,
        ";rport\n"
        "Max-Forwards: 70\n"
        "From: <sip:",
        user, "@d.test>;tag=r1\nTo: <sip:", user,
        "@d.test>\n"
        "Call-ID: reg",
        connection, "\nCSeq: ", cseq,
        " REGISTER\n"
        "Contact: <sip:",
        user, "@203.0.113.5:40000;transport=tls>\nExpires: 600",
        authorization.empty() ? "" : "\nAuthorization: ", authorization);
  };
  Receive(connection, text(1, ""));
  const auto challenge = TakeTo(connection);
  if (!challenge || challenge->message.status_code() != 401) return false;
  const auto value =
      ParseAuthValue(challenge->message.Value(HeaderId::kWwwAuthenticate));
  const std::string nonce = value->Get("nonce").value_or("");
  const std::string response =
      Md5Hex(Cat(Md5Hex(Cat(user, ":d.test:pw")), ":", nonce,
                 ":00000001:c:auth:", Md5Hex("REGISTER:sip:d.test")));
  Receive(
      connection,
      text(2, Cat("Digest username=\"", user, "\", realm=\"d.test\", nonce=\"",
                  nonce, "\", uri=\"sip:d.test\", response=\"", response,
                  "\", cnonce=\"c\", nc=00000001, qop=auth, "
                  "algorithm=MD5")));
  const auto done = TakeTo(connection);
  return done.has_value() && done->message.status_code() == 200;
}

std::optional<Sent> EdgeHarness::TakeTo(ConnectionId connection) {
  for (auto it = sent_.begin(); it != sent_.end(); ++it) {
    if (it->connection != connection || connection == 0) continue;
    Sent sent = std::move(*it);
    sent_.erase(it);
    return sent;
  }
  return std::nullopt;
}

std::optional<Sent> EdgeHarness::TakeToUdp(std::string_view address) {
  for (auto it = sent_.begin(); it != sent_.end(); ++it) {
    if (it->connection != 0 || it->to.ToString() != address) continue;
    Sent sent = std::move(*it);
    sent_.erase(it);
    return sent;
  }
  return std::nullopt;
}

void EdgeHarness::Advance(absl::Duration d) {
  const MonoTime end = now_ + d;
  for (int turns = 0; core_->deadline() <= end; ++turns) {
    ASSERT_LT(turns, 100000) << "a deadline that never passes";
    now_ = std::max(now_, core_->deadline());
    Perform(core_->OnDeadline(now_));
  }
  now_ = end;
}

void EdgeHarness::Close(ConnectionId id, absl::Status why) {
  Perform(core_->OnConnectionClosed(id, why, std::nullopt, now_));
}

RelaySession EdgeHarness::SessionFor(const CreateMediaSession& request) {
  RelaySession session;
  session.name = Cat("tenants/t/sessions/", request.request);
  session.relay = "relay1";
  const auto port = static_cast<uint16_t>(50000 + 4 * request.request);
  for (size_t i = 0; i < 2; ++i) {
    const auto own = static_cast<uint16_t>(port + 2 * i);
    session.legs[i].local = {"203.0.113.1", own,
                             static_cast<uint16_t>(own + 1)};
    Fill(request.legs[i], i, /*make=*/true, session.legs[i]);
  }
  return session;
}

void EdgeHarness::Fill(const RelayLeg& asked, size_t i, bool make,
                       RelaySession::Leg& leg) {
  if (asked.suite.has_value()) {
    for (const SrtpSuite suite : asked.suites.view()) {
      // One for each suite, so that they can be told apart.
      leg.local_keys.push_back(
          std::string(KeySaltLength(suite),
                      static_cast<char>('a' + i + 2 * leg.local_keys.size())));
    }
  }
  if (asked.dtls) leg.fingerprint = kRelayFingerprint;
  if (asked.ice) {
    if (make || asked.restart_ice) ++restarts_[i];
    leg.ice = {Cat("ours", i, restarts_[i]),
               Cat("ourpassword0123456789x", i, restarts_[i])};
  }
}

void EdgeHarness::AnswerMedia() {
  while (!media_waiting_.empty()) {
    const CreateMediaSession request = media_waiting_.front();
    media_waiting_.pop_front();
    Perform(core_->OnMediaReply(
        request.request,
        relay_works ? absl::StatusOr<RelaySession>(SessionFor(request))
                    : absl::StatusOr<RelaySession>(relay_error),
        now_));
  }
  while (!updates_waiting_.empty()) {
    const UpdateMediaSession request = updates_waiting_.front();
    updates_waiting_.pop_front();
    RelaySession same;
    same.name = request.session;
    for (size_t i = 0; i < 2; ++i) {
      Fill(request.legs[i], i, /*make=*/false, same.legs[i]);
    }
    Perform(core_->OnMediaReply(request.request,
                                relay_works && relay_updates
                                    ? absl::StatusOr<RelaySession>(same)
                                    : absl::StatusOr<RelaySession>(relay_error),
                                now_));
  }
}

void EdgeHarness::Perform(EdgeActions actions) {
  for (EdgeAction& action : actions) {
    if (auto* datagram = std::get_if<SendDatagram>(&action)) {
      if (IsStun(datagram->bytes)) {
        stun.push_back(datagram->bytes);
        continue;
      }
      auto message = ParseSipMessage(datagram->bytes, ParsePolicy());
      ASSERT_TRUE(message.ok()) << datagram->bytes;
      sent_.push_back({0, datagram->to, *std::move(message)});
    } else if (auto* bytes = std::get_if<SendBytes>(&action);
               bytes != nullptr && sccp_.contains(bytes->connection)) {
      sccp[bytes->connection] += bytes->bytes;
    } else if (bytes != nullptr) {
      SipFramer framer{ParsePolicy()};
      framer.Append(bytes->bytes);
      while (true) {
        auto frame = framer.Next();
        ASSERT_TRUE(frame.ok()) << bytes->bytes;
        if (!frame->has_value()) break;
        if ((*frame)->kind != SipFrame::Kind::kMessage) continue;
        auto message = ParseSipMessage((*frame)->text, ParsePolicy());
        ASSERT_TRUE(message.ok()) << bytes->bytes;
        sent_.push_back({bytes->connection, {}, *std::move(message)});
      }
    } else if (auto* connect = std::get_if<Connect>(&action)) {
      connects.push_back(*connect);
    } else if (auto* close = std::get_if<CloseConnection>(&action)) {
      closed.push_back(close->connection);
    } else if (auto* resolve = std::get_if<ResolveHost>(&action)) {
      resolves.push_back(*resolve);
    } else if (auto* create = std::get_if<CreateMediaSession>(&action)) {
      created.push_back(*create);
      media_waiting_.push_back(*create);
    } else if (auto* update = std::get_if<UpdateMediaSession>(&action)) {
      updated.push_back(*update);
      updates_waiting_.push_back(*update);
    } else if (auto* remove = std::get_if<DeleteMediaSession>(&action)) {
      deleted.push_back(*remove);
    } else if (auto* issue = std::get_if<IssueCredentials>(&action)) {
      credentials.push_back(*issue);
    } else if (auto* check = std::get_if<PeerChecked>(&action)) {
      checked.push_back(check->result);
    } else if (auto* over = std::get_if<HandOver>(&action)) {
      handed_over.push_back(std::move(over->message));
    } else if (auto* report = std::get_if<Report>(&action)) {
      events.push_back(report->event);
    }
  }
  if (relay_answers && (!media_waiting_.empty() || !updates_waiting_.empty())) {
    AnswerMedia();
  }
}

std::string EdgeHarness::Refusals() const {
  std::string reasons;
  for (const EdgeEvent& event : events) {
    if (event.type != EdgeEvent::Type::kRefused) continue;
    CatTo(reasons, reasons.empty() ? "" : " ", event.reason);
  }
  return reasons;
}

const EdgeEvent* EdgeHarness::Last(EdgeEvent::Type type) const {
  for (auto it = events.rbegin(); it != events.rend(); ++it) {
    if (it->type == type) return &*it;
  }
  return nullptr;
}

std::string TestSdp(std::string_view address, int port, bool srtp,
                    std::string_view more) {
  return Cat("v=0\r\no=x 1 1 IN IP4 ", address, "\r\ns=-\r\nc=IN IP4 ", address,
             "\r\nt=0 0\r\nm=audio ", port, srtp ? " RTP/SAVP" : " RTP/AVP",
             " 0\r\na=rtpmap:0 PCMU/8000\r\n", more,
             srtp ? "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
                    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
                  : "");
}

std::string TestHa1(std::string_view user) {
  return Md5Hex(Cat(user, ":d.test:pw"));
}

std::string TestDtlsSdp(std::string_view address, int port, char letter,
                        std::string_view setup, std::string_view ufrag) {
  std::string fingerprint(2, letter);
  for (int i = 1; i < 32; ++i) CatTo(fingerprint, ":", std::string(2, letter));
  std::string out =
      Cat("v=0\r\no=x 1 1 IN IP4 ", address, "\r\ns=-\r\nc=IN IP4 ", address,
          "\r\nt=0 0\r\nm=audio ", port,
          " UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=rtcp-mux\r\n",
          "a=fingerprint:sha-256 ", fingerprint, "\r\na=setup:", setup, "\r\n");
  if (!ufrag.empty()) {
    CatTo(out, "a=ice-ufrag:", ufrag,
          "\r\na=ice-pwd:theirpassword0123456789\r\n");
  }
  return out;
}

}  // namespace sallyport::signaling_edge
