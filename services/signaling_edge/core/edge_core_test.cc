#include "services/signaling_edge/core/edge_core.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

TEST_F(EdgeCoreTest, ACallIsCarriedAndHungUpByTheCaller) {
  const Sent invite = PbxCallsGateway();
  // What the gateway sees holds nothing of the caller's side.
  const SipMessage& m = invite.message;
  EXPECT_EQ(m.request_uri(), "sip:5551234@gw.d.test;transport=tls");
  EXPECT_EQ(m.Value(HeaderId::kMaxForwards), "69");
  EXPECT_TRUE(
      Has(m.Value(HeaderId::kFrom), "\"PBX User\" <sip:5551000@d.test>"));
  EXPECT_FALSE(Has(m.Value(HeaderId::kCallId), "pbx1"));
  EXPECT_EQ(m.Count(HeaderId::kVia), 1u);
  EXPECT_TRUE(Has(m.Value(HeaderId::kVia), "SIP/2.0/TLS 203.0.113.1;"));
  EXPECT_EQ(m.Value(HeaderId::kContact),
            "<sip:edge@203.0.113.1;transport=tls>");
  EXPECT_FALSE(Has(m.body(), "192.0.2.10"));
  EXPECT_TRUE(Has(m.body(), "m=audio 50006 RTP/AVP 0"));

  edge_.Answer(invite, 180, "g1");
  auto ringing = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ringing);
  EXPECT_EQ(ringing->message.status_code(), 180);
  EXPECT_FALSE(Tag(*ringing).empty());
  edge_.Answer(invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  auto ack = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_EQ(ack->message.request_uri(),
            "sip:far@192.0.2.20:5061;transport=tls");
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->message.status_code(), 200);
  EXPECT_EQ(Tag(*ok), Tag(*ringing));
  EXPECT_TRUE(Has(ok->message.body(), "m=audio 50004 RTP/AVP 0"));
  ASSERT_EQ(edge_.updated.size(), 1u);
  EXPECT_EQ(edge_.updated[0].legs[0].remote->ip, "192.0.2.10");
  EXPECT_EQ(edge_.updated[0].legs[1].remote->ip, "192.0.2.20");
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
  EXPECT_TRUE(edge_.Idle());
  ASSERT_EQ(edge_.core().calls().Records().size(), 1u);
  const CallRecord& record = *edge_.core().calls().Records()[0];
  EXPECT_EQ(record.state, CallState::kAnswered);
  EXPECT_EQ(record.matched_pattern, "9.!");
  EXPECT_FALSE(record.secure());

  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(*ok)));
  auto bye_ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye_ok);
  EXPECT_EQ(bye_ok->message.status_code(), 200);
  auto bye = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(bye->message.Value(HeaderId::kCseq), "2 BYE");
  edge_.Answer(*bye, 200, "g1");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

// AVE-47: either side; the relay session goes with the call.
TEST_F(EdgeCoreTest, TheCalledSideHangsUp) {
  Sent invite;
  Established(invite);
  edge_.RequestFrom(invite, "g1", "BYE", 1);
  auto ok = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->message.status_code(), 200);
  auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(bye->message.request_uri(), "sip:5551000@192.0.2.10");
  edge_.Answer(*bye, 200, "");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(EdgeCoreTest, ByesThatCross) {
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok)));
  edge_.RequestFrom(invite, "g1", "BYE", 1);
  auto bye = edge_.TakeTo(invite.connection);
  auto far_ok = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(bye && far_ok);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(far_ok->message.status_code(), 200);
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  edge_.Answer(*bye, 481, "g1");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(EdgeCoreTest, BusyIsToldAsBusy) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 486, "g1");
  auto ack = edge_.TakeTo(invite.connection);  // by the transaction
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  auto busy = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(busy);
  EXPECT_EQ(busy->message.status_code(), 486);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*busy), "", "pbx"));
  edge_.Forget();
  ExpectOver("USER_BUSY", CallDisposition::kBusy);
}

