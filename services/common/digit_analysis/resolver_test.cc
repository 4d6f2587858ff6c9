#include "services/common/digit_analysis/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Outcome = Resolution::Outcome;
using Verdict = RouteCandidate::Verdict;

PeerEntry Peer(const std::string& id, const std::string& plan) {
  PeerEntry out;
  out.name = "tenants/t/peers/" + id;
  out.dial_plan = "tenants/t/dialPlans/" + plan;
  out.fqdn = id + ".t.test";
  out.outcalls_allowed = true;
  return out;
}

UserEntry User(const std::string& id) {
  UserEntry out;
  out.name = "tenants/t/users/" + id;
  out.username = id;
  out.domain = "t.test";
  out.dial_plan = "tenants/t/dialPlans/secured";
  return out;
}

RoutePatternEntry Pattern(const std::string& id, const std::string& pattern,
                          const std::string& peer,
                          const std::string& partition = "") {
  RoutePatternEntry out;
  out.name = "tenants/t/routePatterns/" + id;
  out.pattern = pattern;
  out.peer = "tenants/t/peers/" + peer;
  if (!partition.empty()) {
    out.partition = "tenants/t/partitions/" + partition;
  }
  return out;
}

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() {
    plan_.tenants = {{"tenants/t", {"t.test", "t2.test"}},
                     {"tenants/u", {"u.test"}}};
    DialPlanEntry secured{"tenants/t/dialPlans/secured",
                          SecurityMode::kSecured};
    DialPlanEntry gateway{"tenants/t/dialPlans/gateway",
                          SecurityMode::kSipSecured};
    plan_.dial_plans = {gateway, secured};
    plan_.peers = {Peer("gw", "gateway"), Peer("pbx", "gateway")};
    UserEntry alice = User("alice");
    alice.phone_numbers = {"2001", "+12015552001"};
    alice.calling_search_space = "tenants/t/callingSearchSpaces/all";
    plan_.users = {User("1001"), alice, User("dad")};
    plan_.partitions = {{"tenants/t/partitions/inside"},
                        {"tenants/t/partitions/outside"}};
    plan_.calling_search_spaces = {
        {"tenants/t/callingSearchSpaces/all",
         {"tenants/t/partitions/inside", "tenants/t/partitions/outside"}},
        {"tenants/t/callingSearchSpaces/in", {"tenants/t/partitions/inside"}}};
    plan_.route_patterns = {Pattern("out", "9.!", "gw", "outside")};
    plan_.route_patterns[0].transformation.discard = DiscardDigits::kPreDot;
  }

  Resolution Route(const std::string& called,
                   const std::string& caller = "users/alice",
                   const std::string& domain = "") {
    plan_copy_ = std::make_shared<PlanSnapshot>(plan_);
    ResolveDefaults(*plan_copy_);
    auto resolver = Resolver::Create(plan_copy_);
    EXPECT_THAT(resolver, IsOk());
    resolver_ = *resolver;
    query_ = RouteQuery();
    query_.tenant = "tenants/t";
    query_.caller = caller.empty() ? "" : "tenants/t/" + caller;
    query_.calling = "2001";
    query_.called = called;
    query_.domain = domain;
    Resolution out = resolver_->Resolve(query_);
    // An explanation never changes the decision.
    explained_ = resolver_->Explain(query_);
    EXPECT_EQ(explained_.outcome, out.outcome);
    EXPECT_EQ(explained_.reason, out.reason);
    EXPECT_EQ(explained_.called, out.called);
    EXPECT_EQ(explained_.calling, out.calling);
    EXPECT_EQ(explained_.peer(), out.peer());
    EXPECT_EQ(explained_.user, out.user);
    EXPECT_EQ(explained_.targets.size(), out.targets.size());
    EXPECT_EQ(explained_.incomplete, out.incomplete);
    EXPECT_TRUE(out.lookups.empty());
    EXPECT_TRUE(out.skipped.empty());
    return out;
  }

  // The only one of the last question.
  const RouteLookup& Lookup() const {
    EXPECT_EQ(explained_.lookups.size(), 1u);
    return explained_.lookups.at(0);
  }

  PlanSnapshot plan_;
  std::shared_ptr<PlanSnapshot> plan_copy_;
  std::shared_ptr<const Resolver> resolver_;
  RouteQuery query_;
  Resolution explained_;
};

