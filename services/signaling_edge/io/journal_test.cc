#include "services/signaling_edge/io/journal.h"

#include <string>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(JournalTest, NumbersAndForgetsTheOldest) {
  Journal<std::string> journal(3, absl::Hours(1));
  EXPECT_TRUE(journal.After(0, 10).empty());
  for (const char* text : {"a", "b", "c", "d"}) journal.Add(text, kNow);
  EXPECT_EQ(journal.last(), 4);
  const auto all = journal.After(0, 10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].sequence, 2);
  EXPECT_EQ(*all[0].value, "b");
  const auto one = journal.After(2, 1);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(*one[0].value, "c");
  EXPECT_TRUE(journal.After(4, 10).empty());
  EXPECT_TRUE(journal.After(99, 10).empty());
  EXPECT_EQ(*journal.Newest(kNow)[0].value, "d");
}

TEST(JournalTest, ForgetsWhatIsTooOld) {
  Journal<std::string> journal(100, absl::Minutes(10));
  journal.Add("old", kNow);
  journal.Add("new", kNow + absl::Minutes(9));
  EXPECT_EQ(journal.Newest(kNow + absl::Minutes(9)).size(), 2u);
  EXPECT_EQ(journal.forgotten_until(), absl::InfinitePast());
  const auto left = journal.Newest(kNow + absl::Minutes(11));
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(*left[0].value, "new");
  EXPECT_EQ(left[0].sequence, 2);
  EXPECT_EQ(journal.forgotten_until(), kNow);
}

TEST(JournalTest, TellsListeners) {
  Journal<int> journal(10, absl::Hours(1));
  int told = 0;
  const int64_t id = journal.Listen([&] { ++told; });
  journal.Add(1, kNow);
  journal.Add(2, kNow);
  journal.Unlisten(id);
  journal.Add(3, kNow);
  EXPECT_EQ(told, 2);
}

}  // namespace
}  // namespace sallyport::signaling_edge
