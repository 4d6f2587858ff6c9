// An EdgeCore under a list of inputs that the fuzzer chooses: messages whole
// and raw, answers to what the edge has sent, time, lost connections, replies
// of the relay, changes of plan. Each input is an operation octet and its
// operands.
//
// Checked: nothing is sent on a connection that is closed, deadlines never lie
// in the past after they were served, and memory stays within the options.
#include "services/signaling_edge/core/edge_core.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/random/fake_random.h"
#include "services/signaling_edge/core/cluster_message.h"
#include "services/signaling_edge/core/dialog_token.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/tenant_counts.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// Says which check did not hold.
[[noreturn]] void Fail(int line) {
  std::fprintf(stderr, "edge_core_fuzz.cc:%d does not hold\n", line);
  std::abort();
}

constexpr size_t kMaxInputs = 200;
constexpr size_t kRecent = 24;
constexpr size_t kMaxConnections = 8;
constexpr size_t kMaxCalls = 6;

// alice, whose phone's certificate is all the proof there need be, and a line
// of hers for one call.
void AddPhone(PlanSnapshot& plan) {
  plan.users.resize(1);
  plan.users[0].name = "tenants/t/users/alice";
  plan.users[0].username = "alice";
  plan.users[0].domain = "d.test";
  plan.users[0].dial_plan = "tenants/t/dialPlans/secured";
  plan.phone_security_profiles.resize(1);
  plan.phone_security_profiles[0].name = "tenants/t/phoneSecurityProfiles/p";
  plan.phone_security_profiles[0].device_security_mode =
      DeviceSecurityMode::kEncrypted;
  plan.phones.resize(1);
  plan.phones[0].name = "tenants/t/phones/SEP1";
  plan.phones[0].device_name = "SEP1";
  plan.phones[0].dial_plan = plan.users[0].dial_plan;
  plan.phones[0].owner_user = plan.users[0].name;
  plan.phones[0].phone_security_profile = plan.phone_security_profiles[0].name;
  plan.lines.resize(1);
  plan.lines[0].name = "tenants/t/lines/1";
  plan.lines[0].directory_number = "2";
  plan.lines[0].max_calls = plan.lines[0].busy_trigger = 1;
  plan.lines[0].caller_display_name = "\"A\"";
  plan.lines[0].users = {plan.users[0].name};
}

// By bits: no gateway, media from end to end, offers that are made up, bounds
// of the tenant, a phone that needs no password and its line, trunks with
// charging and without modem relay.
std::shared_ptr<const Resolver> MakePlan(uint8_t kind) {
  const bool with_gateway = kind % 2 == 0;
  auto plan = std::make_shared<PlanSnapshot>();
  plan->version = with_gateway ? 1 : 2;
  TenantEntry tenant;
  tenant.name = "tenants/t";
  tenant.domains = {"d.test"};
  if (kind & 8) {
    tenant.limits = {
        .max_calls = 3, .max_calls_per_second = 5, .max_registrations = 1};
  }
  plan->tenants = {tenant};
  plan->trunk_security_profiles.resize(1);
  plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/p";
  plan->trunk_security_profiles[0].accept_replaces = true;
  plan->trunk_security_profiles[0].incoming_transports = {
      sallyport::SipTransport::kUdp, sallyport::SipTransport::kTcp,
      sallyport::SipTransport::kTls};
  if (kind & 32) {
    plan->trunk_security_profiles[0].allow_charging_header = true;
    plan->trunk_security_profiles[0].v150_filtering = V150Filtering::kRemoveMer;
  }
  plan->dial_plans.resize(2);
  plan->dial_plans[0].name = "tenants/t/dialPlans/clear";
  plan->dial_plans[1].name = "tenants/t/dialPlans/secured";
  plan->dial_plans[1].security_mode = SecurityMode::kSecured;
  if (kind & 2) {
    for (DialPlanEntry& entry : plan->dial_plans) {
      entry.media_mode = MediaMode::kPassThrough;
    }
  }
  plan->sip_profiles.resize(1);
  plan->sip_profiles[0].name = "tenants/t/sipProfiles/p";
  if (kind & 4) {
    plan->sip_profiles[0].settings.early_offer = EarlyOffer::kMandatory;
  }
  const auto add_peer = [&](std::string_view name, std::string_view mode,
                            std::string_view host, uint32_t port,
                            sallyport::SipTransport transport) {
    PeerEntry peer;
    peer.name = Cat("tenants/t/peers/", name);
    peer.dial_plan = Cat("tenants/t/dialPlans/", mode);
    (transport == sallyport::SipTransport::kTls ? peer.fqdn : peer.address) =
        host;
    peer.port = peer.incoming_port = port;
    peer.transport = transport;
    peer.outcalls_allowed = true;
    peer.trunk_security_profile = "tenants/t/trunkSecurityProfiles/p";
    peer.sip_profile = "tenants/t/sipProfiles/p";
    plan->peers.push_back(std::move(peer));
  };
  const auto add_route = [&](std::string_view pattern, std::string_view peer) {
    RoutePatternEntry route;
    route.name = Cat("tenants/t/routePatterns/", peer);
    route.pattern = pattern;
    route.peer = Cat("tenants/t/peers/", peer);
    plan->route_patterns.push_back(std::move(route));
  };
  if (with_gateway) {
    add_peer("gw", "secured", "gw.d.test", 5061, sallyport::SipTransport::kTls);
    add_route("9.!", "gw");
  }
  add_peer("pbx", "clear", "192.0.2.10", 5060, sallyport::SipTransport::kUdp);
  add_peer("pbx2", "clear", "192.0.2.11", 5060, sallyport::SipTransport::kUdp);
  add_route("8.!", "pbx2");
  if (kind & 16) AddPhone(*plan);
  ResolveDefaults(*plan);
  auto resolver = Resolver::Create(std::move(plan));
  if (!resolver.ok()) Fail(__LINE__);
  return *resolver;
}

