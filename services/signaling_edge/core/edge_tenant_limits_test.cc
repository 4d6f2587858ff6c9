// What the plan allows a tenant (TenantLimits): calls at a time and in a
// second, and contacts, of the whole edge, over all its loops. Only what is new
// is refused, calls for help never.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/random/fake_random.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kTenant[] = "tenants/t";
constexpr char kOne[] = "192.0.2.41:5060";
constexpr char kTwo[] = "192.0.2.42:5060";
constexpr char kStranger[] = "192.0.2.11:5060";  // the PBX of tenants/u

std::shared_ptr<LoopShare> Share() {
  FakeRandom random;
  return std::make_shared<LoopShare>(EdgeHarness::Options(), random);
}

EdgeOptions Options(std::shared_ptr<LoopShare> share) {
  EdgeOptions options = EdgeHarness::Options();
  options.share = std::move(share);
  return options;
}

// The test plan, with 6.! to two further PBXs, one after the other, and 911 to
// the first of them. tenants/u has a PBX whose 6.! goes to another one.
class EdgeTenantLimitsTest : public EdgeCoreTest {
 protected:
  EdgeTenantLimitsTest() : EdgeTenantLimitsTest(Share()) {}
  explicit EdgeTenantLimitsTest(std::shared_ptr<LoopShare> share)
      : EdgeCoreTest(Options(share)), share_(std::move(share)) {
    plan_->dial_plans.push_back({.name = "tenants/u/dialPlans/clear",
                                 .security_mode = SecurityMode::kUnsecured});
    plan_->tenants.push_back({.name = "tenants/u", .domains = {"u.test"}});
    AddPeer("tenants/t", "one", "192.0.2.41");
    AddPeer("tenants/t", "two", "192.0.2.42");
    AddPeer("tenants/u", "pbx", "192.0.2.11");
    AddPeer("tenants/u", "one", "192.0.2.43");
    RouteListEntry list;
    list.name = "tenants/t/routeLists/l";
    list.members.resize(2);
    list.members[0].peer = "tenants/t/peers/one";
    list.members[1].peer = "tenants/t/peers/two";
    plan_->route_lists = {list};
    AddPattern("tenants/t/routePatterns/list", "6.!").route_list = list.name;
    RoutePatternEntry& help = AddPattern("tenants/t/routePatterns/help", "911");
    help.peer = "tenants/t/peers/one";
    help.toll_class = TollClass::kEmergency;
    AddPattern("tenants/u/routePatterns/own", "6.!").peer =
        "tenants/u/peers/one";
  }

  void AddPeer(std::string_view tenant, std::string_view id,
               std::string address) {
    PeerEntry peer;
    peer.name = Cat(tenant, "/peers/", id);
    peer.dial_plan = Cat(tenant, "/dialPlans/clear");
    peer.address = std::move(address);
    peer.port = 5060;
    peer.transport = sallyport::SipTransport::kUdp;
    peer.incoming_port = 5060;
    peer.outcalls_allowed = true;
    plan_->peers.push_back(std::move(peer));
  }
  RoutePatternEntry& AddPattern(std::string name, std::string pattern) {
    RoutePatternEntry& entry = plan_->route_patterns.emplace_back();
    entry.name = std::move(name);
    entry.pattern = std::move(pattern);
    entry.transformation.discard = DiscardDigits::kPreDot;
    return entry;
  }
  void Load(const TenantLimits& limits, EdgeHarness& edge) {
    auto plan = std::make_shared<PlanSnapshot>(*plan_);
    plan->tenants[0].limits = limits;
    ResolveDefaults(*plan);
    edge.Load(plan);
  }
  void Load(const TenantLimits& limits) { Load(limits, edge_); }

  uint32_t Counted() const {
    TenantCounts& tenants = share_->tenants();
    return tenants.calls().Of(tenants.KeyOf(kTenant));
  }
  uint32_t Contacts() const {
    TenantCounts& tenants = share_->tenants();
    return tenants.contacts().Of(tenants.KeyOf(kTenant));
  }

