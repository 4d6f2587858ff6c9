// Music on hold, and callers who wait for a member of a hunt pilot (CCE-63,
// CCE-64).
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

class MusicOnHoldTest : public EdgeCoreTest {
 protected:
  MusicOnHoldTest() {
    auto plan = TestPlan();
    for (DialPlanEntry& one : plan->dial_plans) one.music_on_hold = "waltz";
    ResolveDefaults(*plan);
    edge_.Load(plan);
  }
  // The pbx says `direction`; what the gateway is offered.
  std::string Hold(const Sent& ok, const Sent& invite, int cseq,
                   const std::string& direction, const std::string& answer) {
    edge_.ReceiveUdp(kPbx, PbxInDialog("INVITE", cseq, Tag(ok),
                                       TestSdp("192.0.2.10", 4000, false,
                                               Cat("a=", direction, "\r\n"))));
    EXPECT_TRUE(edge_.TakeToUdp(kPbx));  // 100
    auto reinvite = edge_.TakeTo(invite.connection);
    if (!reinvite) return "nothing";
    edge_.Answer(*reinvite, 200, "g1",
                 TestSdp("192.0.2.20", 6000, false, Cat("a=", answer, "\r\n")));
    EXPECT_TRUE(edge_.TakeTo(invite.connection));  // ACK
    auto answered = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(answered && answered->message.status_code() == 200);
    if (answered) said_ = answered->message.body();
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", cseq, Tag(ok), "", "ack"));
    return std::string(reinvite->message.body());
  }
  std::string said_;  // to the pbx
};

TEST_F(MusicOnHoldTest, TheHeldPartyHearsIt) {
  Sent invite;
  const Sent ok = Established(invite);
  for (const UpdateMediaSession& update : edge_.updated) {
    EXPECT_EQ(update.legs[1].prompt, "");
  }
  EXPECT_TRUE(Has(Hold(ok, invite, 2, "sendonly", "recvonly"), "a=sendonly"));
  EXPECT_TRUE(Has(said_, "a=recvonly"));
  EXPECT_EQ(edge_.updated.back().legs[1].prompt, "waltz");
  ASSERT_FALSE(edge_.updated.back().legs[1].prompt_formats.empty());
  EXPECT_EQ(edge_.updated.back().legs[1].prompt_formats[0].payload_type, 0);
  EXPECT_EQ(edge_.updated.back().legs[0].prompt, "");
  EXPECT_EQ(edge_.core().calls().Records()[0]->state, CallState::kHeld);
  EXPECT_TRUE(Has(Hold(ok, invite, 3, "sendrecv", "sendrecv"), "a=sendrecv"));
  EXPECT_EQ(edge_.updated.back().legs[1].prompt, "");
  EXPECT_TRUE(edge_.updated.back().legs[1].prompted);
  EXPECT_EQ(edge_.core().calls().Records()[0]->state, CallState::kAnswered);
}

TEST_F(MusicOnHoldTest, WhoHoldsByInactiveSilencesNobody) {
  Sent invite;
  const Sent ok = Established(invite);
  EXPECT_TRUE(Has(Hold(ok, invite, 2, "inactive", "recvonly"), "a=sendonly"));
  // RFC 3264 section 6.1.
  EXPECT_TRUE(Has(said_, "a=inactive"));
  EXPECT_EQ(edge_.updated.back().legs[1].prompt, "waltz");
  // A party that will not hear it does not.
  EXPECT_TRUE(Has(Hold(ok, invite, 3, "inactive", "inactive"), "a=sendonly"));
  EXPECT_EQ(edge_.updated.back().legs[1].prompt, "");
}

TEST_F(MusicOnHoldTest, HoldByTheZeroAddress) {  // RFC 2543
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(
      kPbx, PbxInDialog("INVITE", 2, Tag(ok), TestSdp("0.0.0.0", 4000, false)));
  edge_.TakeToUdp(kPbx);
  auto reinvite = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(reinvite);
  EXPECT_TRUE(Has(reinvite->message.body(), "a=sendonly"));
  edge_.Answer(*reinvite, 200, "g1",
               TestSdp("192.0.2.20", 6000, false, "a=recvonly\r\n"));
  EXPECT_EQ(edge_.updated.back().legs[1].prompt, "waltz");
}

