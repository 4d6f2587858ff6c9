// Calls that are refused before anybody is called: what is kept of them, and
// of whom nothing is.
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class CallRefusalsTest : public EdgeCoreTest {
 protected:
  CallRefusalsTest() = default;
  explicit CallRefusalsTest(const EdgeOptions& options)
      : EdgeCoreTest(options) {}

  static constexpr char kStranger[] = "198.51.100.9:5060";

  std::string Offer() { return TestSdp("192.0.2.10", 4000, false); }

  // An INVITE of a user, to be proven by digest.
  static std::string UserInvite(std::string_view user, std::string_view number,
                                int cseq, std::string_view transport = "UDP") {
    return Cat("INVITE sip:", number, "@d.test SIP/2.0\nVia: SIP/2.0/",
               transport, " 198.51.100.9:5060;branch=z9hG4bKu", cseq,
               "\nMax-Forwards: 70\nFrom: <sip:", user,
               "@d.test>;tag=u1\nTo: <sip:", number,
               "@d.test>\nCall-ID: u1\nCSeq: ", cseq,
               " INVITE\nContact: <sip:", user, "@198.51.100.9>\n",
               "User-Agent: phone\nContent-Type: application/sdp\n\n",
               TestSdp("198.51.100.9", 4000, false));
  }

  // The only record, of a call that was refused so; with its ladder.
  void ExpectRefused(std::string_view reason, int code,
                     CallDisposition disposition, std::string_view caller) {
    const auto records = edge_.core().calls().Records();
    ASSERT_EQ(records.size(), 1u) << edge_.Refusals();
    const CallRecord& record = *records[0];
    EXPECT_EQ(edge_.core().calls().live(), 0u);
    EXPECT_EQ(record.reason, reason);
    EXPECT_EQ(record.disposition, disposition);
    EXPECT_EQ(record.state, CallState::kEnded);
    EXPECT_EQ(record.tenant, "tenants/t");
    EXPECT_TRUE(record.ended.has_value());
    EXPECT_FALSE(record.answered.has_value());
    ASSERT_EQ(record.legs.size(), 1u);
    EXPECT_TRUE(record.legs[0].incoming);
    EXPECT_EQ(record.legs[0].party.resource, caller);
    EXPECT_EQ(record.legs[0].sip_status, code);
    EXPECT_NE(record.legs[0].party.authentication, Authentication::kNone);
    EXPECT_FALSE(record.legs[0].sip_call_id.empty());

    const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->reason, reason);
    EXPECT_EQ(event->refusal->call, record.id);
    EXPECT_EQ(event->refusal->sip_status, code);
    EXPECT_EQ(event->refusal->sip_method, "INVITE");
    ASSERT_FALSE(event->refusal->steps.empty());
    EXPECT_THAT(event->refusal->steps.front(), HasSubstr("sender: "));
    EXPECT_THAT(event->refusal->steps.back(), HasSubstr(std::string(reason)));
    ASSERT_NE(event->record, nullptr);
    EXPECT_EQ(event->call, record.id);
    // No other event tells of it, so that no reader counts a call that lives.
    EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallStarted), nullptr);
    EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded), nullptr);

    const CallLadder::View ladder = edge_.core().LadderOf(record.id);
    ASSERT_GE(ladder.messages.size(), 2u);
    EXPECT_THAT(ladder.messages.front().text, HasSubstr("INVITE "));
    EXPECT_THAT(ladder.messages.back().text, HasSubstr(Cat("SIP/2.0 ", code)));
    EXPECT_EQ(ladder.messages.back().reason, reason);
  }

  void ExpectNothingKept() {
    EXPECT_THAT(edge_.core().calls().Records(), IsEmpty());
    EXPECT_EQ(edge_.core().calls().ladder().legs(), 0u);
    EXPECT_EQ(edge_.core().calls().ladder().bytes(), 0u);
    for (const EdgeEvent& event : edge_.events) {
      EXPECT_EQ(event.call, 0u);
    }
  }
};

struct Case {
  const char* name;
  std::function<void(PlanSnapshot&)> change;
  const char* number;
  const char* headers;
  const char* reason;
  int code;
  CallDisposition disposition;
  const char* last_step;
};

class RefusedPeerCallTest : public CallRefusalsTest,
                            public testing::WithParamInterface<Case> {};