class Player {
 public:
  Player(const uint8_t* data, size_t size) : data_(data), size_(size) {
    EdgeOptions options;
    options.listeners = {{SipTransport::kUdp, "203.0.113.1", 5060, 5060},
                         {SipTransport::kTcp, "203.0.113.1", 5060, 5060},
                         {SipTransport::kTls, "203.0.113.1", 5061, 5061}};
    options.max_connections = kMaxConnections;
    options.max_calls = kMaxCalls;
    options.max_transactions = 400;
    options.history_entries = 10;
    options.node = {1, 0};
    options.token_keys = *TokenKeys::Parse(std::string(64, 'a'));
    core_ = std::make_unique<EdgeCore>(options, random_);
    Do(core_->OnSnapshot(MakePlan(0), now_));
  }

  void Run() {
    for (size_t i = 0; i < kMaxInputs && at_ < size_; ++i) {
      Step();
      Check();
    }
    // Left alone, everything ends: io answers what it was asked, connections
    // go, time passes.
    Do(core_->OnEndAllCalls("TEST_OVER", now_));
    while (!queries_.empty() || !media_pending_.empty()) {
      if (!queries_.empty()) {
        const uint64_t query = queries_.front();
        queries_.pop_front();
        Do(core_->OnHostResolved(query, absl::UnavailableError("x"), now_));
      }
      Media();
    }
    Do(core_->OnEndAllCalls("TEST_OVER", now_));
    for (const ConnectionId id : std::set<ConnectionId>(open_)) {
      open_.erase(id);
      Do(core_->OnConnectionClosed(id, absl::OkStatus(), std::nullopt, now_));
    }
    Advance(absl::Hours(2));
    while (!media_pending_.empty()) Media();
    if (core_->calls().live() != 0 || core_->transactions() != 0)
      Fail(__LINE__);
    if (core_->connections().mirrors() != 0) Fail(__LINE__);
    if (ended_.size() + refused_checks_ != checks_) Fail(__LINE__);
  }

