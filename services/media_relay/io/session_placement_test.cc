#include "services/media_relay/io/session_placement.h"

#include <cstddef>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sallyport::media_relay {
namespace {

struct Case {
  const char* name;
  size_t reader;
  std::vector<LoopUse> loops;
  size_t placed;
};

class PlaceSessionTest : public testing::TestWithParam<Case> {};

TEST_P(PlaceSessionTest, OnTheReaderUnlessItHasClearlyMore) {
  EXPECT_EQ(PlaceSession(GetParam().reader, GetParam().loops),
            GetParam().placed);
}

INSTANTIATE_TEST_SUITE_P(
    All, PlaceSessionTest,
    testing::Values(
        Case{"TheOnlyOne", 0, {{1.0, 1.0}}, 0},
        Case{"AllIdle", 2, {{}, {}, {}}, 2},
        Case{"BusierAndNotHalfBusy", 1, {{0.1, 0}, {0.5, 0}}, 1},
        Case{"HalfBusyAsTheOthersAre", 1, {{0.7, 0}, {0.9, 0}}, 1},
        Case{"MoreThanHalfBusyAndTheOthersNot", 1, {{0.2, 0}, {0.6, 0}}, 0},
        Case{"SomewhatFuller", 0, {{0, 0.25}, {0, 0.2}}, 0},
        Case{"ClearlyFuller", 0, {{0, 0.35}, {0, 0.2}}, 1},
        Case{"FullWhereAnotherIsNot", 0, {{0, 1.0}, {0, 0.99}}, 1},
        // Of those that hold less, the one that does least.
        Case{"TheLeastOfThree", 0, {{0.9, 0}, {0.6, 0}, {0.1, 0.1}}, 2},
        Case{"ALoopThatIsFullIsNoWayOut", 0, {{0.8, 0.5}, {0, 1.0}}, 0}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sallyport::media_relay