TEST_P(RefusedPeerCallTest, HasARecordALadderAndItsSteps) {
  const Case& that = GetParam();
  auto plan = TestPlan();
  if (that.change) that.change(*plan);
  edge_.Load(plan);
  edge_.events.clear();
  std::string invite = PbxInvite(that.number, Offer());
  if (std::string_view(that.headers) == "Max-Forwards: 0") {
    invite.replace(invite.find("Max-Forwards: 70"), 16, that.headers);
  } else if (*that.headers != '\0') {
    invite = WithHeaders(invite, that.headers);
  }
  edge_.ReceiveUdp(kPbx, invite);
  ExpectRefused(that.reason, that.code, that.disposition,
                "tenants/t/peers/pbx");
  const CallRecord& record = *edge_.core().calls().Records()[0];
  EXPECT_EQ(record.calling, "5551000");
  EXPECT_EQ(record.called, that.number);
  EXPECT_EQ(record.legs[0].party.mode, SecurityMode::kUnsecured);
  EXPECT_EQ(record.legs[0].party.identity, "192.0.2.10");
  const auto& steps = edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps;
  EXPECT_EQ(steps.back(), that.last_step);
  for (const std::string& step : steps) {
    EXPECT_THAT(step, Not(HasSubstr(that.number)));
  }
  // Its ACK ends the transaction; record and ladder stay for an hour.
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(edge_.core().transactions(), 0u);
  EXPECT_EQ(edge_.core().calls().Records().size(), 1u);
  EXPECT_TRUE(edge_.core().LadderOf(record.id).kept);
}

INSTANTIATE_TEST_SUITE_P(
    EachKind, RefusedPeerCallTest,
    testing::Values(
        Case{"NoRoute", nullptr, "1239", "", "ROUTE_NOT_FOUND", 404,
             CallDisposition::kFailed, "route: ROUTE_NOT_FOUND"},
        Case{"TooManyHops", nullptr, "95551234", "Max-Forwards: 0",
             "TOO_MANY_HOPS", 483, CallDisposition::kFailed,
             "loop: TOO_MANY_HOPS"},
        Case{"ExtensionUnsupported", nullptr, "95551234", "Require: frozen",
             "EXTENSION_UNSUPPORTED", 420, CallDisposition::kFailed,
             "extensions: EXTENSION_UNSUPPORTED"},
        Case{"ProxyExtensionUnsupported", nullptr, "95551234",
             "Proxy-Require: timer", "EXTENSION_UNSUPPORTED", 420,
             CallDisposition::kFailed, "extensions: EXTENSION_UNSUPPORTED"},
        Case{"NoBreadth", nullptr, "95551234", "Max-Breadth: 0",
             "MAX_BREADTH_EXCEEDED", 440, CallDisposition::kRefused,
             "loop: MAX_BREADTH_EXCEEDED"},
        Case{"NobodyIsThere", nullptr, "1001", "", "USER_NOT_REGISTERED", 480,
             CallDisposition::kFailed, "contacts: USER_NOT_REGISTERED"},
        Case{"ReplacesNotAllowed", nullptr, "95551234",
             "Replaces: a;to-tag=b;from-tag=c", "REPLACES_NOT_ALLOWED", 403,
             CallDisposition::kRefused, "replaces: REPLACES_NOT_ALLOWED"},
        Case{"SecurityModeOfTheTarget",
             [](PlanSnapshot& plan) {
               plan.peers[1].transport = sallyport::SipTransport::kUdp;
             },
             "95551234", "", "SECURITY_MODE_TLS_REQUIRED", 403,
             CallDisposition::kRefused,
             "tenants/t/peers/gw: SECURITY_MODE_TLS_REQUIRED"},
        Case{"PeerDisabled",
             [](PlanSnapshot& plan) {
               plan.peers[2].status = PeerStatus::kDisabled;
             },
             "95551234", "", "PEER_DISABLED", 403, CallDisposition::kRefused,
             "status: PEER_DISABLED"}),
    [](const auto& info) { return std::string(info.param.name); });

// RFC 3261 sections 8.2.2.1, 21.4.14.
TEST_F(CallRefusalsTest, ASchemeThatWeDoNotHave) {
  std::string invite = PbxInvite("95551234", Offer());
  invite.replace(0, invite.find(" SIP/2.0"), "INVITE http:95551234");
  edge_.ReceiveUdp(kPbx, invite);
  ExpectRefused("URI_SCHEME_UNSUPPORTED", 416, CallDisposition::kFailed,
                "tenants/t/peers/pbx");
  EXPECT_THAT(edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps,
              ElementsAre("sender: SOURCE_ADDRESS",
                          "dial_plan: tenants/t/dialPlans/clear",
                          "uri: URI_SCHEME_UNSUPPORTED"));
  EXPECT_EQ(edge_.core().calls().Records()[0]->called, "");
}