 private:
  uint8_t Octet() { return at_ < size_ ? data_[at_++] : 0; }
  std::string_view Text() {
    const size_t length = std::min<size_t>(Octet() * 8 + Octet(), size_ - at_);
    const std::string_view text(reinterpret_cast<const char*>(data_ + at_),
                                length);
    at_ += length;
    return text;
  }
  std::string Sdp(uint8_t kind) const {
    if (kind % 6 == 0) return "";
    return Cat(
        "v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 ",
        kind % 6 == 3 ? "0.0.0.0" : "192.0.2.9", "\r\nt=0 0\r\nm=audio ",
        kind % 6 == 4 ? 0 : 4000, kind % 6 == 2 ? " RTP/SAVP" : " RTP/AVP",
        " 0\r\n", kind % 6 == 5 ? "a=sendonly\r\nm=video 9 RTP/AVP 31\r\n" : "",
        kind % 6 == 2 ? "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
                        "inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
                      : "");
  }
  SocketAddress Pbx() const { return *SocketAddress::Parse("192.0.2.10:5060"); }
  ConnectionId OpenOne() {
    if (open_.empty()) return 0;
    auto it = open_.begin();
    std::advance(it, Octet() % open_.size());
    return *it;
  }
  struct Sent {
    ConnectionId connection;
    SocketAddress to;
    SipMessage message;
  };
  const Sent* RecentOne() {
    if (recent_.empty()) return nullptr;
    return &recent_[recent_.size() - 1 - Octet() % recent_.size()];
  }
  void Deliver(ConnectionId connection, const SocketAddress& from,
               std::string_view wire) {
    if (by_other_.has_value()) {
      ClusterMessage message = *std::exchange(by_other_, std::nullopt);
      message.text = wire;
      Do(core_->OnClusterMessage(message, now_));
      return;
    }
    if (connection == 0) {
      Do(core_->OnDatagram(0, from, wire, now_));
    } else if (open_.contains(connection)) {
      Do(core_->OnData(connection, wire, now_));
    }
  }

  void Step() {
    switch (Octet() % 16) {
      case 0:
      case 1:
        Invite(Octet(), Octet(), "INVITE");
        break;
      case 2:
        Do(core_->OnDatagram(0, Pbx(), Text(), now_));
        break;
      case 3:
        if (const ConnectionId id = OpenOne()) {
          Do(core_->OnData(id, Text(), now_));
        }
        break;
      case 4:
      case 5:
        Answer();
        break;
      case 6:
      case 7:
        InDialog();
        break;
      case 8:
        Advance(absl::Milliseconds(int64_t{1} << (Octet() % 20)));
        break;
      case 9:
        Open();
        break;
      case 10:
        if (const ConnectionId id = OpenOne()) {
          open_.erase(id);
          Do(core_->OnConnectionClosed(id, absl::OkStatus(), std::nullopt,
                                       now_));
        }
        break;
      case 11:
        Media();
        break;
      case 12:
        if (!queries_.empty()) {
          const uint64_t query = queries_.front();
          queries_.pop_front();
          Do(core_->OnHostResolved(
              query,
              Octet() % 4 == 0 ? absl::StatusOr<std::vector<SocketAddress>>(
                                     absl::UnavailableError("x"))
                               : std::vector<SocketAddress>{Pbx().WithPort(0),
                                                            Pbx().WithPort(1)},
              now_));
        }
        break;
      case 13:
        Invite(Octet(), 0, "CANCEL");
        break;
      case 14:
        Do(core_->OnSnapshot(MakePlan(Octet()), now_));
        break;
      case 15:
        switch (Octet() % 8) {
          case 4:
            TellEdges();
            break;
          case 5:
            Cluster();
            break;
          case 0:
            Do(core_->OnEndCall(Octet(), "TEST", now_));
            break;
          case 1:
            StartCheck();
            break;
          case 2:
            LoseSession();
            break;
          case 3:
            Replace();
            break;
          case 6:
            Outside();
            break;
          default:
            Dialled();
        }
        break;
    }
  }

  // Another loop, and another edge that comes and goes.
  void TellEdges() {
    other_up_ = Octet() % 4 != 0;
    Do(core_->OnEdges({{1, 2, true}, {2, 1, other_up_}}, now_));
  }

  void Cluster() {
    const uint8_t kind = Octet();
    ClusterMessage message;
    message.kind = static_cast<ClusterMessage::Kind>(1 + kind % 6);
    message.from = (kind & 8) != 0 ? NodeId{1, 1} : NodeId{2, 0};
    message.to = {1, 0};
    message.flow.node = message.from;
    message.flow.connection = Octet() % 8;
    message.flow.transport = (kind & 16) != 0   ? SipTransport::kUdp
                             : (kind & 32) != 0 ? SipTransport::kTcp
                                                : SipTransport::kTls;
    message.flow.logical_port = 5060;
    message.flow.remote = Pbx();
    message.ask = Octet() % 4;
    if (message.flow.transport == SipTransport::kTls) {
      message.tls = Facts(Octet());
    }
    if (message.kind == ClusterMessage::Kind::kMessage && (kind & 64) != 0) {
      by_other_ = message;  // the next request or response comes so
      return;
    }
    message.text = Text();
    // Other edges send what they were given by cores like this one.
    if (message.kind == ClusterMessage::Kind::kSend) message.text = "\r\n";
    Do(core_->OnClusterMessage(message, now_));
    if (handed_.has_value() && (kind & 128) != 0) {
      Do(core_->OnHandOverFailed(*handed_, now_));
    }
  }