// Lines 4001 of bob and 4002 of carol; 4100 hunts them and queues.
class CallQueueTest : public EdgeCoreTest {
 protected:
  CallQueueTest() {
    plan_ = TestPlan();
    for (const auto& [number, user] :
         std::vector<std::pair<std::string, std::string>>{{"4001", "bob"},
                                                          {"4002", "carol"}}) {
      LineEntry line;
      line.name = "tenants/t/lines/" + number;
      line.directory_number = number;
      line.users = {"tenants/t/users/" + user};
      plan_->lines.push_back(line);
    }
    LineGroupEntry group;
    group.name = "tenants/t/lineGroups/g";
    group.lines = {"tenants/t/lines/4001"};
    group.algorithm = HuntAlgorithm::kTopDown;
    group.ring_no_answer_reversion = absl::Seconds(10);
    plan_->line_groups = {group};
    HuntListEntry list;
    list.name = "tenants/t/huntLists/l";
    list.line_groups = {group.name};
    plan_->hunt_lists = {list};
    HuntPilotEntry pilot;
    pilot.name = kPilot;
    pilot.pattern = "4100";
    pilot.hunt_list = list.name;
    pilot.queue = CallQueueEntry{2, absl::Seconds(60), "waltz"};
    plan_->hunt_pilots = {pilot};
  }
  void Load() {
    ResolveDefaults(*plan_);
    edge_.Load(plan_);
  }
  void Register() {
    bob_ = edge_.ConnectTcp("198.51.100.1");
    ASSERT_TRUE(edge_.Register(bob_, "bob"));
    edge_.Forget();
  }
  std::string InDialog(std::string_view method, int cseq, const Sent& ok,
                       std::string_view id) {
    return Cat(method,
               " sip:edge@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK",
               id, method, cseq,
               "\nMax-Forwards: 70\n"
               "From: \"PBX User\" <sip:5551000@192.0.2.10>;tag=p1\n"
               "To: <sip:4100@203.0.113.1>;tag=",
               Tag(ok), "\nCall-ID: ", id, "\nCSeq: ", cseq, " ", method,
               "\nContact: <sip:5551000@192.0.2.10>");
  }
  // A caller who waits: its 200.
  Sent Wait(const std::string& id) {
    edge_.ReceiveUdp(kPbx, PbxInvite("4100", offer_, id, id));
    edge_.TakeToUdp(kPbx);  // 100
    auto ok = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(ok && ok->message.status_code() == 200);
    if (!ok) return {};
    edge_.ReceiveUdp(kPbx, InDialog("ACK", 1, *ok, id));
    return *ok;
  }
  // One who offers nothing: its 200.
  Sent WaitWithoutOffer(const std::string& id) {
    edge_.ReceiveUdp(kPbx, PbxInvite("4100", "", id, id));
    edge_.TakeToUdp(kPbx);  // 100
    auto ok = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(ok && ok->message.status_code() == 200);
    return ok ? *ok : Sent();
  }
  std::string AckWith(const Sent& ok, const std::string& id,
                      const std::string& sdp) {
    return Cat(InDialog("ACK", 1, ok, id),
               "\nContent-Type: application/sdp\n\n", sdp);
  }
  const CallRecord* Queued(size_t place) {
    size_t seen = 0;
    for (const CallRecord* record : edge_.core().calls().Records()) {
      if (record->state == CallState::kQueued && seen++ == place) return record;
    }
    return nullptr;
  }
  // The member answers, and the caller hears of it by a re-INVITE.
  void Serve(const Sent& invite, const std::string& id) {
    edge_.Answer(invite, 180, "b", "", contact_);
    edge_.Answer(invite, 200, "b", answer_, contact_);
    auto ack = edge_.TakeTo(bob_);
    ASSERT_TRUE(ack && ack->message.method() == SipMethod::kAck);
    auto reinvite = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(reinvite);
    EXPECT_EQ(reinvite->message.method(), SipMethod::kInvite);
    EXPECT_EQ(reinvite->message.Value(HeaderId::kCallId), id);
    edge_.Answer(*reinvite, 200, "p1", offer_);
    auto ack2 = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(ack2);
    EXPECT_EQ(ack2->message.method(), SipMethod::kAck);
  }

