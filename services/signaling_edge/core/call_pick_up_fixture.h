// A call that rings and who picks it up, for tests; gtest only.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_PICK_UP_FIXTURE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_PICK_UP_FIXTURE_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {

// pbx calls gw, whose other connection takes the call.
class CallPickUpTest : public EdgeCoreTest {
 protected:
  CallPickUpTest() { edge_.Load(PlanThatAllows()); }
  // TestPlan(), whose peers may replace dialogs.
  static std::shared_ptr<PlanSnapshot> PlanThatAllows() {
    auto plan = TestPlan();
    plan->trunk_security_profiles.resize(1);
    plan->trunk_security_profiles[0].name = "tenants/t/trunkSecurityProfiles/x";
    plan->trunk_security_profiles[0].accept_replaces = true;
    plan->trunk_security_profiles[0].incoming_transports = {
        sallyport::SipTransport::kUdp, sallyport::SipTransport::kTcp,
        sallyport::SipTransport::kTls};
    for (PeerEntry& peer : plan->peers) {
      peer.trunk_security_profile = plan->trunk_security_profiles[0].name;
    }
    return plan;
  }
  void Ring() {
    invite_ = PbxCallsGateway();
    edge_.Answer(invite_, 180, "g1");
    ringing_ = ToPbx(180);
    other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  }
  // The dialog at which it rings, as who rings there sees it.
  std::string Early(std::string_view more = "") const {
    const auto from = ParseNameAddr(invite_.message.Value(HeaderId::kFrom));
    return Cat(invite_.message.Value(HeaderId::kCallId),
               ";to-tag=", from->tag(), ";from-tag=g1", more);
  }
  std::string Taking(std::string_view replaces, std::string_view sdp) const {
    return Cat(
        "INVITE sip:222@203.0.113.1 SIP/2.0\n"
        "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw2\n"
        "Max-Forwards: 70\nReplaces: ",
        replaces,
        "\nFrom: <sip:222@gw.d.test>;tag=gw2\n"
        "To: <sip:5551000@203.0.113.1>\nCall-ID: gw2\nCSeq: 1 INVITE\n"
        "Contact: <sip:222@192.0.2.20;transport=tls>",
        sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  }
  std::string FromTaker(std::string_view method, int cseq, const Sent& ok,
                        std::string_view sdp = "") const {
    return Cat(method,
               " sip:edge@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw2",
               method, cseq,
               "\nMax-Forwards: 70\nFrom: <sip:222@gw.d.test>;tag=gw2\n"
               "To: <sip:5551000@203.0.113.1>;tag=",
               Tag(ok), "\nCall-ID: gw2\nCSeq: ", cseq, " ", method,
               sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  }
  Sent Next(std::optional<Sent> sent, int code) {
    EXPECT_TRUE(sent.has_value()) << code;
    if (!sent) return {};
    EXPECT_EQ(sent->message.status_code(), code);
    return *sent;
  }
  Sent ToPbx(int code) { return Next(edge_.TakeToUdp(kPbx), code); }
  Sent ToTaker(int code) { return Next(edge_.TakeTo(other_), code); }
  // The same of a caller that makes no offer.
  void RingWithoutOffer() {
    edge_.ReceiveUdp(kPbx, PbxInvite("95551234", ""));
    ToPbx(100);
    invite_ = *edge_.TakeTo(edge_.AcceptDialled("gw.d.test"));
    EXPECT_TRUE(invite_.message.body().empty());
    edge_.Answer(invite_, 180, "g1");
    ringing_ = ToPbx(180);
    other_ = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  }
  // Takes it; the caller has the taker's offer, and the taker nothing yet.
  void TakeLate() {
    Take(offer_);
    const auto cancel = edge_.TakeTo(invite_.connection);
    ASSERT_TRUE(cancel && cancel->message.method() == SipMethod::kCancel);
    ok_ = ToPbx(200);
    EXPECT_TRUE(Has(ok_.message.body(), "m=audio 50004 "));
    EXPECT_TRUE(edge_.Idle());
    EXPECT_EQ(edge_.created.back().legs[1].remote->rtp_port, 6600);
    CancelIsAnswered();
  }
  std::string TakerCancels() const {
    return "CANCEL sip:222@203.0.113.1 SIP/2.0\n"
           "Via: SIP/2.0/TLS 192.0.2.20;branch=z9hG4bKgw2\n"
           "Max-Forwards: 70\nFrom: <sip:222@gw.d.test>;tag=gw2\n"
           "To: <sip:5551000@203.0.113.1>\nCall-ID: gw2\n"
           "CSeq: 1 CANCEL";
  }
  void PbxIsHungUp(std::string_view reason, CallDisposition disposition) {
    const auto bye = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
    edge_.Answer(*bye, 200, "");
    ExpectOver(reason, disposition);
  }
  void Take(std::string_view sdp, std::string_view more = "") {
    edge_.Receive(other_, Taking(Early(more), sdp));
    ToTaker(100);
  }
  // The one that rang is told, and both parties are answered.
  void ExpectTaken(CallState state = CallState::kAnswered) {
    const auto cancel = edge_.TakeTo(invite_.connection);
    ASSERT_TRUE(cancel.has_value());
    EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
    EXPECT_TRUE(Has(cancel->message.Value(HeaderId::kReason), "elsewhere"));
    taker_ok_ = ToTaker(200);
    ok_ = ToPbx(200);
    EXPECT_EQ(ok_.message.Value(HeaderId::kCallId), "pbx1");
    const CallRecord& record = *edge_.core().calls().Find(1);
    EXPECT_TRUE(record.answered.has_value());
    EXPECT_EQ(record.state, state);
    EXPECT_EQ(record.legs[1].sip_call_id, "gw2");
    EXPECT_EQ(record.legs[1].sip_status, 200);
  }
  void AckBoth() {
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
    edge_.Receive(other_, FromTaker("ACK", 1, taker_ok_));
  }
  void CancelIsAnswered() {
    edge_.Answer(invite_, 487, "g1");
    const auto ack = edge_.TakeTo(invite_.connection);
    ASSERT_TRUE(ack.has_value());
    EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  }
  void TakerEnds() {
    edge_.Receive(other_, FromTaker("BYE", 2, taker_ok_));
    ToTaker(200);
    const auto bye = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(bye.has_value());
    EXPECT_EQ(bye->message.method(), SipMethod::kBye);
    edge_.Answer(*bye, 200, "");
    ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
  }
  // The call rings on, and who rings may answer.
  void ExpectRingsOn() {
    EXPECT_TRUE(edge_.Idle());
    edge_.Answer(invite_, 200, "g1", answer_);
    EXPECT_EQ(edge_.TakeTo(invite_.connection)->message.method(),
              SipMethod::kAck);
    ok_ = ToPbx(200);
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(ok_)));
    const CallRecord& record = *edge_.core().calls().Find(1);
    EXPECT_EQ(record.state, CallState::kAnswered);
    EXPECT_EQ(record.legs[1].sip_call_id,
              invite_.message.Value(HeaderId::kCallId));
    const RelayLeg& leg =
        (edge_.updated.empty() ? edge_.created.back().legs
                               : edge_.updated.back().legs)[1];
    EXPECT_EQ(leg.remote->rtp_port, 6000);
  }

