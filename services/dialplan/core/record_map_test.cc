#include "services/dialplan/core/record_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RecordPtr Record(const std::string& id, const std::string& etag) {
  PlanRecord record = TestRecord(TestTenant(id));
  record.etag = etag;
  return std::make_shared<PlanRecord>(std::move(record));
}

std::vector<std::string> Contents(const RecordMap& map) {
  std::vector<std::string> out;
  for (const RecordPtr& record : map) {
    out.push_back(record->name() + "=" + record->etag);
  }
  return out;
}

TEST(RecordMapTest, Empty) {
  const RecordMap map;
  EXPECT_EQ(map.size(), 0u);
  EXPECT_TRUE(map.begin() == map.end());
  EXPECT_EQ(map.Find("tenants/a"), nullptr);
  EXPECT_TRUE(map.LowerBound("") == map.end());
  RecordMap::Edit edit(map);
  EXPECT_EQ(edit.Erase("tenants/a"), nullptr);
  EXPECT_EQ(std::move(edit).Done().size(), 0u);
}

TEST(RecordMapTest, AnEditLeavesWhatOthersHold) {
  RecordMap::Edit first((RecordMap()));
  EXPECT_EQ(first.Put(Record("b", "1")), nullptr);
  EXPECT_EQ(first.Put(Record("a", "1")), nullptr);
  const RecordMap before = std::move(first).Done();
  RecordMap::Edit second(before);
  EXPECT_EQ(second.Put(Record("a", "2"))->etag, "1");
  EXPECT_EQ(second.Erase("tenants/b")->etag, "1");
  EXPECT_EQ(second.Put(Record("c", "1")), nullptr);
  const RecordMap after = std::move(second).Done();
  EXPECT_THAT(Contents(before), ElementsAre("tenants/a=1", "tenants/b=1"));
  EXPECT_THAT(Contents(after), ElementsAre("tenants/a=2", "tenants/c=1"));
  EXPECT_EQ(before.Find("tenants/b")->etag, "1");
  EXPECT_EQ(after.Find("tenants/b"), nullptr);
  EXPECT_EQ((*after.LowerBound("tenants/b"))->name(), "tenants/c");
  EXPECT_EQ((*after.UpperBound("tenants/a"))->name(), "tenants/c");
  EXPECT_TRUE(after.UpperBound("tenants/c") == after.end());
}

// Every operation against std::map, from nothing to thousands and back, while
// an older copy is held all the time.
TEST(RecordMapTest, AgreesWithAnOrdinaryMap) {
  std::mt19937 random(42);
  std::map<std::string, RecordPtr> model;
  RecordMap map;
  for (int round = 0; round < 300; ++round) {
    const RecordMap held = map;
    const std::vector<std::string> held_contents = Contents(held);
    RecordMap::Edit edit(map);
    const bool growing = round < 150;
    for (int i = 0; i < 40; ++i) {
      const std::string id = absl::StrCat(random() % 3000);
      if (random() % 10 < (growing ? 8 : 1)) {
        const RecordPtr record = Record(id, absl::StrCat(round, ".", i));
        RecordPtr& place = model[record->name()];
        EXPECT_EQ(edit.Put(record), place);
        place = record;
      } else {
        // From the front in the second half, so that chunks run empty.
        const std::string name =
            growing || model.empty() ? "tenants/" + id : model.begin()->first;
        const auto it = model.find(name);
        EXPECT_EQ(edit.Erase(name), it == model.end() ? nullptr : it->second);
        if (it != model.end()) model.erase(it);
      }
    }
    map = std::move(edit).Done();
    ASSERT_EQ(map.size(), model.size());
    auto it = map.begin();
    for (const auto& [name, record] : model) {
      ASSERT_EQ(*it, record);
      ++it;
    }
    ASSERT_TRUE(it == map.end());
    ASSERT_EQ(Contents(held), held_contents);
    for (int i = 0; i < 20; ++i) {
      const std::string name = absl::StrCat("tenants/", random() % 3000);
      const auto expected = model.find(name);
      EXPECT_EQ(map.Find(name),
                expected == model.end() ? nullptr : expected->second);
      const auto lower = model.lower_bound(name);
      const auto found = map.LowerBound(name);
      ASSERT_EQ(found == map.end(), lower == model.end());
      if (lower != model.end()) {
        EXPECT_EQ(*found, lower->second);
      }
    }
  }
  RecordMap::Edit last(map);
  for (const auto& [name, record] : model) {
    EXPECT_EQ(last.Erase(name), record);
  }
  EXPECT_THAT(Contents(std::move(last).Done()), IsEmpty());
}

TEST(RecordMapTest, TakesAPlanWhole) {
  Plan plan;
  for (int i = 0; i < 1000; ++i) plan.Put(Record(absl::StrCat(i), "1"));
  const RecordMap map(plan.records());
  EXPECT_EQ(map.size(), 1000u);
  auto it = map.begin();
  for (const auto& [name, record] : plan.records()) {
    ASSERT_EQ(*it, record);
    ++it;
  }
  RecordMap::Edit edit(map);
  edit.Put(Record("5x", "1"));
  EXPECT_EQ(std::move(edit).Done().size(), 1001u);
}

}  // namespace
}  // namespace sallyport::dialplan
