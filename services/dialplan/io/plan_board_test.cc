#include "services/dialplan/io/plan_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

RecordPtr Record(PlanEntry entry, const std::string& etag) {
  PlanRecord record = TestRecord(std::move(entry));
  record.etag = etag;
  return std::make_shared<PlanRecord>(record);
}

std::vector<std::string> Names(const std::vector<RecordPtr>& records) {
  std::vector<std::string> out;
  for (const RecordPtr& record : records) out.push_back(record->name());
  return out;
}

class PlanBoardTest : public testing::Test {
 protected:
  void SetUp() override {
    plan_.Put(Record(TestTenant("a"), "1"));
    plan_.Put(Record(TestTenant("b"), "2"));
    plan_.Put(Record(TestUser("u", "d", "a"), "3"));
    board_.Start(plan_, 7, absl::FromUnixSeconds(70),
                 {{6, "tenants/b"}, {7, "tenants/a/users/u"}});
  }

  void Change(int64_t version, const std::string& name, RecordPtr after) {
    board_.Publish({{version, name, nullptr, std::move(after)}},
                   absl::FromUnixSeconds(version * 10));
  }

  std::vector<std::string> All() {
    std::vector<std::string> out;
    for (const RecordPtr& record : board_.view().records) {
      out.push_back(record->name());
    }
    return out;
  }

  Plan plan_;
  PlanBoard board_{3};
};

TEST_F(PlanBoardTest, StartsWithWhatWasStored) {
  EXPECT_EQ(board_.head().version, 7);
  EXPECT_EQ(board_.head().time, absl::FromUnixSeconds(70));
  EXPECT_EQ(board_.Find("tenants/a")->etag, "1");
  EXPECT_EQ(board_.Find("tenants/x"), nullptr);
  EXPECT_EQ(board_.counts()[0], 2u);
  EXPECT_THAT(All(),
              ElementsAre("tenants/a", "tenants/a/users/u", "tenants/b"));
  // The stored changes give deltas across a restart.
  EXPECT_THAT(board_.NamesSince(6, "", {}),
              Optional(ElementsAre("tenants/a/users/u")));
  EXPECT_EQ(board_.NamesSince(4, "", {}), std::nullopt);
  EXPECT_THAT(board_.NamesSince(7, "", {}), Optional(IsEmpty()));
  EXPECT_EQ(board_.NamesSince(8, "", {}), std::nullopt);  // of the future
  EXPECT_EQ(board_.NamesSince(0, "", {}), std::nullopt);
}

TEST_F(PlanBoardTest, RemembersEachNameOnce) {
  Change(8, "tenants/b", Record(TestTenant("b"), "4"));
  Change(9, "tenants/b", Record(TestTenant("b"), "5"));
  Change(10, "tenants/a/users/u", nullptr);
  EXPECT_THAT(board_.NamesSince(7, "", {}),
              Optional(ElementsAre("tenants/a/users/u", "tenants/b")));
  EXPECT_EQ(board_.Find("tenants/b")->etag, "5");
  EXPECT_EQ(board_.Find("tenants/a/users/u"), nullptr);
  EXPECT_EQ(board_.head().version, 10);
  EXPECT_EQ(board_.counts()[3], 0u);
  // Only three changes are remembered.
  EXPECT_EQ(board_.NamesSince(6, "", {}), std::nullopt);
}

TEST_F(PlanBoardTest, AViewStaysAsItIs) {
  const PlanBoard::View before = board_.view();
  Change(8, "tenants/b", Record(TestTenant("b"), "4"));
  Change(9, "tenants/a/users/u", nullptr);
  EXPECT_EQ(before.head.version, 7);
  EXPECT_EQ(before.records.size(), 3u);
  EXPECT_EQ(before.records.Find("tenants/b")->etag, "2");
  EXPECT_EQ(board_.view().records.size(), 2u);
}

TEST_F(PlanBoardTest, ChecksumsTellWhoHasWhat) {
  const std::string at7 = board_.head().checksum;
  Change(8, "tenants/b", Record(TestTenant("b"), "4"));
  const std::string at8 = board_.head().checksum;
  EXPECT_NE(at7, at8);
  EXPECT_TRUE(board_.NamesSince(8, at8, {}).has_value());
  EXPECT_FALSE(board_.NamesSince(8, at7, {}).has_value());
  EXPECT_TRUE(board_.NamesSince(7, at7, {}).has_value());
  EXPECT_FALSE(board_.NamesSince(7, at8, {}).has_value());
  // Back to the same contents, back to the same sum.
  Change(9, "tenants/b", Record(TestTenant("b"), "2"));
  EXPECT_EQ(board_.head().checksum, at7);
}

TEST_F(PlanBoardTest, TenantsAreApart) {
  const std::string of_a = board_.view({"tenants/a"}).head.checksum;
  EXPECT_EQ(board_.VersionsOf("tenants/a"),
            (std::pair<int64_t, int64_t>(7, 7)));
  Change(8, "tenants/b", Record(TestTenant("b"), "4"));
  EXPECT_THAT(board_.NamesSince(7, "", {"tenants/a"}), Optional(IsEmpty()));
  EXPECT_THAT(board_.NamesSince(7, "", {"tenants/b"}),
              Optional(ElementsAre("tenants/b")));
  EXPECT_EQ(board_.view({"tenants/a"}).head.version, 8);
  EXPECT_EQ(board_.view({"tenants/a"}).head.checksum, of_a);
  EXPECT_EQ(board_.view({"tenants/a", "tenants/b"}).head.checksum,
            board_.head().checksum);
  EXPECT_EQ(board_.VersionsOf("tenants/a"),
            (std::pair<int64_t, int64_t>(8, 7)));
  EXPECT_EQ(board_.VersionsOf("tenants/b"),
            (std::pair<int64_t, int64_t>(8, 8)));
  EXPECT_EQ(board_.VersionsOf("tenants/x"),
            (std::pair<int64_t, int64_t>(8, 0)));
}

TEST_F(PlanBoardTest, Lists) {
  Change(8, "tenants/a-b", Record(TestTenant("a-b"), "4"));
  Change(9, "tenants/a/users/v", Record(TestUser("v", "d", "a"), "5"));
  Change(10, "tenants/a-b/users/w", Record(TestUser("w", "d", "a-b"), "6"));
  EXPECT_THAT(Names(board_.List("tenants/a/users/", "", 10)),
              ElementsAre("tenants/a/users/u", "tenants/a/users/v"));
  EXPECT_THAT(Names(board_.List("tenants/a/users/", "tenants/a/users/u", 10)),
              ElementsAre("tenants/a/users/v"));
  EXPECT_THAT(Names(board_.List("tenants/a/users/", "", 1)),
              ElementsAre("tenants/a/users/u"));
  EXPECT_TRUE(board_.List("tenants/b/users/", "", 10).empty());
  EXPECT_THAT(Names(board_.ListTenants("", 10)),
              ElementsAre("tenants/a", "tenants/a-b", "tenants/b"));
  EXPECT_THAT(Names(board_.ListTenants("tenants/a", 1)),
              ElementsAre("tenants/a-b"));
}

}  // namespace
}  // namespace sallyport::dialplan