TEST_F(CallRefusalsTest, WhatIsNotSupportedIsNamed) {
  edge_.ReceiveUdp(kPbx, WithHeaders(PbxInvite("95551234", Offer()),
                                     "Require: frozen, timer, cold"));
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused && refused->message.status_code() == 420);
  EXPECT_EQ(refused->message.Value(HeaderId::kUnsupported), "frozen, cold");
  EXPECT_EQ(edge_.connects.size(), 0u);
}

TEST_F(CallRefusalsTest, AUserIsAskedForItsPasswordBefore) {
  const auto invite = [](int cseq) {
    return WithHeaders(UserInvite("bob", "95551234", cseq), "Require: frozen");
  };
  edge_.ReceiveUdp(kStranger, invite(1));
  const auto challenge = edge_.TakeToUdp(kStranger);
  ASSERT_TRUE(challenge && challenge->message.status_code() == 407);
  EXPECT_FALSE(challenge->message.Has(HeaderId::kUnsupported));
  EXPECT_EQ(edge_.core().transactions(), 0u);
  ExpectNothingKept();
  edge_.ReceiveUdp(
      kStranger, EdgeHarness::WithDigest(invite(2), *challenge, "bob", "INVITE",
                                         "sip:95551234@d.test"));
  ExpectRefused("EXTENSION_UNSUPPORTED", 420, CallDisposition::kFailed,
                "tenants/t/users/bob");
}

// RFC 3261 section 8.2.2.2: the call is that of the first copy.
TEST_F(CallRefusalsTest, ACopyByAnotherWay) {
  Sent invite = PbxCallsGateway();
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", Offer(), "pbx1", "another"));
  const auto refused = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(refused && refused->message.status_code() == 482);
  const auto records = edge_.core().calls().Records();
  ASSERT_EQ(records.size(), 1u);
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "MERGED_REQUEST");
  EXPECT_EQ(event->refusal->kind, RefusalKind::kCall);
  EXPECT_EQ(event->refusal->call, records[0]->id);
  EXPECT_EQ(event->refusal->sip_status, 482);
  EXPECT_THAT(event->refusal->steps,
              ElementsAre("source: proven", "loop: MERGED_REQUEST"));
  EXPECT_EQ(event->call, 0u);
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

class FewTransactionsTest : public CallRefusalsTest {
 protected:
  static EdgeOptions Few() {
    EdgeOptions options = EdgeHarness::Options();
    options.max_transactions = 20;
    return options;
  }
  FewTransactionsTest() : CallRefusalsTest(Few()) {}
};

// Nobody is asked who it is then; one of them is told of each second.
TEST_F(FewTransactionsTest, WhatFindsNoRoomIsToldOnceASecond) {
  for (int i = 0; i < 30; ++i) {  // they wait for a name
    edge_.ReceiveUdp(kPbx,
                     PbxInvite("75551234", Offer(), Cat("c", i), Cat("b", i)));
  }
  EXPECT_EQ(edge_.Refusals(), "TRANSACTION_LIMIT");
  EXPECT_EQ(edge_.core().stats().refusals.at("TRANSACTION_LIMIT"), 12u);
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  EXPECT_EQ(event->refusal->kind, RefusalKind::kCall);
  EXPECT_EQ(event->refusal->sip_status, 503);
  EXPECT_THAT(event->refusal->steps,
              ElementsAre("source: proven", "admission: TRANSACTION_LIMIT"));
  EXPECT_EQ(event->call, 0u);
  EXPECT_THAT(edge_.core().calls().Records(), IsEmpty());
  EXPECT_EQ(edge_.core().calls().ladder().legs(), 18u);  // of those that wait
}

class ApprovedOnlyTest : public CallRefusalsTest {
 protected:
  static EdgeOptions Approved() {
    EdgeOptions options = EdgeHarness::Options();
    options.approved_only = true;
    return options;
  }
  ApprovedOnlyTest() : CallRefusalsTest(Approved()) {}
};

