#include "services/signaling_edge/core/served_plans.h"

#include <memory>

#include "gtest/gtest.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport::signaling_edge {
namespace {

class ServedPlansTest : public ::testing::Test {
 protected:
  ServedPlansTest() {
    plan_.tenants = {{.name = "tenants/t"}};
    plan_.dial_plans = {{.name = "tenants/t/dialPlans/clear"},
                        {.name = "tenants/t/dialPlans/secured",
                         .security_mode = SecurityMode::kSecured}};
  }
  bool Serves(const char* id, const char* edge = "edge-0") {
    return ServesPlan(PlanIndex(std::make_shared<PlanSnapshot>(plan_)),
                      std::string("tenants/t/dialPlans/") + id, edge);
  }
  bool Secured(const char* edge = "edge-0") {
    return ServesSecuredPlan(PlanIndex(std::make_shared<PlanSnapshot>(plan_)),
                             edge);
  }

  PlanSnapshot plan_;
};

// UM-05, UM-86, UM-93: explicit, many to many, with any mixture of modes.
TEST_F(ServedPlansTest, Um05AssociationIsManyToMany) {
  EXPECT_TRUE(Serves("clear"));
  EXPECT_TRUE(Serves("secured"));
  plan_.dial_plans[0].edges = {"edge-0", "edge-1"};
  plan_.dial_plans[1].edges = {"edge-1"};
  EXPECT_TRUE(Serves("clear", "edge-0"));
  EXPECT_TRUE(Serves("clear", "edge-1"));
  EXPECT_FALSE(Serves("secured", "edge-0"));
  EXPECT_TRUE(Serves("secured", "edge-1"));
  EXPECT_TRUE(Serves("secured", ""));
  EXPECT_TRUE(Serves("gone"));
}

// UM-87: the first generation associates explicitly.
TEST_F(ServedPlansTest, Um87RtmServesWhatNamesIt) {
  plan_.tenants[0].rtm_profile = true;
  EXPECT_FALSE(Serves("clear"));
  plan_.dial_plans[0].edges = {"edge-0"};
  EXPECT_TRUE(Serves("clear"));
}

// UM-101: secure start is decided by the plans that are associated.
TEST_F(ServedPlansTest, Um101StartMode) {
  EXPECT_TRUE(Secured());
  plan_.dial_plans[1].edges = {"edge-1"};
  EXPECT_FALSE(Secured("edge-0"));
  EXPECT_TRUE(Secured("edge-1"));
  plan_.dial_plans[1].security_mode = SecurityMode::kUnsecured;
  EXPECT_FALSE(Secured("edge-1"));
  plan_.dial_plans[0].security_mode = SecurityMode::kSipSecured;
  EXPECT_TRUE(Secured("edge-0"));
}

}  // namespace
}  // namespace sallyport::signaling_edge
