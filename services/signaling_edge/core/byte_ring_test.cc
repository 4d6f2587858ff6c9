#include "services/signaling_edge/core/byte_ring.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

std::string Read(const ByteRing& ring, uint64_t position, size_t size) {
  std::string out(size, '\0');
  ring.Read(position, absl::MakeSpan(out));
  return out;
}

TEST(ByteRingTest, KeepsTheLastOctetsWhereTheyAre) {
  ByteRing ring(10);
  EXPECT_FALSE(ring.Holds(0));
  ring.Append("abcdef");
  EXPECT_EQ(Read(ring, 0, 6), "abcdef");
  EXPECT_EQ(Read(ring, 2, 3), "cde");
  ring.Append("ghij");
  EXPECT_TRUE(ring.Holds(0)) << "full, but nothing is lost";
  ring.Append("k");
  EXPECT_FALSE(ring.Holds(0));
  EXPECT_EQ(Read(ring, 1, 10), "bcdefghijk");
  EXPECT_EQ(ring.size(), 10u);
  EXPECT_FALSE(ring.Holds(ring.end()));
  ring.Clear();
  EXPECT_EQ(ring.size(), 0u);
  ring.Append("new");
  EXPECT_EQ(Read(ring, 0, 3), "new");
}

TEST(ByteRingTest, OfNothingKeepsNothing) {
  ByteRing ring(0);
  ring.Append("");
  EXPECT_EQ(ring.size(), 0u);
  EXPECT_FALSE(ring.Holds(0));
}

// Across blocks of 64 KiB, a last one that is shorter, and round the end.
TEST(ByteRingTest, WhatIsHeldIsWhatWasAppended) {
  constexpr size_t kCapacity = (size_t{128} << 10) + 777;
  ByteRing ring(kCapacity);
  std::vector<std::pair<uint64_t, std::string>> appended;
  uint32_t state = 1;
  for (int i = 0; i < 2000; ++i) {
    state = state * 1664525 + 1013904223;
    const size_t size = (state >> 8) % (i % 50 == 0 ? 100'000 : 900);
    std::string octets(size, '\0');
    for (size_t j = 0; j < size; ++j) {
      octets[j] = static_cast<char>((state >> 16) + j * 7);
    }
    appended.emplace_back(ring.end(), octets);
    ring.Append(octets);
    EXPECT_LE(ring.size(), kCapacity);
  }
  size_t held = 0;
  for (const auto& [position, octets] : appended) {
    if (!ring.Holds(position)) {
      EXPECT_TRUE(octets.empty() || ring.end() - position > kCapacity);
      continue;
    }
    ++held;
    EXPECT_TRUE(Read(ring, position, octets.size()) == octets) << position;
  }
  EXPECT_GT(held, 10u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