  void Invite(uint8_t which, uint8_t kind, std::string_view method) {
    SipMessage m = SipMessage::Request(
        method, Cat("sip:", which % 2 == 0 ? "9" : "8", "5551234@203.0.113.1"));
    m.Add(HeaderId::kVia, Cat("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKf", which));
    if (which & 128) {
      m.Add(HeaderId::kMaxForwards, "unreadable");
    } else {
      m.SetUint(HeaderId::kMaxForwards, 70);
    }
    m.Add(HeaderId::kFrom, "<sip:1@192.0.2.10>;tag=f");
    m.Add(HeaderId::kTo, "<sip:2@203.0.113.1>");
    m.Add(HeaderId::kCallId, Cat("f", which));
    m.Add(HeaderId::kCseq, Cat("1 ", method));
    m.Add(HeaderId::kContact, "<sip:1@192.0.2.10>");
    if (which & 8) m.Add(HeaderId::kSupported, "100rel, timer");
    if (which & 16) m.Add(HeaderId::kRequire, "100rel");
    if (which & 32) m.Add(HeaderId::kSessionExpires, "90");
    if (which & 64) m.Add(HeaderId::kAllow, "INVITE, UPDATE");
    AddSdp(m, Sdp(kind));
    Do(core_->OnDatagram(0, Pbx(), WriteSipMessage(m), now_));
  }

  void Answer() {
    static constexpr int kCodes[] = {100, 180, 183, 200, 200, 200,
                                     302, 404, 407, 408, 481, 486,
                                     487, 488, 491, 503, 603, 199};
    const Sent* sent = RecentOne();
    const int code = kCodes[Octet() % std::size(kCodes)];
    const uint8_t kind = Octet();
    if (sent == nullptr || !sent->message.is_request()) return;
    SipMessage r = MakeResponse(sent->message, code, ReasonPhrase(code),
                                kind / 64 == 3 ? "t2" : "t1");
    if (kind / 32 != 5) {
      r.Add(HeaderId::kContact,
            code == 302 ? "<sip:85@203.0.113.1>" : "<sip:far@192.0.2.10>");
    }
    if (code < 200 && (kind & 8)) {
      r.Add(HeaderId::kRequire, "100rel");
      r.SetUint(HeaderId::kRseq, kind % 8);
    }
    if (code == 404 && (kind & 16)) {
      r = MakeResponse(sent->message, 422, ReasonPhrase(422), "t1");
      r.SetUint(HeaderId::kMinSe, kind * 8u);
    }
    if (code == 200 && (kind & 8)) {
      r.Add(HeaderId::kSessionExpires,
            kind & 16 ? "100;refresher=uac" : "100;refresher=uas");
      r.Add(HeaderId::kAllow, "UPDATE");
    }
    AddSdp(r, Sdp(kind));
    const std::string wire = WriteSipMessage(r);
    const ConnectionId connection = sent->connection;
    const SocketAddress to = sent->to;
    Deliver(connection, to, wire);
  }