TEST_F(EdgeCoreTest, FailuresOfTheFarSideAreMapped) {
  const struct {
    int theirs;
    int ours;
    const char* reason;
  } kCases[] = {{302, 480, "REDIRECTION_NOT_FOLLOWED"},
                {407, 502, "PEER_DEMANDS_DIGEST"},
                {404, 404, "UNALLOCATED_NUMBER"},
                {488, 488, "MEDIA_REFUSED"},
                {503, 500, "PEER_FAILED"},
                {603, 603, "CALL_REJECTED"}};
  int n = 0;
  for (const auto& c : kCases) {
    const std::string call = Cat("m", ++n);
    edge_.ReceiveUdp(
        kPbx,
        PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false), call, call));
    const ConnectionId gateway = n == 1 ? edge_.AcceptDialled("gw.d.test")
                                        : edge_.connects[0].connection;
    auto invite = edge_.TakeTo(gateway);
    ASSERT_TRUE(invite);
    edge_.Answer(*invite, c.theirs, "g1");
    ASSERT_TRUE(edge_.TakeToUdp(kPbx));  // 100
    auto final = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(final);
    EXPECT_EQ(final->message.status_code(), c.ours);
    EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded)->record->reason,
              c.reason);
    edge_.Forget();
  }
  EXPECT_EQ(edge_.connects.size(), 1u);  // one connection for all
}

TEST_F(EdgeCoreTest, CancelWhileItRings) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 180, "g1");
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  edge_.ReceiveUdp(kPbx, PbxCancel());
  auto cancel_ok = edge_.TakeToUdp(kPbx);
  auto terminated = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(cancel_ok && terminated);
  EXPECT_EQ(cancel_ok->message.Value(HeaderId::kCseq), "1 CANCEL");
  EXPECT_EQ(terminated->message.status_code(), 487);
  auto cancel = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(cancel);
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  EXPECT_EQ(cancel->message.Value(HeaderId::kVia),
            invite.message.Value(HeaderId::kVia));
  edge_.Answer(*cancel, 200, "g1");
  edge_.Answer(invite, 487, "g1");
  edge_.Forget();
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*terminated), "", "pbx"));
  ExpectOver("CANCELLED", CallDisposition::kCancelled);
}

TEST_F(EdgeCoreTest, CancelWaitsForASignOfLife) {  // RFC 3261 section 9.1
  const Sent invite = PbxCallsGateway();
  edge_.ReceiveUdp(kPbx, PbxCancel());
  EXPECT_FALSE(edge_.TakeTo(invite.connection));
  edge_.Answer(invite, 100, "");
  auto cancel = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(cancel);
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  edge_.Forget();
  // The far side answered before it saw the CANCEL: acknowledged, hung up.
  edge_.Answer(invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  auto ack = edge_.TakeTo(invite.connection);
  auto bye = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(ack && bye);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Answer(*bye, 200, "g1");
  edge_.Forget();
  edge_.Advance(absl::Minutes(3));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
  EXPECT_EQ(edge_.deleted.size(), 1u);
}

// RFC 3261 section 9.1: a CANCEL that nobody answers does not keep its INVITE.
TEST_F(EdgeCoreTest, CancelThatIsNeverAnswered) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 180, "g1");
  edge_.ReceiveUdp(kPbx, PbxCancel());
  edge_.Advance(absl::Minutes(3));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
  EXPECT_EQ(edge_.core().transactions(), 0u);
}

TEST_F(EdgeCoreTest, NobodyAnswers) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 180, "g1");
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  edge_.Advance(absl::Seconds(181));
  auto final = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(final);
  EXPECT_EQ(final->message.status_code(), 480);
  auto cancel = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(cancel);
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  edge_.Answer(*cancel, 200, "g1");
  edge_.Answer(invite, 487, "g1");
  edge_.Advance(absl::Minutes(2));
  edge_.Forget();
  ExpectOver("NO_ANSWER", CallDisposition::kNoAnswer);
}

TEST_F(EdgeCoreTest, APeerThatCannotBeReached) {
  edge_.ReceiveUdp(kPbx,
                   PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)));
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].server_name, "gw.d.test");
  edge_.Close(edge_.connects[0].connection,
              absl::UnavailableError("connection refused"));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  auto final = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(final);
  EXPECT_EQ(final->message.status_code(), 503);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*final), "", "pbx"));
  ExpectOver("PEER_UNREACHABLE", CallDisposition::kFailed);
}

// AVE-52: the name of the server decides too.
TEST_F(EdgeCoreTest, APeerWithAnotherNameGetsNoCall) {  // RFC 5922 section 7.3
  edge_.ReceiveUdp(kPbx,
                   PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)));
  const ConnectionId id = edge_.AcceptDialled("other.d.test");
  EXPECT_EQ(edge_.closed, std::vector<ConnectionId>{id});
  EXPECT_FALSE(edge_.TakeTo(id));
  EXPECT_EQ(edge_.Refusals(), "PEER_IDENTITY_MISMATCH");
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  auto final = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(final);
  EXPECT_EQ(final->message.status_code(), 503);
}

