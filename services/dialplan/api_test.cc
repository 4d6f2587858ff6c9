// What callers of the real process see.

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/process_fixture.h"

namespace sallyport::dialplan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(DialplanTest, CreateGetListUpdateDelete) {
  const pb::Tenant tenant = MakeTenant("t");
  EXPECT_EQ(tenant.name(), "tenants/t");
  EXPECT_FALSE(tenant.etag().empty());
  EXPECT_GT(tenant.create_time().seconds(), 0);
  // UM-50, UM-77, UM-94: unsecured unless said.
  pb::DialPlan plan = MakePlan("t", "d", type::SECURITY_MODE_UNSPECIFIED);
  EXPECT_EQ(plan.name(), "tenants/t/dialPlans/d");
  // UM-78: and it is shown.
  EXPECT_EQ(plan.security_mode(), type::SECURITY_MODE_UNSECURED);
  EXPECT_EQ(plan.uri_type(), pb::URI_TYPE_TEL_EXTN);

  pb::GetDialPlanRequest get;
  get.set_name(plan.name());
  pb::DialPlan got;
  ASSERT_THAT(Call(&Stub::GetDialPlan, get, &got), IsOk());
  EXPECT_EQ(got.SerializeAsString(), plan.SerializeAsString());

  // UM-52, UM-84, UM-98: the mode is set afterwards, and only it changes.
  pb::UpdateDialPlanRequest update;
  *update.mutable_dial_plan() = got;
  update.mutable_dial_plan()->set_security_mode(type::SECURITY_MODE_SECURED);
  update.mutable_dial_plan()->set_description("not in the mask");
  update.mutable_update_mask()->add_paths("security_mode");
  pb::DialPlan updated;
  ASSERT_THAT(Call(&Stub::UpdateDialPlan, update, &updated), IsOk());
  EXPECT_EQ(updated.security_mode(), type::SECURITY_MODE_SECURED);
  EXPECT_EQ(updated.description(), "");
  EXPECT_EQ(updated.number_of_digits_in_extension(), 4);
  EXPECT_NE(updated.etag(), plan.etag());
  // The etag in it is stale by now.
  EXPECT_THAT(Call(&Stub::UpdateDialPlan, update, &updated),
              HasReason("ETAG_MISMATCH"));
  update.mutable_dial_plan()->clear_etag();
  update.mutable_update_mask()->add_paths("no_such_field");
  EXPECT_THAT(Call(&Stub::UpdateDialPlan, update, &updated),
              HasReason("UPDATE_MASK_INVALID"));
  // Without a mask: every field that is set.
  pb::UpdateDialPlanRequest loose;
  loose.mutable_dial_plan()->set_name(plan.name());
  loose.mutable_dial_plan()->set_description("Main plan");
  ASSERT_THAT(Call(&Stub::UpdateDialPlan, loose, &updated), IsOk());
  EXPECT_EQ(updated.description(), "Main plan");
  EXPECT_EQ(updated.security_mode(), type::SECURITY_MODE_SECURED);

  pb::DeleteTenantRequest remove_tenant;
  remove_tenant.set_name("tenants/t");
  google::protobuf::Empty empty;
  EXPECT_THAT(Call(&Stub::DeleteTenant, remove_tenant, &empty),
              HasReason("RESOURCE_IN_USE"));
  pb::DeleteDialPlanRequest remove;
  remove.set_name(plan.name());
  remove.set_etag("stale");
  EXPECT_THAT(Call(&Stub::DeleteDialPlan, remove, &empty),
              HasReason("ETAG_MISMATCH"));
  remove.set_etag(updated.etag());
  EXPECT_THAT(Call(&Stub::DeleteDialPlan, remove, &empty), IsOk());
  EXPECT_THAT(Call(&Stub::DeleteDialPlan, remove, &empty),
              HasReason("RESOURCE_NOT_FOUND"));
  EXPECT_THAT(Call(&Stub::GetDialPlan, get, &got),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Call(&Stub::DeleteTenant, remove_tenant, &empty), IsOk());
}

