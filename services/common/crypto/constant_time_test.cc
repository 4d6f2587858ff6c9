#include "services/common/crypto/constant_time.h"

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport {
namespace {

TEST(ConstantTimeTest, EqualOnlyWhenEveryOctetIs) {
  EXPECT_TRUE(ConstantTimeEquals({}, {}));
  EXPECT_TRUE(ConstantTimeEquals(AsBytes("abc"), AsBytes("abc")));
  EXPECT_FALSE(ConstantTimeEquals(AsBytes("abc"), AsBytes("abd")));
  EXPECT_FALSE(ConstantTimeEquals(AsBytes("abc"), AsBytes("bbc")));
  EXPECT_FALSE(ConstantTimeEquals(AsBytes("abc"), AsBytes("ab")));
  EXPECT_FALSE(ConstantTimeEquals({}, AsBytes("a")));
}

}  // namespace
}  // namespace sallyport
