#include "services/dialplan/core/hunt_rules.h"

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

class HuntRulesTest : public PlanRulesTest {
 protected:
  void SetUp() override {
    PlanRulesTest::SetUp();
    for (const char* id : {"4001", "4002"}) {
      LineEntry line;
      line.name = std::string("tenants/t/lines/") + id;
      line.directory_number = id;
      Add(line);
    }
    group_.name = "tenants/t/lineGroups/g";
    group_.lines = {"tenants/t/lines/4001", "tenants/t/lines/4002"};
    list_.name = "tenants/t/huntLists/l";
    list_.line_groups = {group_.name};
    pilot_.name = "tenants/t/huntPilots/p";
    pilot_.pattern = "5000";
    pilot_.hunt_list = list_.name;
  }

  LineGroupEntry group_;
  HuntListEntry list_;
  HuntPilotEntry pilot_;
};

// CUC-53, CUC-54, CUC-55: line group, hunt list, hunt pilot; deleted in
// reverse.
TEST_F(HuntRulesTest, Cuc55OrderOfCreationAndDeletion) {
  EXPECT_THAT(Check(pilot_),
              ElementsAre("hunt_pilot.hunt_list REFERENCE_NOT_FOUND"));
  EXPECT_THAT(Check(list_),
              ElementsAre("hunt_list.line_groups REFERENCE_NOT_FOUND"));
  Add(group_);
  Add(list_);
  Add(pilot_);
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find(group_.name)),
              HasReason("RESOURCE_IN_USE"));
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find(list_.name)),
              HasReason("RESOURCE_IN_USE"));
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find("tenants/t/lines/4001")),
              HasReason("RESOURCE_IN_USE"));
  EXPECT_THAT(CheckRemovable(plan_, *plan_.Find(pilot_.name)), IsOk());
}

TEST_F(HuntRulesTest, MembersAreDistinct) {
  group_.lines.push_back("tenants/t/lines/4001");
  EXPECT_THAT(Check(group_),
              ElementsAre("line_group.lines[2] DUPLICATE_VALUE"));
  group_.lines.clear();  // "Empty line group stops the hunt."
  Add(group_);
  list_.line_groups = {group_.name, group_.name};
  EXPECT_THAT(Check(list_),
              ElementsAre("hunt_list.line_groups[1] DUPLICATE_VALUE"));
}

// protocols.md section 12: broadcast has no shared lines.
TEST_F(HuntRulesTest, BroadcastHasNoSharedLines) {
  const auto phone = [](const std::string& id) {
    PhoneEntry out;
    out.name = "tenants/t/phones/" + id;
    out.device_name = "SEP" + id;
    out.dial_plan = "tenants/t/dialPlans/clear";
    out.lines = {"tenants/t/lines/4001"};
    return out;
  };
  Add(phone("a"));
  group_.algorithm = HuntAlgorithm::kBroadcast;
  Add(group_);
  EXPECT_THAT(Check(phone("b")), ElementsAre("phone.lines[0] LINE_SHARED"));
  group_.algorithm = HuntAlgorithm::kTopDown;
  Add(group_);
  Add(phone("b"));
  group_.algorithm = HuntAlgorithm::kBroadcast;
  EXPECT_THAT(Check(group_), ElementsAre("line_group.lines[0] LINE_SHARED"));
}

// "For voicemail ports use Top Down or Circular."
TEST_F(HuntRulesTest, VoicemailPortsAreHuntedInOrder) {
  Add(group_);  // LONGEST_IDLE
  list_.for_voicemail = true;
  EXPECT_THAT(Check(list_),
              ElementsAre("hunt_list.line_groups[0] VOICEMAIL_HUNT_ALGORITHM"));
  group_.algorithm = HuntAlgorithm::kCircular;
  Add(group_);
  Add(list_);
  group_.algorithm = HuntAlgorithm::kLongestIdle;
  EXPECT_THAT(Check(group_),
              ElementsAre("line_group.algorithm VOICEMAIL_HUNT_ALGORITHM"));
}

TEST_F(HuntRulesTest, Pilots) {
  Add(group_);
  Add(list_);
  pilot_.hunt_list = "";
  pilot_.pattern = "50[";
  pilot_.forward_busy.number = "abc";
  pilot_.forward_no_answer.voicemail = true;
  pilot_.transformation.called_mask = "Q";
  EXPECT_THAT(Check(pilot_),
              ElementsAre("hunt_pilot.pattern PATTERN_BAD_CLASS",
                          "hunt_pilot.called_party.transform_mask MASK_INVALID",
                          "hunt_pilot.hunt_list VALUE_REQUIRED",
                          "hunt_pilot.forward_busy.number NUMBER_INVALID",
                          "hunt_pilot.forward_no_answer.voicemail "
                          "VOICEMAIL_PROFILE_REQUIRED"));
}

}  // namespace
}  // namespace sallyport::dialplan