  void InDialog() {
    static constexpr std::string_view kMethods[] = {
        "ACK",  "ACK",     "BYE",   "INVITE", "UPDATE",
        "INFO", "OPTIONS", "PRACK", "REFER",  "CANCEL"};
    const Sent* sent = RecentOne();
    const std::string_view method = kMethods[Octet() % std::size(kMethods)];
    const uint8_t cseq = Octet();
    const uint8_t kind = Octet();
    if (sent == nullptr) return;
    const SipMessage& made = sent->message;
    // Of a request of ours, the far side's tag is what Answer() gave.
    std::string from(made.Value(HeaderId::kFrom));
    std::string to(made.Value(HeaderId::kTo));
    if (made.is_request()) {
      std::swap(from, to);
      if (from.find(";tag=") == std::string::npos) from += ";tag=t1";
    }
    SipMessage m = SipMessage::Request(method, "sip:edge@203.0.113.1");
    m.Add(HeaderId::kVia,
          Cat("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKd", method, cseq));
    m.SetUint(HeaderId::kMaxForwards, 70);
    m.Add(HeaderId::kFrom, from);
    m.Add(HeaderId::kTo, to);
    m.Add(HeaderId::kCallId, made.Value(HeaderId::kCallId));
    if (cseq & 64) m.Add(HeaderId::kRequire, "frozen");
    if (cseq & 128) m.Add(HeaderId::kExpires, "unreadable");
    m.Add(HeaderId::kCseq, Cat(cseq % 8, " ", method));
    m.Add(HeaderId::kContact, "<sip:1@192.0.2.10>");
    if (method == "PRACK") {
      const uint32_t rseq = RseqOf(made);
      m.Add(HeaderId::kRack, Cat(rseq != 0 ? rseq : kind, " 1 INVITE"));
    } else if (method == "REFER") {
      m.Add(HeaderId::kReferTo, ReferTo(kind));
    }
    AddSdp(m, Sdp(kind));
    const std::string wire = WriteSipMessage(m);
    const ConnectionId connection = sent->connection;
    const SocketAddress address = sent->to;
    Deliver(connection, address, wire);
  }

  // To somewhere, or to a dialog that one of the messages sent belongs to.
  std::string ReferTo(uint8_t kind) const {
    if (kind % 2 == 0) return "<sip:85551234@203.0.113.1>";
    return Cat("<sip:x@203.0.113.1?Replaces=",
               DialogOf(recent_[kind % recent_.size()].message, "%3B", "%3D"),
               ">");
  }

  // As Replaces names it; `other` is the tag of another branch.
  static std::string DialogOf(const SipMessage& made,
                              std::string_view semicolon,
                              std::string_view equals,
                              std::string_view other = "") {
    const auto ours = ParseNameAddr(
        made.Value(made.is_request() ? HeaderId::kFrom : HeaderId::kTo));
    const auto theirs = ParseNameAddr(
        made.Value(made.is_request() ? HeaderId::kTo : HeaderId::kFrom));
    if (!ours.ok() || !theirs.ok()) return "x";
    return Cat(made.Value(HeaderId::kCallId), semicolon, "to-tag", equals,
               ours->tag(), semicolon, "from-tag", equals,
               !other.empty()          ? other
               : theirs->tag().empty() ? "t1"
                                       : theirs->tag());
  }

  // A request outside of any call.
  void Outside() {
    static constexpr std::string_view kMethods[] = {
        "OPTIONS", "MESSAGE",   "PUBLISH", "SUBSCRIBE", "NOTIFY",
        "REFER",   "REGISTER",  "SERVICE", "UNKNOWN",   "CANCEL",
        "INFO",    "SUBSCRIBE", "INVITE"};
    const std::string_view method = kMethods[Octet() % std::size(kMethods)];
    const uint8_t which = Octet();
    SipMessage m =
        SipMessage::Request(method, which & 1 ? "http:x" : "sip:2@203.0.113.1");
    m.Add(HeaderId::kVia, Cat("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKo", which));
    m.SetUint(HeaderId::kMaxForwards, 70);
    const bool of_phone = (which & 32) != 0;
    m.Add(HeaderId::kFrom,
          of_phone ? "<sip:alice@d.test>;tag=o" : "<sip:1@192.0.2.10>;tag=o");
    m.Add(HeaderId::kTo,
          of_phone ? "<sip:alice@d.test>" : "<sip:2@203.0.113.1>");
    m.Add(HeaderId::kCallId, Cat("o", which & 240));
    m.Add(HeaderId::kCseq, Cat("1 ", method));
    m.Add(HeaderId::kContact, "<sip:1@192.0.2.10>");
    m.Add(HeaderId::kEvent, which & 4 ? "message-summary" : "presence");
    if (which & 2) m.Add(HeaderId::kRequire, "frozen");
    const std::string wire = WriteSipMessage(m);
    const ConnectionId by = which & 8 ? OpenOne() : 0;
    Deliver(by, Pbx(), wire);
  }

