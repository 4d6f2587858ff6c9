// ApplyChanges and ListPlanFindings on the real process: all or nothing, judged
// on what all changes make together.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/process_fixture.h"

namespace sallyport::dialplan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Applied = pb::AppliedChange;

constexpr char kTenant[] = "tenants/t";

class ChangesTest : public DialplanTest {
 protected:
  static pb::ApplyChangesRequest Request() {
    pb::ApplyChangesRequest out;
    out.set_parent(kTenant);
    return out;
  }
  static pb::RoutePattern Route(const std::string& id,
                                const std::string& pattern) {
    pb::RoutePattern out;
    out.set_name("tenants/t/routePatterns/" + id);
    out.set_pattern(pattern);
    out.set_peer("tenants/t/peers/gw");
    return out;
  }
  static void Create(pb::ApplyChangesRequest& request,
                     const pb::RoutePattern& pattern) {
    *request.add_changes()->mutable_create()->mutable_route_pattern() = pattern;
  }
  static pb::PlanUpdate& Update(pb::ApplyChangesRequest& request,
                                const pb::RoutePattern& pattern) {
    pb::PlanUpdate& out = *request.add_changes()->mutable_update();
    *out.mutable_resource()->mutable_route_pattern() = pattern;
    return out;
  }
  static void Delete(pb::ApplyChangesRequest& request,
                     const std::string& name) {
    request.add_changes()->mutable_delete_()->set_name(name);
  }
  pb::ApplyChangesResponse Apply(const pb::ApplyChangesRequest& request) {
    pb::ApplyChangesResponse out;
    EXPECT_THAT(Call(&Stub::ApplyChanges, request, &out), IsOk());
    return out;
  }
  // The faults of a refused request, which stores nothing, and of the same with
  // validate_only; none of one that is done.
  std::vector<std::string> Refused(pb::ApplyChangesRequest request) {
    const auto text = [](const std::string& field, const std::string& what) {
      return field + " " + what.substr(0, what.find(':'));
    };
    pb::ApplyChangesResponse answer;
    const absl::Status status = Call(&Stub::ApplyChanges, request, &answer);
    std::vector<std::string> out;
    for (const FieldViolation& one : FieldViolationsOf(status)) {
      out.push_back(text(one.field, one.description));
    }
    if (status.ok()) return out;
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    request.set_validate_only(true);
    answer = Apply(request);
    std::vector<std::string> told;
    for (const auto& one : answer.violations()) {
      told.push_back(text(one.field(), one.description()));
    }
    EXPECT_EQ(told, out);
    EXPECT_THAT(answer.results(), IsEmpty());
    EXPECT_EQ(answer.version(), 0);
    return out;
  }
  static std::vector<Applied::Outcome> Outcomes(
      const pb::ApplyChangesResponse& answer) {
    std::vector<Applied::Outcome> out;
    for (const Applied& one : answer.results()) out.push_back(one.outcome());
    return out;
  }
  absl::Status Find(const std::string& id, pb::RoutePattern* out) {
    pb::GetRoutePatternRequest get;
    get.set_name("tenants/t/routePatterns/" + id);
    return Call(&Stub::GetRoutePattern, get, out);
  }
};

TEST_F(ChangesTest, WhatIsGoodOnlyTogetherIsOneWrite) {
  MakeDemo();
  const int64_t version = Version();
  pb::ApplyChangesRequest request = Request();
  // The partition comes after what is in it, and the gateway goes with the
  // pattern that uses it: one by one each would be refused.
  pb::RoutePattern blocked = Route("new", "8.!");
  blocked.clear_peer();
  blocked.set_partition("tenants/t/partitions/p");
  blocked.mutable_block()->set_cause(21);
  Create(request, blocked);
  request.add_changes()->mutable_create()->mutable_partition()->set_name(
      "tenants/t/partitions/p");
  Delete(request, "tenants/t/peers/gw");
  Delete(request, "tenants/t/routePatterns/out");
  const pb::ApplyChangesResponse answer = Apply(request);
  EXPECT_THAT(Outcomes(answer),
              ElementsAre(Applied::OUTCOME_CREATED, Applied::OUTCOME_CREATED,
                          Applied::OUTCOME_DELETED, Applied::OUTCOME_DELETED));
  EXPECT_EQ(answer.version(), version + 4);
  EXPECT_EQ(Version(), version + 4);
  // No search space has the partition yet: that is no fault, and told.
  ASSERT_THAT(answer.findings(), SizeIs(1));
  EXPECT_EQ(answer.findings(0).resource(), "tenants/t/partitions/p");
  EXPECT_EQ(answer.findings(0).reason(), "PARTITION_NOT_SHOWN");

  pb::RoutePattern found;
  ASSERT_THAT(Find("new", &found), IsOk());
  EXPECT_EQ(found.etag(), answer.results(0).etag());
  // A record for each change, under one method.
  pb::ListAuditRecordsRequest audit;
  audit.set_parent(kTenant);
  audit.set_page_size(4);
  pb::ListAuditRecordsResponse records;
  ASSERT_THAT(Call(&Stub::ListAuditRecords, audit, &records), IsOk());
  ASSERT_THAT(records.audit_records(), SizeIs(4));
  for (const pb::AuditRecord& record : records.audit_records()) {
    EXPECT_EQ(record.method(), "ApplyChanges");
  }

  pb::ListPlanFindingsRequest list;
  list.set_parent(kTenant);
  pb::ListPlanFindingsResponse findings;
  ASSERT_THAT(Call(&Stub::ListPlanFindings, list, &findings), IsOk());
  ASSERT_THAT(findings.findings(), SizeIs(1));
  EXPECT_EQ(findings.findings(0).reason(), "PARTITION_NOT_SHOWN");
  EXPECT_EQ(findings.version(), version + 4);
}

