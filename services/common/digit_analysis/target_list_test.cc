#include "services/common/digit_analysis/target_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {
namespace {

using testing::ElementsAre;

ServerGroupMember Member(const std::string& host, uint32_t priority,
                         uint32_t weight, bool disabled = false) {
  return {host, 5060, 5061, priority, weight, disabled};
}

std::vector<std::string> Hosts(const ServerGroupEntry& group, uint64_t draw) {
  std::vector<std::string> out;
  for (const ServerGroupMember* member : OrderServers(group, draw)) {
    out.push_back(member->host);
  }
  return out;
}

TEST(OrderServersTest, LowestPriorityThenHeaviest) {
  const ServerGroupEntry group{
      "tenants/t/serverGroups/g",
      {Member("d", 20, 9), Member("b", 10, 1), Member("a", 10, 5),
       Member("x", 1, 1, /*disabled=*/true), Member("c", 10, 0)},
      {}};
  EXPECT_THAT(Hosts(group, 0), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(Hosts({}, 0), ElementsAre());
  for (uint64_t draw = 1; draw < 100; ++draw) {
    const auto hosts = Hosts(group, draw);
    EXPECT_EQ(hosts.size(), 4u);
    EXPECT_EQ(hosts[3], "d");  // a later priority is never earlier
  }
}

// RFC 2782: the share of a server is its weight's.
TEST(OrderServersTest, SharesFollowTheWeights) {
  const ServerGroupEntry group{
      "tenants/t/serverGroups/g",
      {Member("light", 0, 10), Member("heavy", 0, 30), Member("zero", 0, 0)},
      {}};
  std::map<std::string, int> first;
  constexpr int kDraws = 40'000;
  for (int i = 1; i <= kDraws; ++i) {
    ++first[Hosts(group, static_cast<uint64_t>(i) * 7919)[0]];
  }
  EXPECT_NEAR(first["heavy"], kDraws * 30.0 / 41, kDraws * 0.02);
  EXPECT_NEAR(first["light"], kDraws * 10.0 / 41, kDraws * 0.02);
  EXPECT_GT(first["zero"], 0);  // "a very small chance"
  EXPECT_LT(first["zero"], kDraws / 20);
}

}  // namespace
}  // namespace sallyport
