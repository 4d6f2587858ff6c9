#include "services/capf/io/fips_reports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sallyport::capf {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

FipsReport Report(const std::string& instance, bool on, absl::Time at = kNow) {
  FipsReport out;
  out.service = "media_relay";
  out.instance = instance;
  out.state.on = on;
  out.state.self_tests_passed = on;
  out.report_time = at;
  return out;
}

std::vector<std::string> Differences(
    const FipsReports& reports, bool on,
    const std::vector<std::pair<std::string, std::string>>& watchers = {},
    absl::Time now = kNow) {
  std::vector<std::string> out;
  for (const FipsReport& one : reports.All(watchers, now)) {
    out.push_back(absl::StrCat(one.instance, " ", one.DifferenceFrom(on, now)));
  }
  return out;
}

// IMP-66, IMP-72: every process, and which of them runs in another mode.
TEST(FipsReportsTest, WhatDiffersIsNamed) {
  FipsReports reports;
  EXPECT_THAT(Differences(reports, true), IsEmpty());
  reports.Note(Report("relay-0", true));
  reports.Note(Report("relay-1", false));
  EXPECT_THAT(Differences(reports, true),
              ElementsAre("relay-0 ", "relay-1 MODE_DIFFERS"));
  EXPECT_THAT(Differences(reports, false),
              ElementsAre("relay-0 MODE_DIFFERS", "relay-1 "));
  // IMP-74: one that halts has said no more than that it begins.
  FipsReport halted = Report("relay-1", true);
  halted.state.self_tests_passed = false;
  reports.Note(halted);
  EXPECT_THAT(Differences(reports, true),
              ElementsAre("relay-0 ", "relay-1 SELF_TESTS_NOT_PASSED"));
  reports.Note(Report("relay-1", true));
  EXPECT_THAT(Differences(reports, true), ElementsAre("relay-0 ", "relay-1 "));
}

// Who watches trust without a word of its mode is no member of it, and nothing
// is amiss outside of the mode.
TEST(FipsReportsTest, WhoIsSilentIsNamed) {
  FipsReports reports;
  reports.Note(Report("relay-0", true));
  const std::vector<std::pair<std::string, std::string>> watchers = {
      {"media_relay", "relay-0"}, {"signaling_edge", "edge-0"}};
  EXPECT_THAT(Differences(reports, true, watchers),
              ElementsAre("relay-0 ", "edge-0 MODE_NOT_REPORTED"));
  EXPECT_THAT(Differences(reports, false, watchers),
              ElementsAre("relay-0 MODE_DIFFERS", "edge-0 "));
}

TEST(FipsReportsTest, WhatWasSaidLongAgoIsSaidToBeOldAndThenForgotten) {
  FipsReports reports;
  reports.Note(Report("relay-0", true));
  EXPECT_THAT(Differences(reports, true, {}, kNow + absl::Hours(2)),
              ElementsAre("relay-0 REPORT_OLD"));
  EXPECT_THAT(Differences(reports, true, {}, kNow + absl::Hours(25)),
              IsEmpty());
}

}  // namespace
}  // namespace sallyport::capf