TEST_F(EdgeCoreTest, RepeatedMessagesOverUdp) {
  const std::string text =
      PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false));
  edge_.ReceiveUdp(kPbx, text);
  edge_.ReceiveUdp(kPbx, text);
  auto first = edge_.TakeToUdp(kPbx);
  auto second = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->message.status_code(), 100);
  EXPECT_EQ(edge_.created.size(), 1u);
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  auto invite = edge_.TakeTo(gateway);
  ASSERT_TRUE(invite);
  const std::string sdp = TestSdp("192.0.2.20", 6000, false);
  edge_.Answer(*invite, 200, "g1", sdp);
  auto ack = edge_.TakeTo(gateway);
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ack && ok);
  // The far side did not get our ACK: it is sent again.
  edge_.Answer(*invite, 200, "g1", sdp);
  auto again = edge_.TakeTo(gateway);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->message.method(), SipMethod::kAck);
  EXPECT_EQ(again->message.Value(HeaderId::kCseq),
            ack->message.Value(HeaderId::kCseq));
  EXPECT_FALSE(edge_.TakeToUdp(kPbx));
  // The caller did not get our 200: it is sent again, at 0.5 and 1.5 s.
  edge_.Advance(absl::Seconds(2));
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  EXPECT_FALSE(edge_.TakeToUdp(kPbx));
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
  edge_.Advance(absl::Seconds(60));
  EXPECT_TRUE(edge_.Idle());
  // A repeated BYE gets the same answer.
  const std::string bye = PbxInDialog("BYE", 2, Tag(*ok));
  edge_.ReceiveUdp(kPbx, bye);
  edge_.ReceiveUdp(kPbx, bye);
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  EXPECT_TRUE(edge_.TakeToUdp(kPbx));
  auto far_bye = edge_.TakeTo(gateway);
  ASSERT_TRUE(far_bye);
  edge_.Answer(*far_bye, 200, "g1");
  ExpectOver("NORMAL_CLEARING", CallDisposition::kAnswered);
}

TEST_F(EdgeCoreTest, WithoutAckTheCallIsEnded) {  // RFC 3261 13.3.1.4
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  ASSERT_TRUE(edge_.TakeTo(invite.connection));
  edge_.Advance(absl::Seconds(33));
  auto bye = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Answer(*bye, 200, "g1");
  edge_.Advance(absl::Minutes(2));
  edge_.Forget();
  ExpectOver("ACK_MISSING", CallDisposition::kFailed);
}

TEST_F(EdgeCoreTest, HoldAndResumeByReInvite) {
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(
      kPbx, PbxInDialog("INVITE", 2, Tag(ok),
                        TestSdp("192.0.2.10", 4000, false, "a=sendonly\r\n")));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));  // 100
  auto reinvite = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(reinvite);
  EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
  EXPECT_EQ(reinvite->message.Value(HeaderId::kCseq), "2 INVITE");
  EXPECT_TRUE(Has(reinvite->message.body(), "a=sendonly"));
  edge_.Answer(*reinvite, 200, "g1",
               TestSdp("192.0.2.20", 6000, false, "a=recvonly\r\n"));
  auto ack = edge_.TakeTo(invite.connection);
  auto held = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ack && held);
  EXPECT_TRUE(Has(held->message.body(), "a=recvonly"));
  EXPECT_EQ(edge_.updated.back().legs[0].direction, SdpDirection::kSendOnly);
  EXPECT_EQ(edge_.core().calls().Records()[0]->state, CallState::kHeld);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 2, Tag(ok), "", "ack2"));
  // The other side resumes, and refuses a change of its own kind.
  edge_.RequestFrom(invite, "g1", "INVITE", 7,
                    TestSdp("192.0.2.20", 6000, false));
  ASSERT_TRUE(edge_.TakeTo(invite.connection));  // 100
  auto to_pbx = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(to_pbx);
  edge_.Answer(*to_pbx, 488, "");
  auto refused = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 488);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(EdgeCoreTest, GlareIsAnswered491) {  // RFC 3261 section 14.2
  Sent invite;
  const Sent ok = Established(invite);
  const std::string sdp = TestSdp("192.0.2.10", 4000, false);
  edge_.ReceiveUdp(kPbx, PbxInDialog("INVITE", 2, Tag(ok), sdp));
  auto reinvite = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(reinvite);
  edge_.RequestFrom(invite, "g1", "INVITE", 7,
                    TestSdp("192.0.2.20", 6000, false));
  ASSERT_TRUE(edge_.TakeTo(invite.connection));  // 100
  auto pending = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(pending);
  EXPECT_EQ(pending->message.status_code(), 491);
  edge_.Answer(*reinvite, 491, "g1");
  edge_.Forget();
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(EdgeCoreTest, EarlyMediaThenTheSameAnswer) {
  const Sent invite = PbxCallsGateway();
  const std::string sdp = TestSdp("192.0.2.20", 6000, false);
  edge_.Answer(invite, 183, "g1", sdp);
  auto progress = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->message.status_code(), 183);
  EXPECT_TRUE(Has(progress->message.body(), "m=audio 50004"));
  edge_.Answer(invite, 200, "g1", sdp);
  ASSERT_TRUE(edge_.TakeTo(invite.connection));
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok);
  // One answer to one offer: word for word the same (RFC 3261 13.2.1).
  EXPECT_EQ(ok->message.body(), progress->message.body());
}

