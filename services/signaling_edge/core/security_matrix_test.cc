// Security modes held by whole calls: every kind of leg of caller and called,
// every shape of offer and answer, in INVITE, late offer, re-INVITE, UPDATE,
// PRACK, REFER, failover, forks of ours and of others, takeover by Replaces and
// when a relay is lost. In no combination does a key or a fingerprint reach a
// leg without SRTP, or one with keys of the other kind, and none is downgraded.
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// What a dial plan makes of its legs; that with DTLS-SRTP does ICE too.
enum class Kind { kUnsecured, kSipSecured, kSdes, kDtls };
constexpr Kind kKinds[] = {Kind::kUnsecured, Kind::kSipSecured, Kind::kSdes,
                           Kind::kDtls};
enum class Shape { kRtp, kSrtp, kDtls };
constexpr Shape kShapes[] = {Shape::kRtp, Shape::kSrtp, Shape::kDtls};

SecurityMode ModeOf(Kind kind) {
  switch (kind) {
    case Kind::kUnsecured:
      return SecurityMode::kUnsecured;
    case Kind::kSipSecured:
      return SecurityMode::kSipSecured;
    case Kind::kSdes:
    case Kind::kDtls:
      break;
  }
  return SecurityMode::kSecured;
}

Shape ShapeOf(Kind kind) {
  return kind == Kind::kSdes   ? Shape::kSrtp
         : kind == Kind::kDtls ? Shape::kDtls
                               : Shape::kRtp;
}

bool Fits(Kind kind, Shape shape) { return ShapeOf(kind) == shape; }

// As an offer; an answer says who begins.
std::string Describe(Shape shape, int port, bool answer = false) {
  if (shape == Shape::kDtls) {
    return TestDtlsSdp("192.0.2.99", port, 'D', answer ? "active" : "actpass",
                       Cat("peer", port));
  }
  return TestSdp("192.0.2.99", port, shape == Shape::kSrtp);
}

std::string Answering(Shape shape, int port) {
  return Describe(shape, port, /*answer=*/true);
}

// What may leave the edge on a leg: `mode` and nothing else.
void CheckSaid(std::string_view body, Kind kind) {
  const auto holds = [&](std::string_view part) {
    return body.find(part) != std::string_view::npos;
  };
  EXPECT_EQ(holds("a=crypto"), kind == Kind::kSdes) << body;
  EXPECT_EQ(holds(" RTP/SAVP"), kind == Kind::kSdes) << body;
  EXPECT_EQ(holds("a=fingerprint:sha-256 00:11"), kind == Kind::kDtls) << body;
  EXPECT_EQ(holds("a=setup:"), kind == Kind::kDtls) << body;
  EXPECT_EQ(holds(" UDP/TLS/RTP/SAVPF"), kind == Kind::kDtls) << body;
  EXPECT_EQ(holds("a=ice-ufrag:ours"), kind == Kind::kDtls) << body;
  EXPECT_EQ(holds("RTP/AVP"), kind <= Kind::kSipSecured) << body;
  // No leg sees the other's key, nor its own come back.
  EXPECT_FALSE(holds("AAAAAAAAAAAAAAAA")) << body;
  EXPECT_FALSE(holds("DD:DD") || holds("peer") || holds("theirpass")) << body;
  EXPECT_FALSE(holds("192.0.2.99")) << body;
}

void CheckLeg(const RelayLeg& leg, Kind kind) {
  EXPECT_EQ(leg.suite.has_value(), kind == Kind::kSdes);
  EXPECT_EQ(leg.dtls, kind == Kind::kDtls);
  EXPECT_EQ(leg.ice, kind == Kind::kDtls);
}

