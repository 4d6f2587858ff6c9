#include "services/dialplan/rpc/csv_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/resource.pb.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/rpc/resource_codec.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class CsvImportTest : public testing::Test {
 protected:
  CsvImportTest() {
    pb::Resource tenant;
    tenant.mutable_tenant()->set_name("tenants/t");
    tenant.mutable_tenant()->add_domains("t.test");
    tenant.mutable_tenant()->set_default_dial_plan("tenants/t/dialPlans/d");
    Load(tenant);
    pb::Resource plan;
    plan.mutable_dial_plan()->set_name("tenants/t/dialPlans/d");
    plan.mutable_dial_plan()->set_number_of_digits_in_extension(4);
    Load(plan);
  }

  void Load(const pb::Resource& resource) {
    editor_.Load(std::make_shared<const PlanRecord>(RecordOf(resource, {})));
  }

  pb::ImportResult Import(const std::string& csv) {
    CsvImport import = ReadImport(KindOf("user"), "tenants/t", csv);
    PlanBatch batch;
    batch.edits = import.edits;
    batch.validate_only = !import.faults.empty();
    const auto answer = editor_.Apply(batch, absl::FromUnixSeconds(1000));
    EXPECT_THAT(answer, IsOk());
    return ImportResultOf(FaultsOf(KindOf("user"), import, *answer), *answer);
  }

  pb::User User(const std::string& id) {
    const RecordPtr record = editor_.plan().Find("tenants/t/users/" + id);
    EXPECT_NE(record, nullptr) << id;
    return record == nullptr ? pb::User() : ResourceOf(*record).user();
  }

  // Fields and descriptions.
  static std::vector<std::pair<std::string, std::string>> Faults(
      const pb::ImportResult& result) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& violation : result.violations()) {
      out.emplace_back(violation.field(), violation.description());
    }
    return out;
  }

  FakeRandom random_;
  PlanEditor editor_{random_, {}};
};

TEST_F(CsvImportTest, UsersAreMadeAndMadeAgainIsNoChange) {
  const std::string csv =
      "username,password,display_name,dial_plan,phone_numbers\r\n"
      "ann,correct horse,\"Ann, O.\",d,1001;1002\r\n"
      "Bob.B,battery staple,Bob,tenants/t/dialPlans/d,\r\n";
  pb::ImportResult result = Import(csv);
  EXPECT_THAT(Faults(result), IsEmpty());
  EXPECT_EQ(result.created(), 2u);
  const pb::User ann = User("ann");
  EXPECT_EQ(ann.username(), "ann");
  EXPECT_EQ(ann.display_name(), "Ann, O.");
  EXPECT_EQ(ann.domain(), "t.test");
  EXPECT_EQ(ann.dial_plan(), "tenants/t/dialPlans/d");
  EXPECT_THAT(ann.phone_numbers(), ElementsAre("1001", "1002"));
  EXPECT_TRUE(ann.has_credentials());
  EXPECT_EQ(ann.password(), "");
  EXPECT_EQ(User("bob-b").username(), "Bob.B");

  result = Import(csv);
  EXPECT_EQ(result.created() + result.updated(), 0u);
  EXPECT_EQ(result.unchanged(), 2u);

  // Only the columns that are there change; an empty cell empties, but for the
  // password, which nobody can read back.
  result = Import(
      "name,display_name,password\n"
      "ann,,\n"
      "tenants/t/users/bob-b,Robert,\n");
  EXPECT_EQ(result.updated(), 2u);
  EXPECT_EQ(User("ann").display_name(), "");
  EXPECT_EQ(User("ann").username(), "ann");
  EXPECT_TRUE(User("ann").has_credentials());
  EXPECT_EQ(User("bob-b").display_name(), "Robert");
}

TEST_F(CsvImportTest, EveryFaultOfEveryRowIsNamedAndNothingIsStored) {
  const pb::ImportResult result = Import(
      "username,password,dial_plan,max_contacts\n"
      "ann,correct horse,d,4\n"
      "bob,short,d,x\n"
      "eve,correct horse,none,4\n"
      "ann,correct horse,d,4\n"
      "...,correct horse,d,4\n"
      "zoe,tiny,d,4\n"
      "caf\xE9,correct horse,d,4\n");
  EXPECT_THAT(
      Faults(result),
      ElementsAre(
          Pair("row[3].max_contacts", HasSubstr("VALUE_INVALID: must be")),
          Pair("row[4].dial_plan", HasSubstr("REFERENCE_NOT_FOUND")),
          Pair("row[5].username", HasSubstr("ROW_REPEATED: is "
                                            "tenants/t/users/ann, and so is "
                                            "row 2")),
          Pair("row[6].username", HasSubstr("VALUE_REQUIRED")),
          Pair("row[7].password", HasSubstr("PASSWORD_TOO_SHORT")),
          Pair("row[8].username", HasSubstr("CSV_ENCODING_INVALID"))));
  EXPECT_EQ(result.created(), 0u);
  EXPECT_THAT(editor_.plan().records(), SizeIs(2));
}

TEST_F(CsvImportTest, HeadersAtFault) {
  EXPECT_THAT(
      Faults(Import("username,colour,etag,create_time\na,b,c,d\n")),
      ElementsAre(Pair("row[1].colour", HasSubstr("no field of User")),
                  Pair("row[1].etag", HasSubstr("service alone")),
                  Pair("row[1].create_time", HasSubstr("service alone"))));
  EXPECT_THAT(Faults(Import("display_name\nAnn\n")),
              ElementsAre(Pair("row[1].username", HasSubstr("required"))));
  EXPECT_THAT(Faults(Import("")), ElementsAre(Pair("csv", HasSubstr("empty"))));
  EXPECT_EQ(Import("username\n").created(), 0u);
}

TEST_F(CsvImportTest, NamesAtFault) {
  EXPECT_THAT(Faults(Import("name,username\n"
                            "tenants/u/users/ann,ann\n"
                            "Ann,ann\n"
                            "peers/ann,ann\n"
                            ",ann\n")),
              ElementsAre(Pair("row[2].name", HasSubstr("NAME_INVALID")),
                          Pair("row[3].name", HasSubstr("NAME_INVALID")),
                          Pair("row[4].name", HasSubstr("NAME_INVALID"))));
}

// Two users exchange their numbers in one step.
TEST_F(CsvImportTest, RowsAreCheckedTogether) {
  EXPECT_EQ(Import("username,phone_numbers\nann,1001\nbob,1002\n").created(),
            2u);
  const pb::ImportResult result =
      Import("username,phone_numbers\nann,1002\nbob,1001\n");
  EXPECT_THAT(Faults(result), IsEmpty());
  EXPECT_EQ(result.updated(), 2u);
}

TEST_F(CsvImportTest, FaultsAreListedUpToAThousand) {
  std::string csv = "username,max_contacts\n";
  for (int i = 0; i < 1500; ++i) absl::StrAppend(&csv, "u", i, ",x\n");
  const pb::ImportResult result = Import(csv);
  EXPECT_EQ(result.violations_size(), 1001);
  EXPECT_EQ(result.violations(1000).description(), "has 500 more faults");
}

}  // namespace
}  // namespace sallyport::dialplan