  static constexpr char kPilot[] = "tenants/t/huntPilots/p";
  std::shared_ptr<PlanSnapshot> plan_;
  ConnectionId bob_ = 0;
  const std::string offer_ = TestSdp("192.0.2.10", 4000, false);
  const std::string answer_ = TestSdp("198.51.100.1", 5000, false);
  const char* contact_ = "<sip:x@198.51.100.1>";
};

TEST_F(CallQueueTest, WaitsWithMusicAndIsConnectedWhenAMemberIsReady) {
  Load();
  const Sent ok = Wait("one");
  EXPECT_TRUE(Has(ok.message.body(), "m=audio"));
  ASSERT_EQ(edge_.created.size(), 1u);
  ASSERT_EQ(edge_.updated.size(), 1u);
  EXPECT_EQ(edge_.updated[0].legs[0].prompt, "waltz");
  EXPECT_EQ(edge_.updated[0].legs[0].remote->rtp_port, 4000);
  EXPECT_FALSE(edge_.updated[0].legs[1].remote.has_value());
  ASSERT_NE(Queued(0), nullptr);
  EXPECT_EQ(Queued(0)->queue, kPilot);
  edge_.Advance(absl::Seconds(5));
  EXPECT_EQ(Queued(0)->queue_position, 1u);
  EXPECT_TRUE(edge_.Idle());

  Register();
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.method(), SipMethod::kInvite);
  Serve(*invite, "one");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  const CallRecord* joined = nullptr;
  for (const CallRecord* record : edge_.core().calls().Records()) {
    if (record->state == CallState::kAnswered) joined = record;
  }
  ASSERT_NE(joined, nullptr);
  EXPECT_EQ(joined->queue, kPilot);
  EXPECT_GE(*joined->unqueued - *joined->queued, absl::Seconds(5));
  const EdgeEvent* end = edge_.Last(EdgeEvent::Type::kCallEnded);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->record->reason, "QUEUE_SERVED");
  // The music's session is gone, that of the two is there.
  EXPECT_EQ(edge_.deleted.size(), 1u);
  // And the caller can hang up.
  edge_.ReceiveUdp(kPbx, InDialog("BYE", 2, ok, "one"));
  auto bye = edge_.TakeTo(bob_);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
}

TEST_F(CallQueueTest, FirstComeFirstServedByOneMember) {
  Load();
  Wait("one");
  Wait("two");
  Register();
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  edge_.Advance(absl::Seconds(1));
  EXPECT_TRUE(edge_.Idle());  // he is reserved
  Serve(*invite, "one");
  edge_.Advance(absl::Seconds(3));
  EXPECT_TRUE(edge_.Idle());  // and busy
  for (const CallRecord* record : edge_.core().calls().Records()) {
    if (record->state == CallState::kAnswered) {
      edge_.Perform(
          edge_.core().OnEndCall(record->id, "OPERATOR", edge_.now()));
      break;
    }
  }
  auto bye = edge_.TakeTo(bob_);
  ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
  edge_.Answer(*bye, 200, "b");
  bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye && bye->message.method() == SipMethod::kBye);
  edge_.Answer(*bye, 200, "p1");
  edge_.Advance(absl::Milliseconds(300));
  invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.method(), SipMethod::kInvite);
  Serve(*invite, "two");
}

TEST_F(CallQueueTest, AFullQueueIsBusy) {
  Load();
  Wait("one");
  Wait("two");
  edge_.ReceiveUdp(kPbx, PbxInvite("4100", offer_, "three", "three"));
  edge_.TakeToUdp(kPbx);
  auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 486);
  EXPECT_EQ(edge_.Refusals(), "QUEUE_FULL");
  // It is known as a call of its own.
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->refusal->steps,
            (std::vector<std::string>{"sender: SOURCE_ADDRESS",
                                      "dial_plan: tenants/t/dialPlans/clear",
                                      "loop: none", Cat("route: ", kPilot),
                                      "admission: ok", "queue: QUEUE_FULL"}));
  const CallRecord* record = edge_.core().calls().Find(event->refusal->call);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->reason, "QUEUE_FULL");
  EXPECT_EQ(record->disposition, CallDisposition::kRefused);
  EXPECT_EQ(record->state, CallState::kEnded);
  EXPECT_EQ(record->matched_resource, kPilot);
  EXPECT_EQ(record->queue, "");  // it never waited
  ASSERT_EQ(record->legs.size(), 1u);
  EXPECT_EQ(record->legs[0].sip_call_id, "three");
  EXPECT_EQ(record->legs[0].sip_status, 486);
  const CallLadder::View ladder = edge_.core().LadderOf(record->id);
  ASSERT_EQ(ladder.messages.size(), 3u);
  EXPECT_TRUE(Has(ladder.messages[2].text, "SIP/2.0 486"));
  EXPECT_EQ(ladder.messages[2].reason, "QUEUE_FULL");
  EXPECT_EQ(edge_.core().calls().live(), 2u);
}