// Two peers: "caller" and "called", each of one mode; 9.! leads to the called.
// 8.! leads to a third, of a mode of its own, and 7.! to the called after it.
class Pair {
 public:
  Pair(Kind caller, Kind called, Kind third = Kind::kUnsecured)
      : caller_kind_(caller), called_kind_(called), third_kind_(third) {
    auto plan = std::make_shared<PlanSnapshot>();
    plan->version = 2;
    plan->tenants = {{.name = "tenants/t", .domains = {"d.test"}}};
    for (const Kind kind : kKinds) {
      plan->dial_plans.push_back(
          {.name = Cat("tenants/t/dialPlans/", static_cast<int>(kind)),
           .security_mode = ModeOf(kind),
           .srtp_keying =
               kind == Kind::kDtls ? SrtpKeying::kDtls : SrtpKeying::kSdes,
           .ice = kind == Kind::kDtls});
    }
    plan->peers = {Peer("called", "192.0.2.20", called),
                   Peer("caller", "192.0.2.10", caller),
                   Peer("third", "192.0.2.30", third)};
    RouteListEntry list;
    list.name = "tenants/t/routeLists/l";
    list.members.resize(2);
    list.members[0].peer = "tenants/t/peers/third";
    list.members[1].peer = "tenants/t/peers/called";
    plan->route_lists = {list};
    plan->route_patterns = {{.name = "tenants/t/routePatterns/l",
                             .pattern = "7.!",
                             .route_list = list.name},
                            {.name = "tenants/t/routePatterns/r",
                             .pattern = "9.!",
                             .peer = "tenants/t/peers/called"},
                            {.name = "tenants/t/routePatterns/t",
                             .pattern = "8.!",
                             .peer = "tenants/t/peers/third"}};
    plan->trunk_security_profiles.resize(1);
    plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
    plan->trunk_security_profiles[0].accept_replaces = true;
    plan->trunk_security_profiles[0].incoming_transports = {
        sallyport::SipTransport::kUdp, sallyport::SipTransport::kTcp,
        sallyport::SipTransport::kTls};
    for (PeerEntry& peer : plan->peers) {
      peer.trunk_security_profile = plan->trunk_security_profiles[0].name;
    }
    ResolveDefaults(*plan);
    edge_.Load(plan);
    if (caller != Kind::kUnsecured) {
      caller_connection_ = edge_.ConnectTls("caller.d.test", "", "192.0.2.10");
    }
  }

  void Send(std::string_view method, int cseq, std::string_view to_tag,
            std::string_view sdp, std::string_view rack = "",
            std::string_view number = "9555") {
    SipMessage m =
        SipMessage::Request(method, Cat("sip:", number, "@203.0.113.1"));
    m.Add(HeaderId::kVia,
          Cat("SIP/2.0/", caller_connection_ == 0 ? "UDP" : "TLS",
              " 192.0.2.10:5060;branch=z9hG4bK", call_id, method, cseq));
    m.SetUint(HeaderId::kMaxForwards, 70);
    m.Add(HeaderId::kFrom, Cat("<sip:1@caller.d.test>;tag=", from_tag));
    m.Add(HeaderId::kTo,
          Cat("<sip:9555@203.0.113.1>", to_tag.empty() ? "" : ";tag=", to_tag));
    m.Add(HeaderId::kCallId, call_id);
    if (!replaces.empty()) m.Add(HeaderId::kReplaces, replaces);
    m.Add(HeaderId::kCseq, Cat(cseq, " ", method));
    m.Add(HeaderId::kContact, "<sip:1@192.0.2.10>");
    if (method == "INVITE" && reliable) m.Add(HeaderId::kSupported, "100rel");
    if (!rack.empty()) m.Add(HeaderId::kRack, rack);
    AddSdp(m, sdp);
    const std::string wire = WriteSipMessage(m);
    if (caller_connection_ == 0) {
      edge_.Perform(edge_.core().OnDatagram(EdgeHarness::kUdp,
                                            *SocketAddress::Parse(kCaller),
                                            wire, edge_.now()));
    } else {
      edge_.Perform(edge_.core().OnData(caller_connection_, wire, edge_.now()));
    }
    Accept();
  }
  // Opens what the edge has dialled since.
  void Accept() {
    while (accepted_ < edge_.connects.size()) {
      const bool third =
          edge_.connects[accepted_].server_name == "third.d.test";
      (third ? third_connection_ : called_connection_) =
          edge_.AcceptDialled(third ? "third.d.test" : "called.d.test");
      ++accepted_;
    }
  }

