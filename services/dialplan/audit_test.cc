// Who changed what, and when, as the real process tells it.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
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
using ::testing::Not;

class AuditTest : public DialplanTest {
 protected:
  pb::ListAuditRecordsRequest Of(const std::string& tenant) {
    pb::ListAuditRecordsRequest out;
    out.set_parent("tenants/" + tenant);
    return out;
  }
  std::vector<pb::AuditRecord> List(
      const pb::ListAuditRecordsRequest& request) {
    pb::ListAuditRecordsResponse response;
    EXPECT_THAT(Call(&Stub::ListAuditRecords, request, &response), IsOk());
    return {response.audit_records().begin(), response.audit_records().end()};
  }
};

TEST_F(AuditTest, EachChangeTellsWhoWhenWhatBeforeAndAfter) {
  MakeTenant("t");
  pb::CreateDialPlanRequest create;
  create.set_parent("tenants/t");
  create.set_dial_plan_id("d");
  create.set_request_id("create-d");
  create.mutable_dial_plan()->set_description("first");
  create.mutable_dial_plan()->set_number_of_digits_in_extension(4);
  pb::DialPlan plan;
  const auto oscar = StubOf("operator/oscar");
  ASSERT_THAT(Call(&Stub::CreateDialPlan, create, &plan, oscar.get()), IsOk());
  // The repeat is answered, and changes nothing.
  ASSERT_THAT(Call(&Stub::CreateDialPlan, create, &plan, oscar.get()), IsOk());
  pb::UpdateDialPlanRequest update;
  update.mutable_dial_plan()->set_name(plan.name());
  update.mutable_dial_plan()->set_description("second");
  ASSERT_THAT(Call(&Stub::UpdateDialPlan, update, &plan), IsOk());
  update.set_validate_only(true);
  update.mutable_dial_plan()->set_description("third");
  ASSERT_THAT(Call(&Stub::UpdateDialPlan, update, &plan), IsOk());
  pb::DeleteDialPlanRequest remove;
  remove.set_name("tenants/t/dialPlans/d");
  google::protobuf::Empty empty;
  ASSERT_THAT(Call(&Stub::DeleteDialPlan, remove, &empty), IsOk());

  const std::vector<pb::AuditRecord> records = List(Of("t"));
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].method(), "DeleteDialPlan");
  EXPECT_EQ(records[0].before().dial_plan().description(), "second");
  EXPECT_FALSE(records[0].has_after());
  EXPECT_EQ(records[1].method(), "UpdateDialPlan");
  EXPECT_EQ(records[1].actor(), "operator ann");
  EXPECT_EQ(records[1].before().dial_plan().description(), "first");
  EXPECT_EQ(records[1].after().dial_plan().description(), "second");
  EXPECT_EQ(records[1].version(), 3);
  EXPECT_EQ(records[1].name(), "tenants/t/auditRecords/3");
  EXPECT_EQ(records[2].actor(), "operator oscar");
  EXPECT_EQ(records[2].method(), "CreateDialPlan");
  EXPECT_EQ(records[2].resource(), "tenants/t/dialPlans/d");
  EXPECT_EQ(records[2].request_id(), "create-d");
  EXPECT_FALSE(records[2].has_before());
  EXPECT_GT(records[2].change_time().seconds(), 0);
  EXPECT_EQ(records[3].method(), "CreateTenant");
}

TEST_F(AuditTest, PasswordsAndTheirHashesAreNotInIt) {
  MakeDemo();
  pb::UpdateUserRequest update;
  update.mutable_user()->set_name("tenants/t/users/1001");
  update.mutable_user()->set_password("battery staple");
  pb::User user;
  ASSERT_THAT(Call(&Stub::UpdateUser, update, &user), IsOk());
  const std::vector<pb::AuditRecord> records = List(Of("t"));
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records[0].method(), "UpdateUser");
  for (const pb::AuditRecord& record : records) {
    for (const pb::Resource* resource : {&record.before(), &record.after()}) {
      EXPECT_EQ(resource->user().password(), "");
      EXPECT_EQ(resource->user().ha1(), "");
    }
    EXPECT_THAT(record.DebugString(), Not(HasSubstr("staple")));
  }
}

