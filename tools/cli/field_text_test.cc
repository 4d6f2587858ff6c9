#include "tools/cli/field_text.h"

#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dial_plan.pb.h"
#include "sallyport/dialplan/v1/peer.pb.h"
#include "sallyport/dialplan/v1/route_pattern.pb.h"
#include "sallyport/dialplan/v1/user.pb.h"
#include "sallyport/signaling_edge/v1/call.pb.h"

namespace sallyport::cli {
namespace {

TEST(FieldTextTest, EnumsLoseTheirPrefix) {
  dialplan::v1::DialPlan plan;
  EXPECT_EQ(FieldText(plan, "security_mode"), "");
  plan.set_security_mode(type::v1::SECURITY_MODE_SIP_SECURED);
  EXPECT_EQ(FieldText(plan, "security_mode"), "SIP_SECURED");
}

TEST(FieldTextTest, TimesAndDurations) {
  dialplan::v1::DialPlan plan;
  EXPECT_EQ(FieldText(plan, "create_time"), "");
  plan.mutable_create_time()->set_seconds(1700000000);
  EXPECT_EQ(FieldText(plan, "create_time"), "2023-11-14 22:13:20");
  plan.mutable_interdigit_timeout()->set_seconds(1);
  plan.mutable_interdigit_timeout()->set_nanos(500000000);
  EXPECT_EQ(FieldText(plan, "interdigit_timeout"), "1.5s");
}

TEST(FieldTextTest, RepeatedValuesAndElements) {
  signaling_edge::v1::Call call;
  call.add_legs()->set_peer("tenants/default/peers/gw");
  auto* const second = call.add_legs();
  second->set_user("tenants/default/users/ann");
  second->mutable_remote_address()->set_address("::1");
  second->mutable_remote_address()->set_port(5061);
  second->mutable_remote_address()->set_transport(type::v1::TRANSPORT_TLS);
  EXPECT_EQ(FieldText(call, "legs.0.party"), "tenants/default/peers/gw");
  EXPECT_EQ(FieldText(call, "legs.1.party"), "tenants/default/users/ann");
  EXPECT_EQ(FieldText(call, "legs.party"),
            "tenants/default/peers/gw, tenants/default/users/ann");
  EXPECT_EQ(FieldText(call, "legs.1.remote_address"), "[::1]:5061/TLS");
  EXPECT_EQ(FieldText(call, "legs.2.party"), "");
  EXPECT_EQ(FieldText(call, "no_such_field"), "");
}

TEST(FieldTextTest, SecretsStayHidden) {
  dialplan::v1::User user;
  EXPECT_EQ(FieldText(user, "ha1"), "");
  user.set_ha1("0123456789abcdef");
  user.set_password("correct horse");
  EXPECT_EQ(FieldText(user, "ha1"), "(hidden)");
  EXPECT_EQ(FieldText(user, "password"), "(hidden)");
}

TEST(FieldTextTest, NestedMessages) {
  dialplan::v1::RoutePattern pattern;
  pattern.mutable_block()->set_cause(34);
  EXPECT_EQ(FieldText(pattern, "destination"), "cause=34");
  EXPECT_EQ(FieldText(pattern, "block.cause"), "34");
  EXPECT_EQ(FieldText(pattern, "called_party.prefix_digits"), "");
}

}  // namespace
}  // namespace sallyport::cli
