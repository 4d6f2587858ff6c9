#include "tools/cli/cluster_text.h"

#include "gtest/gtest.h"
#include "sallyport/capf/v1/phone_cluster.pb.h"

namespace sallyport::cli {
namespace {

// CCE-25.
TEST(ClusterTextTest, TheModeOfTheDialPlan) {
  ::sallyport::capf::v1::PhoneCluster cluster;
  EXPECT_EQ(DialplanModeText(cluster), "not known");
  cluster.set_dialplan_reason("DIALPLAN_NOT_CONFIGURED");
  EXPECT_EQ(DialplanModeText(cluster), "not known, DIALPLAN_NOT_CONFIGURED");
  cluster.set_dialplan_mode("mixed");
  cluster.set_dialplan_reason("CLUSTER_MODES_DIFFER");
  EXPECT_EQ(DialplanModeText(cluster),
            "mixed, which is another: CLUSTER_MODES_DIFFER");
  cluster.clear_dialplan_reason();
  EXPECT_EQ(DialplanModeText(cluster), "mixed, the same");
}

}  // namespace
}  // namespace sallyport::cli
