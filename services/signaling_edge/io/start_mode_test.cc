#include "services/signaling_edge/io/start_mode.h"

#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StartModeTest : public testing::Test {
 protected:
  StartModeTest() : file_(testing::TempDir() + "/UMRecyclerConfig.xml") {
    plan_.tenants.resize(1);
    plan_.tenants[0].name = "tenants/t";
    plan_.tenants[0].rtm_edges = {"edge-0"};
    Write("1");
  }

  void Write(const std::string& value) {
    std::ofstream(file_) << "<UMRecyclerConfig><StartSecured>" << value
                         << "</StartSecured></UMRecyclerConfig>";
  }
  void AddPlan(SecurityMode mode, const std::string& edge) {
    DialPlanEntry plan;
    plan.name = "tenants/t/dialPlans/p";
    plan.security_mode = mode;
    plan.edges = {edge};
    plan_.dial_plans = {plan};
  }
  std::unique_ptr<StartMode> Start(const std::string& edge = "edge-0") {
    auto out = StartMode::Create(file_, edge);
    EXPECT_TRUE(out.ok()) << out.status();
    bool first = false;
    const PlanIndex index(std::make_shared<const PlanSnapshot>(plan_));
    (*out)->OnPlan(index, first);
    EXPECT_TRUE(first);
    return *std::move(out);
  }

  const std::string file_;
  PlanSnapshot plan_;
};

// UM-103, UM-104: without any dial plan the file decides, and holds listeners
// to what it says.
TEST_F(StartModeTest, Um103TheFileDecidesWithoutDialPlans) {
  for (const bool secured : {true, false}) {
    Write(secured ? "1" : "0");
    const auto mode = Start();
    EXPECT_TRUE(mode->decision()->by_file);
    EXPECT_EQ(mode->decision()->secured, secured);
    EXPECT_FALSE(mode->decision()->file_ignored);
    const PlanIndex index(std::make_shared<const PlanSnapshot>(plan_));
    EXPECT_EQ(mode->ListenersFor(index), std::optional<bool>(secured));
  }
}

// UM-105: with a dial plan, that one.
TEST_F(StartModeTest, Um105DialPlansGoFirst) {
  Write("0");
  AddPlan(SecurityMode::kSipSecured, "edge-0");
  const auto mode = Start();
  EXPECT_FALSE(mode->decision()->by_file);
  EXPECT_TRUE(mode->decision()->secured);
  const PlanIndex index(std::make_shared<const PlanSnapshot>(plan_));
  EXPECT_EQ(mode->ListenersFor(index), std::nullopt);
}

// UM-120: under the current profile it is told that nobody asks it.
TEST_F(StartModeTest, Um120IgnoredUnderTheCurrentProfile) {
  const auto mode = Start("edge-1");  // which is none of RTM's
  EXPECT_FALSE(mode->decision()->by_file);
  EXPECT_TRUE(mode->decision()->file_ignored);
  EXPECT_FALSE(mode->decision()->secured);
  Write("0");
  mode->Refresh();
  EXPECT_THAT(mode->Waiting(), IsEmpty());
}

// UM-106: a change waits for the restart, and is shown until then.
TEST_F(StartModeTest, Um106AChangeWaitsForARestart) {
  const auto mode = Start();
  EXPECT_THAT(mode->Waiting(), IsEmpty());
  Write("0");
  mode->Refresh();
  EXPECT_TRUE(mode->decision()->secured);
  EXPECT_THAT(mode->Waiting(),
              ElementsAre(SettingDifference{
                  "um_recycler_config_file: StartSecured", "1", "0"}));
  Write("2");
  mode->Refresh();
  ASSERT_EQ(mode->Waiting().size(), 1u);
  EXPECT_EQ(mode->Waiting()[0].after, "refused: StartSecured must be 0 or 1");
  Write("1");
  mode->Refresh();
  EXPECT_THAT(mode->Waiting(), IsEmpty());
}

TEST_F(StartModeTest, Um103OtherValuesEndTheStart) {
  Write("yes");
  EXPECT_EQ(ReasonOf(StartMode::Create(file_, "edge-0").status()),
            "START_SECURED_INVALID");
  EXPECT_FALSE(StartMode::Create(file_ + ".gone", "edge-0").ok());
  EXPECT_TRUE(StartMode::Create("", "edge-0").ok());
}

}  // namespace
}  // namespace sallyport::signaling_edge
