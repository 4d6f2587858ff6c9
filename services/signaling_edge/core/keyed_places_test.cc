#include "services/signaling_edge/core/keyed_places.h"

#include <optional>
#include <utility>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/keyed_counts.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint64_t kKey = 0x1234'5678'0000'0001;
constexpr uint64_t kOther = 0x8765'4321'0000'0001;  // of the same bucket

class KeyedPlacesTest : public testing::Test {
 protected:
  KeyedCounts counts_{16};
};

TEST_F(KeyedPlacesTest, TakenForAsLongAsItLives) {
  {
    const auto places = KeyedPlaces::Take(counts_, kKey, 3, 5);
    ASSERT_TRUE(places.has_value());
    EXPECT_EQ(counts_.Of(kKey), 3u);
    EXPECT_EQ(counts_.Of(kOther), 0u);
  }
  EXPECT_EQ(counts_.Of(kKey), 0u);
}

TEST_F(KeyedPlacesTest, AllOfThemOrNone) {
  const auto some = KeyedPlaces::Take(counts_, kKey, 3, 5);
  EXPECT_FALSE(KeyedPlaces::Take(counts_, kKey, 3, 5).has_value());
  EXPECT_EQ(counts_.Of(kKey), 3u);
  EXPECT_TRUE(KeyedPlaces::Take(counts_, kKey, 2, 5).has_value());
  EXPECT_TRUE(KeyedPlaces::Take(counts_, kOther, 5, 5).has_value());
}

TEST_F(KeyedPlacesTest, GivenBackOnce) {
  auto places = *KeyedPlaces::Take(counts_, kKey, 2, 5);
  places.GiveBack();
  EXPECT_EQ(counts_.Of(kKey), 0u);
  counts_.Add(kKey);
  places.GiveBack();
  EXPECT_EQ(counts_.Of(kKey), 1u);
}

TEST_F(KeyedPlacesTest, MovedTheyAreTakenOnce) {
  auto first = *KeyedPlaces::Take(counts_, kKey, 2, 5);
  {
    KeyedPlaces second = std::move(first);
    EXPECT_EQ(counts_.Of(kKey), 2u);
    auto third = *KeyedPlaces::Take(counts_, kOther, 1, 5);
    third = std::move(second);  // gives its own back
    EXPECT_EQ(counts_.Of(kOther), 0u);
    EXPECT_EQ(counts_.Of(kKey), 2u);
  }
  EXPECT_EQ(counts_.Of(kKey), 0u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