// Who waits is a call of the tenant's, and is served though there is no place
// for another: a queue must not keep itself from being served.
TEST_F(CallQueueTest, AsManyAsTheTenantMayHaveWaitAndAreServed) {
  plan_->hunt_pilots[0].queue->max_callers = 5;
  plan_->tenants[0].limits.max_calls = 2;
  Load();
  Wait("one");
  Wait("two");
  edge_.ReceiveUdp(kPbx, PbxInvite("4100", offer_, "three", "three"));
  edge_.TakeToUdp(kPbx);
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 503);
  EXPECT_EQ(edge_.Refusals(), "TENANT_CALL_LIMIT");
  Register();
  edge_.Advance(absl::Milliseconds(300));
  const auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  EXPECT_EQ(edge_.core().calls().live(), 3u);
  Serve(*invite, "one");
  EXPECT_EQ(edge_.core().calls().live(), 2u);
  EXPECT_EQ(edge_.Refusals(), "TENANT_CALL_LIMIT");
}

// Its member was rung in vain, and meanwhile the plan has become narrower.
TEST_F(CallQueueTest, NobodyWaitsWhereTheTenantHasNoRoom) {
  plan_->lines[1].users = {};
  Load();
  Wait("one");
  Register();
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  Serve(*invite, "one");
  plan_ = std::make_shared<PlanSnapshot>(*plan_);
  plan_->line_groups[0].lines = {"tenants/t/lines/4002"};
  plan_->tenants[0].limits.max_calls = 2;
  plan_->lines[1].users = {"tenants/t/users/carol"};
  Load();
  const ConnectionId carol = edge_.ConnectTcp("198.51.100.2");
  ASSERT_TRUE(edge_.Register(carol, "carol"));
  edge_.Forget();
  edge_.ReceiveUdp(kPbx, PbxInvite("4100", offer_, "two", "two"));
  invite = edge_.TakeTo(carol);
  ASSERT_TRUE(invite);
  plan_ = std::make_shared<PlanSnapshot>(*plan_);
  plan_->tenants[0].limits.max_calls = 1;
  Load();
  edge_.Forget();
  edge_.Answer(*invite, 486, "c");
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message.status_code(), 503);
  EXPECT_EQ(refused->message.Value(HeaderId::kRetryAfter), "5");
  EXPECT_EQ(edge_.Refusals(), "TENANT_CALL_LIMIT");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallQueueTest, WhoAbandonsIsForgotten) {
  Load();
  const Sent ok = Wait("one");
  Wait("two");
  edge_.ReceiveUdp(kPbx, InDialog("BYE", 2, ok, "one"));
  auto answered = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(answered && answered->message.status_code() == 200);
  edge_.Advance(absl::Seconds(1));
  ASSERT_NE(Queued(0), nullptr);
  EXPECT_EQ(Queued(0)->queue_position, 1u);
  EXPECT_EQ(Queued(1), nullptr);
  Register();
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  Serve(*invite, "two");
}

TEST_F(CallQueueTest, WhoAbandonsWhileAMemberRingsStopsThat) {
  Load();
  const Sent ok = Wait("one");
  Register();
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 180, "b", "", contact_);
  edge_.ReceiveUdp(kPbx, InDialog("BYE", 2, ok, "one"));
  auto cancel = edge_.TakeTo(bob_);
  ASSERT_TRUE(cancel);
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
}