  std::string Offer() const { return TestSdp("192.0.2.10", 4000, false); }
  // Dials; the final code, or 100 when it goes on.
  int Dial(const std::string& id, std::string_view number = "65551234",
           EdgeHarness* edge = nullptr) {
    EdgeHarness& at = edge == nullptr ? edge_ : *edge;
    at.ReceiveUdp(kPbx, PbxInvite(number, Offer(), id, id));
    int code = 0;
    while (const auto sent = at.TakeToUdp(kPbx)) {
      code = sent->message.status_code();
      last_answer_ = *sent;
    }
    return code;
  }
  // The INVITE to a PBX that was sent there last.
  Sent InviteTo(const char* address) {
    Sent invite;
    while (const auto sent = edge_.TakeToUdp(address)) {
      if (sent->message.method() == SipMethod::kInvite) invite = *sent;
    }
    EXPECT_FALSE(invite.message.request_uri().empty()) << address;
    return invite;
  }
  // Of the call `id`, from the PBX.
  static std::string InDialog(std::string_view method, int cseq,
                              std::string_view id, std::string_view tag,
                              std::string_view branch) {
    return Cat(method,
               " sip:65551234@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK",
               branch,
               "\nMax-Forwards: 70\n"
               "From: \"PBX User\" <sip:5551000@192.0.2.10>;tag=p1\n"
               "To: <sip:65551234@203.0.113.1>",
               tag.empty() ? "" : ";tag=", tag, "\nCall-ID: ", id,
               "\nCSeq: ", cseq, " ", method);
  }
  // An answered call; its INVITE to the PBX `at`, and our tag.
  Sent Answered(const std::string& id, const char* at = kOne) {
    EXPECT_EQ(Dial(id), 100);
    if (at == kTwo) edge_.Answer(InviteTo(kOne), 503, "a");
    const Sent invite = InviteTo(at);
    edge_.Answer(invite, 200, "b", TestSdp("192.0.2.41", 4000, false),
                 "<sip:b@192.0.2.41>");
    const auto ok = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(ok && ok->message.status_code() == 200);
    if (ok) tag_ = Tag(*ok);
    edge_.ReceiveUdp(kPbx, InDialog("ACK", 1, id, tag_, Cat(id, "ack")));
    return invite;
  }
  void HangUp(const std::string& id, const char* at = kOne) {
    edge_.Forget();
    edge_.ReceiveUdp(kPbx, InDialog("BYE", 2, id, tag_, Cat(id, "bye")));
    const auto bye = edge_.TakeToUdp(at);
    ASSERT_TRUE(bye.has_value());
    edge_.Answer(*bye, 200, "");
    edge_.Forget();
  }
  void LoseRelay() {
    MediaEvent event;
    event.kind = MediaEvent::Kind::kLost;
    event.relay = "relay1";
    event.session = Cat("tenants/t/sessions/", edge_.created.back().request);
    edge_.Perform(edge_.core().OnMediaEvent(event, edge_.now()));
  }

  const std::shared_ptr<LoopShare> share_;
  std::shared_ptr<PlanSnapshot> plan_ = TestPlan();
  Sent last_answer_;
  std::string tag_;
};

// ------------------------------------------------------------------- calls

TEST_F(EdgeTenantLimitsTest, OneCallMoreThanTheTenantMayHave) {
  Load({.max_calls = 2});
  EXPECT_EQ(Dial("a"), 100);
  EXPECT_EQ(Dial("b"), 100);
  edge_.events.clear();
  EXPECT_EQ(Dial("c"), 503);
  EXPECT_EQ(last_answer_.message.Value(HeaderId::kRetryAfter), "5");
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "TENANT_CALL_LIMIT");
  EXPECT_EQ(event->tenant, kTenant);
  EXPECT_EQ(event->refusal->steps.back(), "admission: TENANT_CALL_LIMIT");
  EXPECT_EQ(event->record->disposition, CallDisposition::kRefused);
  const CallRecord* record = edge_.core().calls().Find(event->refusal->call);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->reason, "TENANT_CALL_LIMIT");
  EXPECT_EQ(record->legs.size(), 1u);
  EXPECT_EQ(edge_.core().stats().refusals.at("TENANT_CALL_LIMIT"), 1u);
  EXPECT_EQ(edge_.core().calls().live(), 2u);
  EXPECT_EQ(Counted(), 2u);
}