TEST_F(EdgeCoreTest, LateOfferIsAnsweredInTheAck) {
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", ""));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
  auto invite = edge_.TakeTo(gateway);
  ASSERT_TRUE(invite);
  EXPECT_TRUE(invite->message.body().empty());
  edge_.Answer(*invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  EXPECT_FALSE(edge_.TakeTo(gateway));  // the ACK waits for the answer
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ok);
  EXPECT_TRUE(Has(ok->message.body(), "m=audio 50004 RTP/AVP 0"));
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok),
                                     TestSdp("192.0.2.10", 4000, false)));
  auto ack = edge_.TakeTo(gateway);
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_TRUE(Has(ack->message.body(), "m=audio 50006 RTP/AVP 0"));
  EXPECT_EQ(edge_.updated.back().legs[0].remote->ip, "192.0.2.10");
}

TEST_F(EdgeCoreTest, RelayDownIsA503) {
  edge_.relay_works = false;
  edge_.ReceiveUdp(kPbx,
                   PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  auto final = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(final);
  EXPECT_EQ(final->message.status_code(), 503);
  EXPECT_EQ(edge_.Refusals(), "MEDIA_RELAY_UNAVAILABLE");
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

// An address that the relay may not reach is no fault of the relay.
TEST_F(EdgeCoreTest, WhereMediaMayNotGoIsTold) {
  const Sent invite = PbxCallsGateway();
  edge_.relay_works = false;
  edge_.relay_error =
      MakeError(absl::StatusCode::kPermissionDenied, "MEDIA_PEER_REFUSED",
                "the remote media address may not be reached");
  edge_.Answer(invite, 200, "g1", TestSdp("10.0.0.1", 6000, false));
  EXPECT_EQ(edge_.TakeTo(invite.connection)->message.method(), SipMethod::kAck);
  EXPECT_EQ(edge_.TakeTo(invite.connection)->message.method(), SipMethod::kBye);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 488);
  EXPECT_EQ(edge_.Refusals(), "MEDIA_PEER_REFUSED");
  // Whose address it is.
  const EdgeEvent* refused = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->refusal->peer, "tenants/t/peers/gw");
}

TEST_F(EdgeCoreTest, CancelWhileTheRelayIsAtWork) {
  edge_.relay_answers = false;
  edge_.ReceiveUdp(kPbx,
                   PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)));
  edge_.ReceiveUdp(kPbx, PbxCancel());
  edge_.AnswerMedia();  // the session comes too late and is given back
  EXPECT_EQ(edge_.deleted.size(), 1u);
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

TEST_F(EdgeCoreTest, AStrangerCannotTouchACall) {
  Sent invite;
  const Sent ok = Established(invite);
  // Same Call-ID and tags, another address: the dialog does not exist for it.
  edge_.ReceiveUdp("198.51.100.9:5060", PbxInDialog("BYE", 2, Tag(ok)));
  auto answer = edge_.TakeToUdp("198.51.100.9:5060");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.status_code(), 481);
  const ConnectionId other = edge_.ConnectTcp("198.51.100.9");
  edge_.RequestFrom({other, {}, invite.message}, "g1", "BYE", 1);
  auto tcp = edge_.TakeTo(other);
  ASSERT_TRUE(tcp);
  EXPECT_EQ(tcp->message.status_code(), 481);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(EdgeCoreTest, ALostConnectionIsDialledAgainForTheBye) {
  Sent invite;
  const Sent ok = Established(invite);
  edge_.Close(invite.connection);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok)));
  ASSERT_EQ(edge_.connects.size(), 2u);
  const ConnectionId again = edge_.AcceptDialled("gw.d.test");
  EXPECT_NE(again, invite.connection);
  auto bye = edge_.TakeTo(again);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
}

