#include "services/dialplan/core/route_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/core/plan_fixture.h"
#include "services/dialplan/core/plan_rules_fixture.h"
#include "services/dialplan/core/reference_rules.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class RouteRulesTest : public PlanRulesTest {};

TEST_F(RouteRulesTest, RouteLists) {
  Add(TestPeer("a", "clear"));
  PeerEntry off = TestPeer("b", "clear");
  off.outcalls_allowed = false;
  Add(off);
  RouteListEntry list;
  list.name = "tenants/t/routeLists/l";
  EXPECT_THAT(Check(list), ElementsAre("route_list.members VALUE_REQUIRED"));
  list.members = {{"tenants/t/peers/a"},
                  {"tenants/t/peers/a"},
                  {"tenants/t/peers/b"},
                  {""}};
  list.members[0].transformation.called_mask = "Y";
  list.members[0].transformation.calling_prefix = "Y";
  EXPECT_THAT(Check(list),
              ElementsAre("route_list.members[0].called_party.transform_mask "
                          "MASK_INVALID",
                          "route_list.members[0].calling_party.prefix_digits "
                          "PREFIX_INVALID",
                          "route_list.members[1].peer DUPLICATE_VALUE",
                          "route_list.members[2].peer OUTCALLS_NOT_ALLOWED",
                          "route_list.members[3].peer VALUE_REQUIRED"));
  list.members = {{"tenants/t/peers/a"}};
  Add(list);
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find("tenants/t/peers/a")),
              HasReason("RESOURCE_IN_USE"));
}

TEST_F(RouteRulesTest, ServerGroups) {
  ServerGroupEntry group;
  group.name = "tenants/t/serverGroups/g";
  EXPECT_THAT(Check(group), ElementsAre("server_group.members VALUE_REQUIRED"));
  group.members = {{"a.test"},
                   {"a.test", 5060, 5061},
                   {"not a host", 70000, 0, 65536, 65536},
                   {"192.0.2.1", 5061}};
  EXPECT_THAT(
      Check(group),
      ElementsAre("server_group.members[1] DUPLICATE_VALUE",
                  "server_group.members[2].host HOST_NAME_INVALID",
                  "server_group.members[2].port VALUE_OUT_OF_RANGE",
                  "server_group.members[2].priority VALUE_OUT_OF_RANGE",
                  "server_group.members[2].weight VALUE_OUT_OF_RANGE",
                  "server_group.members[3].secure_port VALUE_CONFLICT"));
  group.members = {{"a.test"}, {"a.test", 5070}, {"2001:db8::1"}};
  Add(group);
  // A peer may have a group in the place of an address.
  PeerEntry peer = TestPeer("gw", "clear");
  peer.fqdn = "";
  peer.server_group = group.name;
  EXPECT_THAT(Check(peer), IsEmpty());
}

// UM-12
TEST_F(RouteRulesTest, DiallingRestrictions) {
  DiallingRestrictionEntry restriction;
  restriction.name = "tenants/t/diallingRestrictions/r";
  Add(restriction);  // denies everything
  restriction.allowed = {TollClass::kLocal, TollClass::kNational,
                         TollClass::kLocal};
  restriction.rules = {{"Local", "9[2-9]XXXXXX", true},
                       {"", "9[", false},
                       {"", "9[2-9]XXXXXX", false},
                       {"", "", true}};
  restriction.toll_limits = {
      {.toll_classes = {TollClass::kPremium}, .calls_per_caller = 1},
      {.toll_classes = {TollClass::kEmergency, TollClass::kPremium,
                        TollClass::kPremium},
       .calls_per_tenant = 1}};
  EXPECT_THAT(
      Check(restriction),
      UnorderedElementsAre(
          "dialling_restriction.allowed_toll_classes[2] DUPLICATE_VALUE",
          "dialling_restriction.rules[1].number_mask PATTERN_BAD_CLASS",
          "dialling_restriction.rules[2].number_mask DUPLICATE_VALUE",
          "dialling_restriction.toll_limits[1].toll_classes "
          "TOLL_CLASS_NOT_ALLOWED",
          "dialling_restriction.toll_limits[1].toll_classes DUPLICATE_VALUE",
          "dialling_restriction.rules[3].number_mask PATTERN_EMPTY"));
}

}  // namespace
}  // namespace sallyport::dialplan