  // The next message to a side, checked on its way.
  std::optional<Sent> ToCaller() {
    return Checked(caller_connection_ == 0 ? edge_.TakeToUdp(kCaller)
                                           : edge_.TakeTo(caller_connection_),
                   caller_kind_);
  }
  std::optional<Sent> ToCalled() {
    return Checked(called_kind_ == Kind::kUnsecured
                       ? edge_.TakeToUdp(kCalled)
                       : edge_.TakeTo(called_connection_),
                   called_kind_);
  }
  std::optional<Sent> ToThird() {
    return Checked(third_kind_ == Kind::kUnsecured
                       ? edge_.TakeToUdp(kThird)
                       : edge_.TakeTo(third_connection_),
                   third_kind_);
  }
  // A reliable 183 of the called, as far as the caller gets it: its RAck.
  std::string Early(const Sent& invite, int rseq, std::string_view sdp) {
    edge_.Answer(invite, 183, "b", sdp, "",
                 {"Require: 100rel", Cat("RSeq: ", rseq)});
    while (auto sent = ToCaller()) {
      if (sent->message.status_code() != 183) {
        last_ = sent->message.status_code();
        continue;
      }
      const auto to = ParseNameAddr(sent->message.Value(HeaderId::kTo));
      tag_ = to->tag();
      return Cat(sent->message.Value(HeaderId::kRseq), " 1 INVITE");
    }
    return "";
  }
  // The final response to the caller's last request.
  int FinalToCaller() {
    int code = 0;
    while (auto sent = ToCaller()) {
      if (!sent->message.is_response()) continue;
      code = sent->message.status_code();
      const auto to = ParseNameAddr(sent->message.Value(HeaderId::kTo));
      if (to.ok() && !to->tag().empty()) tag_ = to->tag();
      if (code >= 200) return code;
    }
    return code;
  }

  EdgeHarness edge_;
  std::string tag_;
  bool reliable = false;
  int last_ = 0;
  // Of what Send() sends.
  std::string call_id = "m";
  std::string from_tag = "c";
  std::string replaces;

 private:
  static constexpr char kCaller[] = "192.0.2.10:5060";
  static constexpr char kCalled[] = "192.0.2.20:5060";
  static constexpr char kThird[] = "192.0.2.30:5060";

  static PeerEntry Peer(std::string_view name, std::string_view address,
                        Kind kind) {
    const bool clear = kind == Kind::kUnsecured;
    PeerEntry peer;
    peer.name = Cat("tenants/t/peers/", name);
    peer.dial_plan = Cat("tenants/t/dialPlans/", static_cast<int>(kind));
    peer.fqdn = Cat(name, ".d.test");
    peer.address = address;
    peer.port = peer.incoming_port = clear ? 5060 : 5061;
    peer.transport =
        clear ? sallyport::SipTransport::kUdp : sallyport::SipTransport::kTls;
    peer.outcalls_allowed = true;
    return peer;
  }

  static std::optional<Sent> Checked(std::optional<Sent> sent, Kind kind) {
    if (!sent.has_value() || sent->message.body().empty()) return sent;
    CheckSaid(sent->message.body(), kind);
    return sent;
  }

  const Kind caller_kind_;
  const Kind called_kind_;
  const Kind third_kind_;
  ConnectionId caller_connection_ = 0;
  ConnectionId called_connection_ = 0;
  ConnectionId third_connection_ = 0;
  size_t accepted_ = 0;
};

using Row = std::tuple<Kind, Kind, Shape, Shape>;

class SecurityMatrixTest : public testing::TestWithParam<Row> {};

