#include "services/common/rpc/caller_identity.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

TEST(SpiffeIdTest, ServicesAndOperators) {
  EXPECT_THAT(ParseSpiffeId("spiffe://t.test/dialplan", "t.test"),
              IsOkAndHolds(SpiffeId{false, "dialplan"}));
  EXPECT_THAT(ParseSpiffeId("spiffe://t.test/operator/ann.b-2", "t.test"),
              IsOkAndHolds(SpiffeId{true, "ann.b-2"}));
  EXPECT_EQ(ServiceSpiffeId("t.test", "capf"), "spiffe://t.test/capf");
}

TEST(SpiffeIdTest, RefusesAllElse) {
  for (const char* bad : {"",
                          "spiffe://",
                          "spiffe://t.test",
                          "spiffe://t.test/",
                          "spiffe://t.test.evil/dialplan",
                          "spiffe://evil/dialplan",
                          "spiffe://evil.t.test/dialplan",
                          "SPIFFE://t.test/dialplan",
                          "spiffe://T.test/dialplan",
                          "https://t.test/dialplan",
                          "spiffe://t.test/dialplan/",
                          "spiffe://t.test/a/b",
                          "spiffe://t.test/operator",
                          "spiffe://t.test/operator/",
                          "spiffe://t.test/operator/a/b",
                          "spiffe://t.test/..",
                          "spiffe://t.test/dial%70lan",
                          "spiffe://t.test/dialplan?x",
                          "spiffe://t.test/dialplan#x",
                          "spiffe://t.test:1/dialplan",
                          "spiffe://u@t.test/dialplan",
                          "spiffe://t.test//dialplan"}) {
    const auto id = ParseSpiffeId(bad, "t.test");
    EXPECT_THAT(id, StatusIs(absl::StatusCode::kUnauthenticated)) << bad;
    EXPECT_THAT(id, HasReason("PEER_IDENTITY_MISMATCH")) << bad;
  }
  EXPECT_FALSE(ParseSpiffeId("spiffe:///dialplan", "").ok());
}

TEST(CallerIdentityTest, RolesAreByTenant) {
  const auto ann = CallerIdentity::Operator(
      "ann", {{"a", OperatorRole::kAdmin}, {"b", OperatorRole::kViewer}});
  EXPECT_EQ(ann.RoleIn("a"), OperatorRole::kAdmin);
  EXPECT_EQ(ann.RoleIn("b"), OperatorRole::kViewer);
  EXPECT_EQ(ann.RoleIn("c"), OperatorRole::kNone);
  EXPECT_EQ(ann.RoleIn(""), OperatorRole::kNone);
  EXPECT_EQ(ann.HighestRole(), OperatorRole::kAdmin);
  EXPECT_EQ(ann.ToString(), "operator ann");
}

TEST(CallerIdentityTest, TheStarCountsEverywhereAndNeverLowers) {
  const auto bob = CallerIdentity::Operator(
      "bob", {{"*", OperatorRole::kOperator}, {"b", OperatorRole::kViewer}});
  EXPECT_EQ(bob.RoleIn("b"), OperatorRole::kOperator);
  EXPECT_EQ(bob.RoleIn("zzz"), OperatorRole::kOperator);
  EXPECT_EQ(bob.RoleIn(""), OperatorRole::kOperator);
}

TEST(CallerIdentityTest, AServiceHasNoRole) {
  const auto edge = CallerIdentity::Service("signaling_edge");
  EXPECT_TRUE(edge.is_service());
  EXPECT_EQ(edge.RoleIn("a"), OperatorRole::kNone);
  EXPECT_EQ(edge.HighestRole(), OperatorRole::kNone);
}

}  // namespace
}  // namespace sallyport
