#include "tools/cli/route_text.h"

#include "gtest/gtest.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

TEST(RouteTextTest, TellsTheWholeWay) {
  pb::ResolveRouteResponse route;
  route.set_decision(pb::ROUTE_DECISION_ROUTED);
  route.set_matched_resource("tenants/default/routePatterns/out");
  route.set_matched_pattern("9.!");
  route.set_called_number("15550100");
  route.set_toll_class(pb::TOLL_CLASS_LOCAL);
  route.set_version(7);
  pb::RouteLookup* const lookup = route.add_lookups();
  lookup->set_number("915550100");
  lookup->add_calling_search_spaces("tenants/default/callingSearchSpaces/all");
  lookup->add_partitions("tenants/default/partitions/local");
  lookup->add_partitions("");
  pb::RouteCandidate* candidate = lookup->add_candidates();
  candidate->set_resource("tenants/default/routePatterns/out");
  candidate->set_pattern("9.!");
  candidate->set_partition("tenants/default/partitions/local");
  candidate->set_outcome(pb::CANDIDATE_OUTCOME_CHOSEN);
  candidate->set_match_count("100000000");
  candidate = lookup->add_candidates();
  candidate->set_resource("tenants/default/routePatterns/any");
  candidate->set_pattern("!");
  candidate->set_outcome(pb::CANDIDATE_OUTCOME_LESS_SPECIFIC);
  candidate->set_match_count("1000000000");
  candidate->set_explanation("9.! matches fewer numbers");
  pb::TransformationStep* const step = lookup->add_steps();
  step->set_party("called");
  step->set_operation("discard PreDot");
  step->set_before("915550100");
  step->set_after("15550100");
  step->set_resource("tenants/default/routePatterns/out");
  pb::RouteTarget* const target = route.add_targets();
  target->set_peer("tenants/default/peers/gw");
  target->set_host("gw.demo.sallyport.test");
  target->set_port(5061);
  target->set_transport(type::v1::TRANSPORT_TLS);
  target->set_dial_plan("tenants/default/dialPlans/gateway");
  target->set_security_mode(type::v1::SECURITY_MODE_SIP_SECURED);
  target->set_called_number("15550100");
  EXPECT_EQ(
      RouteText(route),
      "Decision: ROUTED\n"
      "Matched: 9.! (routePatterns/out)\n"
      "Called number: 15550100\n"
      "Toll class: LOCAL\n"
      "Configuration version: 7\n"
      "\n"
      "Lookup 1 of 915550100\n"
      "  Calling search spaces: all\n"
      "  Partitions: local, (null partition)\n"
      "  Candidates:\n"
      "        PATTERN  RESOURCE           PARTITION  MATCHES     OUTCOME      "
      "  WHY\n"
      "    ->  9.!      routePatterns/out  local      100000000   CHOSEN\n"
      "        !        routePatterns/any  (null)     1000000000  "
      "LESS_SPECIFIC  9.! matches fewer numbers\n"
      "  Changes:\n"
      "    PARTY   CHANGE          BEFORE     AFTER     BY\n"
      "    called  discard PreDot  915550100  15550100  routePatterns/out\n"
      "\n"
      "Targets:\n"
      "    TRY  TO        HOST                    PORT  TRANSPORT  DIAL PLAN  "
      "SECURITY     CALLED\n"
      "    1    peers/gw  gw.demo.sallyport.test  5061  TLS        gateway    "
      "SIP_SECURED  15550100\n");
}

TEST(RouteTextTest, TellsWhyNot) {
  pb::ResolveRouteResponse route;
  route.set_decision(pb::ROUTE_DECISION_NOT_FOUND);
  route.set_reason("ROUTE_NOT_FOUND");
  route.set_explanation("no pattern matches 7777");
  route.add_lookups()->set_number("7777");
  EXPECT_EQ(RouteText(route),
            "Decision: NOT_FOUND [ROUTE_NOT_FOUND]\n"
            "  no pattern matches 7777\n"
            "Configuration version: 0\n"
            "\n"
            "Lookup 1 of 7777\n"
            "  Calling search spaces: none\n"
            "  Partitions: none\n"
            "  No pattern came near.\n");
}