// UM-51, UM-99: one edge, and each leg is held to the mode of its dial plan.
TEST_P(SecurityMatrixTest, OfferInTheInvite) {
  const auto [caller, called, offer, answer] = GetParam();
  Pair pair(caller, called);
  pair.Send("INVITE", 1, "", Describe(offer, 4000));
  auto invite = pair.ToCalled();
  if (!Fits(caller, offer)) {
    EXPECT_FALSE(invite.has_value());  // not even begun on the other leg
    EXPECT_EQ(pair.FinalToCaller(), 488);
    return;
  }
  ASSERT_TRUE(invite.has_value()) << pair.edge_.Refusals();
  pair.edge_.Answer(*invite, 200, "b", Answering(answer, 6000));
  if (!Fits(called, answer)) {
    EXPECT_EQ(pair.FinalToCaller(), 488);
    auto ack = pair.ToCalled();
    auto bye = pair.ToCalled();
    ASSERT_TRUE(ack && bye);
    EXPECT_EQ(bye->message.method(), SipMethod::kBye);
    EXPECT_EQ(pair.edge_.deleted.size(), 1u);
    return;
  }
  EXPECT_EQ(pair.FinalToCaller(), 200);
  const RelayLegs& legs = pair.edge_.updated.back().legs;
  CheckLeg(legs[0], caller);
  CheckLeg(legs[1], called);
  EXPECT_EQ(legs[0].remote_key.empty(), caller != Kind::kSdes);
  EXPECT_EQ(legs[1].remote_key.empty(), called != Kind::kSdes);
  EXPECT_EQ(legs[0].remote_fingerprint.empty(), caller != Kind::kDtls);
  EXPECT_EQ(legs[1].remote_fingerprint.empty(), called != Kind::kDtls);
  pair.Send("ACK", 1, pair.tag_, "");

  // Changes in the middle are held to the same: one that fits, one that not.
  int cseq = 1;
  for (const char* method : {"INVITE", "UPDATE"}) {
    for (const Shape shape : kShapes) {
      while (pair.ToCalled()) {
      }
      pair.Send(method, ++cseq, pair.tag_, Describe(shape, 4002));
      auto change = pair.ToCalled();
      EXPECT_EQ(change.has_value(), Fits(caller, shape)) << method;
      if (!change.has_value()) {
        EXPECT_EQ(pair.FinalToCaller(), 488) << method;
        continue;
      }
      pair.edge_.Answer(*change, 200, "b", Answering(answer, 6000));
      EXPECT_EQ(pair.FinalToCaller(), 200) << method;
      if (std::string(method) == "INVITE") {
        pair.Send("ACK", cseq, pair.tag_, "");
      }
    }
  }
  EXPECT_EQ(pair.edge_.core().calls().live(), 1u);
}

TEST_P(SecurityMatrixTest, LateOffer) {
  // Here the called offers, and the caller answers in its ACK.
  const auto [caller, called, answer, offer] = GetParam();
  Pair pair(caller, called);
  pair.Send("INVITE", 1, "", "");
  auto invite = pair.ToCalled();
  ASSERT_TRUE(invite.has_value());
  EXPECT_TRUE(invite->message.body().empty());
  pair.edge_.Answer(*invite, 200, "b", Describe(offer, 6000));
  if (!Fits(called, offer)) {
    EXPECT_EQ(pair.FinalToCaller(), 488);
    return;
  }
  EXPECT_EQ(pair.FinalToCaller(), 200);
  pair.Send("ACK", 1, pair.tag_, Answering(answer, 4000));
  auto ack = pair.ToCalled();
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_EQ(ack->message.body().empty(), !Fits(caller, answer));
  if (!Fits(caller, answer)) {
    auto bye = pair.ToCalled();
    auto own = pair.ToCaller();
    ASSERT_TRUE(bye && own);
    EXPECT_EQ(bye->message.method(), SipMethod::kBye);
    EXPECT_EQ(own->message.method(), SipMethod::kBye);
    EXPECT_EQ(pair.edge_.deleted.size(), 1u);
  }
}

TEST_P(SecurityMatrixTest, EarlyAnswer) {
  const auto [caller, called, offer, answer] = GetParam();
  if (!Fits(caller, offer)) return;  // covered above
  Pair pair(caller, called);
  pair.Send("INVITE", 1, "", Describe(offer, 4000));
  auto invite = pair.ToCalled();
  ASSERT_TRUE(invite.has_value());
  pair.edge_.Answer(*invite, 183, "b", Answering(answer, 6000));
  if (Fits(called, answer)) {
    EXPECT_EQ(pair.FinalToCaller(), 183);
    return;
  }
  EXPECT_EQ(pair.FinalToCaller(), 488);
  auto cancel = pair.ToCalled();
  ASSERT_TRUE(cancel.has_value());
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
}

// A proxy beyond the called forks: one branch answers early, and another one
// takes the call, each as it likes.
TEST_P(SecurityMatrixTest, ForkBeyondTheCalled) {
  const auto [caller, called, early, answer] = GetParam();
  Pair pair(caller, called);
  pair.Send("INVITE", 1, "", Describe(ShapeOf(caller), 4000));
  auto invite = pair.ToCalled();
  ASSERT_TRUE(invite.has_value()) << pair.edge_.Refusals();
  pair.edge_.Answer(*invite, 183, "b1", Answering(early, 6000));
  if (!Fits(called, early)) {
    EXPECT_EQ(pair.FinalToCaller(), 488);
    return;
  }
  EXPECT_EQ(pair.FinalToCaller(), 183);
  pair.edge_.Answer(*invite, 180, "b2");
  EXPECT_EQ(pair.FinalToCaller(), 180);
  pair.edge_.Answer(*invite, 200, "b2", Answering(answer, 6100));
  if (!Fits(called, answer)) {
    EXPECT_EQ(pair.FinalToCaller(), 488);
    return;
  }
  EXPECT_EQ(pair.FinalToCaller(), 200);
  const RelayLeg& leg = pair.edge_.updated.back().legs[1];
  CheckLeg(leg, called);
  if (called == Kind::kDtls) {
    // The same offer, another far side: our credentials stay.
    EXPECT_EQ(leg.remote_ufrag, "peer6100");
    EXPECT_FALSE(leg.restart_ice || leg.restart_dtls);
  }
}

