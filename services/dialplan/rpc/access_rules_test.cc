#include "services/dialplan/rpc/access_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "services/common/status/status_matchers.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(AccessRulesTest, EveryMethodHasOneAndThePolicyTakesThem) {
  common::config::v1::ServerConfig config;
  config.set_trust_domain("t.test");
  EXPECT_THAT(AccessPolicy::Create(config, DialplanAccessRules({"capf"})),
              IsOk());
}

TEST(AccessRulesTest, WhoMayWhat) {
  std::map<std::string, MethodRule> rules;
  for (const MethodRule& rule :
       DialplanAccessRules({"signaling_edge", "capf"})) {
    rules[rule.method] = rule;
  }
  const auto role = [&](const char* method) {
    return rules.at(MethodPath(method)).operator_role;
  };
  EXPECT_EQ(role("GetPeer"), OperatorRole::kViewer);
  EXPECT_EQ(role("ListUsers"), OperatorRole::kViewer);
  EXPECT_EQ(role("ResolveRoute"), OperatorRole::kViewer);
  EXPECT_EQ(role("ResolveRoutes"), OperatorRole::kViewer);
  EXPECT_EQ(role("CreatePeer"), OperatorRole::kOperator);
  EXPECT_EQ(role("DeleteRoutePattern"), OperatorRole::kOperator);
  EXPECT_EQ(role("ImportUsers"), OperatorRole::kOperator);
  EXPECT_EQ(role("CreateTenant"), OperatorRole::kAdmin);
  EXPECT_EQ(role("ListAuditRecords"), OperatorRole::kAdmin);
  // The stream holds hashes of passwords: services only.
  EXPECT_EQ(role("WatchSnapshot"), OperatorRole::kNone);
  EXPECT_THAT(rules.at(MethodPath("WatchSnapshot")).services,
              ElementsAre("signaling_edge", "capf"));
  EXPECT_EQ(role("ReportSnapshotVersion"), OperatorRole::kNone);
  EXPECT_THAT(rules.at(MethodPath("GetPeer")).services, IsEmpty());
  EXPECT_THAT(rules.at(MethodPath("GetTenant")).services, ElementsAre("capf"));
  EXPECT_THAT(rules.at(MethodPath("UpdateTenant")).services,
              ElementsAre("capf"));
  EXPECT_THAT(rules.at(MethodPath("DeleteTenant")).services, IsEmpty());
}

// capf's procedures set the mode; nothing else of a tenant is theirs.
TEST(AccessRulesTest, AServiceChangesTheClusterSecurityModeAlone) {
  ::sallyport::dialplan::v1::UpdateTenantRequest request;
  EXPECT_THAT(ServiceMayUpdate(request), HasReason("FIELD_NOT_ALLOWED"));
  request.mutable_update_mask()->add_paths("cluster_security_mode");
  EXPECT_THAT(ServiceMayUpdate(request), IsOk());
  request.set_allow_missing(true);
  EXPECT_THAT(ServiceMayUpdate(request), HasReason("FIELD_NOT_ALLOWED"));
  request.set_allow_missing(false);
  request.mutable_update_mask()->add_paths("domains");
  EXPECT_THAT(ServiceMayUpdate(request), HasReason("FIELD_NOT_ALLOWED"));
}

}  // namespace
}  // namespace sallyport::dialplan