TEST_F(ResolverTest, ToAPeerWithBothModes) {
  const Resolution r = Route("912025550123");
  EXPECT_EQ(r.outcome, Outcome::kPeer);
  EXPECT_EQ(r.reason, "");
  ASSERT_NE(r.peer(), nullptr);
  EXPECT_EQ(r.peer()->name, "tenants/t/peers/gw");
  EXPECT_EQ(r.pattern, "9.!");
  EXPECT_EQ(r.pattern_name, "tenants/t/routePatterns/out");
  EXPECT_EQ(r.called, "12025550123");
  // The mode is each leg's own.
  EXPECT_EQ(r.caller_mode, SecurityMode::kSecured);
  EXPECT_EQ(r.destination_mode, SecurityMode::kSipSecured);
}

// UM-12: what the search space does not show cannot be dialled.
TEST_F(ResolverTest, Um12DeniedUnlessTheSearchSpaceShowsIt) {
  const Resolution r = Route("912025550123", "users/1001");
  EXPECT_EQ(r.outcome, Outcome::kRefused);
  EXPECT_EQ(r.reason, "ROUTE_NOT_FOUND");
  ASSERT_EQ(Lookup().candidates.size(), 1u);
  EXPECT_EQ(Lookup().candidates[0].verdict, Verdict::kPartitionNotVisible);
}

// UM-12: toll calls are denied unless a restriction allows them.
TEST_F(ResolverTest, Um12TollClassesAreDenied) {
  for (const TollClass toll :
       {TollClass::kLocal, TollClass::kNational, TollClass::kInternational,
        TollClass::kPremium}) {
    plan_.route_patterns[0].toll_class = toll;
    EXPECT_EQ(Route("9123").reason, "DIALLING_RESTRICTED");
  }
  plan_.route_patterns[0].toll_class = TollClass::kEmergency;
  EXPECT_EQ(Route("9123").outcome, Outcome::kPeer);
}

TEST_F(ResolverTest, ToUsersByNumberAndByName) {
  Resolution r = Route("2001", "peers/gw");
  EXPECT_EQ(r.outcome, Outcome::kUser);
  ASSERT_NE(r.user, nullptr);
  EXPECT_EQ(r.user->username, "alice");
  EXPECT_EQ(r.destination_mode, SecurityMode::kSecured);
  EXPECT_EQ(r.caller_mode, SecurityMode::kSipSecured);
  r = Route("+1-201-555-2001", "peers/gw");
  EXPECT_EQ(r.user->username, "alice");
  EXPECT_EQ(r.called, "+12015552001");
  EXPECT_EQ(Lookup().steps.size(), 1u);
  // A username that can be dialled is a number too.
  EXPECT_EQ(Route("1001", "peers/gw").user->username, "1001");
  EXPECT_EQ(Route("alice", "peers/gw").user->username, "alice");
  EXPECT_EQ(Route("alice", "peers/gw", "T.test").user->username, "alice");
  EXPECT_EQ(Route("alice", "peers/gw", "t2.test").reason, "ROUTE_NOT_FOUND");
  // 'd' and 'a' are DTMF digits, but dad is a name.
  EXPECT_EQ(Route("dad", "peers/gw").user->username, "dad");
  EXPECT_EQ(Route("bob", "peers/gw").reason, "ROUTE_NOT_FOUND");
  EXPECT_EQ(Route("", "peers/gw").reason, "ROUTE_NOT_FOUND");
}

TEST_F(ResolverTest, DomainsOfOthersAreNotServed) {
  EXPECT_EQ(Route("1001", "peers/gw", "u.test").reason, "ROUTE_NOT_FOUND");
  EXPECT_EQ(Route("1001", "peers/gw", "example.com").reason, "ROUTE_NOT_FOUND");
  // An address is one of our own: the request came here.
  EXPECT_EQ(Route("1001", "peers/gw", "192.0.2.1").outcome, Outcome::kUser);
  EXPECT_EQ(Route("1001", "peers/gw", "[2001:db8::1]").outcome, Outcome::kUser);
}