  // Another dialog of a party takes over what it has, or what rings there.
  void Replace() {
    const Sent* sent = RecentOne();
    const uint8_t which = Octet();
    const uint8_t kind = Octet();
    if (sent == nullptr) return;
    SipMessage m = SipMessage::Request("INVITE", "sip:2@203.0.113.1");
    m.Add(HeaderId::kVia, Cat("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKr", which));
    m.SetUint(HeaderId::kMaxForwards, 70);
    m.Add(HeaderId::kFrom, "<sip:1@192.0.2.10>;tag=r");
    m.Add(HeaderId::kTo, "<sip:2@203.0.113.1>");
    m.Add(HeaderId::kCallId, Cat("r", which));
    m.Add(HeaderId::kCseq, "1 INVITE");
    m.Add(HeaderId::kContact, "<sip:1@192.0.2.10>");
    m.Add(HeaderId::kReplaces,
          DialogOf(sent->message, ";", "=", which & 64 ? "t2" : ""));
    AddSdp(m, Sdp(kind));
    const std::string wire = WriteSipMessage(m);
    const ConnectionId connection = sent->connection;
    const SocketAddress address = sent->to;
    Deliver(connection, address, wire);
  }

  void Open() {
    const uint8_t kind = Octet();
    const ConnectionId id =
        core_->OnAccepted(kind % 2 == 0 ? 1 : 2, Pbx(), now_);
    Do(core_->TakeActions());
    if (id == 0) return;
    open_.insert(id);
    std::optional<TlsFacts> facts;
    if (kind % 2 != 0) facts = Facts(kind);
    Do(core_->OnConnectionOpened(id, facts, now_));
  }

  static TlsFacts Facts(uint8_t kind) {
    TlsFacts facts;
    facts.trusted = {.peers = true, .phones = true};
    if (kind % 8 != 7) {
      CertificateInfo certificate;
      certificate.client_auth = certificate.server_auth = true;
      certificate.alt_names = {{SubjectAltName::Type::kDns,
                                kind % 8 == 5 ? "other.test" : "gw.d.test"}};
      if (kind % 8 == 3) {
        certificate.alt_names.clear();
        certificate.common_names = {"SEP1"};
      }
      facts.certificate = std::move(certificate);
    }
    return facts;
  }

  void Dialled() {
    if (dialled_.empty()) return;
    const Connect connect = dialled_.front();
    dialled_.pop_front();
    const uint8_t kind = Octet();
    if (kind % 3 == 0) {
      Do(core_->OnConnectionClosed(
          connect.connection, absl::UnavailableError("x"), std::nullopt, now_));
      return;
    }
    open_.insert(connect.connection);
    Do(core_->OnConnectionOpened(connect.connection,
                                 Facts(kind % 3 == 1 ? 1 : 5), now_));
  }

  void StartCheck() {
    const uint8_t kind = Octet();
    auto actions = core_->OnCheckPeer(
        {.id = ++checks_,
         .peer = kind % 2 == 0 ? "tenants/t/peers/gw" : "tenants/t/peers/pbx",
         .secured = kind % 2 == 0,
         .media_secured = kind % 4 == 0,
         .host = {},
         .port = 0},
        now_);
    if (actions.ok()) {
      Do(*std::move(actions));
    } else {
      ++refused_checks_;
    }
  }

  void Media() {
    if (media_pending_.empty()) return;
    const uint64_t request = media_pending_.front();
    media_pending_.pop_front();
    if (Octet() % 8 == 0) {
      Do(core_->OnMediaReply(request, absl::UnavailableError("x"), now_));
      return;
    }
    RelaySession session;
    session.name = Cat("tenants/t/sessions/", request);
    last_session_ = request;
    for (auto& leg : session.legs) {
      leg.local = {"203.0.113.1", 50000, 50001};
      leg.local_keys = {std::string(30, 'k')};
      leg.fingerprint = "sha-256 AA";
      leg.ice = {"ours", "ourpassword"};
    }
    Do(core_->OnMediaReply(request, session, now_));
  }

  // A relay has lost one of the latest sessions.
  void LoseSession() {
    MediaEvent event;
    event.kind = MediaEvent::Kind::kLost;
    event.session = Cat("tenants/t/sessions/", last_session_ - Octet() % 4);
    Do(core_->OnMediaEvent(event, now_));
  }

