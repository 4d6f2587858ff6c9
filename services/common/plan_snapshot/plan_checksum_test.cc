#include "services/common/plan_snapshot/plan_checksum.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace sallyport {
namespace {

TEST(PlanChecksumTest, OneResourceIsItsHash) {
  PlanChecksum sum;
  EXPECT_EQ(sum.Hex(), std::string(64, '0'));
  sum.Add("tenants/a", "e1");
  // printf 'tenants/a\ne1\n' | sha256sum
  EXPECT_EQ(sum.Hex(),
            "079f9efe2db9a35e4f4de19fd2edafa06a0a40551a4b188bcf06528134e85555");
}

TEST(PlanChecksumTest, OrderDoesNotMatterAndRemoveUndoes) {
  PlanChecksum forward;
  PlanChecksum backward;
  for (int i = 0; i < 1000; ++i) {
    forward.Add(absl::StrCat("tenants/", i), absl::StrCat("e", i));
    backward.Add(absl::StrCat("tenants/", 999 - i), absl::StrCat("e", 999 - i));
  }
  EXPECT_EQ(forward, backward);
  const std::string before = forward.Hex();
  forward.Remove("tenants/7", "e7");
  forward.Add("tenants/7", "other");
  EXPECT_NE(forward.Hex(), before);
  forward.Remove("tenants/7", "other");
  forward.Add("tenants/7", "e7");
  EXPECT_EQ(forward.Hex(), before);
  for (int i = 0; i < 1000; ++i) {
    forward.Remove(absl::StrCat("tenants/", i), absl::StrCat("e", i));
  }
  EXPECT_EQ(forward.Hex(), std::string(64, '0'));
}

TEST(PlanChecksumTest, MergeIsTheSumOfBoth) {
  PlanChecksum a, b, both;
  a.Add("x", "1");
  b.Add("y", "2");
  both.Add("x", "1");
  both.Add("y", "2");
  a.Merge(b);
  EXPECT_EQ(a, both);
  PlanChecksum only_a;
  only_a.Add("x", "1");
  a.Subtract(b);
  EXPECT_EQ(a, only_a);
}

}  // namespace
}  // namespace sallyport
