#include "services/common/dns/srv_order.h"

#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/random/system_random.h"

namespace sallyport {
namespace {

TEST(SrvOrderTest, ByPriorityThenByShareOfTheWeights) {
  SystemRandom random;
  const std::vector<SrvRecord> services = {
      {.priority = 20, .weight = 0, .port = 1, .target = "backup"},
      {.priority = 10, .weight = 60, .port = 1, .target = "big"},
      {.priority = 10, .weight = 20, .port = 1, .target = "small"},
      {.priority = 10, .weight = 20, .port = 1, .target = "little"},
  };
  std::map<std::string, int> first;
  for (int i = 0; i < 5000; ++i) {
    const auto order = OrderServices(services, random);
    ASSERT_EQ(order.size(), 4u);
    EXPECT_EQ(order[3].target, "backup");
    ++first[order[0].target];
  }
  EXPECT_NEAR(first["big"], 3000, 250);
  EXPECT_NEAR(first["small"], 1000, 200);
  EXPECT_NEAR(first["little"], 1000, 200);
}

TEST(SrvOrderTest, OfNoWeightIsRarelyFirst) {
  SystemRandom random;
  int first = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto order = OrderServices(
        {{.weight = 99, .target = "a"}, {.weight = 0, .target = "b"}}, random);
    if (order[0].target == "b") ++first;
  }
  EXPECT_GT(first, 2);
  EXPECT_LT(first, 80);
}

TEST(SrvOrderTest, TheRootIsNoServer) {
  SystemRandom random;
  EXPECT_TRUE(OrderServices({{.port = 0, .target = ""}}, random).empty());
  EXPECT_TRUE(OrderServices({}, random).empty());
}

}  // namespace
}  // namespace sallyport
