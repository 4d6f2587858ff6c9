// EvaluateChange on the real process: what a change would do, and that it does
// nothing (issue 3, capability 3).

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/process_fixture.h"

namespace sallyport::dialplan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class EvaluateTest : public DialplanTest {
 protected:
  pb::EvaluateChangeRequest Request() {
    pb::EvaluateChangeRequest out;
    out.set_parent("tenants/t");
    for (const char* number : {"912025550123", "1001", "912025550123"}) {
      pb::ResolveRouteRequest& attempt = *out.add_attempts();
      attempt.set_user("tenants/t/users/1001");
      attempt.set_called_number(number);
    }
    return out;
  }
  static pb::RoutePattern& AddPattern(pb::EvaluateChangeRequest& request,
                                      const std::string& id,
                                      const std::string& text) {
    pb::RoutePattern& pattern =
        *request.add_changes()->mutable_upsert()->mutable_route_pattern();
    pattern.set_name("tenants/t/routePatterns/" + id);
    pattern.set_pattern(text);
    return pattern;
  }
  pb::EvaluateChangeResponse Evaluate(
      const pb::EvaluateChangeRequest& request) {
    pb::EvaluateChangeResponse out;
    EXPECT_THAT(Call(&Stub::EvaluateChange, request, &out), IsOk());
    return out;
  }
  static std::vector<std::string> Fields(
      const pb::EvaluateChangeResponse& response) {
    std::vector<std::string> out;
    for (const auto& violation : response.violations()) {
      out.push_back(violation.field());
    }
    return out;
  }
};

TEST_F(EvaluateTest, ListsEveryDecisionThatWouldChange) {
  MakeDemo();
  const int64_t version = Version();
  pb::EvaluateChangeRequest request = Request();
  // A new peer and a closer pattern to it, in one change, whatever the order.
  AddPattern(request, "dc", "9.1202XXXXXXX").set_peer("tenants/t/peers/gw2");
  pb::Peer& peer = *request.add_changes()->mutable_upsert()->mutable_peer();
  peer.set_name("tenants/t/peers/gw2");
  peer.set_kind(pb::PEER_KIND_IP_GATEWAY);
  peer.set_fqdn("gw2.t.test");
  peer.set_dial_plan("tenants/t/dialPlans/gateway");
  peer.set_outcalls_allowed(true);
  const pb::EvaluateChangeResponse answer = Evaluate(request);
  EXPECT_THAT(Fields(answer), IsEmpty());
  EXPECT_EQ(answer.attempts_evaluated(), 3u);
  EXPECT_EQ(answer.version(), version);
  ASSERT_EQ(answer.decision_changes_size(), 2);
  const pb::DecisionChange& change = answer.decision_changes(0);
  EXPECT_EQ(change.attempt().called_number(), "912025550123");
  EXPECT_EQ(change.before().targets(0).peer(), "tenants/t/peers/gw");
  EXPECT_EQ(change.before().matched_pattern(), "9.!");
  EXPECT_EQ(change.after().targets(0).peer(), "tenants/t/peers/gw2");
  EXPECT_EQ(change.after().matched_pattern(), "9.1202XXXXXXX");
  // Nothing was written.
  EXPECT_EQ(Version(), version);
  pb::GetPeerRequest get;
  get.set_name("tenants/t/peers/gw2");
  pb::Peer found;
  EXPECT_THAT(Call(&Stub::GetPeer, get, &found),
              HasReason("RESOURCE_NOT_FOUND"));
}

TEST_F(EvaluateTest, DeletesCountToo) {
  MakeDemo();
  pb::EvaluateChangeRequest request = Request();
  request.add_changes()->set_delete_("tenants/t/routePatterns/out");
  // Only together: the pattern refers to the peer.
  request.add_changes()->set_delete_("tenants/t/peers/gw");
  const pb::EvaluateChangeResponse answer = Evaluate(request);
  EXPECT_THAT(Fields(answer), IsEmpty());
  ASSERT_EQ(answer.decision_changes_size(), 2);
  EXPECT_EQ(answer.decision_changes(0).after().reason(), "ROUTE_NOT_FOUND");
  // A caller that is gone is refused, not forgotten.
  request.clear_changes();
  request.add_changes()->set_delete_("tenants/t/users/1001");
  const pb::EvaluateChangeResponse gone = Evaluate(request);
  ASSERT_EQ(gone.decision_changes_size(), 3);
  EXPECT_EQ(gone.decision_changes(0).after().decision(),
            pb::ROUTE_DECISION_UNAVAILABLE);
  EXPECT_EQ(gone.decision_changes(0).after().reason(), "REFERENCE_NOT_FOUND");
}