TEST_F(EdgeTenantLimitsTest, AnotherTenantHasItsOwn) {
  Load({.max_calls = 1});
  EXPECT_EQ(Dial("a"), 100);
  EXPECT_EQ(Dial("b"), 503);
  for (const char* id : {"x", "y"}) {
    edge_.Forget();
    std::string invite = PbxInvite("65551234", Offer(), id, id);
    for (size_t at; (at = invite.find("192.0.2.10")) != std::string::npos;) {
      invite.replace(at, 10, "192.0.2.11");
    }
    edge_.ReceiveUdp(kStranger, invite);
    const auto trying = edge_.TakeToUdp(kStranger);
    ASSERT_TRUE(trying.has_value());
    EXPECT_EQ(trying->message.status_code(), 100);
  }
  EXPECT_EQ(edge_.core().calls().live(), 3u);
  EXPECT_EQ(Counted(), 1u);
}

TEST_F(EdgeTenantLimitsTest, CallsOfUsersAndOfPeersAreOneNumber) {
  Load({.max_calls = 2});
  constexpr char kBob[] = "198.51.100.9:5060";
  int last = 0;
  const auto dial_as_bob = [&] {
    const auto text = [&](int cseq) {
      return Cat(
          "INVITE sip:65551234@d.test SIP/2.0\n"
          "Via: SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bKu",
          last, "x", cseq,
          "\nMax-Forwards: 70\nFrom: <sip:bob@d.test>;tag=u\n"
          "To: <sip:65551234@d.test>\nCall-ID: u",
          last, "\nCSeq: ", cseq,
          " INVITE\nContact: <sip:bob@198.51.100.9>\n"
          "Content-Type: application/sdp\n\n",
          Offer());
    };
    ++last;
    edge_.ReceiveUdp(kBob, text(1));
    int code = 0;
    while (const auto sent = edge_.TakeToUdp(kBob)) {
      code = sent->message.status_code();
      last_answer_ = *sent;
    }
    EXPECT_EQ(code, 407);
    edge_.ReceiveUdp(
        kBob, EdgeHarness::WithDigest(text(2), last_answer_, "bob", "INVITE",
                                      "sip:65551234@d.test"));
    while (const auto sent = edge_.TakeToUdp(kBob)) {
      code = sent->message.status_code();
    }
    return code;
  };
  EXPECT_EQ(dial_as_bob(), 100);
  EXPECT_EQ(Dial("a"), 100);
  EXPECT_EQ(dial_as_bob(), 503);
  EXPECT_EQ(Dial("b"), 503);
  EXPECT_EQ(Counted(), 2u);
}