TEST_F(CallQueueTest, AMemberWhoDoesNotAnswerRestsAndTheCallerKeepsItsPlace) {
  Load();
  Wait("one");
  Register();
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 486, "b");
  edge_.Forget();
  edge_.Advance(absl::Seconds(5));
  EXPECT_TRUE(edge_.Idle());
  ASSERT_NE(Queued(0), nullptr);
  edge_.Advance(absl::Seconds(6));
  invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  Serve(*invite, "one");
}

TEST_F(CallQueueTest, WhoIsNotReadyIsNotRung) {
  Load();
  Register();
  edge_.core().SetAgentReady("tenants/t/users/bob", false);
  Wait("one");
  edge_.Advance(absl::Seconds(2));
  EXPECT_TRUE(edge_.Idle());
  edge_.core().SetAgentReady("tenants/t/users/bob", true);
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  Serve(*invite, "one");
}

TEST_F(CallQueueTest, WhoHasWaitedLongEnoughGoesOnOrIsEnded) {
  plan_->hunt_pilots[0].forward_no_answer.number = "4002";
  Load();
  Wait("one");
  const ConnectionId carol = edge_.ConnectTcp("198.51.100.2");
  ASSERT_TRUE(edge_.Register(carol, "carol"));
  edge_.Forget();
  edge_.Advance(absl::Seconds(61));
  auto invite = edge_.TakeTo(carol);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->message.method(), SipMethod::kInvite);
  edge_.Answer(*invite, 486, "c");
  edge_.TakeTo(carol);
  auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded)->record->reason,
            "QUEUE_TIMEOUT");
}

TEST_F(CallQueueTest, AFreeMemberRingsAtOnce) {
  Load();
  Register();
  edge_.ReceiveUdp(kPbx, PbxInvite("4100", offer_, "one", "one"));
  edge_.TakeToUdp(kPbx);
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  edge_.Answer(*invite, 180, "b", "", contact_);
  auto ringing = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ringing);
  EXPECT_EQ(ringing->message.status_code(), 180);
}

// RFC 3261 section 13.2.1: our 200 has the offer, its ACK the answer.
TEST_F(CallQueueTest, WhoOffersNothingIsOfferedWhatThePromptCanBe) {
  Load();
  const Sent ok = WaitWithoutOffer("late");
  EXPECT_TRUE(Has(ok.message.body(), "m=audio"));
  EXPECT_TRUE(Has(ok.message.body(), "PCMU/8000"));
  EXPECT_TRUE(Has(ok.message.body(), "203.0.113.1"));
  ASSERT_EQ(edge_.created.size(), 1u);
  EXPECT_EQ(edge_.created[0].legs[0].prompt, "");
  EXPECT_TRUE(edge_.updated.empty());  // it is not known where it is
  Register();
  edge_.Advance(absl::Milliseconds(300));
  EXPECT_FALSE(edge_.TakeTo(bob_).has_value());
  edge_.Forget();  // the 200 again
  edge_.ReceiveUdp(kPbx, AckWith(ok, "late", offer_));
  ASSERT_EQ(edge_.updated.size(), 1u);
  EXPECT_EQ(edge_.updated[0].legs[0].prompt, "waltz");
  EXPECT_EQ(edge_.updated[0].legs[0].remote->rtp_port, 4000);
  ASSERT_NE(Queued(0), nullptr);
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  Serve(*invite, "late");
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded)->record->reason,
            "QUEUE_SERVED");
}

TEST_F(CallQueueTest, WhoDoesNotAnswerTheOfferDoesNotWait) {
  Load();
  const Sent ok = WaitWithoutOffer("late");
  edge_.ReceiveUdp(kPbx, InDialog("ACK", 1, ok, "late"));
  auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Answer(*bye, 200, "p1");
  ExpectOver("MEDIA_REFUSED", CallDisposition::kRefused);
  const Sent other = WaitWithoutOffer("other");
  edge_.ReceiveUdp(kPbx, AckWith(other, "other",
                                 "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\n"
                                 "c=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                                 "m=audio 4000 RTP/AVP 101\r\n"
                                 "a=rtpmap:101 telephone-event/8000\r\n"));
  bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded)->record->reason,
            "MEDIA_NOT_SUPPORTED");
}