// Reliable 183, then offers in PRACK and in UPDATE of both sides, all before
// anybody answers the call.
TEST_P(SecurityMatrixTest, PrackAndEarlyUpdate) {
  const auto [caller, called, offer, answer] = GetParam();
  if (!Fits(caller, offer)) return;  // covered above
  Pair pair(caller, called);
  pair.reliable = true;
  pair.Send("INVITE", 1, "", Describe(offer, 4000));
  auto invite = pair.ToCalled();
  ASSERT_TRUE(invite.has_value());
  std::string rack = pair.Early(*invite, 1, Answering(answer, 6000));
  if (!Fits(called, answer)) {
    EXPECT_EQ(rack, "");
    EXPECT_EQ(pair.last_, 488);
    return;
  }
  pair.Send("PRACK", 2, pair.tag_, "", rack);
  EXPECT_EQ(pair.FinalToCaller(), 200);
  auto prack = pair.ToCalled();
  ASSERT_TRUE(prack.has_value());
  pair.edge_.Answer(*prack, 200, "b");
  int cseq = 2;
  int rseq = 1;
  for (const Shape shape : kShapes) {
    pair.Send("UPDATE", ++cseq, pair.tag_, Describe(shape, 4010));
    auto update = pair.ToCalled();
    EXPECT_EQ(update.has_value(), Fits(caller, shape));
    if (update) pair.edge_.Answer(*update, 200, "b", Answering(answer, 6000));
    EXPECT_EQ(pair.FinalToCaller(), update ? 200 : 488);
    // An offer in the PRACK of a further response.
    rack = pair.Early(*invite, ++rseq, "");
    ASSERT_NE(rack, "");
    pair.Send("PRACK", ++cseq, pair.tag_, Describe(shape, 4020), rack);
    auto with_offer = pair.ToCalled();
    ASSERT_TRUE(with_offer.has_value());  // the PRACK goes on in any case
    EXPECT_EQ(with_offer->message.method(), SipMethod::kPrack);
    EXPECT_EQ(with_offer->message.body().empty(), !Fits(caller, shape));
    pair.edge_.Answer(
        *with_offer, 200, "b",
        with_offer->message.body().empty() ? "" : Answering(answer, 6000));
    EXPECT_EQ(pair.FinalToCaller(), Fits(caller, shape) ? 200 : 488);
  }
}

// The offer in a reliable 183, its answer in the PRACK.
TEST_P(SecurityMatrixTest, LateOfferInAReliableResponse) {
  const auto [caller, called, answer, offer] = GetParam();
  Pair pair(caller, called);
  pair.reliable = true;
  pair.Send("INVITE", 1, "", "");
  auto invite = pair.ToCalled();
  ASSERT_TRUE(invite.has_value());
  const std::string rack = pair.Early(*invite, 1, Describe(offer, 6000));
  if (!Fits(called, offer)) {
    EXPECT_EQ(rack, "");
    EXPECT_EQ(pair.last_, 488);
    return;
  }
  pair.Send("PRACK", 2, pair.tag_, Answering(answer, 4000), rack);
  auto sent = pair.ToCalled();
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->message.method() == SipMethod::kPrack, Fits(caller, answer));
  EXPECT_EQ(sent->message.method() == SipMethod::kCancel,
            !Fits(caller, answer));
}