// IMP-70: the user is asked again and again; the operator is told why.
TEST_F(ApprovedOnlyTest, AUserOfMd5InFipsMode) {
  edge_.ReceiveUdp(kStranger, UserInvite("bob", "95551234", 1));
  const auto challenge = edge_.TakeToUdp(kStranger);
  ASSERT_TRUE(challenge.has_value());
  EXPECT_EQ(edge_.Refusals(), "");
  edge_.ReceiveUdp(kStranger, EdgeHarness::WithDigest(
                                  UserInvite("bob", "95551234", 2), *challenge,
                                  "bob", "INVITE", "sip:95551234@d.test"));
  EXPECT_EQ(edge_.Refusals(), "NOT_ALLOWED_IN_FIPS_MODE");
  EXPECT_THAT(
      edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps,
      ElementsAre("source: stranger", "password: NOT_ALLOWED_IN_FIPS_MODE"));
  ExpectNothingKept();
}

TEST_F(CallRefusalsTest, AUserWhosePasswordIsRightIsSomebody) {
  const ConnectionId phone = edge_.ConnectTls("", "");
  edge_.Receive(phone, UserInvite("alice", "95551234", 1, "TLS"));
  const auto challenge = edge_.TakeTo(phone);
  ASSERT_TRUE(challenge && challenge->message.status_code() == 407);
  ExpectNothingKept();
  edge_.Receive(
      phone, EdgeHarness::WithDigest(UserInvite("alice", "95551234", 2, "TLS"),
                                     *challenge, "alice", "INVITE",
                                     "sip:95551234@d.test"));
  ExpectRefused("PEER_CERTIFICATE_MISSING", 403, CallDisposition::kRefused,
                "tenants/t/users/alice");
  const LegRecord& leg = edge_.core().calls().Records()[0]->legs[0];
  EXPECT_EQ(leg.party.mode, SecurityMode::kSecured);
  EXPECT_EQ(leg.party.authentication, Authentication::kDigestMd5);
  // What it should have come with.
  EXPECT_THAT(
      edge_.Last(EdgeEvent::Type::kRefused)->refusal->expected_identities,
      ElementsAre("SEP1"));
}

// A user by somebody else's phone.
TEST_F(CallRefusalsTest, TheDeviceThatAUserShouldHaveIsTold) {
  auto plan = TestPlan();
  plan->phones.push_back({.name = "tenants/t/phones/SEP2",
                          .device_name = "SEP2",
                          .dial_plan = "tenants/t/dialPlans/secured",
                          .owner_user = "tenants/t/users/carol"});
  edge_.Load(plan);
  edge_.events.clear();
  const ConnectionId phone = edge_.ConnectTls("", "SEP2");
  edge_.Receive(phone, UserInvite("alice", "95551234", 1, "TLS"));
  edge_.TakeTo(phone);  // 100
  const auto challenge = edge_.TakeTo(phone);
  ASSERT_TRUE(challenge && challenge->message.status_code() == 407);
  edge_.Receive(
      phone, EdgeHarness::WithDigest(UserInvite("alice", "95551234", 2, "TLS"),
                                     *challenge, "alice", "INVITE",
                                     "sip:95551234@d.test"));
  ExpectRefused("IDENTITY_NOT_ALLOWED", 403, CallDisposition::kRefused,
                "tenants/t/users/alice");
  const auto expect_devices = [&](RefusalKind kind) {
    const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
    EXPECT_EQ(event->refusal->kind, kind);
    EXPECT_EQ(event->refusal->subject, "tenants/t/users/alice");
    EXPECT_THAT(event->refusal->presented_identities, ElementsAre("CN:SEP2"));
    EXPECT_THAT(event->refusal->expected_identities, ElementsAre("SEP1"));
    EXPECT_THAT(event->refusal->steps,
                ElementsAre("sender: LSC_AND_DIGEST_MD5",
                            "dial_plan: tenants/t/dialPlans/secured",
                            "identity: IDENTITY_NOT_ALLOWED"));
  };
  expect_devices(RefusalKind::kCall);
  edge_.Forget();
  EXPECT_FALSE(edge_.Register(phone, "alice"));
  expect_devices(RefusalKind::kRegistration);
}

