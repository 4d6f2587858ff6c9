#include "services/common/rpc/access_policy.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

namespace config = ::sallyport::common::config::v1;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

const char kService[] =
    "/sallyport.credential_issuer.v1.CredentialIssuerService/";
const char* const kMethods[] = {
    "IssueTurnCredential", "RevokeCredential", "RevokeUser",
    "ListRevocations",     "GetKey",           "ListKeys",
    "RotateKey",           "RevokeKey",        "WatchVerificationKeys",
    "ReportKeysVersion",   "GetStatus",        "ListAuditRecords",
    "IssueMrasCredentials"};

std::string Method(const std::string& name) { return kService + name; }

std::vector<MethodRule> Rules() {
  // Makes the linker keep the service, and so its descriptor.
  static_cast<void>(
      credential_issuer::v1::CredentialIssuerService::service_full_name());
  std::vector<MethodRule> rules;
  for (const char* name : kMethods) {
    rules.push_back({Method(name), {}, OperatorRole::kAdmin});
  }
  rules[0] = {Method("IssueTurnCredential"),
              {"signaling_edge"},
              OperatorRole::kOperator};
  rules[8] = {Method("WatchVerificationKeys"), {"media_relay"}};
  rules[10] = {Method("GetStatus"), {}, OperatorRole::kViewer};
  return rules;
}

config::ServerConfig Config() {
  config::ServerConfig config;
  config.set_trust_domain("t.test");
  auto* binding = config.add_role_bindings();
  binding->set_identity("spiffe://t.test/operator/ann");
  binding->set_role(config::ROLE_OPERATOR);
  binding->add_tenants("a");
  return config;
}

AccessPolicy MakePolicy() {
  auto policy = AccessPolicy::Create(Config(), Rules());
  EXPECT_THAT(policy, IsOk());
  return *std::move(policy);
}

TEST(AccessPolicyTest, ServicesByMethod) {
  const AccessPolicy policy = MakePolicy();
  const auto edge = CallerIdentity::Service("signaling_edge");
  EXPECT_THAT(policy.CheckMethod(edge, Method("IssueTurnCredential")), IsOk());
  EXPECT_THAT(policy.CheckTenant(edge, Method("IssueTurnCredential"), "any"),
              IsOk());
  EXPECT_THAT(policy.CheckMethod(edge, Method("WatchVerificationKeys")),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason("CALLER_NOT_ACCEPTED")));
}

TEST(AccessPolicyTest, OperatorsByRoleAndTenant) {
  const AccessPolicy policy = MakePolicy();
  const auto ann =
      CallerIdentity::Operator("ann", {{"a", OperatorRole::kOperator}});
  EXPECT_THAT(policy.CheckTenant(ann, Method("IssueTurnCredential"), "a"),
              IsOk());
  EXPECT_THAT(policy.CheckTenant(ann, Method("IssueTurnCredential"), "b"),
              HasReason("TENANT_NOT_ALLOWED"));
  EXPECT_THAT(policy.CheckTenant(ann, Method("GetStatus"), ""),
              HasReason("TENANT_NOT_ALLOWED"));
  EXPECT_THAT(policy.CheckMethod(ann, Method("RotateKey")),
              HasReason("ROLE_TOO_LOW"));
  EXPECT_THAT(policy.CheckMethod(ann, Method("WatchVerificationKeys")),
              HasReason("CALLER_NOT_ACCEPTED"));
  EXPECT_THAT(policy.CheckMethod(CallerIdentity::Operator("eve", {}),
                                 Method("GetStatus")),
              HasReason("ROLE_TOO_LOW"));
  // An operator named like a service is no service.
  EXPECT_THAT(policy.CheckMethod(CallerIdentity::Operator("signaling_edge", {}),
                                 Method("IssueTurnCredential")),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST(AccessPolicyTest, WhatIsNotListedIsRefused) {
  const AccessPolicy policy = MakePolicy();
  const auto edge = CallerIdentity::Service("signaling_edge");
  for (const std::string& method :
       {std::string("/other.Service/Get"), std::string(""),
        Method("issueTurnCredential"), Method("IssueTurnCredential") + "/"}) {
    EXPECT_THAT(policy.CheckMethod(edge, method),
                HasReason("METHOD_NOT_LISTED"))
        << method;
  }
}

TEST(AccessPolicyTest, HealthAndReflectionAreForAnyVerifiedCaller) {
  const AccessPolicy policy = MakePolicy();
  for (const char* method :
       {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_THAT(policy.CheckMethod(CallerIdentity::Service("capf"), method),
                IsOk());
    EXPECT_THAT(policy.CheckMethod(CallerIdentity::Operator("eve", {}), method),
                IsOk());
  }
}

TEST(AccessPolicyTest, TheTableMustBeWhole) {
  std::vector<MethodRule> rules = Rules();
  rules.pop_back();
  rules.push_back({Method("NoSuchMethod"), {}});
  rules.push_back({"/no.Such/Method", {}});
  rules.push_back({"nonsense", {}});
  rules.push_back({Method("GetKey"), {}});
  const auto policy = AccessPolicy::Create(Config(), rules);
  ASSERT_THAT(policy, StatusIs(absl::StatusCode::kInvalidArgument));
  const std::string message(policy.status().message());
  EXPECT_THAT(message, HasSubstr("IssueMrasCredentials has no rule"));
  EXPECT_THAT(message, HasSubstr("NoSuchMethod is no method"));
  EXPECT_THAT(message, HasSubstr("/no.Such/Method is no method"));
  EXPECT_THAT(message, HasSubstr("nonsense is no method"));
  EXPECT_THAT(message, HasSubstr("GetKey has two rules"));
}

TEST(AccessPolicyTest, MethodsAreListedForMetrics) {
  const AccessPolicy policy = MakePolicy();
  EXPECT_EQ(policy.methods().size(), 20u);
  EXPECT_THAT(policy.methods(), Contains(Method("GetKey")));
}

TEST(TenantOfNameTest, FirstTwoSegments) {
  EXPECT_EQ(TenantOfName("tenants/a"), "a");
  EXPECT_EQ(TenantOfName("tenants/a/peers/b"), "a");
  EXPECT_EQ(TenantOfName("tenants/"), "");
  EXPECT_EQ(TenantOfName("keys/1"), "");
  EXPECT_EQ(TenantOfName(""), "");
}

}  // namespace
}  // namespace sallyport
