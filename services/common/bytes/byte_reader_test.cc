#include "services/common/bytes/byte_reader.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ByteReaderTest, ReadsBigEndianOfEveryWidth) {
  const std::vector<uint8_t> bytes = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
                                      0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
                                      0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.ReadU8(), 0x01);
  EXPECT_EQ(reader.ReadU16(), 0x0203);
  EXPECT_EQ(reader.ReadU24(), 0x040506u);
  EXPECT_EQ(reader.ReadU32(), 0x0708090au);
  EXPECT_EQ(reader.ReadU64(), 0x0b0c0d0e0f101112u);
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(reader.offset(), 18u);
}

TEST(ByteReaderTest, AShortReadMovesNowhere) {
  const std::vector<uint8_t> bytes = {0xaa, 0xbb, 0xcc};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.ReadU32(), std::nullopt);
  EXPECT_EQ(reader.ReadU64(), std::nullopt);
  EXPECT_EQ(reader.ReadBytes(4), std::nullopt);
  EXPECT_FALSE(reader.Skip(SIZE_MAX));
  EXPECT_EQ(reader.offset(), 0u);
  EXPECT_EQ(reader.ReadU24(), 0xaabbccu);
  EXPECT_EQ(reader.ReadU8(), std::nullopt);
  EXPECT_EQ(reader.PeekU8(), std::nullopt);
}

TEST(ByteReaderTest, PrefixedReadsRestoreTheLengthWhenShort) {
  const std::vector<uint8_t> bytes = {0x02, 0x41, 0x42, 0x00, 0x05, 0x43};
  ByteReader reader(bytes);
  EXPECT_THAT(*reader.ReadU8Prefixed(), ElementsAre(0x41, 0x42));
  EXPECT_EQ(reader.ReadU16Prefixed(), std::nullopt);
  EXPECT_EQ(reader.offset(), 3u);
  EXPECT_THAT(*reader.ReadU8Prefixed(), IsEmpty());
  EXPECT_EQ(reader.ReadU8Prefixed(), std::nullopt);
  EXPECT_THAT(reader.ReadRest(), ElementsAre(0x05, 0x43));
  EXPECT_THAT(reader.ReadRest(), IsEmpty());
}

TEST(ByteReaderTest, EmptyInput) {
  ByteReader reader(ByteSpan{});
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(reader.ReadU8(), std::nullopt);
  EXPECT_THAT(*reader.ReadBytes(0), IsEmpty());
  EXPECT_TRUE(reader.Skip(0));
}

TEST(ByteReaderTest, PeekDoesNotMove) {
  ByteReader reader(AsBytes("x"));
  EXPECT_EQ(reader.PeekU8(), 'x');
  EXPECT_EQ(reader.ReadU8(), 'x');
}

}  // namespace
}  // namespace sallyport
