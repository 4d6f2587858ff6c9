#include "services/capf/core/expiry_schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "absl/time/time.h"

namespace sallyport::capf {
namespace {

absl::Time At(const char* text) {
  absl::Time time;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, nullptr));
  return time;
}

// Everything that is due, found without arithmetic on the rule's own terms:
// minute by minute of civil time would be too slow, so hour by hour from the
// expiry outwards.
std::vector<ExpiryEvent> Expected(absl::Time not_after, absl::Time after,
                                  absl::Time until) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::CivilSecond at = absl::ToCivilSecond(not_after, utc);
  // The month before, day by day backwards until the month is another one and
  // the day of the month is not above ours.
  absl::CivilDay day = absl::CivilDay(at);
  do {
    --day;
  } while (day.month() == at.month() || day.day() > at.day());
  const absl::Time month =
      absl::FromCivil(absl::CivilSecond(day.year(), day.month(), day.day(),
                                        at.hour(), at.minute(), at.second()),
                      utc);
  std::vector<ExpiryEvent> all = {{month, ExpiryStage::kMonthBefore}};
  for (int h = -31 * 24; h <= 600 * 24; ++h) {
    const absl::Time due = not_after + absl::Hours(h);
    if (due <= month) continue;
    if (h == 0) {
      all.push_back({due, ExpiryStage::kExpired});
    } else if (h > 0) {
      if (h % 24 == 0) all.push_back({due, ExpiryStage::kDayAfter});
    } else if (h > -24) {
      all.push_back({due, ExpiryStage::kHourBefore});
    } else if (h % 24 == 0) {
      all.push_back({due, ExpiryStage::kDayBefore});
    }
  }
  std::vector<ExpiryEvent> out;
  for (const ExpiryEvent& event : all) {
    if (event.due > after && event.due <= until) out.push_back(event);
  }
  return out;
}

TEST(ExpiryScheduleTest, FollowsTheDocumentsForOneCertificate) {
  const absl::Time end = At("2026-07-15T10:00:00Z");
  const auto events = ExpiryEventsDue(end, At("2026-01-01T00:00:00Z"),
                                      At("2026-07-17T10:00:00Z"), 1000);
  ASSERT_EQ(events.size(), 1u + 29 + 23 + 1 + 2);
  EXPECT_EQ(events[0], (ExpiryEvent{At("2026-06-15T10:00:00Z"),
                                    ExpiryStage::kMonthBefore}));
  EXPECT_EQ(events[1],
            (ExpiryEvent{At("2026-06-16T10:00:00Z"), ExpiryStage::kDayBefore}));
  EXPECT_EQ(events[29],
            (ExpiryEvent{At("2026-07-14T10:00:00Z"), ExpiryStage::kDayBefore}));
  EXPECT_EQ(events[30], (ExpiryEvent{At("2026-07-14T11:00:00Z"),
                                     ExpiryStage::kHourBefore}));
  EXPECT_EQ(events[53], (ExpiryEvent{end, ExpiryStage::kExpired}));
  EXPECT_EQ(events[55],
            (ExpiryEvent{At("2026-07-17T10:00:00Z"), ExpiryStage::kDayAfter}));
}

TEST(ExpiryScheduleTest, MonthsWithoutThatDayEndEarlier) {
  const absl::Time before = absl::UnixEpoch();
  EXPECT_EQ(NextExpiryEvent(At("2027-03-31T05:00:00Z"), before).due,
            At("2027-02-28T05:00:00Z"));
  EXPECT_EQ(NextExpiryEvent(At("2028-03-30T05:00:00Z"), before).due,
            At("2028-02-29T05:00:00Z"));
  EXPECT_EQ(NextExpiryEvent(At("2027-01-31T23:59:59Z"), before).due,
            At("2026-12-31T23:59:59Z"));
}

// 400 certificates by 500 days, checked at odd times, with restarts (nothing
// but the stored progress is kept), pauses of weeks, and clocks set back.
TEST(ExpiryScheduleTest, EveryEventExactlyOnceWhateverTheClockDoes) {
  std::mt19937_64 random(20261121);
  const absl::Time start = At("2026-01-01T00:00:00Z");
  const absl::Time finish = start + absl::Hours(24) * 500;
  for (int certificate = 0; certificate < 400; ++certificate) {
    const absl::Time not_after =
        start + absl::Seconds(static_cast<int64_t>(random() % (500 * 86400)));
    absl::Time progress = start;
    absl::Time now = start;
    std::vector<ExpiryEvent> made;
    while (progress < finish) {
      const uint64_t dice = random() % 20;
      if (dice == 0) {
        now += absl::Hours(static_cast<int64_t>(random() % (24 * 21)));
      } else if (dice == 1) {
        now -= absl::Hours(static_cast<int64_t>(random() % 72));
      } else {
        now += absl::Minutes(static_cast<int64_t>(random() % (3 * 1440)));
      }
      now = std::min(now, finish);
      const size_t limit = 1 + random() % 40;
      const auto due = ExpiryEventsDue(not_after, progress, now, limit);
      made.insert(made.end(), due.begin(), due.end());
      if (!due.empty()) progress = due.back().due;
      if (due.size() < limit) progress = std::max(progress, now);
    }
    EXPECT_EQ(made, Expected(not_after, start, finish)) << not_after;
  }
}

TEST(ExpiryScheduleTest, ALongExpiredCertificateBeginsWhereItWasFirstSeen) {
  const absl::Time end = At("2020-01-01T00:00:00Z");
  const absl::Time seen = At("2026-05-05T12:00:00Z");
  EXPECT_EQ(NextExpiryEvent(end, seen),
            (ExpiryEvent{At("2026-05-06T00:00:00Z"), ExpiryStage::kDayAfter}));
  EXPECT_TRUE(ExpiryEventsDue(end, seen, seen, 10).empty());
}

}  // namespace
}  // namespace sallyport::capf
