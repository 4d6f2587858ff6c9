#include "services/common/digit_analysis/shared_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sallyport {
namespace {

TEST(SharedMapTest, PutsFindsAndErases) {
  SharedMap<int> map;
  EXPECT_EQ(map.Find("a"), nullptr);
  map.Put("a", 1);
  map.Put("a", 2);
  ASSERT_NE(map.Find("a"), nullptr);
  EXPECT_EQ(*map.Find("a"), 2);
  EXPECT_EQ(map.size(), 1u);
  map.Erase("b");
  map.Erase("a");
  EXPECT_EQ(map.Find("a"), nullptr);
  EXPECT_EQ(map.size(), 0u);
}

// Every version is as it was when it was copied, whatever became of the others.
TEST(SharedMapTest, VersionsAreIndependent) {
  std::mt19937 random(7);
  std::vector<std::pair<SharedMap<int>, std::map<std::string, int>>> versions(
      1);
  for (int round = 0; round < 200; ++round) {
    auto next = versions[random() % versions.size()];
    for (int change = 0; change < 50; ++change) {
      const std::string key = absl::StrCat("key", random() % 3000);
      if (random() % 3 == 0) {
        next.first.Erase(key);
        next.second.erase(key);
      } else {
        next.first.Put(key, round);
        next.second[key] = round;
      }
    }
    versions.push_back(std::move(next));
  }
  for (const auto& [map, expected] : versions) {
    EXPECT_EQ(map.size(), expected.size());
    for (int i = 0; i < 3000; ++i) {
      const std::string key = absl::StrCat("key", i);
      const auto it = expected.find(key);
      const int* found = map.Find(key);
      ASSERT_EQ(found != nullptr, it != expected.end());
      if (found == nullptr) continue;
      ASSERT_EQ(*found, it->second);
    }
  }
}

}  // namespace
}  // namespace sallyport