TEST_F(CallRefusalsTest, AUsersCallThatLeadsNowhere) {
  edge_.ReceiveUdp(kStranger, UserInvite("bob", "1239", 1));
  const auto challenge = edge_.TakeToUdp(kStranger);
  ASSERT_TRUE(challenge && challenge->message.status_code() == 407);
  ExpectNothingKept();
  edge_.ReceiveUdp(kStranger, EdgeHarness::WithDigest(
                                  UserInvite("bob", "1239", 2), *challenge,
                                  "bob", "INVITE", "sip:1239@d.test"));
  ExpectRefused("ROUTE_NOT_FOUND", 404, CallDisposition::kFailed,
                "tenants/t/users/bob");
  EXPECT_THAT(
      edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps,
      ElementsAre("sender: DIGEST_MD5", "dial_plan: tenants/t/dialPlans/clear",
                  "loop: none", "route: ROUTE_NOT_FOUND"));
}

// ------------------------------------------------- of whom nothing is kept

TEST_F(CallRefusalsTest, WhoHasNoPasswordHasProvenNothing) {
  for (int i = 0; i < 100; ++i) {
    edge_.ReceiveUdp(kStranger, UserInvite("bob", "95551234", i + 1));
  }
  ExpectNothingKept();
}

TEST_F(CallRefusalsTest, NorHasWhoHasAWrongOne) {
  edge_.ReceiveUdp(kStranger, UserInvite("bob", "95551234", 1));
  const auto challenge = edge_.TakeToUdp(kStranger);
  ASSERT_TRUE(challenge.has_value());
  edge_.ReceiveUdp(kStranger, EdgeHarness::WithDigest(
                                  UserInvite("bob", "95551234", 2), *challenge,
                                  "carol", "INVITE", "sip:95551234@d.test"));
  EXPECT_EQ(edge_.Refusals(), "DIGEST_FAILED");
  EXPECT_THAT(edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps,
              ElementsAre("source: stranger", "password: DIGEST_FAILED"));
  ExpectNothingKept();
}

TEST_F(CallRefusalsTest, NorWhoAsksForWhatWeDoNotHave) {
  std::string foreign =
      WithHeaders(UserInvite("bob", "95551234", 1), "Require: frozen");
  foreign.replace(0, foreign.find(" SIP/2.0"), "INVITE http:95551234");
  edge_.ReceiveUdp(kStranger, foreign);
  EXPECT_EQ(edge_.TakeToUdp(kStranger)->message.status_code(), 407);
  foreign.replace(foreign.find("bob@d.test"), 10, "bob@e.test");
  foreign.replace(foreign.find("z9hG4bKu1"), 9, "z9hG4bKu2");
  edge_.ReceiveUdp(kStranger, foreign);
  EXPECT_EQ(edge_.TakeToUdp(kStranger)->message.status_code(), 403);
  EXPECT_EQ(edge_.Refusals(), "IDENTITY_NOT_ALLOWED");
  ExpectNothingKept();
}

TEST_F(CallRefusalsTest, NorAScannerNorOneOfNoDomainOfOurs) {
  std::string scan = UserInvite("bob", "95551234", 1);
  scan.replace(scan.find("User-Agent: phone"), 17,
               "User-Agent: friendly-scanner");
  edge_.ReceiveUdp(kStranger, scan);
  EXPECT_EQ(edge_.Refusals(), "SCANNER_USER_AGENT");
  std::string foreign = UserInvite("bob", "95551234", 2);
  foreign.replace(foreign.find("bob@d.test"), 10, "bob@e.test");
  edge_.ReceiveUdp(kStranger, foreign);
  EXPECT_EQ(edge_.Refusals(), "SCANNER_USER_AGENT IDENTITY_NOT_ALLOWED");
  EXPECT_THAT(
      edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps,
      ElementsAre("source: stranger", "address: no peer is declared there",
                  "identity: IDENTITY_NOT_ALLOWED"));
  ExpectNothingKept();
}

// In a plan of TLS an address proves nothing, whosever it is.
TEST_F(CallRefusalsTest, NorTheAddressOfAPeerThatMustUseTls) {
  auto plan = TestPlan();
  plan->peers[2].dial_plan = "tenants/t/dialPlans/gateway";
  edge_.Load(plan);
  edge_.events.clear();
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", Offer()));
  EXPECT_EQ(edge_.Refusals(), "SECURITY_MODE_TLS_REQUIRED");
  ExpectNothingKept();
}