  const std::string answer_ = TestSdp("192.0.2.20", 6000, false);
  const std::string offer_ = TestSdp("192.0.2.20", 6600, false);
  Sent invite_;
  Sent ringing_;
  Sent ok_;
  Sent taker_ok_;
  ConnectionId other_ = 0;
};

// pbx calls a user, whose other connection takes the call with a password.
class UserPickUpTest : public CallPickUpTest {
 protected:
  // By TLS or, in clear, by TCP; `host` is that of the user's contacts.
  UserPickUpTest(std::string_view user, std::string_view number,
                 std::string_view transport, std::string_view host)
      : user_(user), number_(number), transport_(transport), host_(host) {}

  ConnectionId Connect() {
    return transport_ == "TLS" ? edge_.ConnectTls("", "SEP1")
                               : edge_.ConnectTcp(host_);
  }
  std::string Contact() const {
    return Cat("<sip:", user_, "@", host_, ";transport=", transport_, ">");
  }
  void RingUser(std::string_view sdp) {
    phone_ = Connect();
    ASSERT_TRUE(edge_.Register(phone_, user_));
    edge_.ReceiveUdp(kPbx, PbxInvite(number_, sdp));
    ToPbx(100);
    const auto invite = edge_.TakeTo(phone_);
    ASSERT_TRUE(invite.has_value()) << edge_.Refusals();
    invite_ = *invite;
    edge_.Answer(invite_, 180, "g1", "", Contact());
    ringing_ = ToPbx(180);
    other_ = Connect();
  }
  std::string FromUser(std::string_view method, int cseq,
                       std::string_view to_tag, std::string_view headers,
                       std::string_view sdp) const {
    return Cat(
        method, " sip:d.test SIP/2.0\nVia: SIP/2.0/", transport_, " ", host_,
        ";branch=z9hG4bKtake", method, cseq, "\nMax-Forwards: 70\n", headers,
        "From: <sip:", user_, "@d.test>;tag=t1\nTo: <sip:1001@d.test>",
        to_tag.empty() ? "" : ";tag=", to_tag, "\nCall-ID: take\nCSeq: ", cseq,
        " ", method, "\nContact: ", Contact(),
        sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  }
  // By a phone of `user`.
  void TakeAs(std::string_view user, std::string_view sdp) {
    const auto text = [&](int cseq) {
      return absl::StrReplaceAll(
          FromUser("INVITE", cseq, "", Cat("Replaces: ", Early(), "\n"), sdp),
          {{Cat("From: <sip:", user_, "@"), Cat("From: <sip:", user, "@")}});
    };
    edge_.Receive(other_, text(1));
    if (transport_ == "TLS") ToTaker(100);  // others not before we know them
    const Sent challenge = ToTaker(407);
    edge_.Receive(other_, EdgeHarness::WithDigest(text(2), challenge, user,
                                                  "INVITE", "sip:d.test"));
    ToTaker(100);
  }
  void AckAs(std::string_view sdp) {
    edge_.Receive(other_, FromUser("ACK", 2, Tag(taker_ok_), "", sdp));
  }
  // The one that rang is told.
  void ExpectCancel() {
    const auto cancel = edge_.TakeTo(phone_);
    ASSERT_TRUE(cancel.has_value());
    EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  }

  const std::string user_, number_, transport_, host_;
  ConnectionId phone_ = 0;
};

// A user whose line has keys: what takes its call has them too.
class SecuredPickUpTest : public UserPickUpTest {
 protected:
  SecuredPickUpTest() : UserPickUpTest("alice", "1001", "TLS", "203.0.113.5") {}
  void SetUp() override { RingUser(TestSdp("192.0.2.10", 4000, false)); }
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_PICK_UP_FIXTURE_H_
