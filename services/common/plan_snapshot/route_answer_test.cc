#include "services/common/plan_snapshot/route_answer.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;

std::shared_ptr<const Resolver> Plan() {
  auto plan = std::make_shared<PlanSnapshot>();
  plan->version = 4;
  plan->tenants.push_back({.name = "tenants/t", .domains = {"t.test"}});
  plan->dial_plans.push_back({.name = "tenants/t/dialPlans/d",
                              .security_mode = SecurityMode::kSecured});
  plan->partitions.push_back({.name = "tenants/t/partitions/p"});
  plan->calling_search_spaces.push_back(
      {.name = "tenants/t/callingSearchSpaces/all",
       .partitions = {"tenants/t/partitions/p"}});
  PeerEntry peer;
  peer.name = "tenants/t/peers/gw";
  peer.fqdn = "gw.t.test";
  peer.port = 5061;
  peer.transport = SipTransport::kTls;
  peer.dial_plan = "tenants/t/dialPlans/d";
  peer.outcalls_allowed = true;
  plan->peers.push_back(peer);
  UserEntry user;
  user.name = "tenants/t/users/1001";
  user.username = "1001";
  user.domain = "t.test";
  user.dial_plan = "tenants/t/dialPlans/d";
  user.calling_search_space = "tenants/t/callingSearchSpaces/all";
  plan->users.push_back(user);
  RoutePatternEntry pattern;
  pattern.name = "tenants/t/routePatterns/out";
  pattern.pattern = "9.XXXX";
  pattern.partition = "tenants/t/partitions/p";
  pattern.peer = "tenants/t/peers/gw";
  plan->route_patterns.push_back(pattern);
  ResolveDefaults(*plan);
  auto resolver = Resolver::Create(plan);
  EXPECT_THAT(resolver.status(), IsOk());
  return *resolver;
}

pb::ResolveRouteRequest Ask(const std::string& called) {
  pb::ResolveRouteRequest request;
  request.set_parent("tenants/t");
  request.set_user("tenants/t/users/1001");
  request.set_called_number(called);
  request.set_explain(true);
  return request;
}

TEST(RouteAnswerTest, TellsWhereItGoesAndWhy) {
  const auto answer = AnswerRoute(Ask("95550"), *Plan());
  ASSERT_THAT(answer.status(), IsOk());
  EXPECT_EQ(answer->decision(), pb::ROUTE_DECISION_ROUTED);
  EXPECT_EQ(answer->matched_pattern(), "9.XXXX");
  EXPECT_EQ(answer->version(), 4);
  ASSERT_EQ(answer->targets_size(), 1);
  EXPECT_EQ(answer->targets(0).peer(), "tenants/t/peers/gw");
  EXPECT_EQ(answer->targets(0).host(), "gw.t.test");
  EXPECT_EQ(answer->targets(0).expected_subject_names(0), "gw.t.test");
  ASSERT_EQ(answer->lookups_size(), 1);
  ASSERT_GE(answer->lookups(0).candidates_size(), 1);
  EXPECT_EQ(answer->lookups(0).candidates(0).outcome(),
            pb::CANDIDATE_OUTCOME_CHOSEN);
}

TEST(RouteAnswerTest, ARefusalIsAnAnswer) {
  const auto answer = AnswerRoute(Ask("12345"), *Plan());
  ASSERT_THAT(answer.status(), IsOk());
  EXPECT_EQ(answer->decision(), pb::ROUTE_DECISION_NOT_FOUND);
  EXPECT_EQ(answer->reason(), "ROUTE_NOT_FOUND");
  EXPECT_EQ(answer->targets_size(), 0);
}

TEST(RouteAnswerTest, WhatIsNoQuestionIsRefusedByField) {
  EXPECT_THAT(AnswerRoute(Ask(""), *Plan()).status(),
              HasReason("VALUE_REQUIRED"));
  EXPECT_THAT(AnswerRoute(Ask(std::string(256, '1')), *Plan()).status(),
              HasReason("VALUE_TOO_LONG"));
  pb::ResolveRouteRequest other = Ask("95550");
  other.set_user("tenants/u/users/1001");
  EXPECT_THAT(AnswerRoute(other, *Plan()).status(),
              HasReason("REFERENCE_NOT_FOUND"));
  other = Ask("95550");
  other.set_parent("tenants/u");
  EXPECT_THAT(AnswerRoute(other, *Plan()).status(),
              HasReason("RESOURCE_NOT_FOUND"));
}

}  // namespace
}  // namespace sallyport
