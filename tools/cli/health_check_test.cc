#include "tools/cli/health_check.h"

#include <string>

#include "gtest/gtest.h"

namespace sallyport::cli {
namespace {

TEST(HealthCheckTest, Bytes) {
  EXPECT_EQ(HealthRequestBytes(""), "");
  EXPECT_EQ(HealthRequestBytes("ab"), std::string("\x0a\x02") + "ab");
  EXPECT_EQ(HealthFromBytes("\x08\x01"), Health::kServing);
  EXPECT_EQ(HealthFromBytes("\x08\x02"), Health::kNotServing);
  EXPECT_EQ(HealthFromBytes("\x08\x03"), Health::kUnknown);
  EXPECT_EQ(HealthFromBytes(""), Health::kUnknown);
  EXPECT_EQ(HealthFromBytes("garbage"), Health::kUnknown);
}

}  // namespace
}  // namespace sallyport::cli