TEST_F(EdgeTenantLimitsTest, WhicheverWayACallEndsItsPlaceIsFree) {
  const struct {
    const char* how;
    std::function<void()> end;
  } ends[] = {
      {"the caller hangs up",
       [&] {
         Answered("x");
         HangUp("x");
       }},
      {"the called hangs up",
       [&] {
         edge_.RequestFrom(Answered("x"), "b", "BYE", 1);
         edge_.Answer(*edge_.TakeToUdp(kPbx), 200, "");
       }},
      {"the caller cancels",
       [&] {
         Dial("x");
         const Sent invite = InviteTo(kOne);
         edge_.Answer(invite, 180, "b");
         edge_.ReceiveUdp(kPbx, InDialog("CANCEL", 1, "x", "", "x"));
         edge_.Answer(invite, 487, "b");
       }},
      {"all targets refuse",
       [&] {
         Dial("x");
         edge_.Answer(InviteTo(kOne), 503, "b");
         EXPECT_EQ(Counted(), 1u);
         edge_.Answer(InviteTo(kTwo), 486, "b");
       }},
      {"the second target takes it",
       [&] {
         Answered("x", kTwo);
         EXPECT_EQ(Counted(), 1u);
         HangUp("x", kTwo);
       }},
      {"nobody answers", [&] { Dial("x"); }},
      {"there is no relay",
       [&] {
         edge_.relay_works = false;
         Dial("x");
       }},
      {"the relay is lost, and there is no other",
       [&] {
         Dial("x");
         edge_.relay_works = false;
         LoseRelay();
         edge_.Answer(InviteTo(kOne), 200, "b",
                      TestSdp("192.0.2.41", 4000, false), "<sip:b@192.0.2.41>");
       }},
      {"an operator ends it",
       [&] {
         Answered("x");
         for (const CallRecord* record : edge_.core().calls().Records()) {
           if (record->ended.has_value()) continue;
           edge_.Perform(
               edge_.core().OnEndCall(record->id, "OPERATOR", edge_.now()));
         }
       }},
      {"all calls are ended",
       [&] {
         Answered("x");
         edge_.Perform(edge_.core().OnEndAllCalls("DRAINED", edge_.now()));
       }},
      {"what it offers is not allowed",
       [&] {
         edge_.ReceiveUdp(
             kPbx, PbxInvite("65551234", TestSdp("192.0.2.10", 4000, true), "x",
                             "x"));
       }},
      {"the connection to the called is lost",
       [&] {
         edge_.ReceiveUdp(kPbx, PbxInvite("95551234", Offer(), "x", "x"));
         const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
         edge_.Close(gateway, absl::UnavailableError("reset"));
       }},
      {"the called's name leads nowhere",
       [&] {
         edge_.ReceiveUdp(kPbx, PbxInvite("75551234", Offer(), "x", "x"));
         edge_.Perform(edge_.core().OnHostResolved(
             edge_.resolves.back().query, absl::UnavailableError("no name"),
             edge_.now()));
       }},
  };
  for (const auto& [how, end] : ends) {
    SCOPED_TRACE(how);
    Load({.max_calls = 1});
    EXPECT_EQ(Counted(), 0u);
    end();
    edge_.Advance(absl::Minutes(5));
    EXPECT_EQ(edge_.core().calls().live(), 0u);
    EXPECT_EQ(Counted(), 0u);
    EXPECT_FALSE(Has(edge_.Refusals(), "TENANT_CALL_LIMIT"));
    edge_.relay_works = true;
    edge_.Forget();
    Answered("again");
    EXPECT_EQ(Counted(), 1u);
    EXPECT_EQ(Dial("more"), 503);
    HangUp("again");
    edge_.Advance(absl::Minutes(5));
    edge_.Forget();
    edge_.events.clear();
  }
}

TEST_F(EdgeTenantLimitsTest, CallsForHelpAreNotRefusedAndCount) {
  Load({.max_calls = 2, .max_calls_per_second = 100});
  EXPECT_EQ(Dial("a"), 100);
  EXPECT_EQ(Dial("h1", "911"), 100);
  EXPECT_EQ(Counted(), 2u);
  EXPECT_EQ(Dial("b"), 503);
  EXPECT_EQ(Dial("h2", "911"), 100);
  EXPECT_EQ(Counted(), 3u);
  EXPECT_EQ(edge_.Refusals(), "TENANT_CALL_LIMIT");
}

TEST_F(EdgeTenantLimitsTest, AnotherBoundHoldsAtOnceAndEndsNothing) {
  Load({});
  Answered("a");
  const std::string tag_of_a = tag_;
  Answered("b");
  const std::string tag_of_b = tag_;
  EXPECT_EQ(Counted(), 2u);  // though there is no bound
  Load({.max_calls = 1});
  EXPECT_EQ(edge_.core().calls().live(), 2u);
  EXPECT_EQ(Dial("c"), 503);
  tag_ = tag_of_a;
  HangUp("a");
  EXPECT_EQ(Dial("d"), 503);
  tag_ = tag_of_b;
  HangUp("b");
  EXPECT_EQ(Dial("e"), 100);
  EXPECT_EQ(Dial("f"), 503);
  Load({.max_calls = 2});
  EXPECT_EQ(Dial("g"), 100);
  EXPECT_EQ(Dial("h"), 503);
  Load({});
  EXPECT_EQ(Dial("i"), 100);
}

TEST_F(EdgeTenantLimitsTest, OfAllLoops) {
  EdgeHarness other(Options(share_));
  const TenantLimits limits = {.max_calls = 3, .max_calls_per_second = 100};
  Load(limits);
  Load(limits, other);
  Answered("a");
  EXPECT_EQ(Dial("b", "65551234", &other), 100);
  EXPECT_EQ(Dial("c", "65551234", &other), 100);
  EXPECT_EQ(Dial("d"), 503);
  EXPECT_EQ(Dial("e", "65551234", &other), 503);
  EXPECT_EQ(Dial("h", "911", &other), 100);
  HangUp("a");
  EXPECT_EQ(Dial("f", "65551234", &other), 503);  // that one for help counts
  other.Perform(other.core().OnEndAllCalls("DRAINED", other.now()));
  other.Advance(absl::Minutes(1));
  EXPECT_EQ(Counted(), 0u);
  EXPECT_EQ(Dial("g"), 100);
}

