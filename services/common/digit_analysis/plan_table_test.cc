#include "services/common/digit_analysis/plan_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using testing::HasSubstr;

RoutePatternEntry Pattern(const std::string& id, const std::string& pattern,
                          const std::string& partition = "") {
  RoutePatternEntry out;
  out.name = "tenants/t/routePatterns/" + id;
  out.pattern = pattern;
  if (!partition.empty()) out.partition = "tenants/t/partitions/" + partition;
  return out;
}

PlanSnapshot Plan() {
  PlanSnapshot plan;
  plan.tenants = {{.name = "tenants/t"}, {.name = "tenants/u"}};
  plan.partitions = {{"tenants/t/partitions/p"},
                     {"tenants/t/partitions/q"},
                     {"tenants/t/partitions/off", true}};
  plan.calling_search_spaces = {
      {"tenants/t/callingSearchSpaces/all",
       {"tenants/t/partitions/p", "tenants/t/partitions/off",
        "tenants/t/partitions/q"}}};
  return plan;
}

PlanTable::Spaces All(const PlanTable& table) {
  PlanTable::Spaces spaces;
  table.AddSearchSpace("tenants/t/callingSearchSpaces/all", spaces);
  table.AddNullPartition("tenants/t", spaces);
  return spaces;
}

TEST(PlanTableTest, KindsBreakTiesInTheirOrder) {
  PlanSnapshot plan = Plan();
  plan.users = {{.name = "tenants/t/users/911", .username = "911"}};
  plan.lines = {{.name = "tenants/t/lines/911", .directory_number = "911"}};
  auto table = PlanTable::Compile(plan);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->Find(All(*table), "911")->kind, PatternKind::kLine);
  plan.message_waiting_numbers = {
      {.name = "tenants/t/messageWaitingNumbers/m", .number = "911"}};
  table = PlanTable::Compile(plan);
  EXPECT_EQ(table->Find(All(*table), "911")->kind,
            PatternKind::kMessageWaitingNumber);
  HuntPilotEntry pilot;
  pilot.name = "tenants/t/huntPilots/h";
  pilot.pattern = "911";
  plan.hunt_pilots = {pilot};
  table = PlanTable::Compile(plan);
  EXPECT_EQ(table->Find(All(*table), "911")->kind, PatternKind::kHuntPilot);
  TranslationPatternEntry translation;
  translation.name = "tenants/t/translationPatterns/x";
  translation.pattern = "911";
  plan.translation_patterns = {translation};
  table = PlanTable::Compile(plan);
  EXPECT_EQ(table->Find(All(*table), "911")->kind,
            PatternKind::kTranslationPattern);
  EXPECT_TRUE(table->Find(All(*table), "911")->urgent);  // by default
  plan.route_patterns = {Pattern("e", "911")};
  table = PlanTable::Compile(plan);
  EXPECT_EQ(table->Find(All(*table), "911")->kind, PatternKind::kRoutePattern);
  EXPECT_FALSE(table->Find(All(*table), "911")->urgent);
  EXPECT_EQ(table->pattern_count(), 6u);
  EXPECT_GT(table->memory(), 0u);
}

TEST(PlanTableTest, TenantsAndDisabledPartitionsAreApart) {
  PlanSnapshot plan = Plan();
  plan.route_patterns = {Pattern("a", "1X"), Pattern("b", "2X", "off"),
                         Pattern("c", "3X", "p")};
  const auto table = PlanTable::Compile(plan);
  ASSERT_THAT(table, IsOk());
  EXPECT_TRUE(table->Find(All(*table), "11").has_value());
  EXPECT_FALSE(table->Find(All(*table), "21").has_value());
  EXPECT_TRUE(table->Find(All(*table), "31").has_value());
  PlanTable::Spaces others;
  table->AddNullPartition("tenants/u", others);
  EXPECT_FALSE(table->Find(others, "11").has_value());
  PlanTable::Spaces nowhere;
  table->AddSearchSpace("tenants/t/callingSearchSpaces/none", nowhere);
  table->AddNullPartition("tenants/none", nowhere);
  EXPECT_TRUE(nowhere.empty());
}