// UM-67
TEST_F(DialplanTest, Um67OnlyThePortChanges) {
  MakeTenant("t");
  MakePlan("t", "d", type::SECURITY_MODE_UNSECURED);
  pb::Peer peer;
  ASSERT_THAT(Call(&Stub::CreatePeer, PeerRequest("t", "gw", "d"), &peer),
              IsOk());
  pb::UpdatePeerRequest update;
  update.mutable_peer()->set_name(peer.name());
  update.mutable_peer()->set_port(5061);
  update.mutable_update_mask()->add_paths("port");
  pb::Peer updated;
  ASSERT_THAT(Call(&Stub::UpdatePeer, update, &updated), IsOk());
  EXPECT_EQ(updated.port(), 5061u);
  peer.set_port(5061);
  peer.set_etag(updated.etag());
  *peer.mutable_update_time() = updated.update_time();
  EXPECT_EQ(updated.SerializeAsString(), peer.SerializeAsString());
}

TEST_F(DialplanTest, Um66FaultsComeTogether) {
  MakeTenant("t");
  MakePlan("t", "secured", type::SECURITY_MODE_SECURED);
  pb::CreatePeerRequest request = PeerRequest("t", "gw", "secured");
  request.mutable_peer()->set_fqdn("192.0.2.1");
  request.mutable_peer()->set_port(5060);
  request.mutable_peer()->set_server_group("tenants/t/serverGroups/none");
  pb::Peer peer;
  const absl::Status status = Call(&Stub::CreatePeer, request, &peer);
  EXPECT_THAT(status, HasReason("PLAN_INVALID"));
  std::vector<std::string> fields;
  for (const FieldViolation& v : FieldViolationsOf(status)) {
    fields.push_back(v.field);
  }
  EXPECT_THAT(fields,
              ElementsAre("peer.server_group", "peer.fqdn", "peer.port"));
  request = PeerRequest("t", "gw", "secured");
  request.mutable_peer()->clear_kind();
  request.mutable_peer()->set_description("bell\a");
  request.mutable_peer()->set_display_name(std::string(65, 'x'));
  const absl::Status shape = Call(&Stub::CreatePeer, request, &peer);
  EXPECT_EQ(FieldViolationsOf(shape).size(), 3u);
  EXPECT_EQ(Version(), 2);  // nothing was stored
}

TEST_F(DialplanTest, MalformedNamesAndIds) {
  pb::Tenant tenant;
  for (const char* id : {"", "T", "-a", "a/b", "a b"}) {
    pb::CreateTenantRequest request;
    request.set_tenant_id(id);
    EXPECT_THAT(Call(&Stub::CreateTenant, request, &tenant),
                HasReason("NAME_INVALID"))
        << id;
  }
  pb::Peer peer;
  for (const char* name :
       {"", "tenants/t", "tenants/t/peers/", "tenants/t/users/gw",
        "tenants//peers/gw", "tenants/t/peers/gw/x"}) {
    pb::GetPeerRequest get;
    get.set_name(name);
    EXPECT_THAT(Call(&Stub::GetPeer, get, &peer), HasReason("NAME_INVALID"))
        << name;
  }
  pb::CreatePeerRequest request = PeerRequest("t", "gw", "d");
  EXPECT_THAT(Call(&Stub::CreatePeer, request, &peer),
              HasReason("PLAN_INVALID"));  // no such tenant, no such plan
  request.set_parent("nowhere");
  EXPECT_THAT(Call(&Stub::CreatePeer, request, &peer),
              HasReason("NAME_INVALID"));
}

