#include "services/dialplan/core/line_rules.h"

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
using testing::HasSubstr;
using testing::IsEmpty;

class LineRulesTest : public PlanRulesTest {
 protected:
  static LineEntry Line(const std::string& number) {
    LineEntry out;
    out.name = "tenants/t/lines/l" + number;
    out.directory_number = number;
    return out;
  }
};

TEST_F(LineRulesTest, DirectoryNumbersAreNumbers) {
  for (const char* good : {"4001", "\\+12015550123", "*97"}) {
    LineEntry line = Line("1");
    line.directory_number = good;
    EXPECT_THAT(Check(line), IsEmpty()) << good;
  }
  for (const char* bad : {"", "40XX", "+1201", "40-01", "alice", "4001!"}) {
    LineEntry line = Line("2");
    line.directory_number = bad;
    EXPECT_THAT(Check(line),
                ElementsAre("line.directory_number NUMBER_INVALID"))
        << bad;
  }
}

TEST_F(LineRulesTest, OneDirectoryNumberInAPartition) {
  Add(PartitionEntry{"tenants/t/partitions/p"});
  Add(Line("4001"));
  LineEntry second = Line("4001");
  second.name += "b";
  EXPECT_THAT(Check(second),
              ElementsAre("line.directory_number PATTERN_NOT_UNIQUE",
                          "line.directory_number NUMBER_NOT_UNIQUE"));
  second.partition = "tenants/t/partitions/p";
  Add(second);
  Add(TestPeer("gw", "clear"));
  EXPECT_THAT(Check(TestPattern("r", "4001", "gw")),
              ElementsAre("route_pattern.pattern PATTERN_NOT_UNIQUE"));
}

// A user's own number is a line's too if it registers for that line.
TEST_F(LineRulesTest, ANumberOfALineAndItsUsers) {
  UserEntry user = TestUser("4001", "clear");
  Add(user);
  LineEntry line = Line("4001");
  EXPECT_THAT(Check(line),
              ElementsAre("line.directory_number NUMBER_NOT_UNIQUE"));
  EXPECT_THAT(faults_[0].description, HasSubstr("tenants/t/users/4001"));
  line.users = {user.name};
  Add(line);
  user.phone_numbers = {"4001"};
  Add(user);
  line.users = {user.name, user.name};
  EXPECT_THAT(Check(line), ElementsAre("line.users[1] DUPLICATE_VALUE"));
}

TEST_F(LineRulesTest, AllFaultsAtOnce) {
  LineEntry line = Line("4001");
  line.external_phone_number_mask = "1201XXXx";
  line.forward_all.number = "not a number";
  line.forward_busy.voicemail = true;
  line.forward_no_answer.calling_search_space =
      "tenants/t/callingSearchSpaces/x";
  line.max_calls = 201;
  line.busy_trigger = 202;
  EXPECT_THAT(
      Check(line),
      ElementsAre("line.external_phone_number_mask MASK_INVALID",
                  "line.forward_all.number NUMBER_INVALID",
                  "line.forward_busy.voicemail VOICEMAIL_PROFILE_REQUIRED",
                  "line.forward_no_answer.number DESTINATION_REQUIRED",
                  "line.max_calls VALUE_OUT_OF_RANGE",
                  "line.busy_trigger VALUE_OUT_OF_RANGE"));
}

TEST_F(LineRulesTest, PhonesHaveALineOnce) {
  Add(Line("4001"));
  PhoneEntry phone;
  phone.name = "tenants/t/phones/a";
  phone.device_name = "SEPA";
  phone.dial_plan = "tenants/t/dialPlans/clear";
  phone.lines = {"tenants/t/lines/l4001", "tenants/t/lines/l4001"};
  EXPECT_THAT(Check(phone), ElementsAre("phone.lines[1] DUPLICATE_VALUE"));
}

}  // namespace
}  // namespace sallyport::dialplan