// ------------------------------------------------------------------- rates

TEST_F(EdgeTenantLimitsTest, SoManyCallsInASecond) {
  Load({.max_calls_per_second = 5});
  int taken = 0;
  for (int i = 0; i < 20; ++i) taken += Dial(Cat("a", i)) == 100 ? 1 : 0;
  EXPECT_EQ(taken, 5);
  EXPECT_FALSE(last_answer_.message.Value(HeaderId::kRetryAfter).empty());
  EXPECT_EQ(edge_.core().stats().refusals.at("TENANT_RATE_LIMITED"), 15u);
  EXPECT_EQ(edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps.back(),
            "admission: TENANT_RATE_LIMITED");
  EXPECT_EQ(Dial("help", "911"), 100);
  // Another number counts what was taken by the one before.
  Load({.max_calls_per_second = 10});
  EXPECT_EQ(Dial("b"), 503);
  edge_.Advance(absl::Milliseconds(500));
  taken = 0;
  for (int i = 0; i < 20; ++i) taken += Dial(Cat("c", i)) == 100 ? 1 : 0;
  EXPECT_EQ(taken, 5);
  Load({});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Dial(Cat("d", i)), 100);
}

TEST_F(EdgeTenantLimitsTest, CallsForHelpTakeOfTheSecondsCalls) {
  EdgeHarness other(Options(share_));
  Load({.max_calls_per_second = 4});
  Load({.max_calls_per_second = 4}, other);
  EXPECT_EQ(Dial("h1", "911"), 100);
  EXPECT_EQ(Dial("h2", "911", &other), 100);
  EXPECT_EQ(Dial("a"), 100);
  EXPECT_EQ(Dial("b", "65551234", &other), 100);
  EXPECT_EQ(Dial("c"), 503);
  EXPECT_EQ(Dial("d", "65551234", &other), 503);
  EXPECT_EQ(Dial("h3", "911"), 100);
}

// --------------------------------------------------------------- contacts

class EdgeTenantContactsTest : public EdgeTenantLimitsTest {
 protected:
  // The final answer to a REGISTER by UDP.
  Sent Register(std::string_view user, std::string_view host,
                int expires = 600) {
    const std::string from = Cat(host, ":5060");
    const auto text = [&] {
      return Cat("REGISTER sip:d.test SIP/2.0\nVia: SIP/2.0/UDP ", host,
                 ":5060;branch=z9hG4bKr", ++cseq_,
                 "\nMax-Forwards: 70\nFrom: <sip:", user,
                 "@d.test>;tag=r1\nTo: <sip:", user,
                 "@d.test>\nCall-ID: ", user, host, "\nCSeq: ", cseq_,
                 " REGISTER\nContact: <sip:", user, "@", host,
                 ">\nExpires: ", expires);
    };
    edge_.ReceiveUdp(from, text());
    const auto challenge = edge_.TakeToUdp(from);
    EXPECT_TRUE(challenge && challenge->message.status_code() == 401);
    if (!challenge) return {};
    edge_.ReceiveUdp(from, EdgeHarness::WithDigest(text(), *challenge, user,
                                                   "REGISTER", "sip:d.test"));
    return edge_.TakeToUdp(from).value_or(Sent{});
  }
  int Code(std::string_view user, std::string_view host, int expires = 600) {
    return Register(user, host, expires).message.status_code();
  }

  int cseq_ = 0;
};