TEST_F(DialplanTest, PagesAreStable) {
  MakeTenant("t");
  const auto make = [this](const std::string& id) {
    pb::CreatePartitionRequest request;
    request.set_parent("tenants/t");
    request.set_partition_id(id);
    pb::Partition out;
    EXPECT_THAT(Call(&Stub::CreatePartition, request, &out), IsOk());
  };
  for (int i = 0; i < 10; ++i) make(absl::StrCat("p", i));
  pb::ListPartitionsRequest list;
  list.set_parent("tenants/t");
  list.set_page_size(4);
  std::vector<std::string> names;
  for (int page = 0; page < 10; ++page) {
    pb::ListPartitionsResponse response;
    ASSERT_THAT(Call(&Stub::ListPartitions, list, &response), IsOk());
    for (const pb::Partition& p : response.partitions()) {
      names.push_back(
          p.name().substr(std::string("tenants/t/partitions/").size()));
    }
    if (page == 0) {
      // Before and behind the page that was read.
      make("a-new-one");
      make("p35");
      pb::DeletePartitionRequest remove;
      remove.set_name("tenants/t/partitions/p3");  // the token's own
      google::protobuf::Empty empty;
      ASSERT_THAT(Call(&Stub::DeletePartition, remove, &empty), IsOk());
    }
    if (response.next_page_token().empty()) break;
    list.set_page_token(response.next_page_token());
  }
  EXPECT_THAT(names, ElementsAre("p0", "p1", "p2", "p3", "p35", "p4", "p5",
                                 "p6", "p7", "p8", "p9"));
  // A token that was tampered with, or is of another list.
  pb::ListPartitionsResponse response;
  std::string token = list.page_token();
  token[5] = token[5] == 'A' ? 'B' : 'A';
  list.set_page_token(token);
  EXPECT_THAT(Call(&Stub::ListPartitions, list, &response),
              HasReason("PAGE_TOKEN_INVALID"));
  pb::ListUsersRequest users;
  users.set_parent("tenants/t");
  list.set_page_token("");
  ASSERT_THAT(Call(&Stub::ListPartitions, list, &response), IsOk());
  users.set_page_token(response.next_page_token());
  pb::ListUsersResponse none;
  EXPECT_THAT(Call(&Stub::ListUsers, users, &none),
              HasReason("PAGE_TOKEN_INVALID"));
  list.set_page_size(1001);
  EXPECT_THAT(Call(&Stub::ListPartitions, list, &response),
              HasReason("VALUE_OUT_OF_RANGE"));
  list.set_page_size(0);
  list.set_filter("name = x");
  EXPECT_THAT(Call(&Stub::ListPartitions, list, &response),
              HasReason("FILTER_INVALID"));
  // Pages of what a filter lets through; a token holds for its filter only.
  list.set_filter("name != \"tenants/t/partitions/p1\" AND disabled = false");
  list.set_page_size(2);
  response.Clear();
  ASSERT_THAT(Call(&Stub::ListPartitions, list, &response), IsOk());
  ASSERT_EQ(response.partitions_size(), 2);
  EXPECT_EQ(response.partitions(1).name(), "tenants/t/partitions/p0");
  list.set_page_token(response.next_page_token());
  response.Clear();
  ASSERT_THAT(Call(&Stub::ListPartitions, list, &response), IsOk());
  EXPECT_EQ(response.partitions(0).name(), "tenants/t/partitions/p2");
  list.set_filter("");
  EXPECT_THAT(Call(&Stub::ListPartitions, list, &response),
              HasReason("PAGE_TOKEN_INVALID"));
  list.set_page_token("");
  list.set_page_size(0);
  list.set_filter("");
  list.set_parent("tenants/none");
  EXPECT_THAT(Call(&Stub::ListPartitions, list, &response),
              HasReason("RESOURCE_NOT_FOUND"));
}