// RFC 5923: a peer that says so is called by the connection that it made, as
// long as that stands; and learns that it may use ours.
TEST_F(EdgeCoreTest, APeersOwnConnectionIsUsedIfItSaysSo) {
  const auto notify = [&](ConnectionId from, std::string_view via) {
    edge_.Receive(
        from,
        Cat("NOTIFY sip:nobody@203.0.113.1 SIP/2.0\nVia: SIP/2.0/TLS ", via,
            "\nMax-Forwards: 70\nFrom: <sip:gw.d.test>;tag=o\n"
            "To: <sip:nobody@203.0.113.1>\nCall-ID: o\n"
            "CSeq: 1 NOTIFY\n\n"));
    edge_.Forget();
  };
  const auto dial = [&](std::string_view call) {
    edge_.ReceiveUdp(
        kPbx,
        PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false), call, call));
  };
  // Not said, and of another address than the peer's: dialled.
  const ConnectionId plain = edge_.ConnectTls("gw.d.test", "", "192.0.2.20");
  notify(plain, "192.0.2.20:5061;branch=z9hG4bKa1");
  const ConnectionId other = edge_.ConnectTls("gw.d.test", "", "192.0.2.77");
  notify(other, "192.0.2.77:5061;branch=z9hG4bKa2;alias");
  dial("a1");
  const ConnectionId dialled = edge_.AcceptDialled("gw.d.test");
  auto invite = edge_.TakeTo(dialled);
  ASSERT_TRUE(invite);
  EXPECT_TRUE(Has(invite->message.Value(HeaderId::kVia), ";alias"));
  edge_.Close(dialled);
  edge_.Forget();
  edge_.connects.clear();
  notify(plain, "192.0.2.20:5061;branch=z9hG4bKa3;alias");
  dial("a2");
  EXPECT_TRUE(edge_.connects.empty());
  invite = edge_.TakeTo(plain);
  ASSERT_TRUE(invite && invite->message.method() == SipMethod::kInvite);
  EXPECT_FALSE(Has(invite->message.Value(HeaderId::kVia), ";alias"));
  // 503: its only server has been tried, by whichever connection.
  edge_.Answer(*invite, 503, "x");
  EXPECT_TRUE(edge_.connects.empty());
  edge_.Close(plain);
  dial("a3");
  EXPECT_EQ(edge_.connects.size(), 1u);
}

TEST_F(EdgeCoreTest, UnknownNumbersStrangersAndDrain) {
  edge_.ReceiveUdp(kPbx,
                   PbxInvite("5551234", TestSdp("192.0.2.10", 4000, false)));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  auto final = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(final);
  EXPECT_EQ(final->message.status_code(), 404);
  EXPECT_EQ(edge_.Refusals(), "ROUTE_NOT_FOUND");
  edge_.ReceiveUdp("198.51.100.9:5060", PbxInvite("95551234", "", "s", "s"));
  auto stranger = edge_.TakeToUdp("198.51.100.9:5060");
  ASSERT_TRUE(stranger);
  EXPECT_EQ(stranger->message.status_code(), 403);
  edge_.Perform(edge_.core().OnDrain(edge_.now()));
  edge_.Forget();
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", "", "d", "d"));
  ASSERT_TRUE(edge_.TakeToUdp(kPbx));
  auto drained = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(drained);
  EXPECT_EQ(drained->message.status_code(), 503);
  EXPECT_FALSE(drained->message.Value(HeaderId::kRetryAfter).empty());
}

TEST_F(EdgeCoreTest, APeerKnownByNameIsResolvedFirst) {
  edge_.ReceiveUdp(kPbx,
                   PbxInvite("75551234", TestSdp("192.0.2.10", 4000, false)));
  ASSERT_EQ(edge_.resolves.size(), 1u);
  EXPECT_EQ(edge_.resolves[0].host, "far.d.test");
  EXPECT_TRUE(edge_.connects.empty());
  edge_.Perform(edge_.core().OnHostResolved(
      edge_.resolves[0].query,
      std::vector<SocketAddress>{*SocketAddress::FromIp("192.0.2.31", 0),
                                 *SocketAddress::FromIp("192.0.2.32", 0)},
      edge_.now()));
  ASSERT_EQ(edge_.connects.size(), 1u);
  EXPECT_EQ(edge_.connects[0].to.ToString(), "192.0.2.31:5060");
  // The first address refuses: the next is tried at once.
  edge_.Close(edge_.connects[0].connection, absl::UnavailableError("refused"));
  ASSERT_EQ(edge_.connects.size(), 2u);
  EXPECT_EQ(edge_.connects[1].to.ToString(), "192.0.2.32:5060");
  const ConnectionId far = edge_.AcceptDialled("");
  auto invite = edge_.TakeTo(far);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.request_uri(),
            "sip:5551234@far.d.test;transport=tcp");
}

