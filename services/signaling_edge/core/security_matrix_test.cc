// Security modes held by whole calls: every mode of caller and called, every
// shape of offer and answer, in INVITE, late offer, re-INVITE and UPDATE. In
// no combination does a key reach a leg without SRTP, and none is downgraded.
#include <string>
#include <tuple>

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

constexpr SecurityMode kModes[] = {SecurityMode::kUnsecured,
                                   SecurityMode::kSipSecured,
                                   SecurityMode::kSecured};
enum class Shape { kRtp, kSrtp };

bool Fits(SecurityMode mode, Shape shape) {
  return (mode == SecurityMode::kSecured) == (shape == Shape::kSrtp);
}

std::string Describe(Shape shape, int port) {
  return TestSdp("192.0.2.99", port, shape == Shape::kSrtp);
}

// Two peers: "caller" and "called", each of one mode; 9.! leads to the called.
class Pair {
 public:
  Pair(SecurityMode caller, SecurityMode called)
      : caller_mode_(caller), called_mode_(called) {
    auto plan = std::make_shared<PlanSnapshot>();
    plan->version = 2;
    plan->tenants = {{.name = "tenants/t", .domains = {"d.test"}}};
    for (const SecurityMode mode : kModes) {
      plan->dial_plans.push_back(
          {.name = Cat("tenants/t/dialPlans/", static_cast<int>(mode)),
           .security_mode = mode});
    }
    plan->peers = {Peer("called", "192.0.2.20", called),
                   Peer("caller", "192.0.2.10", caller)};
    plan->route_patterns = {{.name = "tenants/t/routePatterns/r",
                             .pattern = "9.!",
                             .peer = "tenants/t/peers/called"}};
    ResolveDefaults(*plan);
    edge_.Load(plan);
    if (caller != SecurityMode::kUnsecured) {
      caller_connection_ = edge_.ConnectTls("caller.d.test", "", "192.0.2.10");
    }
  }

  void Send(std::string_view method, int cseq, std::string_view to_tag,
            std::string_view sdp) {
    SipMessage m = SipMessage::Request(method, "sip:9555@203.0.113.1");
    m.Add(HeaderId::kVia,
          Cat("SIP/2.0/", caller_connection_ == 0 ? "UDP" : "TLS",
              " 192.0.2.10:5060;branch=z9hG4bKm", method, cseq));
    m.SetUint(HeaderId::kMaxForwards, 70);
    m.Add(HeaderId::kFrom, "<sip:1@caller.d.test>;tag=c");
    m.Add(HeaderId::kTo,
          Cat("<sip:9555@203.0.113.1>", to_tag.empty() ? "" : ";tag=", to_tag));
    m.Add(HeaderId::kCallId, "m");
    m.Add(HeaderId::kCseq, Cat(cseq, " ", method));
    m.Add(HeaderId::kContact, "<sip:1@192.0.2.10>");
    AddSdp(m, sdp);
    const std::string wire = WriteSipMessage(m);
    if (caller_connection_ == 0) {
      edge_.Perform(edge_.core().OnDatagram(EdgeHarness::kUdp,
                                            *SocketAddress::Parse(kCaller),
                                            wire, edge_.now()));
    } else {
      edge_.Perform(edge_.core().OnData(caller_connection_, wire, edge_.now()));
    }
    if (called_mode_ != SecurityMode::kUnsecured && called_connection_ == 0 &&
        !edge_.connects.empty()) {
      called_connection_ = edge_.AcceptDialled("called.d.test");
    }
  }