TEST_F(DialplanTest, PasswordsAreWriteOnly) {
  MakeTenant("t");
  MakePlan("t", "secured", type::SECURITY_MODE_SECURED);
  pb::CreateUserRequest request = UserRequest("alice");
  request.mutable_user()->set_password("correct horse");
  request.set_request_id("once");
  pb::User user;
  ASSERT_THAT(Call(&Stub::CreateUser, request, &user), IsOk());
  EXPECT_EQ(user.password(), "");
  EXPECT_EQ(user.ha1(), "");
  EXPECT_TRUE(user.has_credentials());
  EXPECT_EQ(user.domain(), "t.test");
  pb::GetUserRequest get;
  get.set_name(user.name());
  pb::User got;
  ASSERT_THAT(Call(&Stub::GetUser, get, &got), IsOk());
  EXPECT_EQ(got.SerializeAsString(), user.SerializeAsString());
  pb::ListUsersRequest list;
  list.set_parent("tenants/t");
  pb::ListUsersResponse all;
  ASSERT_THAT(Call(&Stub::ListUsers, list, &all), IsOk());
  ASSERT_EQ(all.users_size(), 1);
  EXPECT_EQ(all.users(0).ha1(), "");

  // The edge alone gets the hash: H(alice:t.test:correct horse).
  // printf 'alice:t.test:correct horse' | sha256sum
  const std::string sha256 =
      "e3db85658508925a8bc11b19b76fec2fc308d5e602f897af3f2a05baab1bd7b9";
  Edge edge(ChannelOf("signaling_edge"));
  auto plan = edge.WaitFor(3);
  ASSERT_EQ(plan->users.size(), 1u);
  EXPECT_EQ(plan->users[0].ha1_sha256, sha256);
  Edge capf(ChannelOf("capf"));
  plan = capf.WaitFor(3);
  ASSERT_EQ(plan->users.size(), 1u);
  EXPECT_EQ(plan->users[0].ha1_sha256, "");

  // Both hashes are kept, so the algorithm can change without the password.
  pb::UpdateUserRequest update;
  update.mutable_user()->set_name(user.name());
  update.mutable_user()->set_digest_algorithm(type::DIGEST_ALGORITHM_MD5);
  ASSERT_THAT(Call(&Stub::UpdateUser, update, &user), IsOk());
  plan = edge.WaitFor(4);
  // printf 'alice:t.test:correct horse' | md5sum
  EXPECT_EQ(plan->users[0].ha1_md5, "68833bb99e2a3351c459c8fcefba5e17");
  // But not the name that the hash holds.
  update.mutable_user()->set_username("bob");
  EXPECT_THAT(Call(&Stub::UpdateUser, update, &user),
              HasReason("PASSWORD_REQUIRED"));
  update.mutable_user()->set_password("short");
  EXPECT_THAT(Call(&Stub::UpdateUser, update, &user),
              HasReason("PASSWORD_TOO_SHORT"));
  // Neither the log nor the store ever held it.
  EXPECT_FALSE(absl::StrContains(process_.Log(), "correct horse"));
  EXPECT_FALSE(absl::StrContains(process_.Log(), sha256));
  ASSERT_EQ(process_.Terminate(), 0);
  for (const char* file : {"/plan.db", "/plan.db-wal"}) {
    std::ifstream in(process_.folder() + file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)),
                            std::istreambuf_iterator<char>());
    EXPECT_FALSE(absl::StrContains(bytes, "correct horse")) << file;
  }
}

TEST_F(DialplanTest, RequestIdsMakeRepeatsHarmless) {
  pb::CreateTenantRequest request;
  request.set_tenant_id("t");
  request.set_request_id("r1");
  pb::Tenant first, second;
  ASSERT_THAT(Call(&Stub::CreateTenant, request, &first), IsOk());
  ASSERT_THAT(Call(&Stub::CreateTenant, request, &second), IsOk());
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(Version(), 1);
  // After SIGKILL too.
  process_.Kill();
  Start();
  ASSERT_THAT(Call(&Stub::CreateTenant, request, &second), IsOk());
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  request.mutable_tenant()->set_description("another");
  EXPECT_THAT(Call(&Stub::CreateTenant, request, &second),
              HasReason("REQUEST_ID_REUSED"));
  request.clear_request_id();
  EXPECT_THAT(Call(&Stub::CreateTenant, request, &second),
              HasReason("RESOURCE_EXISTS"));
  request.set_tenant_id("u");
  request.set_validate_only(true);
  ASSERT_THAT(Call(&Stub::CreateTenant, request, &second), IsOk());
  EXPECT_EQ(second.name(), "tenants/u");
  EXPECT_EQ(second.etag(), "");
  EXPECT_EQ(Version(), 1);
}