TEST_F(CallRefusalsTest, NorAnAddressWherePasswordsAreAskedFor) {
  auto plan = TestPlan();
  plan->peers[2].digest_user = "tenants/t/users/bob";
  plan->peers[2].status = PeerStatus::kDisabled;
  edge_.Load(plan);
  edge_.events.clear();
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", Offer()));
  EXPECT_EQ(edge_.Refusals(), "PEER_DISABLED");
  ExpectNothingKept();
}

class FewMessagesTest : public CallRefusalsTest {
 protected:
  static EdgeOptions Few() {
    EdgeOptions options = EdgeHarness::Options();
    options.invites_per_second_per_source = 0.5;
    return options;
  }
  FewMessagesTest() : CallRefusalsTest(Few()) {}
};

TEST_F(FewMessagesTest, NorWhoSendsTooMuch) {
  for (int i = 0; i < 50; ++i) {
    edge_.ReceiveUdp(kStranger, UserInvite("bob", "95551234", i + 1));
  }
  EXPECT_THAT(edge_.Refusals(), HasSubstr("RATE_LIMITED"));
  ExpectNothingKept();
}

// ------------------------------------------------------------------ bounds

class ShortHistoryTest : public CallRefusalsTest {
 protected:
  static EdgeOptions Short() {
    EdgeOptions options = EdgeHarness::Options();
    options.history_entries = 40;
    return options;
  }
  ShortHistoryTest() : CallRefusalsTest(Short()) {}
};

// One whom we know, and who has gone mad.
TEST_F(CallRefusalsTest, OfOneCallerNotMoreThanItsShareIsKept) {
  for (int i = 0; i < 300; ++i) {
    edge_.ReceiveUdp(kPbx,
                     PbxInvite("1239", Offer(), Cat("c", i), Cat("b", i)));
  }
  EXPECT_EQ(edge_.core().calls().Records().size(), 200u);
  size_t refused = 0;
  for (const EdgeEvent& event : edge_.events) {
    refused += event.reason == "ROUTE_NOT_FOUND" ? 1 : 0;
  }
  EXPECT_EQ(refused, 300u);
  EXPECT_EQ(edge_.events.back().refusal->call, 0u);
  EXPECT_THAT(edge_.events.back().refusal->steps, Not(IsEmpty()));
  EXPECT_EQ(edge_.core().calls().not_kept().of_caller, 100u);
  EXPECT_EQ(edge_.core().calls().not_kept().of_all, 0u);
  // Others have theirs, and so has this one after a rest.
  edge_.Advance(absl::Minutes(1));
  edge_.ReceiveUdp(kPbx, PbxInvite("1239", Offer(), "later", "later"));
  EXPECT_NE(edge_.events.back().refusal->call, 0u);
  // Of those without a record there is no ladder either.
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(edge_.core().calls().ladder().legs(), 201u);
}

// Many whom we know, at once.
TEST_F(CallRefusalsTest, NorIsOfAllTogether) {
  auto plan = TestPlan();
  constexpr int kPeers = 12;
  for (int i = 0; i < kPeers; ++i) {
    PeerEntry peer = plan->peers[2];
    peer.name = Cat("tenants/t/peers/pbx", i);
    peer.address = Cat("192.0.2.", 100 + i);
    plan->peers.push_back(peer);
  }
  edge_.Load(plan);
  for (int i = 0; i < kPeers; ++i) {
    for (int j = 0; j < 180; ++j) {
      const std::string id = Cat(i, "x", j);
      edge_.ReceiveUdp(Cat("192.0.2.", 100 + i, ":5060"),
                       PbxInvite("1239", "", id, id));
    }
  }
  EXPECT_EQ(edge_.core().calls().Records().size(), 2000u);
  EXPECT_EQ(edge_.core().calls().not_kept().of_all, kPeers * 180u - 2000u);
  EXPECT_EQ(edge_.core().calls().not_kept().of_caller, 0u);
}

TEST_F(ShortHistoryTest, RefusedCallsTakeAQuarterOfTheHistory) {
  Sent invite;
  const Sent ok = Established(invite);
  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(ok)));
  edge_.Answer(*edge_.TakeTo(invite.connection), 200, "g1");
  const uint64_t answered = edge_.core().calls().Records()[0]->id;
  for (int i = 0; i < 100; ++i) {
    edge_.ReceiveUdp(kPbx,
                     PbxInvite("1239", Offer(), Cat("c", i), Cat("b", i)));
  }
  EXPECT_EQ(edge_.core().calls().Records().size(), 11u);
  EXPECT_NE(edge_.core().calls().Find(answered), nullptr);
  // Those that are forgotten leave no messages behind.
  edge_.Advance(absl::Minutes(2));
  EXPECT_EQ(edge_.core().calls().ladder().legs(), 12u);
}

