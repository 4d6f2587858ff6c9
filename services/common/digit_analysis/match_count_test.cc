#include "services/common/digit_analysis/match_count.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace sallyport {
namespace {

TEST(MatchCountTest, Decimal) {
  EXPECT_EQ(MatchCount().ToString(), "0");
  EXPECT_EQ(MatchCount(7).ToString(), "7");
  MatchCount ten_to_48(1);
  for (int i = 0; i < 48; ++i) ten_to_48 *= 10;
  EXPECT_EQ(ten_to_48.ToString(), "1" + std::string(48, '0'));
}

TEST(MatchCountTest, GreatestCountFits) {
  MatchCount count(1);
  for (int i = 0; i < 48; ++i) count *= 17;
  // 17^48, computed elsewhere.
  EXPECT_EQ(count.ToString(),
            "115225400457255426923013053222916919834651165519677685328641");
}

TEST(MatchCountTest, OrdersAndAddsAcrossLimbs) {
  MatchCount low(UINT64_MAX);
  MatchCount high = low;
  high += MatchCount(1);
  EXPECT_EQ(high.ToString(), "18446744073709551616");
  EXPECT_LT(low, high);
  EXPECT_GT(high, MatchCount(5));
  EXPECT_EQ(high, high);
  MatchCount product = high;
  product *= 3;
  MatchCount sum = high;
  sum += high;
  sum += high;
  EXPECT_EQ(product, sum);
}

}  // namespace
}  // namespace sallyport