TEST_F(ChangesTest, EveryFaultIsToldByChangeAndFieldAndNothingIsChanged) {
  MakeDemo();
  const int64_t version = Version();
  pb::ApplyChangesRequest request = Request();
  Create(request, Route("good", "7.!"));
  Create(request, Route("out", "6.!"));      // exists
  Update(request, Route("nothing", "6.!"));  // does not
  pb::RoutePattern stale = Route("out", "9.!");
  stale.set_etag("0123456789abcdef");
  Update(request, stale);
  Create(request, Route("broken", "5[3-"));
  Update(request, Route("out", "9.!"))
      .mutable_update_mask()
      ->add_paths("no_field");
  Delete(request, "tenants/u/peers/gw");
  Delete(request, "tenants/t/peers/none");
  request.add_changes();
  *request.add_changes()->mutable_create() = pb::Resource();
  EXPECT_THAT(
      Refused(request),
      ElementsAre("changes[1].create RESOURCE_EXISTS",
                  "changes[2].update RESOURCE_NOT_FOUND",
                  "changes[3].update.name CHANGE_REPEATED",
                  "changes[4].create.route_pattern.pattern PATTERN_BAD_CLASS",
                  "changes[5].update.update_mask.paths[0] "
                  "UPDATE_MASK_INVALID",
                  "changes[6].delete.name NAME_INVALID",
                  "changes[7].delete RESOURCE_NOT_FOUND",
                  "changes[8] VALUE_REQUIRED",
                  "changes[9].create VALUE_REQUIRED"));
  EXPECT_EQ(Version(), version);
  pb::RoutePattern found;
  EXPECT_THAT(Find("good", &found), HasReason("RESOURCE_NOT_FOUND"));

  request = Request();
  Update(request, stale);
  EXPECT_THAT(Refused(request), ElementsAre("changes[0].update ETAG_MISMATCH"));
  pb::ApplyChangesResponse none;
  EXPECT_THAT(Call(&Stub::ApplyChanges, Request(), &none),
              HasReason("VALUE_OUT_OF_RANGE"));
}

// An error has room for some; who asks what would be gets all.
TEST_F(ChangesTest, ManyFaultsFitAnError) {
  MakeDemo();
  pb::ApplyChangesRequest request = Request();
  for (int i = 0; i < 2000; ++i) {
    Create(request, Route("r" + std::to_string(i), "5[3-"));
  }
  pb::ApplyChangesResponse answer;
  const absl::Status status = Call(&Stub::ApplyChanges, request, &answer);
  EXPECT_THAT(status, HasReason("PLAN_INVALID"));
  const std::vector<FieldViolation> told = FieldViolationsOf(status);
  ASSERT_GT(told.size(), 10u);
  EXPECT_THAT(told.back().description, HasSubstr("more that do not fit"));
  request.set_validate_only(true);
  answer = Apply(request);
  ASSERT_EQ(answer.violations_size(), 1001);
  // Each is broken, and the same as another.
  EXPECT_EQ(answer.violations(1000).description(), "has 3000 more faults");
}

TEST_F(ChangesTest, PatternsAreJudgedOnTheResult) {
  MakeDemo();
  pb::ApplyChangesRequest request = Request();
  Create(request, Route("low", "1[0-4]XX"));
  Create(request, Route("high", "1[5-9]XX"));
  Create(request, Route("all", "1XXX"));
  EXPECT_THAT(Refused(request),
              ElementsAre("changes[2].create.route_pattern.pattern "
                          "PATTERN_NEVER_CHOSEN"));
  request.mutable_changes()->RemoveLast();
  EXPECT_THAT(Refused(request), IsEmpty());
  // One of them goes as the wide one comes.
  request = Request();
  Create(request, Route("all", "1XXX"));
  Delete(request, "tenants/t/routePatterns/low");
  EXPECT_THAT(Refused(request), IsEmpty());
}