// The called sends the caller on to a third, of each mode; and a call that
// goes to the third first, which fails, and then to the called.
TEST_P(SecurityMatrixTest, TransferAndFailover) {
  const auto [caller, called, offer, answer] = GetParam();
  if (!Fits(caller, offer) || !Fits(called, answer)) return;
  for (const Kind third : kKinds) {
    Pair pair(caller, called, third);
    pair.Send("INVITE", 1, "", Describe(offer, 4000), "", "7555");
    auto first = pair.ToThird();
    ASSERT_TRUE(first.has_value());
    pair.edge_.Answer(*first, 503, "c");
    pair.Accept();
    auto invite = pair.ToCalled();
    ASSERT_TRUE(invite.has_value()) << pair.edge_.Refusals();
    while (pair.ToThird()) {
    }
    pair.edge_.Answer(*invite, 200, "b", Answering(answer, 6000));
    EXPECT_EQ(pair.FinalToCaller(), 200);
    pair.Send("ACK", 1, pair.tag_, "");
    while (pair.ToCalled()) {
    }
    pair.edge_.RequestFrom(*invite, "b", "REFER", 2, "",
                           {"Refer-To: <sip:8555@203.0.113.1>"});
    pair.Accept();
    auto target = pair.ToThird();
    ASSERT_TRUE(target.has_value()) << pair.edge_.Refusals();
    EXPECT_FALSE(target->message.body().empty());
    for (const Shape shape : kShapes) {
      if (Fits(third, shape)) continue;
      // What does not fit the third's mode joins nobody to it.
      Pair other(caller, called, third);
      other.Send("INVITE", 1, "", Describe(offer, 4000), "", "8555");
      auto direct = other.ToThird();
      ASSERT_TRUE(direct.has_value());
      other.edge_.Answer(*direct, 200, "c", Answering(shape, 6000));
      EXPECT_EQ(other.FinalToCaller(), 488);
    }
    pair.edge_.Answer(*target, 200, "c", Answering(ShapeOf(third), 7000));
    auto again = pair.ToCaller();  // its description is checked on the way
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->message.method(), SipMethod::kInvite);
    EXPECT_FALSE(again->message.body().empty());
  }
}

TEST_P(SecurityMatrixTest, TakeoverByReplaces) {
  const auto [caller, called, offer, answer] = GetParam();
  if (!Fits(caller, offer) || !Fits(called, answer)) return;
  Pair pair(caller, called);
  pair.Send("INVITE", 1, "", Describe(offer, 4000));
  auto invite = pair.ToCalled();
  ASSERT_TRUE(invite.has_value()) << pair.edge_.Refusals();
  pair.edge_.Answer(*invite, 200, "b", Answering(answer, 6000));
  EXPECT_EQ(pair.FinalToCaller(), 200);
  pair.Send("ACK", 1, pair.tag_, "");
  while (pair.ToCalled()) {
  }
  pair.replaces = Cat("m;to-tag=", pair.tag_, ";from-tag=c");
  pair.from_tag = "d";
  for (const bool fits : {false, true}) {
    const Shape shape = fits                   ? offer
                        : offer == Shape::kRtp ? Shape::kSrtp
                                               : Shape::kRtp;
    pair.call_id = fits ? "m2" : "m1";
    pair.Send("INVITE", 1, "", Describe(shape, 4100));
    auto change = pair.ToCalled();
    EXPECT_EQ(change.has_value(), fits) << pair.edge_.Refusals();
    if (!fits) {
      EXPECT_EQ(pair.FinalToCaller(), 488);
      continue;
    }
    ASSERT_TRUE(change.has_value());
    pair.edge_.Answer(*change, 200, "b", Answering(answer, 6000));
    EXPECT_EQ(pair.FinalToCaller(), 200);
    auto bye = pair.ToCaller();
    ASSERT_TRUE(bye.has_value());
    EXPECT_EQ(bye->message.method(), SipMethod::kBye);
    EXPECT_EQ(bye->message.Value(HeaderId::kCallId), "m");
  }
  EXPECT_EQ(pair.edge_.core().calls().live(), 1u);
}