TEST_F(EvaluateTest, FaultsOfAllChangesAtOnce) {
  MakeDemo();
  pb::EvaluateChangeRequest request = Request();
  AddPattern(request, "bad", "9[").set_peer("tenants/t/peers/gw");
  request.add_changes()->set_delete_("tenants/t/peers/gw");  // "out" needs it
  AddPattern(request, "lost", "8.!").set_peer("tenants/t/peers/nobody");
  request.add_changes()->set_delete_("tenants/t/peers/never");
  const pb::EvaluateChangeResponse answer = Evaluate(request);
  EXPECT_THAT(
      Fields(answer),
      ElementsAre("changes[0].upsert.route_pattern.peer",
                  "changes[0].upsert.route_pattern.pattern",
                  "changes[1].delete", "changes[2].upsert.route_pattern.peer",
                  "changes[3].delete"));
  EXPECT_EQ(answer.attempts_evaluated(), 0u);
  EXPECT_EQ(answer.decision_changes_size(), 0);
}

TEST_F(EvaluateTest, OnlyQuestionsOfTheTenant) {
  MakeDemo();
  MakeTenant("u");
  pb::EvaluateChangeResponse answer;
  pb::EvaluateChangeRequest request = Request();
  request.add_changes()->set_delete_("tenants/u");
  EXPECT_THAT(Call(&Stub::EvaluateChange, request, &answer),
              HasReason("NAME_INVALID"));
  request.clear_changes();
  request.mutable_attempts(0)->set_parent("tenants/u");
  EXPECT_THAT(Call(&Stub::EvaluateChange, request, &answer),
              HasReason("TENANT_MISMATCH"));
  request.clear_attempts();
  request.add_changes();
  EXPECT_THAT(Call(&Stub::EvaluateChange, request, &answer),
              HasReason("VALUE_REQUIRED"));
  request.clear_changes();
  request.add_attempts()->set_user("tenants/t/users/nobody");
  request.mutable_attempts(0)->set_called_number("1");
  EXPECT_THAT(Call(&Stub::EvaluateChange, request, &answer),
              HasReason("REFERENCE_NOT_FOUND"));
  request.set_parent("tenants/x");
  EXPECT_THAT(Call(&Stub::EvaluateChange, request, &answer),
              HasReason("RESOURCE_NOT_FOUND"));
  // Another tenant's viewer.
  const auto vera = StubOf("operator/vera");
  request = Request();
  EXPECT_THAT(Call(&Stub::EvaluateChange, request, &answer, vera.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(EvaluateTest, AnEdgeThatCannotBeAskedIsNamed) {
  MakeDemo();
  pb::EvaluateChangeRequest request = Request();
  request.add_changes()->set_delete_("tenants/t/routePatterns/out");
  request.mutable_recorded_since_time()->set_seconds(1);
  pb::EvaluateChangeResponse answer;
  EXPECT_THAT(Call(&Stub::EvaluateChange, request, &answer),
              HasReason("EDGES_NOT_CONFIGURED"));
  process_.Kill();
  WriteConfig(",\"edges\":[{\"target\":\"127.0.0.1:1\"}]");
  Start();
  answer = Evaluate(request);
  ASSERT_EQ(answer.sources_size(), 1);
  EXPECT_EQ(answer.sources(0).edge(), "127.0.0.1:1");
  EXPECT_THAT(answer.sources(0).error(), Not(IsEmpty()));
  EXPECT_EQ(answer.sources(0).attempts(), 0u);
  // What could be tried was tried.
  EXPECT_EQ(answer.decision_changes_size(), 2);
}

}  // namespace
}  // namespace sallyport::dialplan