  void Advance(absl::Duration d) {
    const MonoTime end = now_ + d;
    for (int turns = 0; core_->deadline() <= end; ++turns) {
      if (turns > 200000) Fail(__LINE__);
      now_ = std::max(now_, core_->deadline());
      Do(core_->OnDeadline(now_));
      if (core_->deadline() < now_) Fail(__LINE__);
    }
    now_ = std::max(now_, end);
  }

  void Do(EdgeActions actions) {
    for (EdgeAction& action : actions) {
      if (auto* bytes = std::get_if<SendBytes>(&action)) {
        if (!open_.contains(bytes->connection)) Fail(__LINE__);
        Note(bytes->connection, {}, bytes->bytes);
      } else if (auto* datagram = std::get_if<SendDatagram>(&action)) {
        Note(0, datagram->to, datagram->bytes);
      } else if (auto* close = std::get_if<CloseConnection>(&action)) {
        open_.erase(close->connection);
        std::erase_if(dialled_, [&](const Connect& c) {
          return c.connection == close->connection;
        });
      } else if (auto* connect = std::get_if<Connect>(&action)) {
        dialled_.push_back(*connect);
      } else if (auto* create = std::get_if<CreateMediaSession>(&action)) {
        media_pending_.push_back(create->request);
      } else if (auto* update = std::get_if<UpdateMediaSession>(&action)) {
        media_pending_.push_back(update->request);
      } else if (auto* resolve = std::get_if<ResolveHost>(&action)) {
        queries_.push_back(resolve->query);
      } else if (auto* over = std::get_if<HandOver>(&action)) {
        if (over->message.to == NodeId{1, 0}) Fail(__LINE__);
        handed_ = over->message;
      } else if (auto* check = std::get_if<PeerChecked>(&action)) {
        // Each begun check ends once.
        if (check->result.id > checks_) Fail(__LINE__);
        if (!ended_.insert(check->result.id).second) Fail(__LINE__);
      }
    }
  }

  // Whatever leaves must be readable, and carry no key in clear.
  void Note(ConnectionId connection, SocketAddress to, std::string_view wire) {
    if (wire == "\r\n") return;
    if (connection == 0 && wire.find("a=crypto") != std::string_view::npos) {
      Fail(__LINE__);
    }
    SipFramer framer{ParsePolicy()};
    framer.Append(wire);
    for (;;) {
      auto frame = framer.Next();
      if (!frame.ok()) Fail(__LINE__);
      if (!frame->has_value()) break;
      if ((*frame)->kind != SipFrame::Kind::kMessage) continue;
      auto message = ParseSipMessage((*frame)->text, ParsePolicy());
      if (!message.ok()) Fail(__LINE__);
      recent_.push_back({connection, to, *std::move(message)});
      if (recent_.size() > kRecent) recent_.pop_front();
    }
  }

  void Check() {
    if (core_->connections().size() > kMaxConnections) Fail(__LINE__);
    if (core_->connections().mirrors() > kMaxConnections) Fail(__LINE__);
    if (core_->calls().live() > kMaxCalls) Fail(__LINE__);
    if (core_->transactions() > 400) Fail(__LINE__);
    const TenantCounts& tenants = core_->tenants();
    const uint64_t tenant = tenants.KeyOf("tenants/t");
    if (tenants.calls().Of(tenant) != core_->calls().live()) Fail(__LINE__);
    if (tenants.contacts().Of(tenant) != core_->registrar().held()) {
      Fail(__LINE__);
    }
  }

  const uint8_t* data_;
  const size_t size_;
  size_t at_ = 0;
  FakeRandom random_;
  std::unique_ptr<EdgeCore> core_;
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  std::set<ConnectionId> open_;
  bool other_up_ = false;
  std::optional<ClusterMessage> by_other_;
  std::optional<ClusterMessage> handed_;
  std::deque<Connect> dialled_;
  std::deque<uint64_t> media_pending_;
  uint64_t last_session_ = 0;
  std::deque<uint64_t> queries_;
  uint64_t checks_ = 0;
  uint64_t refused_checks_ = 0;
  std::set<uint64_t> ended_;
  std::deque<Sent> recent_;
};

}  // namespace
}  // namespace sallyport::signaling_edge

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sallyport::signaling_edge::Player(data, size).Run();
  return 0;
}