// ------------------------------------------------------------- connections

TEST_F(EdgeCoreTest, AWrongNameIsRefusedAtOnce) {  // UM-14
  const ConnectionId id = edge_.ConnectTls("wrong.d.test", "");
  EXPECT_EQ(edge_.closed, std::vector<ConnectionId>{id});
  EXPECT_EQ(edge_.Refusals(), "PEER_IDENTITY_MISMATCH");
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_EQ(event->refusal->presented_identities.size(), 1u);
  EXPECT_EQ(event->refusal->presented_identities[0], "DNS:wrong.d.test");
  EXPECT_EQ(event->tenant, "tenants/t");  // the only one there is
  EXPECT_EQ(edge_.core().connections().size(), 0u);
}

TEST_F(EdgeCoreTest, ConnectionsThatProveNothingAreClosed) {
  const ConnectionId silent = edge_.ConnectTls("", "");
  const ConnectionId handshaking = edge_.core().OnAccepted(
      EdgeHarness::kTls, *SocketAddress::FromIp("203.0.113.9", 1), edge_.now());
  edge_.Advance(absl::Seconds(6));
  EXPECT_EQ(edge_.closed, std::vector<ConnectionId>{handshaking});
  edge_.Advance(absl::Seconds(6));
  EXPECT_EQ(edge_.closed, (std::vector<ConnectionId>{handshaking, silent}));
}

TEST_F(EdgeCoreTest, OptionsAndOddRequests) {
  const auto ask = [&](std::string_view method, std::string_view uri,
                       std::string_view more = "") {
    static int n = 0;
    edge_.ReceiveUdp(kPbx, Cat(method, " ", uri,
                               " SIP/2.0\n"
                               "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKo",
                               ++n,
                               "\nMax-Forwards: 70\n"
                               "From: <sip:x@192.0.2.10>;tag=1\n"
                               "To: <sip:y@203.0.113.1>\nCall-ID: o",
                               n, "\nCSeq: 1 ", method, more));
    auto answer = edge_.TakeToUdp(kPbx);
    return answer ? answer->message.status_code() : 0;
  };
  EXPECT_EQ(ask("OPTIONS", "sip:203.0.113.1"), 200);
  EXPECT_EQ(ask("PUBLISH", "sip:203.0.113.1"), 405);
  EXPECT_EQ(ask("NEWMETHOD", "sip:203.0.113.1"), 501);
  EXPECT_EQ(ask("BYE", "sip:203.0.113.1"), 481);
  EXPECT_EQ(ask("OPTIONS", "unknown:thing"), 416);
  EXPECT_EQ(ask("OPTIONS", "sip:203.0.113.1", "\nRequire: frozen"), 420);
}

TEST_F(EdgeCoreTest, WhatCannotBeReadIsAnsweredOrDropped) {
  const ConnectionId tcp = edge_.ConnectTcp("192.0.2.10");
  edge_.Perform(edge_.core().OnData(tcp, "\r\n\r\n", edge_.now()));
  edge_.Perform(edge_.core().OnData(
      tcp, "OPTIONS sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n", edge_.now()));
  EXPECT_EQ(edge_.closed, std::vector<ConnectionId>{tcp});
  edge_.Perform(edge_.core().OnDatagram(
      EdgeHarness::kUdp, *SocketAddress::Parse("198.51.100.7:99"),
      "GET / HTTP/1.1\r\n\r\n", edge_.now()));
  edge_.Perform(edge_.core().OnDatagram(
      EdgeHarness::kUdp, *SocketAddress::Parse("198.51.100.7:99"),
      std::string(3, '\0'), edge_.now()));
  EXPECT_EQ(edge_.core().stats().malformed, 2u);
  EXPECT_TRUE(edge_.Idle());
}

}  // namespace
}  // namespace sallyport::signaling_edge