TEST_F(EdgeTenantContactsTest, OneMoreThanTheTenantMayHave) {
  Load({.max_registrations = 2});
  EXPECT_EQ(Code("bob", "198.51.100.1"), 200);
  EXPECT_EQ(Code("bob", "198.51.100.2"), 200);
  edge_.events.clear();
  const Sent refused = Register("carol", "198.51.100.3");
  EXPECT_EQ(refused.message.status_code(), 503);
  EXPECT_EQ(refused.message.Value(HeaderId::kRetryAfter), "5");
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "TENANT_REGISTRATION_LIMIT");
  EXPECT_EQ(event->tenant, kTenant);
  EXPECT_EQ(event->refusal->kind, RefusalKind::kRegistration);
  EXPECT_EQ(event->refusal->steps.back(),
            "admission: TENANT_REGISTRATION_LIMIT");
  // What is there is refreshed, by however many, and goes.
  EXPECT_EQ(Code("bob", "198.51.100.1"), 200);
  Load({.max_registrations = 1});
  EXPECT_EQ(Contacts(), 2u);
  EXPECT_EQ(Code("bob", "198.51.100.2"), 200);
  EXPECT_EQ(Code("carol", "198.51.100.3"), 503);
  EXPECT_EQ(Code("bob", "198.51.100.1", 0), 200);
  EXPECT_EQ(Code("carol", "198.51.100.3"), 503);
  EXPECT_EQ(Code("bob", "198.51.100.2", 0), 200);
  EXPECT_EQ(Contacts(), 0u);
  EXPECT_EQ(Code("carol", "198.51.100.3"), 200);
  Load({});
  EXPECT_EQ(Code("bob", "198.51.100.1"), 200);
  EXPECT_EQ(Contacts(), 2u);
}

TEST_F(EdgeTenantContactsTest, WhatExpiresOrLosesItsFlowMakesRoom) {
  Load({.max_registrations = 1});
  EXPECT_EQ(Code("bob", "198.51.100.1", 60), 200);
  EXPECT_EQ(Code("carol", "198.51.100.2"), 503);
  edge_.Advance(absl::Seconds(61));
  EXPECT_EQ(Contacts(), 0u);
  const ConnectionId phone = edge_.ConnectTcp("198.51.100.3");
  ASSERT_TRUE(edge_.Register(phone, "carol"));
  EXPECT_EQ(Code("bob", "198.51.100.1"), 503);
  edge_.Close(phone);
  EXPECT_EQ(Contacts(), 0u);
  EXPECT_EQ(Code("bob", "198.51.100.1"), 200);
  const auto all = edge_.core().registrar().All();
  ASSERT_EQ(all.size(), 1u);
  edge_.Perform(edge_.core().OnRemoveRegistration(all[0]->id, edge_.now()));
  EXPECT_EQ(Contacts(), 0u);
  EXPECT_EQ(Code("carol", "198.51.100.2"), 200);
  // Nor does a user that the plan has no longer.
  std::erase_if(plan_->users, [](const UserEntry& user) {
    return user.name == "tenants/t/users/carol";
  });
  Load({.max_registrations = 1});
  EXPECT_EQ(Contacts(), 0u);
  EXPECT_EQ(Code("bob", "198.51.100.1"), 200);
}

// A call that rings at several contacts is as many calls, as for the edge's own
// bound; where there are not places for all, some ring.
TEST_F(EdgeTenantContactsTest, ContactsThatRingTakeAPlaceEach) {
  Load({.max_calls = 3});
  EXPECT_EQ(Code("bob", "198.51.100.1"), 200);
  EXPECT_EQ(Code("bob", "198.51.100.2"), 200);
  EXPECT_EQ(Dial("a", "bob"), 100);
  EXPECT_EQ(Counted(), 2u);
  EXPECT_EQ(Dial("b", "bob"), 100);
  EXPECT_EQ(Counted(), 3u);
  EXPECT_EQ(Dial("c", "bob"), 503);
  // One answers, and the others' places are free.
  const auto invite = edge_.TakeToUdp("198.51.100.1:5060");
  ASSERT_TRUE(invite.has_value());
  edge_.Answer(*invite, 200, "b", TestSdp("198.51.100.1", 4000, false),
               "<sip:bob@198.51.100.1>");
  const auto other = edge_.TakeToUdp("198.51.100.2:5060");
  ASSERT_TRUE(other.has_value());
  edge_.Answer(*other, 487, "c");
  edge_.Advance(absl::Seconds(40));
  EXPECT_EQ(Counted(), edge_.core().calls().live());
  EXPECT_LT(Counted(), 3u);
  edge_.Perform(edge_.core().OnEndAllCalls("DRAINED", edge_.now()));
  edge_.Advance(absl::Minutes(5));
  EXPECT_EQ(Counted(), 0u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