TEST_F(AuditTest, PagesFiltersAndTenants) {
  MakeTenant("t");
  MakeTenant("u");
  for (int i = 0; i < 7; ++i) {
    MakePlan("t", absl::StrCat("d", i), type::SECURITY_MODE_UNSECURED);
  }
  pb::ListAuditRecordsRequest request = Of("t");
  request.set_page_size(3);
  std::vector<int64_t> versions;
  int pages = 0;
  do {
    pb::ListAuditRecordsResponse response;
    ASSERT_THAT(Call(&Stub::ListAuditRecords, request, &response), IsOk());
    EXPECT_LE(response.audit_records_size(), 3);
    for (const auto& record : response.audit_records()) {
      versions.push_back(record.version());
    }
    request.set_page_token(response.next_page_token());
    // What comes meanwhile does not move the pages.
    MakePlan("t", absl::StrCat("late", pages++), type::SECURITY_MODE_UNSECURED);
  } while (!request.page_token().empty());
  EXPECT_THAT(versions, ElementsAre(9, 8, 7, 6, 5, 4, 3, 1));
  EXPECT_EQ(pages, 3);

  request = Of("t");
  request.set_filter("method = \"CreateTenant\" AND actor = \"operator ann\"");
  EXPECT_EQ(List(request).size(), 1u);
  request.set_filter("after.dial_plan.name = \"x\"");
  EXPECT_EQ(List(request).size(), 0u);
  request.set_filter("resource = \"tenants/t/dialPlans/d3\"");
  EXPECT_EQ(List(request).size(), 1u);
  EXPECT_EQ(List(Of("u")).size(), 1u);
  EXPECT_EQ(List(Of("nobody")).size(), 0u);

  pb::ListAuditRecordsResponse response;
  for (const auto& [field, reason] :
       std::vector<std::pair<const char*, const char*>>{
           {"parent", "NAME_INVALID"},
           {"page_size", "VALUE_OUT_OF_RANGE"},
           {"filter", "FILTER_INVALID"},
           {"page_token", "PAGE_TOKEN_INVALID"}}) {
    request = Of("t");
    const std::string which = field;
    if (which == "parent") request.set_parent("peers/t");
    if (which == "page_size") request.set_page_size(1001);
    if (which == "filter") request.set_filter("colour = \"red\"");
    if (which == "page_token") request.set_page_token("AAAA");
    EXPECT_THAT(Call(&Stub::ListAuditRecords, request, &response),
                HasReason(reason));
  }
  // A token is of one list.
  request = Of("t");
  request.set_page_size(1);
  ASSERT_THAT(Call(&Stub::ListAuditRecords, request, &response), IsOk());
  request.set_page_token(response.next_page_token());
  request.set_parent("tenants/u");
  EXPECT_THAT(Call(&Stub::ListAuditRecords, request, &response),
              HasReason("PAGE_TOKEN_INVALID"));
}

TEST_F(AuditTest, OnlyAdminsOfTheTenantReadIt) {
  MakeTenant("t");
  pb::ListAuditRecordsResponse response;
  // An operator of it, and a viewer of another one.
  for (const char* who : {"operator/oscar", "operator/vera"}) {
    const auto stub = StubOf(who);
    EXPECT_THAT(Call(&Stub::ListAuditRecords, Of("t"), &response, stub.get()),
                StatusIs(absl::StatusCode::kPermissionDenied))
        << who;
  }
}

TEST_F(AuditTest, ItIsKeptOverARestartAndNoLongerThanItIsSaid) {
  MakeTenant("t");
  process_.Kill();
  Start();
  EXPECT_EQ(List(Of("t")).size(), 1u);
  process_.Kill();
  WriteConfig(",\"audit_retention\":\"0.001s\"");
  Start();
  MakeTenant("u");
  // They go after the write has been answered.
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (!List(Of("t")).empty() && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(List(Of("t")).size(), 0u);
}

}  // namespace
}  // namespace sallyport::dialplan