TEST(RouteTextTest, TellsOfForwardsHuntsAndWhatIsPassedOver) {
  pb::ResolveRouteResponse route;
  route.set_decision(pb::ROUTE_DECISION_INCOMPLETE);
  route.mutable_interdigit_timeout()->set_seconds(15);
  pb::Redirection* const redirection = route.add_redirections();
  redirection->set_resource("tenants/default/lines/4002");
  redirection->set_number("4002");
  redirection->set_reason(pb::FORWARD_REASON_NO_ANSWER);
  route.set_mailbox("2015554002");
  route.set_message_waiting(pb::MESSAGE_WAITING_INDICATOR_ON);
  pb::RouteTarget* const target = route.add_targets();
  target->set_line("tenants/default/lines/4003");
  target->set_line_group("tenants/default/lineGroups/sales");
  target->set_hunt_algorithm(pb::HUNT_ALGORITHM_CIRCULAR);
  target->set_restrict_presentation(true);
  pb::SkippedTarget* const skipped = route.add_skipped_targets();
  skipped->set_peer("tenants/default/peers/gw");
  skipped->set_reason("PEER_DISABLED");
  skipped->set_explanation("it is disabled");
  EXPECT_EQ(RouteText(route),
            "Decision: INCOMPLETE\n"
            "Sent on: by lines/4002 (4002), NO_ANSWER\n"
            "Mailbox: 2015554002\n"
            "Message waiting: ON\n"
            "Waits for the next digit: 15s\n"
            "Configuration version: 0\n"
            "\nTargets:\n"
            "    TRY  TO          SHOWN     LINE GROUP  HUNTING\n"
            "    1    lines/4003  withheld  sales       CIRCULAR\n"
            "\nPassed over:\n"
            "    PEER      REASON         WHY\n"
            "    peers/gw  PEER_DISABLED  it is disabled\n");
}

TEST(RouteTextTest, ReadsWhoSentItOn) {
  pb::ResolveRouteRequest request;
  EXPECT_TRUE(SetForward("line/4002", "no-answer", "default", &request));
  EXPECT_EQ(request.forwarded_by(), "tenants/default/lines/4002");
  EXPECT_EQ(request.forward_reason(), pb::FORWARD_REASON_NO_ANSWER);
  EXPECT_TRUE(SetForward("hunt-pilot/sales", "", "default", &request));
  EXPECT_EQ(request.forwarded_by(), "tenants/default/huntPilots/sales");
  EXPECT_EQ(request.forward_reason(), pb::FORWARD_REASON_ALL);
  EXPECT_FALSE(SetForward("peer/gw", "busy", "default", &request));
  EXPECT_FALSE(SetForward("4002", "busy", "default", &request));
  EXPECT_FALSE(SetForward("line/4002", "lazy", "default", &request));
  EXPECT_FALSE(SetForward("line/4002", "unspecified", "default", &request));
}

TEST(RouteTextTest, ReadsWhoCalls) {
  pb::ResolveRouteRequest request;
  EXPECT_TRUE(SetSource("user/ann", "default", &request));
  EXPECT_EQ(request.user(), "tenants/default/users/ann");
  EXPECT_TRUE(SetSource("css/all", "default", &request));
  EXPECT_EQ(request.calling_search_space(),
            "tenants/default/callingSearchSpaces/all");
  EXPECT_TRUE(SetSource("tenants/a/peers/gw", "default", &request));
  EXPECT_EQ(request.peer(), "tenants/a/peers/gw");
  EXPECT_TRUE(SetSource("1001", "default", &request));
  EXPECT_EQ(request.number(), "1001");
  EXPECT_FALSE(SetSource("", "default", &request));
  EXPECT_FALSE(SetSource("partition/a", "default", &request));
  EXPECT_FALSE(SetSource("teapot/a", "default", &request));
}

}  // namespace
}  // namespace sallyport::cli