// ------------------------------------------------- calls that have a number

TEST_F(CallRefusalsTest, WhoGivesUpBeforeAnybodyIsCalledHasARecordToo) {
  edge_.ReceiveUdp(kPbx, PbxInvite("75551234", Offer()));
  ASSERT_EQ(edge_.resolves.size(), 1u);  // far.d.test
  std::string cancel = PbxCancel();
  for (size_t at; (at = cancel.find("95551234")) != std::string::npos;) {
    cancel.replace(at, 1, "7");
  }
  edge_.ReceiveUdp(kPbx, cancel);
  const auto records = edge_.core().calls().Records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]->reason, "CANCELLED");
  EXPECT_EQ(records[0]->disposition, CallDisposition::kCancelled);
  EXPECT_EQ(records[0]->legs.size(), 1u);
  EXPECT_EQ(records[0]->legs[0].sip_status, 487);
  EXPECT_EQ(edge_.Refusals(), "");
  ASSERT_NE(edge_.Last(EdgeEvent::Type::kCallStarted), nullptr);
  ASSERT_NE(edge_.Last(EdgeEvent::Type::kCallEnded), nullptr);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kCallEnded)->call, records[0]->id);
}

TEST_F(CallRefusalsTest, TargetsThatCannotBeCalledAreNamed) {
  edge_.ReceiveUdp(kPbx, PbxInvite("75551234", Offer()));
  ASSERT_EQ(edge_.resolves.size(), 1u);
  edge_.Perform(edge_.core().OnHostResolved(
      edge_.resolves[0].query, absl::UnavailableError("no such name"),
      edge_.now()));
  ExpectRefused("PEER_UNREACHABLE", 503, CallDisposition::kFailed,
                "tenants/t/peers/pbx");
  EXPECT_THAT(edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps,
              ElementsAre("sender: SOURCE_ADDRESS",
                          "dial_plan: tenants/t/dialPlans/clear", "loop: none",
                          "route: tenants/t/routePatterns/far", "admission: ok",
                          "tenants/t/peers/far: PEER_UNREACHABLE"));
  EXPECT_EQ(edge_.core().calls().Records()[0]->matched_resource,
            "tenants/t/routePatterns/far");
}

TEST_F(CallRefusalsTest, OneMoreThanThePeerTakes) {
  auto plan = TestPlan();
  plan->peers[1].max_calls = 1;
  edge_.Load(plan);
  Sent invite;
  Established(invite);
  edge_.events.clear();
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", Offer(), "two", "two"));
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "PEER_CALL_LIMIT");
  EXPECT_EQ(event->refusal->steps.back(),
            "tenants/t/peers/gw: PEER_CALL_LIMIT");
  const CallRecord* record = edge_.core().calls().Find(event->refusal->call);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->legs.size(), 1u);
  EXPECT_EQ(record->legs[0].sip_call_id, "two");
  EXPECT_EQ(edge_.core().calls().live(), 1u);
}

TEST_F(CallRefusalsTest, TollLimitsAndDrainingAreRulesOfOurs) {
  auto plan = TestPlan();
  plan->dialling_restrictions = {
      {.name = "tenants/t/diallingRestrictions/r",
       .allowed = {TollClass::kInternational},
       .toll_limits = {{.toll_classes = {TollClass::kInternational},
                        .calls_per_minute_per_caller = 1}}}};
  plan->dial_plans[0].dialling_restriction = "tenants/t/diallingRestrictions/r";
  for (RoutePatternEntry& pattern : plan->route_patterns) {
    pattern.toll_class = TollClass::kInternational;
  }
  edge_.Load(plan);
  PbxCallsGateway();
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", Offer(), "two", "two"));
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "TOLL_CALL_RATE");
  EXPECT_EQ(event->refusal->steps.back(), "toll: TOLL_CALL_RATE");
  EXPECT_EQ(event->record->disposition, CallDisposition::kRefused);
  edge_.Perform(edge_.core().OnDrain(edge_.now()));
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", Offer(), "three", "three"));
  event = edge_.Last(EdgeEvent::Type::kRefused);
  EXPECT_EQ(event->reason, "DRAINING");
  EXPECT_EQ(event->refusal->steps.back(), "admission: DRAINING");
  EXPECT_NE(event->refusal->call, 0u);
}