// An emergency number stays one, whatever users call themselves.
TEST_F(ResolverTest, APatternBeatsAUserOfTheSameNumber) {
  plan_.users.push_back(User("911"));
  plan_.route_patterns.push_back(Pattern("emergency", "911", "gw"));
  EXPECT_EQ(Route("911").outcome, Outcome::kPeer);
}

TEST_F(ResolverTest, ClosestMatchAndItsExplanation) {
  plan_.route_patterns = {
      Pattern("a", "9XXX", "gw", "inside"),
      Pattern("b", "9.!", "gw", "inside"),
      Pattern("c", "91XX", "pbx", "outside"),
      Pattern("d", "91XX", "gw"),  // the null partition comes last
      Pattern("e", "92XX", "gw", "inside"),
      Pattern("f", "91XXX", "gw", "inside"),
      Pattern("g", "[9]1[0-9]X", "gw", "outside")};
  plan_.route_patterns.push_back(Pattern("h", "9123", "gw", "inside"));
  plan_.route_patterns.back().disabled = true;
  const Resolution r = Route("9123");
  EXPECT_EQ(r.pattern_name, "tenants/t/routePatterns/c");
  EXPECT_EQ(r.peer()->name, "tenants/t/peers/pbx");
  std::vector<std::pair<std::string, Verdict>> verdicts;
  for (const RouteCandidate& c : Lookup().candidates) {
    verdicts.emplace_back(
        c.name.substr(std::string("tenants/t/routePatterns/").size()),
        c.verdict);
    EXPECT_FALSE(c.detail.empty()) << c.name;
  }
  EXPECT_THAT(verdicts, ElementsAre(std::pair("c", Verdict::kWon),
                                    std::pair("h", Verdict::kDisabled),
                                    std::pair("g", Verdict::kLaterName),
                                    std::pair("d", Verdict::kLaterPartition),
                                    std::pair("a", Verdict::kLessSpecific),
                                    std::pair("b", Verdict::kLessSpecific),
                                    std::pair("f", Verdict::kNeedsMoreDigits),
                                    std::pair("e", Verdict::kDoesNotMatch)));
  EXPECT_EQ(Lookup().candidates[0].strings_matched, "100");
  EXPECT_THAT(Lookup().partitions,
              ElementsAre("tenants/t/partitions/inside",
                          "tenants/t/partitions/outside", ""));
}

TEST_F(ResolverTest, DisabledPartitionsReachNothing) {
  plan_.partitions[1].disabled = true;
  EXPECT_EQ(Route("9123").reason, "ROUTE_NOT_FOUND");
  ASSERT_EQ(Lookup().candidates.size(), 1u);
  EXPECT_EQ(Lookup().candidates[0].verdict, Verdict::kDisabled);
}

// "Blocked pattern: counts as match, then release with cause."
TEST_F(ResolverTest, BlockedPatternsMatchAndRelease) {
  RoutePatternEntry block = Pattern("block", "9.900!", "", "outside");
  block.action = PatternAction::kBlock;
  block.peer.clear();
  plan_.route_patterns.push_back(block);
  Resolution r = Route("99001");
  EXPECT_EQ(r.reason, "PATTERN_BLOCKED");
  EXPECT_EQ(r.block_cause, 21u);
  plan_.route_patterns.back().block_cause = 57;
  EXPECT_EQ(Route("99001").block_cause, 57u);
}

TEST_F(ResolverTest, PeersThatTakeNoCalls) {
  plan_.peers[0].status = PeerStatus::kDisabled;
  EXPECT_EQ(Route("9123").reason, "PEER_DISABLED");
  EXPECT_EQ(Route("1001", "peers/gw").reason, "PEER_DISABLED");
  plan_.peers[0].status = PeerStatus::kNoNewCalls;
  EXPECT_EQ(Route("9123").reason, "PEER_NO_NEW_CALLS");
  EXPECT_EQ(Route("1001", "peers/gw").reason, "PEER_NO_NEW_CALLS");
  plan_.peers[0].status = PeerStatus::kEnabled;
  plan_.peers[0].outcalls_allowed = false;
  EXPECT_EQ(Route("9123").reason, "OUTCALLS_NOT_ALLOWED");
  EXPECT_EQ(Route("1001", "peers/gw").outcome, Outcome::kUser);
}