TEST(PlanTableTest, FormsOfANumberingPlan) {
  PlanSnapshot plan = Plan();
  plan.route_patterns = {Pattern("a", "9.@"), Pattern("b", "9.1900!")};
  const auto table = PlanTable::Compile(plan);
  ASSERT_THAT(table, IsOk());
  const auto found = table->Find(All(*table), "919725551234");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->index, 0u);
  EXPECT_GT(found->form, 0u);
  EXPECT_EQ(table->Find(All(*table), "919005551234")->index, 1u);
  EXPECT_FALSE(table->Find(All(*table), "912").has_value());
  EXPECT_TRUE(table->LongerPossible(All(*table), "912"));
}

TEST(PlanTableTest, DomainsTheClosestFirst) {
  PlanSnapshot plan = Plan();
  const auto domain = [&](const char* id, const char* host, const char* p) {
    RoutePatternEntry entry = Pattern(id, "", p);
    entry.sip_domain = host;
    plan.route_patterns.push_back(entry);
  };
  domain("a", ".test", "p");
  domain("b", ".b.test", "q");
  domain("c", "b.test", "q");
  domain("d", "b.test", "p");
  const auto table = PlanTable::Compile(plan);
  ASSERT_THAT(table, IsOk());
  const auto spaces = All(*table);
  EXPECT_EQ(table->FindDomain(spaces, "b.test"), 3u);  // p before q
  EXPECT_EQ(table->FindDomain(spaces, "a.b.test"), 1u);
  EXPECT_EQ(table->FindDomain(spaces, "x.a.b.test"), 1u);
  EXPECT_EQ(table->FindDomain(spaces, "xb.test"), 0u);
  EXPECT_EQ(table->FindDomain(spaces, "test"), std::nullopt);
  EXPECT_EQ(table->FindDomain(spaces, ""), std::nullopt);
  EXPECT_EQ(table->FindDomain({}, "b.test"), std::nullopt);
}

TEST(PlanTableTest, TransformationsAreATableOfTheirOwn) {
  PlanSnapshot plan = Plan();
  CalledPartyTransformationEntry called;
  called.name = "tenants/t/calledPartyTransformations/x";
  called.pattern = "\\+1!";
  called.partition = "tenants/t/partitions/p";
  plan.called_party_transformations = {called};
  CallingPartyTransformationEntry calling;
  calling.name = "tenants/t/callingPartyTransformations/x";
  calling.pattern = "4XXX";
  plan.calling_party_transformations = {calling};
  const auto table = PlanTable::Compile(plan);
  ASSERT_THAT(table, IsOk());
  const auto spaces = All(*table);
  EXPECT_FALSE(table->Find(spaces, "+1201").has_value());
  EXPECT_EQ(table->FindCalledChange(spaces, "+1201")->index, 0u);
  EXPECT_FALSE(table->FindCalledChange(spaces, "4001").has_value());
  EXPECT_EQ(table->FindCallingChange(spaces, "4001")->index, 0u);
  EXPECT_FALSE(table->FindCallingChange({}, "4001").has_value());
}

TEST(PlanTableTest, WhatCannotBeCompiledIsNamed) {
  PlanSnapshot plan = Plan();
  plan.lines = {{.name = "tenants/t/lines/x", .directory_number = "40XX"}};
  auto table = PlanTable::Compile(plan);
  EXPECT_THAT(table, HasReason("NUMBER_INVALID"));
  EXPECT_THAT(std::string(table.status().message()),
              HasSubstr("tenants/t/lines/x"));
  plan = Plan();
  plan.route_patterns = {Pattern("x", "9.@")};
  plan.route_patterns[0].numbering_plan = "mars";
  EXPECT_THAT(PlanTable::Compile(plan),
              HasReason("PATTERN_NUMBERING_PLAN_UNAVAILABLE"));
  plan = Plan();
  CalledPartyTransformationEntry called;
  called.name = "tenants/t/calledPartyTransformations/x";
  called.pattern = "[";
  plan.called_party_transformations = {called};
  EXPECT_THAT(PlanTable::Compile(plan), HasReason("PATTERN_BAD_CLASS"));
}

TEST(PlanTableTest, NumbersOfPatterns) {
  EXPECT_EQ(*NumberOfPattern("\\+12015550123"), "+12015550123");
  EXPECT_EQ(*NumberOfPattern("+12015550123"), "+12015550123");
  EXPECT_EQ(*NumberOfPattern("4001"), "4001");
  EXPECT_THAT(NumberOfPattern("40X1"), HasReason("NUMBER_INVALID"));
}

}  // namespace
}  // namespace sallyport