// It had a second leg already: that record is the one.
TEST_F(CallRefusalsTest, ARefusedDescriptionIsOfTheCallThatThereIs) {
  edge_.ReceiveUdp(kPbx,
                   PbxInvite("95551234", TestSdp("192.0.2.10", 4000, true)));
  const auto records = edge_.core().calls().Records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]->legs.size(), 2u);
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "SECURITY_MODE_SRTP_NOT_ALLOWED");
  EXPECT_EQ(event->refusal->call, records[0]->id);
  EXPECT_EQ(event->call, 0u);
  EXPECT_THAT(event->refusal->steps,
              ElementsAre("sender: SOURCE_ADDRESS",
                          "dial_plan: tenants/t/dialPlans/clear",
                          "route: tenants/t/routePatterns/gw",
                          "called: tenants/t/peers/gw", "leg: caller",
                          "security_mode: SECURITY_MODE_SRTP_NOT_ALLOWED"));
}

// ------------------------------------------------------------ certificates

TEST_F(CallRefusalsTest, WhatThePlanWouldHaveTakenIsTold) {
  edge_.ReceiveUdp(kPbx, PbxInvite("95551234", Offer()));
  edge_.AcceptDialled("wrong.d.test");
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "PEER_IDENTITY_MISMATCH");
  EXPECT_THAT(event->refusal->presented_identities,
              ElementsAre("DNS:wrong.d.test"));
  EXPECT_THAT(event->refusal->expected_identities, ElementsAre("gw.d.test"));
  EXPECT_THAT(event->refusal->steps,
              ElementsAre("certificate: ok", "chain: ok", "usage: ok",
                          "identity: 0 of 1 name matches"));
}

TEST_F(CallRefusalsTest, AlsoWhereTheAddressIsThatOfAPeer) {
  auto plan = TestPlan();
  plan->peers[1].x509_subjects = {"gw.d.test", "spare.d.test"};
  edge_.Load(plan);
  edge_.ConnectTls("wrong.d.test", "", "192.0.2.20");
  EXPECT_THAT(
      edge_.Last(EdgeEvent::Type::kRefused)->refusal->expected_identities,
      ElementsAre("gw.d.test", "spare.d.test"));
  // Of an address that is nobody's nothing is known, and so it is said.
  edge_.ConnectTls("wrong.d.test", "", "198.51.100.7");
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  EXPECT_THAT(event->refusal->expected_identities, IsEmpty());
  EXPECT_THAT(event->refusal->steps,
              ElementsAre("certificate: ok", "chain: ok", "usage: ok",
                          "address: no peer is declared there",
                          "identity: 0 of 1 name matches"));
}

TEST_F(CallRefusalsTest, OfAPhoneItIsTheDeviceName) {
  edge_.ConnectTls("", "sep1");  // an LSC has the exact name
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "PEER_IDENTITY_MISMATCH");
  EXPECT_THAT(event->refusal->presented_identities, ElementsAre("CN:sep1"));
  EXPECT_THAT(event->refusal->expected_identities, ElementsAre("SEP1"));
  EXPECT_THAT(event->refusal->steps,
              ElementsAre("certificate: ok", "chain: ok", "usage: ok",
                          "identity: 0 of 1 name matches"));
}

TEST_F(CallRefusalsTest, WhoHasProvenToBeSomebodyIsExpectedToStayIt) {
  edge_.ConnectTls("", "SEP1");
  auto plan = TestPlan();
  plan->phones[0].device_name = "SEP9";
  edge_.Load(plan);
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "PEER_IDENTITY_MISMATCH");
  EXPECT_THAT(event->refusal->expected_identities, ElementsAre("SEP9"));
  // And one whose certificate is no longer good.
  const ConnectionId phone = edge_.ConnectTls("", "SEP9");
  edge_.Perform(edge_.core().OnConnectionUntrusted(
      phone,
      MakeError(absl::StatusCode::kPermissionDenied, "PEER_CERTIFICATE_REVOKED",
                "revoked"),
      edge_.now()));
  event = edge_.Last(EdgeEvent::Type::kRefused);
  EXPECT_EQ(event->reason, "PEER_CERTIFICATE_REVOKED");
  EXPECT_THAT(event->refusal->expected_identities, ElementsAre("SEP9"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
