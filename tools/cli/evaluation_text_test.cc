#include "tools/cli/evaluation_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using testing::HasSubstr;
using testing::Not;

TEST(EvaluationTextTest, ShowsWhatWouldChangeAndWhatIsMissing) {
  pb::EvaluateChangeResponse evaluation;
  evaluation.set_attempts_evaluated(7);
  pb::DecisionChange& change = *evaluation.add_decision_changes();
  change.mutable_attempt()->set_user("tenants/t/users/1001");
  change.mutable_attempt()->set_called_number("912025550123");
  change.mutable_before()->set_decision(pb::ROUTE_DECISION_ROUTED);
  change.mutable_before()->set_matched_resource(
      "tenants/t/routePatterns/outside");
  pb::RouteTarget& target = *change.mutable_before()->add_targets();
  target.set_peer("tenants/t/peers/gw");
  target.set_called_number("12025550123");
  change.mutable_after()->set_decision(pb::ROUTE_DECISION_BLOCKED);
  change.mutable_after()->set_reason("PATTERN_BLOCKED");
  pb::AttemptSource& good = *evaluation.add_sources();
  good.set_edge("edge-0:7002");
  good.set_attempts(6);
  pb::AttemptSource& gone = *evaluation.add_sources();
  gone.set_edge("edge-1:7002");
  gone.set_error("UNAVAILABLE: connection refused");
  const std::string text = EvaluationText(evaluation);
  EXPECT_THAT(text, HasSubstr("user/1001"));
  EXPECT_THAT(text, HasSubstr("ROUTED 12025550123 to peers/gw"));
  EXPECT_THAT(text, HasSubstr("by outside"));
  EXPECT_THAT(text, HasSubstr("BLOCKED [PATTERN_BLOCKED]"));
  EXPECT_THAT(text, HasSubstr("1 of 7 attempts would be decided otherwise"));
  EXPECT_THAT(text, HasSubstr("edge-0:7002: 6 calls"));
  EXPECT_THAT(text, HasSubstr("edge-1:7002: its calls are missing: "
                              "UNAVAILABLE"));
}

TEST(EvaluationTextTest, ShowsEveryFaultInsteadOfDecisions) {
  pb::EvaluateChangeResponse evaluation;
  for (const char* field :
       {"changes[0].upsert.peer.fqdn", "changes[2].delete"}) {
    auto& violation = *evaluation.add_violations();
    violation.set_field(field);
    violation.set_description("what is wrong");
  }
  const std::string text = EvaluationText(evaluation);
  EXPECT_THAT(text, HasSubstr("would be refused"));
  EXPECT_THAT(text, HasSubstr("changes[0].upsert.peer.fqdn"));
  EXPECT_THAT(text, HasSubstr("changes[2].delete"));
  EXPECT_THAT(text, Not(HasSubstr("attempts")));
}

}  // namespace
}  // namespace sallyport::cli