// RFC 4028 section 7.4: without UPDATE by a re-INVITE with the same
// description, whoever had made the offer.
TEST_F(CallQueueTest, AWaitingCallerWithoutUpdateIsRefreshedByReInvite) {
  plan_->hunt_pilots[0].queue->max_wait = absl::Hours(3);
  Load();
  const Sent with = Wait("one");
  const Sent without = WaitWithoutOffer("late");
  edge_.ReceiveUdp(kPbx, AckWith(without, "late", offer_));
  const size_t updates = edge_.updated.size();
  for (int i = 0; i < 2; ++i) {
    edge_.Advance(absl::Minutes(15) + absl::Milliseconds(100));
    const std::vector<Sent> refreshes = {*edge_.TakeToUdp(kPbx),
                                         *edge_.TakeToUdp(kPbx)};
    for (const Sent& refresh : refreshes) {
      const Sent& ok =
          refresh.message.Value(HeaderId::kCallId) == "one" ? with : without;
      EXPECT_EQ(refresh.message.method(), SipMethod::kInvite);
      EXPECT_EQ(refresh.message.Value(HeaderId::kCallId),
                ok.message.Value(HeaderId::kCallId));
      EXPECT_EQ(refresh.message.body(), ok.message.body());
      EXPECT_TRUE(refresh.message.Has(HeaderId::kSessionExpires));
      edge_.Answer(refresh, 200, "p1", offer_);
      auto ack = edge_.TakeToUdp(kPbx);
      ASSERT_TRUE(ack);
      EXPECT_EQ(ack->message.method(), SipMethod::kAck);
    }
    EXPECT_TRUE(edge_.Idle());
  }
  EXPECT_EQ(edge_.updated.size(), updates);  // it plays on
  EXPECT_NE(Queued(1), nullptr);
  Register();
  edge_.Advance(absl::Milliseconds(300));
  auto invite = edge_.TakeTo(bob_);
  ASSERT_TRUE(invite);
  Serve(*invite, "one");
}

TEST_F(CallQueueTest, AWaitingCallerThatIsGoneIsFoundByTheRefresh) {
  plan_->hunt_pilots[0].queue->max_wait = absl::Hours(3);
  Load();
  Wait("one");
  edge_.Advance(absl::Minutes(15) + absl::Seconds(1));
  auto refresh = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refresh);
  edge_.Answer(*refresh, 481, "p1");
  edge_.Forget();  // ACK
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded)->record->reason,
            "DIALOG_LOST");
  EXPECT_EQ(Queued(0), nullptr);
}

// The relay that plays is lost: another one goes on.
TEST_F(CallQueueTest, AWaitingCallerIsTakenToAnotherRelay) {
  Load();
  Wait("one");
  MediaEvent event;
  event.kind = MediaEvent::Kind::kLost;
  event.relay = "relay1";
  event.session = Queued(0)->media_session;
  edge_.Perform(edge_.core().OnMediaEvent(event, edge_.now()));
  ASSERT_EQ(edge_.created.size(), 2u);
  EXPECT_EQ(edge_.created[1].legs[0].prompt, "waltz");
  auto moved = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->message.method(), SipMethod::kInvite);
  edge_.Answer(*moved, 200, "p1", offer_);
  edge_.Forget();  // ACK
  edge_.Advance(absl::Seconds(40));
  EXPECT_NE(Queued(0), nullptr);
}

TEST_F(CallQueueTest, AWaitingCallerCannotBeReferredOrLeftAlone) {
  Load();
  const Sent ok = Wait("one");
  edge_.ReceiveUdp(kPbx, WithHeaders(InDialog("REFER", 2, ok, "one"),
                                     "Refer-To: <sip:4002@d.test>"));
  auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused);
  EXPECT_GE(refused->message.status_code(), 400);
  // Its own hold is answered by us.
  edge_.ReceiveUdp(kPbx,
                   Cat(InDialog("INVITE", 3, ok, "one"),
                       "\nContent-Type: application/sdp\n\n",
                       TestSdp("192.0.2.10", 4000, false, "a=sendonly\r\n")));
  edge_.TakeToUdp(kPbx);
  auto held = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->message.status_code(), 200);
  EXPECT_TRUE(Has(held->message.body(), "a=recvonly"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