TEST_F(DialplanTest, RolesAndTenants) {
  MakeTenant("t");
  MakeTenant("u");
  const auto oscar = StubOf("operator/oscar");  // operator of t
  const auto vera = StubOf("operator/vera");    // viewer of u
  const auto edge = StubOf("signaling_edge");
  pb::CreatePartitionRequest create;
  create.set_parent("tenants/t");
  create.set_partition_id("p");
  pb::Partition partition;
  EXPECT_THAT(Call(&Stub::CreatePartition, create, &partition, vera.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Call(&Stub::CreatePartition, create, &partition, edge.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Call(&Stub::CreatePartition, create, &partition, oscar.get()),
              IsOk());
  create.set_parent("tenants/u");
  EXPECT_THAT(Call(&Stub::CreatePartition, create, &partition, oscar.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
  pb::GetPartitionRequest get;
  get.set_name("tenants/t/partitions/p");
  EXPECT_THAT(Call(&Stub::GetPartition, get, &partition, vera.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
  pb::UpdatePartitionRequest update;
  update.mutable_partition()->set_name("tenants/u/partitions/p");
  EXPECT_THAT(Call(&Stub::UpdatePartition, update, &partition, oscar.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
  pb::CreateTenantRequest tenant;
  tenant.set_tenant_id("v");
  pb::Tenant made;
  EXPECT_THAT(Call(&Stub::CreateTenant, tenant, &made, oscar.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
  // Each sees its own tenants.
  pb::ListTenantsResponse tenants;
  ASSERT_THAT(
      Call(&Stub::ListTenants, pb::ListTenantsRequest(), &tenants, vera.get()),
      IsOk());
  ASSERT_EQ(tenants.tenants_size(), 1);
  EXPECT_EQ(tenants.tenants(0).name(), "tenants/u");
  tenants.Clear();
  ASSERT_THAT(Call(&Stub::ListTenants, pb::ListTenantsRequest(), &tenants),
              IsOk());
  EXPECT_EQ(tenants.tenants_size(), 2);
  // Operators do not take the stream: it holds hashes.
  pb::ReportSnapshotVersionResponse reported;
  pb::ReportSnapshotVersionRequest report;
  report.set_consumer("x");
  EXPECT_THAT(Call(&Stub::ReportSnapshotVersion, report, &reported),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(DialplanTest, ResolveRouteExplains) {
  MakeDemo();
  pb::ResolveRouteRequest request;
  request.set_parent("tenants/t");
  request.set_user("tenants/t/users/1001");
  request.set_called_number("912025550123");
  request.set_explain(true);
  pb::ResolveRouteResponse answer;
  ASSERT_THAT(Call(&Stub::ResolveRoute, request, &answer), IsOk());
  EXPECT_EQ(answer.decision(), pb::ROUTE_DECISION_ROUTED);
  EXPECT_EQ(answer.matched_pattern(), "9.!");
  EXPECT_EQ(answer.called_number(), "12025550123");
  ASSERT_EQ(answer.targets_size(), 1);
  const pb::RouteTarget& target = answer.targets(0);
  EXPECT_EQ(target.peer(), "tenants/t/peers/gw");
  EXPECT_EQ(target.host(), "gw.t.test");
  EXPECT_EQ(target.port(), 5061u);
  EXPECT_EQ(target.transport(), type::TRANSPORT_TLS);
  EXPECT_EQ(target.security_mode(), type::SECURITY_MODE_SIP_SECURED);
  EXPECT_EQ(target.expected_subject_names(0), "gw.t.test");
  EXPECT_EQ(target.calling_number(), "1001");
  ASSERT_EQ(answer.lookups_size(), 1);
  EXPECT_THAT(answer.lookups(0).partitions(), ElementsAre(""));
  ASSERT_EQ(answer.lookups(0).candidates_size(), 1);
  EXPECT_EQ(answer.lookups(0).candidates(0).outcome(),
            pb::CANDIDATE_OUTCOME_CHOSEN);
  EXPECT_EQ(answer.lookups(0).candidates(0).match_count(), "100000000000");
  ASSERT_EQ(answer.lookups(0).steps_size(), 1);
  EXPECT_EQ(answer.lookups(0).steps(0).operation(), "discard PreDot");

  // A change is in force at once.
  pb::UpdatePeerRequest update;
  update.mutable_peer()->set_name("tenants/t/peers/gw");
  update.mutable_peer()->set_status(pb::PEER_STATUS_DISABLED);
  pb::Peer peer;
  ASSERT_THAT(Call(&Stub::UpdatePeer, update, &peer), IsOk());
  ASSERT_THAT(Call(&Stub::ResolveRoute, request, &answer), IsOk());
  EXPECT_EQ(answer.decision(), pb::ROUTE_DECISION_UNAVAILABLE);
  EXPECT_EQ(answer.reason(), "PEER_DISABLED");

  request.set_called_number("1001@t.test");
  request.set_peer("tenants/t/peers/gw");
  ASSERT_THAT(Call(&Stub::ResolveRoute, request, &answer), IsOk());
  EXPECT_EQ(answer.reason(), "PEER_DISABLED");  // it may not call either
  request.set_called_number("");
  EXPECT_THAT(Call(&Stub::ResolveRoute, request, &answer),
              HasReason("VALUE_REQUIRED"));
  request.set_called_number("1");
  request.set_user("tenants/u/users/x");
  EXPECT_THAT(Call(&Stub::ResolveRoute, request, &answer),
              HasReason("REFERENCE_NOT_FOUND"));
}

// The same answers on a stream, each by today's plan; what is refused does not
// end it, and a drain does.
TEST_F(DialplanTest, ResolveRoutesAnswersAStream) {
  MakeDemo();
  grpc::ClientContext context;
  const auto stream = ann_->ResolveRoutes(&context);
  pb::ResolveRoutesRequest questions;
  pb::ResolveRouteRequest& good = *questions.add_questions();
  good.set_parent("tenants/t");
  good.set_user("tenants/t/users/1001");
  good.set_called_number("912025550123");
  pb::ResolveRouteRequest& bad = *questions.add_questions();
  bad.set_parent("tenants/none");
  bad.set_called_number("1");
  pb::ResolveRouteResponse alone;
  ASSERT_THAT(Call(&Stub::ResolveRoute, good, &alone), IsOk());
  const auto ask = [&] {
    std::vector<pb::ResolveRouteResult> out;
    EXPECT_TRUE(stream->Write(questions));
    pb::ResolveRoutesResponse answers;
    while (out.size() < 2 && stream->Read(&answers)) {
      out.insert(out.end(), answers.results().begin(), answers.results().end());
    }
    return out;
  };
  std::vector<pb::ResolveRouteResult> results = ask();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].response().SerializeAsString(),
            alone.SerializeAsString());
  EXPECT_EQ(results[1].error().code(),
            static_cast<int>(grpc::StatusCode::NOT_FOUND));

  pb::UpdatePeerRequest update;
  update.mutable_peer()->set_name("tenants/t/peers/gw");
  update.mutable_peer()->set_status(pb::PEER_STATUS_DISABLED);
  pb::Peer peer;
  ASSERT_THAT(Call(&Stub::UpdatePeer, update, &peer), IsOk());
  results = ask();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].response().reason(), "PEER_DISABLED");

  ASSERT_EQ(process_.Terminate(), 0);
  pb::ResolveRoutesResponse answers;
  EXPECT_FALSE(stream->Read(&answers));
  EXPECT_THAT(FromGrpc(stream->Finish()), HasReason("DRAINING"));
}

// Issue 3, "Bad input": a table is taken whole or not at all.
TEST_F(DialplanTest, UsersAreImportedAllOrNone) {
  MakeTenant("t");
  MakePlan("t", "d", type::SECURITY_MODE_UNSECURED);
  pb::ImportUsersRequest request;
  request.set_parent("tenants/t");
  request.set_csv(
      "username,password,dial_plan\n"
      "ann,correct horse,d\n"
      "bob,correct horse,none\n"
      "Ren\xE9,correct horse,d\n");
  pb::ImportUsersResponse response;
  const int64_t before = Version();
  const absl::Status refused = Call(&Stub::ImportUsers, request, &response);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(FieldViolationsOf(refused).size(), 2u);
  EXPECT_EQ(FieldViolationsOf(refused)[0].field, "row[3].dial_plan");
  EXPECT_EQ(FieldViolationsOf(refused)[1].field, "row[4].username");
  request.set_validate_only(true);
  ASSERT_THAT(Call(&Stub::ImportUsers, request, &response), IsOk());
  ASSERT_EQ(response.result().violations_size(), 2);
  EXPECT_EQ(response.result().violations(0).field(), "row[3].dial_plan");
  EXPECT_EQ(Version(), before);

  request.set_csv(
      "username,password,dial_plan\n"
      "ann,correct horse,d\n"
      "bob,correct horse,d\n");
  request.set_validate_only(true);
  ASSERT_THAT(Call(&Stub::ImportUsers, request, &response), IsOk());
  EXPECT_EQ(response.result().created(), 2u);
  EXPECT_EQ(Version(), before);
  request.set_validate_only(false);
  request.set_request_id("import-1");
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(Call(&Stub::ImportUsers, request, &response), IsOk());
    EXPECT_EQ(response.result().created(), 2u);
    EXPECT_EQ(Version(), before + 2);
  }
  request.set_request_id("import-2");
  ASSERT_THAT(Call(&Stub::ImportUsers, request, &response), IsOk());
  EXPECT_EQ(response.result().unchanged(), 2u);
  EXPECT_EQ(Version(), before + 2);
  request.set_csv("username\neve\n");
  EXPECT_THAT(Call(&Stub::ImportUsers, request, &response),
              HasReason("REQUEST_ID_REUSED"));

  // Every edge gets them at once, with what it needs to check a digest.
  Edge edge(ChannelOf("signaling_edge"));
  const auto plan = edge.WaitFor(before + 2);
  ASSERT_EQ(plan->users.size(), 2u);
  EXPECT_EQ(plan->users[0].ha1_sha256.size(), 64u);

  request.set_request_id("");
  request.set_csv(std::string(4000001, 'a'));
  EXPECT_THAT(Call(&Stub::ImportUsers, request, &response),
              HasReason("CSV_TOO_LARGE"));
  request.set_parent("tenants/none");
  EXPECT_THAT(Call(&Stub::ImportUsers, request, &response),
              HasReason("RESOURCE_NOT_FOUND"));
  // An operator of another tenant, and one who may only look.
  const auto vera = StubOf("operator/vera");
  request.set_parent("tenants/u");
  EXPECT_THAT(Call(&Stub::ImportUsers, request, &response, vera.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
  const auto oscar = StubOf("operator/oscar");
  EXPECT_THAT(Call(&Stub::ImportUsers, request, &response, oscar.get()),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(DialplanTest, NumbersAreImported) {
  MakeTenant("t");
  MakePlan("t", "d", type::SECURITY_MODE_UNSECURED);
  pb::ImportUsersRequest users;
  users.set_parent("tenants/t");
  users.set_csv("username,dial_plan\nann,d\nbob,d\n");
  pb::ImportUsersResponse imported;
  ASSERT_THAT(Call(&Stub::ImportUsers, users, &imported), IsOk());
  ASSERT_EQ(imported.result().created(), 2u);

  pb::ImportNumbersRequest request;
  request.set_parent("tenants/t");
  request.set_csv(
      "directory_number,display_name,users,forward_no_answer.number,"
      "no_answer_duration,max_calls\r\n"
      "4001,\"Ann, O.\",ann,4002,20s,4\r\n"
      "4002,Bob,ann;bob,,,\r\n");
  pb::ImportNumbersResponse response;
  ASSERT_THAT(Call(&Stub::ImportNumbers, request, &response), IsOk());
  EXPECT_EQ(response.result().violations_size(), 0)
      << response.ShortDebugString();
  EXPECT_EQ(response.result().created(), 2u);
  pb::GetLineRequest get;
  get.set_name("tenants/t/lines/4001");
  pb::Line line;
  ASSERT_THAT(Call(&Stub::GetLine, get, &line), IsOk());
  EXPECT_EQ(line.display_name(), "Ann, O.");
  EXPECT_EQ(line.forward_no_answer().number(), "4002");
  EXPECT_EQ(line.no_answer_duration().seconds(), 20);
  EXPECT_THAT(line.users(), ElementsAre("tenants/t/users/ann"));
  ASSERT_THAT(Call(&Stub::ImportNumbers, request, &response), IsOk());
  EXPECT_EQ(response.result().unchanged(), 2u);

  request.set_csv(
      "directory_number,users,no_answer_duration\n"
      "4001,eve,20s\n"
      "4002,bob,soon\n");
  std::vector<std::string> fields;
  for (const FieldViolation& violation :
       FieldViolationsOf(Call(&Stub::ImportNumbers, request, &response))) {
    fields.push_back(violation.field);
  }
  EXPECT_THAT(fields,
              ElementsAre("row[2].users[0]", "row[3].no_answer_duration"));
}

}  // namespace
}  // namespace sallyport::dialplan