  // The next message to a side, checked on its way.
  std::optional<Sent> ToCaller() {
    return Checked(caller_connection_ == 0 ? edge_.TakeToUdp(kCaller)
                                           : edge_.TakeTo(caller_connection_),
                   caller_mode_);
  }
  std::optional<Sent> ToCalled() {
    return Checked(called_mode_ == SecurityMode::kUnsecured
                       ? edge_.TakeToUdp(kCalled)
                       : edge_.TakeTo(called_connection_),
                   called_mode_);
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

 private:
  static constexpr char kCaller[] = "192.0.2.10:5060";
  static constexpr char kCalled[] = "192.0.2.20:5060";

  static PeerEntry Peer(std::string_view name, std::string_view address,
                        SecurityMode mode) {
    const bool clear = mode == SecurityMode::kUnsecured;
    PeerEntry peer;
    peer.name = Cat("tenants/t/peers/", name);
    peer.dial_plan = Cat("tenants/t/dialPlans/", static_cast<int>(mode));
    peer.fqdn = Cat(name, ".d.test");
    peer.address = address;
    peer.port = peer.incoming_port = clear ? 5060 : 5061;
    peer.transport =
        clear ? sallyport::SipTransport::kUdp : sallyport::SipTransport::kTls;
    peer.outcalls_allowed = true;
    return peer;
  }

  static std::optional<Sent> Checked(std::optional<Sent> sent,
                                     SecurityMode mode) {
    if (!sent.has_value() || sent->message.body().empty()) return sent;
    const std::string_view body = sent->message.body();
    const bool key = body.find("a=crypto") != std::string_view::npos;
    const bool srtp = body.find("RTP/SAVP") != std::string_view::npos;
    EXPECT_EQ(key, mode == SecurityMode::kSecured) << body;
    EXPECT_EQ(srtp, mode == SecurityMode::kSecured) << body;
    // No leg sees the other's key, nor its own come back.
    EXPECT_EQ(body.find("AAAAAAAAAAAAAAAA"), std::string_view::npos) << body;
    EXPECT_EQ(body.find("192.0.2.99"), std::string_view::npos) << body;
    return sent;
  }

  const SecurityMode caller_mode_;
  const SecurityMode called_mode_;
  ConnectionId caller_connection_ = 0;
  ConnectionId called_connection_ = 0;
};

using Row = std::tuple<SecurityMode, SecurityMode, Shape, Shape>;

class SecurityMatrixTest : public testing::TestWithParam<Row> {};

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
  pair.edge_.Answer(*invite, 200, "b", Describe(answer, 6000));
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
  EXPECT_EQ(legs[0].suite.has_value(), caller == SecurityMode::kSecured);
  EXPECT_EQ(legs[1].suite.has_value(), called == SecurityMode::kSecured);
  EXPECT_EQ(legs[0].remote_key.empty(), caller != SecurityMode::kSecured);
  EXPECT_EQ(legs[1].remote_key.empty(), called != SecurityMode::kSecured);
  pair.Send("ACK", 1, pair.tag_, "");

  // Changes in the middle are held to the same: one that fits, one that not.
  int cseq = 1;
  for (const char* method : {"INVITE", "UPDATE"}) {
    for (const Shape shape : {Shape::kRtp, Shape::kSrtp}) {
      while (pair.ToCalled()) {
      }
      pair.Send(method, ++cseq, pair.tag_, Describe(shape, 4002));
      auto change = pair.ToCalled();
      EXPECT_EQ(change.has_value(), Fits(caller, shape)) << method;
      if (!change.has_value()) {
        EXPECT_EQ(pair.FinalToCaller(), 488) << method;
        continue;
      }
      pair.edge_.Answer(*change, 200, "b", Describe(answer, 6000));
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
  pair.Send("ACK", 1, pair.tag_, Describe(answer, 4000));
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
  pair.edge_.Answer(*invite, 183, "b", Describe(answer, 6000));
  if (Fits(called, answer)) {
    EXPECT_EQ(pair.FinalToCaller(), 183);
    return;
  }
  EXPECT_EQ(pair.FinalToCaller(), 488);
  auto cancel = pair.ToCalled();
  ASSERT_TRUE(cancel.has_value());
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
}

INSTANTIATE_TEST_SUITE_P(
    All, SecurityMatrixTest,
    testing::Combine(testing::ValuesIn(kModes), testing::ValuesIn(kModes),
                     testing::Values(Shape::kRtp, Shape::kSrtp),
                     testing::Values(Shape::kRtp, Shape::kSrtp)));

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
