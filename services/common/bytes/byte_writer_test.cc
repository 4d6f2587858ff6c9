#include "services/common/bytes/byte_writer.h"

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"

namespace sallyport {
namespace {

TEST(ByteWriterTest, WritesBigEndianOfEveryWidth) {
  std::array<uint8_t, 32> buffer;
  ByteWriter writer(absl::MakeSpan(buffer));
  writer.WriteU8(0x01);
  writer.WriteU16(0x0203);
  writer.WriteU24(0x040506);
  writer.WriteU32(0x0708090a);
  writer.WriteU64(0x0b0c0d0e0f101112);
  writer.WriteText("AB");
  writer.WriteZeros(2);
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(HexEncode(writer.written()),
            "0102030405060708090a0b0c0d0e0f10111241420000");
}

TEST(ByteWriterTest, OverflowIsStickyAndWritesNothing) {
  std::array<uint8_t, 3> buffer = {0xee, 0xee, 0xee};
  ByteWriter writer(absl::MakeSpan(buffer));
  writer.WriteU16(0x0102);
  writer.WriteU16(0x0304);
  EXPECT_FALSE(writer.ok());
  writer.WriteU8(0x05);  // would fit, but the message is already broken
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(HexEncode(writer.written()), "0102");
  EXPECT_EQ(buffer[2], 0xee);
}

TEST(ByteWriterTest, ExactFit) {
  std::array<uint8_t, 4> buffer;
  ByteWriter writer(absl::MakeSpan(buffer));
  writer.WriteU32(0xffffffff);
  writer.WriteBytes({});
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(writer.size(), 4u);
}

TEST(ByteWriterTest, PatchStaysWithinWhatWasWritten) {
  std::array<uint8_t, 8> buffer;
  ByteWriter writer(absl::MakeSpan(buffer));
  writer.WriteU32(0);
  writer.PatchU16(2, 0xabcd);
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(HexEncode(writer.written()), "0000abcd");
  writer.PatchU16(3, 0x1111);
  EXPECT_FALSE(writer.ok());
}

TEST(ByteBuilderTest, SameOctetsAsTheWriter) {
  ByteBuilder builder;
  builder.WriteU8(0x01);
  builder.WriteU16(0x0203);
  builder.WriteU24(0x040506);
  builder.WriteU32(0x0708090a);
  builder.WriteU64(0x0b0c0d0e0f101112);
  builder.WriteText("AB");
  builder.WriteZeros(2);
  builder.PatchU16(0, 0xffee);
  EXPECT_EQ(HexEncode(AsBytes(builder.Take())),
            "ffee030405060708090a0b0c0d0e0f10111241420000");
  EXPECT_EQ(builder.size(), 0u);
}

TEST(ByteBuilderDeathTest, PatchPastTheEndIsOurBug) {
  ByteBuilder builder;
  builder.WriteU16(0);
  EXPECT_DEATH(builder.PatchU16(1, 0), "check failed");
}

}  // namespace
}  // namespace sallyport