TEST_F(ChangesTest, TriedRepeatedAndMissing) {
  MakeDemo();
  const int64_t version = Version();
  pb::ApplyChangesRequest request = Request();
  Update(request, Route("new", "7.!")).set_allow_missing(true);
  Update(request, Route("out", "9.!"));
  pb::PlanDelete& gone = *request.add_changes()->mutable_delete_();
  gone.set_name("tenants/t/peers/none");
  gone.set_allow_missing(true);
  request.set_validate_only(true);
  const pb::ApplyChangesResponse tried = Apply(request);
  EXPECT_THAT(Outcomes(tried),
              ElementsAre(Applied::OUTCOME_CREATED, Applied::OUTCOME_UNCHANGED,
                          Applied::OUTCOME_DELETED));
  EXPECT_EQ(tried.results(0).etag(), "");
  EXPECT_EQ(Version(), version);

  request.set_validate_only(false);
  request.set_request_id("once");
  const pb::ApplyChangesResponse first = Apply(request);
  EXPECT_EQ(first.version(), version + 1);
  const pb::ApplyChangesResponse again = Apply(request);
  EXPECT_EQ(again.version(), version + 1);
  EXPECT_THAT(Outcomes(again), Outcomes(first));
  EXPECT_EQ(again.results(0).etag(), first.results(0).etag());
  EXPECT_EQ(Version(), version + 1);
  request.mutable_changes()->RemoveLast();
  pb::ApplyChangesResponse other;
  EXPECT_THAT(Call(&Stub::ApplyChanges, request, &other),
              HasReason("REQUEST_ID_REUSED"));
}

// What a role may do to the tenant itself is not more by this way.
TEST_F(ChangesTest, RolesAndTenants) {
  MakeDemo();
  MakeTenant("u");
  const auto oscar = StubOf("operator/oscar");  // operator in t
  const auto vera = StubOf("operator/vera");    // viewer in u
  pb::ApplyChangesResponse answer;
  pb::ApplyChangesRequest request = Request();
  Create(request, Route("new", "7.!"));
  EXPECT_THAT(Call(&Stub::ApplyChanges, request, &answer, vera.get()),
              HasReason("ROLE_TOO_LOW"));
  EXPECT_THAT(Call(&Stub::ApplyChanges, request, &answer, oscar.get()), IsOk());
  request = Request();
  request.add_changes()
      ->mutable_update()
      ->mutable_resource()
      ->mutable_tenant()
      ->set_name(kTenant);
  EXPECT_THAT(Call(&Stub::ApplyChanges, request, &answer, oscar.get()),
              HasReason("ROLE_TOO_LOW"));
  request = Request();
  Delete(request, kTenant);
  EXPECT_THAT(Call(&Stub::ApplyChanges, request, &answer, oscar.get()),
              HasReason("ROLE_TOO_LOW"));
  request = Request();
  request.set_parent("tenants/u");
  Create(request, Route("new", "7.!"));
  EXPECT_THAT(Call(&Stub::ApplyChanges, request, &answer, oscar.get()),
              HasReason("TENANT_NOT_ALLOWED"));

  pb::ListPlanFindingsRequest list;
  pb::ListPlanFindingsResponse findings;
  list.set_parent("tenants/u");
  EXPECT_THAT(Call(&Stub::ListPlanFindings, list, &findings, vera.get()),
              IsOk());
  EXPECT_THAT(Call(&Stub::ListPlanFindings, list, &findings, oscar.get()),
              HasReason("TENANT_NOT_ALLOWED"));
  list.set_page_token("tampered");
  EXPECT_THAT(Call(&Stub::ListPlanFindings, list, &findings),
              HasReason("PAGE_TOKEN_INVALID"));
}

TEST_F(ChangesTest, ATenantAndAllItHas) {
  pb::ApplyChangesRequest request = Request();
  pb::Resource& plan = *request.add_changes()->mutable_create();
  plan.mutable_dial_plan()->set_name("tenants/t/dialPlans/d");
  plan.mutable_dial_plan()->set_security_mode(type::SECURITY_MODE_SECURED);
  plan.mutable_dial_plan()->set_number_of_digits_in_extension(4);
  pb::Tenant& tenant =
      *request.add_changes()->mutable_create()->mutable_tenant();
  tenant.set_name(kTenant);
  tenant.add_domains("t.test");
  tenant.set_default_dial_plan("tenants/t/dialPlans/d");
  EXPECT_THAT(Refused(request), IsEmpty());
  request = Request();
  Delete(request, kTenant);
  Delete(request, "tenants/t/dialPlans/d");
  EXPECT_THAT(Refused(request), IsEmpty());
}

}  // namespace
}  // namespace sallyport::dialplan
