#include "services/dialplan/core/change_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

TEST(ChangeLogTest, TellsEachNameOnce) {
  ChangeLog log(10);
  log.StartAt(4);
  log.Add(5, "a");
  log.Add(6, "b");
  log.Add(7, "a");
  EXPECT_THAT(log.Since(4), Optional(ElementsAre("a", "b")));
  EXPECT_THAT(log.Since(5), Optional(ElementsAre("a", "b")));
  EXPECT_THAT(log.Since(6), Optional(ElementsAre("a")));
  EXPECT_THAT(log.Since(7), Optional(IsEmpty()));
  EXPECT_FALSE(log.Since(3).has_value());  // before it began
  EXPECT_FALSE(log.Since(8).has_value());  // of the future
}

TEST(ChangeLogTest, KeepsTheLastOnly) {
  ChangeLog log(2);
  log.Add(1, "a");
  log.Add(2, "b");
  log.Add(3, "c");
  EXPECT_FALSE(log.Since(0).has_value());
  EXPECT_THAT(log.Since(1), Optional(ElementsAre("b", "c")));
}

TEST(ChangeLogTest, AGapForgetsWhatWasBefore) {
  ChangeLog log(10);
  log.Add(1, "a");
  log.Add(5, "b");
  EXPECT_FALSE(log.Since(1).has_value());
  EXPECT_THAT(log.Since(4), Optional(ElementsAre("b")));
}

}  // namespace
}  // namespace sallyport::dialplan