TEST_P(SecurityMatrixTest, AnotherRelay) {
  const auto [caller, called, offer, answer] = GetParam();
  if (!Fits(caller, offer) || !Fits(called, answer)) return;
  for (const Shape again : kShapes) {
    Pair pair(caller, called);
    pair.Send("INVITE", 1, "", Describe(offer, 4000));
    auto invite = pair.ToCalled();
    ASSERT_TRUE(invite.has_value()) << pair.edge_.Refusals();
    pair.edge_.Answer(*invite, 200, "b", Answering(answer, 6000));
    EXPECT_EQ(pair.FinalToCaller(), 200);
    pair.Send("ACK", 1, pair.tag_, "");
    while (pair.ToCalled()) {
    }
    MediaEvent lost;
    lost.kind = MediaEvent::Kind::kLost;
    lost.relay = "relay1";
    lost.session =
        Cat("tenants/t/sessions/", pair.edge_.created.back().request);
    pair.edge_.Perform(pair.edge_.core().OnMediaEvent(lost, pair.edge_.now()));
    // The same protocols as before, towards either side.
    const RelayLegs& legs = pair.edge_.created.back().legs;
    CheckLeg(legs[0], caller);
    CheckLeg(legs[1], called);
    EXPECT_EQ(legs[0].remote_fingerprint, "");
    EXPECT_EQ(legs[1].remote_fingerprint, "");
    auto first = pair.ToCaller();  // its description is checked on the way
    ASSERT_TRUE(first.has_value());
    EXPECT_FALSE(first->message.body().empty());
    pair.edge_.Answer(*first, 200, "", Answering(again, 4000));
    if (!Fits(caller, again)) {
      EXPECT_EQ(pair.edge_.core().calls().Find(1)->disposition,
                CallDisposition::kRefused);
      continue;
    }
    auto second = pair.ToCalled();
    ASSERT_TRUE(second.has_value());
    EXPECT_FALSE(second->message.body().empty());
    EXPECT_EQ(pair.edge_.core().calls().live(), 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SecurityMatrixTest,
                         testing::Combine(testing::ValuesIn(kKinds),
                                          testing::ValuesIn(kKinds),
                                          testing::ValuesIn(kShapes),
                                          testing::ValuesIn(kShapes)));

// A line of four users, each of another kind, rings at all of them at once:
// each branch is held to its own mode, and who answers as it must not is
// refused while the others go on.
class SecurityForkTest : public testing::TestWithParam<std::tuple<Kind, Kind>> {
 protected:
  struct Phone {
    Kind kind;
    std::string user;
    ConnectionId connection = 0;
    std::optional<Sent> invite;
  };

  void Ring(Kind caller) {
    auto plan = TestPlan();
    for (const Kind kind : kKinds) {
      plan->dial_plans.push_back(
          {.name = Cat("tenants/t/dialPlans/", static_cast<int>(kind)),
           .security_mode = ModeOf(kind),
           .srtp_keying =
               kind == Kind::kDtls ? SrtpKeying::kDtls : SrtpKeying::kSdes,
           .ice = kind == Kind::kDtls});
      phones_.push_back({kind, Cat("u", static_cast<int>(kind))});
      UserEntry user = plan->users[1];
      user.name = Cat("tenants/t/users/", phones_.back().user);
      user.username = phones_.back().user;
      user.dial_plan = plan->dial_plans.back().name;
      user.allow_without_certificate = true;
      user.ha1_md5 = TestHa1(user.username);
      line_users_.push_back(user.name);
      plan->users.push_back(std::move(user));
    }
    LineEntry line;
    line.name = "tenants/t/lines/4000";
    line.directory_number = "4000";
    line.users = line_users_;
    plan->lines = {line};
    for (PeerEntry& peer : plan->peers) {
      if (peer.name != "tenants/t/peers/pbx" &&
          peer.name != "tenants/t/peers/gw") {
        continue;
      }
      const bool clear = peer.name == "tenants/t/peers/pbx";
      if (clear == (caller == Kind::kUnsecured)) {
        peer.dial_plan = Cat("tenants/t/dialPlans/", static_cast<int>(caller));
      }
    }
    ResolveDefaults(*plan);
    edge_.Load(plan);
    for (Phone& phone : phones_) {
      phone.connection = phone.kind == Kind::kUnsecured
                             ? edge_.ConnectTcp("198.51.100.1")
                             : edge_.ConnectTls("", "", "198.51.100.1");
      ASSERT_TRUE(edge_.Register(phone.connection, phone.user)) << phone.user;
    }
    edge_.Forget();
    caller_ = caller;
    const bool clear = caller == Kind::kUnsecured;
    const std::string invite =
        Cat("INVITE sip:4000@203.0.113.1 SIP/2.0\nVia: SIP/2.0/",
            clear ? "UDP" : "TLS",
            " 192.0.2.10:5060;branch=z9hG4bKf\nMax-Forwards: 70\n"
            "From: <sip:1@d.test>;tag=c\nTo: <sip:4000@d.test>\nCall-ID: f\n"
            "CSeq: 1 INVITE\nContact: <sip:1@192.0.2.10>\n"
            "Content-Type: application/sdp\n\n",
            Describe(ShapeOf(caller), 4000));
    if (clear) {
      edge_.ReceiveUdp("192.0.2.10:5060", invite);
    } else {
      connection_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
      edge_.Receive(connection_, invite);
    }
    for (Phone& phone : phones_) {
      phone.invite = edge_.TakeTo(phone.connection);
      ASSERT_TRUE(phone.invite.has_value()) << edge_.Refusals();
      CheckSaid(phone.invite->message.body(), phone.kind);
    }
    // Each branch has a session of its own, of its own kind.
    ASSERT_EQ(edge_.created.size(), phones_.size());
    std::set<std::string> bodies;
    for (const Phone& phone : phones_) {
      bodies.insert(std::string(phone.invite->message.body()));
    }
    EXPECT_EQ(bodies.size(), phones_.size());
  }

  // The final response to the caller, checked.
  int Final() {
    int code = 0;
    for (;;) {
      auto sent = caller_ == Kind::kUnsecured
                      ? edge_.TakeToUdp("192.0.2.10:5060")
                      : edge_.TakeTo(connection_);
      if (!sent.has_value()) return code;
      code = sent->message.status_code();
      if (!sent->message.body().empty()) {
        CheckSaid(sent->message.body(), caller_);
      }
      if (code >= 200) return code;
    }
  }

  EdgeHarness edge_;
  Kind caller_ = Kind::kUnsecured;
  ConnectionId connection_ = 0;
  std::vector<std::string> line_users_;
  std::vector<Phone> phones_;
};

// UM-121: one edge works in all three modes at the same time.
TEST_P(SecurityForkTest, EachBranchHoldsItsOwnMode) {
  const auto [caller, winner] = GetParam();
  Ring(caller);
  if (HasFatalFailure()) return;
  constexpr char kContact[] = "<sip:x@198.51.100.1>";
  // All others answer with something that does not fit; then one does.
  for (const Phone& phone : phones_) {
    if (phone.kind == winner) continue;
    for (const Shape shape : kShapes) {
      if (Fits(phone.kind, shape)) continue;
      edge_.Answer(*phone.invite, 183, "e", Answering(shape, 6000), kContact);
      break;
    }
  }
  EXPECT_LT(Final(), 200);
  for (const Phone& phone : phones_) {
    if (phone.kind != winner) continue;
    edge_.Answer(*phone.invite, 200, "w", Answering(ShapeOf(winner), 6000),
                 kContact);
  }
  EXPECT_EQ(Final(), 200);
  const RelayLegs& legs = edge_.updated.back().legs;
  CheckLeg(legs[0], caller);
  CheckLeg(legs[1], winner);
  EXPECT_EQ(edge_.core()
                .calls()
                .Find(static_cast<uint64_t>(winner) + 1)
                ->ended.has_value(),
            false);
}

INSTANTIATE_TEST_SUITE_P(All, SecurityForkTest,
                         testing::Combine(testing::ValuesIn(kKinds),
                                          testing::ValuesIn(kKinds)));

// A clear peer of a secured plan, and the other way round, get no call at all.
TEST(SecurityTransportTest, TheTransportDecidesFirst) {
  EdgeHarness edge;
  auto plan = TestPlan();
  for (PeerEntry& peer : plan->peers) {
    if (peer.name == "tenants/t/peers/pbx") {
      peer.dial_plan = "tenants/t/dialPlans/secured";
    }
  }
  edge.Load(plan);
  edge.ReceiveUdp("192.0.2.10:5060",
                  Cat("INVITE sip:95551234@203.0.113.1 SIP/2.0\n"
                      "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1\n"
                      "Max-Forwards: 70\nFrom: <sip:1@192.0.2.10>;tag=1\n"
                      "To: <sip:2@203.0.113.1>\nCall-ID: 1\nCSeq: 1 INVITE\n"
                      "Contact: <sip:1@192.0.2.10>\n"
                      "Content-Type: application/sdp\n\n",
                      TestSdp("192.0.2.99", 4000, true)));
  auto refused = edge.TakeToUdp("192.0.2.10:5060");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 403);
  EXPECT_EQ(edge.Refusals(), "SECURITY_MODE_TLS_REQUIRED");
  EXPECT_TRUE(edge.connects.empty());
}

}  // namespace
}  // namespace sallyport::signaling_edge