TEST_F(ResolverTest, UsersThatAreDisabled) {
  plan_.users[1].disabled = true;
  EXPECT_EQ(Route("9123").reason, "USER_DISABLED");
  EXPECT_EQ(Route("2001", "peers/gw").reason, "USER_DISABLED");
}

// A gateway must not get its own calls back: a toll bypass.
TEST_F(ResolverTest, NoWayBackToTheCaller) {
  plan_.peers[0].calling_search_space = "tenants/t/callingSearchSpaces/all";
  EXPECT_EQ(Route("9123", "peers/gw").reason, "ROUTE_LOOP");
  plan_.peers[1].calling_search_space = "tenants/t/callingSearchSpaces/all";
  EXPECT_EQ(Route("9123", "peers/pbx").outcome, Outcome::kPeer);
}

TEST_F(ResolverTest, CallersMustBeKnownAndOfTheTenant) {
  EXPECT_EQ(Route("1001", "users/nobody").reason, "CALLER_UNKNOWN");
  Route("1001");
  query_.tenant = "tenants/u";
  EXPECT_EQ(resolver_->Resolve(query_).reason, "CALLER_UNKNOWN");
  query_.tenant = "tenants/x";
  EXPECT_EQ(resolver_->Resolve(query_).reason, "TENANT_UNKNOWN");
  // Another tenant's numbers do not exist.
  query_.tenant = "tenants/u";
  query_.caller.clear();
  EXPECT_EQ(resolver_->Resolve(query_).reason, "ROUTE_NOT_FOUND");
}

TEST_F(ResolverTest, WithoutACallerTheSearchSpaceDecides) {
  Route("9123");
  query_.caller.clear();
  EXPECT_EQ(resolver_->Resolve(query_).reason, "ROUTE_NOT_FOUND");
  query_.search_space = "tenants/t/callingSearchSpaces/all";
  EXPECT_EQ(resolver_->Resolve(query_).outcome, Outcome::kPeer);
  query_.search_space = "tenants/t/callingSearchSpaces/in";
  EXPECT_EQ(resolver_->Resolve(query_).reason, "ROUTE_NOT_FOUND");
}

// protocols.md section 11.3: discard, then mask, then prefix.
TEST_F(ResolverTest, TransformationsInOrder) {
  plan_.route_patterns = {Pattern("out", "9.XXXXXXX#", "gw", "outside")};
  Transformation& change = plan_.route_patterns[0].transformation;
  change.discard = DiscardDigits::kPreDotTrailingPound;
  change.called_mask = "201XXXXXXX";
  change.called_prefix = "+1";
  change.calling_mask = "555XXXX";
  change.calling_prefix = "1";
  const Resolution r = Route("95551234#");
  EXPECT_EQ(r.called, "+12015551234");
  EXPECT_EQ(r.calling, "15552001");
  std::vector<std::string> after;
  for (const TransformStep& step : Lookup().steps) {
    after.push_back(step.after);
  }
  EXPECT_THAT(after, ElementsAre("5551234", "2015551234", "+12015551234",
                                 "5552001", "15552001"));
  EXPECT_EQ(Lookup().steps[0].rule, "PreDot Trailing-#");
  EXPECT_EQ(Lookup().steps[0].before, "95551234#");
}

TEST_F(ResolverTest, ANumberThatIsGoneAfterItsChanges) {
  plan_.route_patterns = {Pattern("out", "9.", "gw", "outside")};
  plan_.route_patterns[0].transformation.discard = DiscardDigits::kPreDot;
  EXPECT_EQ(Route("9").reason, "NUMBER_INVALID");
}

// A dial plan that is missing never opens a leg.
TEST_F(ResolverTest, AMissingPlanIsTheStrictest) {
  plan_.peers[0].dial_plan = "tenants/t/dialPlans/gone";
  EXPECT_EQ(Route("9123").destination_mode, SecurityMode::kSecured);
}

TEST_F(ResolverTest, ABadPatternIsNamed) {
  plan_.route_patterns.push_back(Pattern("bad", "9[", "gw"));
  const auto resolver = Resolver::Create(std::make_shared<PlanSnapshot>(plan_));
  EXPECT_THAT(resolver, HasReason("PATTERN_BAD_CLASS"));
  EXPECT_THAT(std::string(resolver.status().message()),
              HasSubstr("tenants/t/routePatterns/bad"));
}

}  // namespace
}  // namespace sallyport
