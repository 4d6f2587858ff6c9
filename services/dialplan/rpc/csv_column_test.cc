#include "services/dialplan/rpc/csv_column.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "sallyport/dialplan/v1/line.pb.h"
#include "sallyport/dialplan/v1/user.pb.h"
#include "services/common/status/status_macros.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::Status Set(const std::string& path, const std::string& cell,
                 google::protobuf::Message& message) {
  SP_ASSIGN_OR_RETURN(const CsvColumn column,
                      CsvColumn::Find(*message.GetDescriptor(), path));
  return column.Set(cell, "tenants/t", message);
}

TEST(CsvColumnTest, CellsOfEveryType) {
  pb::User user;
  ASSERT_THAT(Set("username", " ann ", user), IsOk());
  ASSERT_THAT(Set("digest_algorithm", "sha-256", user), IsOk());
  ASSERT_THAT(Set("disabled", "TRUE", user), IsOk());
  ASSERT_THAT(Set("max_contacts", " 7 ", user), IsOk());
  ASSERT_THAT(Set("dial_plan", "secured", user), IsOk());
  ASSERT_THAT(Set("phone_numbers", "1001; +12015550123;", user), IsOk());
  EXPECT_EQ(user.username(), " ann ");
  EXPECT_EQ(user.digest_algorithm(), type::v1::DIGEST_ALGORITHM_SHA_256);
  EXPECT_TRUE(user.disabled());
  EXPECT_EQ(user.max_contacts(), 7u);
  EXPECT_EQ(user.dial_plan(), "tenants/t/dialPlans/secured");
  EXPECT_THAT(user.phone_numbers(), ElementsAre("1001", "+12015550123"));
  ASSERT_THAT(Set("digest_algorithm", "DIGEST_ALGORITHM_MD5", user), IsOk());
  EXPECT_EQ(user.digest_algorithm(), type::v1::DIGEST_ALGORITHM_MD5);
  ASSERT_THAT(Set("dial_plan", "tenants/u/dialPlans/d", user), IsOk());
  EXPECT_EQ(user.dial_plan(), "tenants/u/dialPlans/d");

  pb::Line line;
  ASSERT_THAT(Set("no_answer_duration", "1m30s", line), IsOk());
  EXPECT_EQ(line.no_answer_duration().seconds(), 90);
  ASSERT_THAT(Set("no_answer_duration", "12", line), IsOk());
  EXPECT_EQ(line.no_answer_duration().seconds(), 12);
  ASSERT_THAT(Set("users", "ann;bob", line), IsOk());
  EXPECT_THAT(line.users(),
              ElementsAre("tenants/t/users/ann", "tenants/t/users/bob"));
}

TEST(CsvColumnTest, EmptyCellsClearAndLeaveNothingBehind) {
  pb::Line line;
  ASSERT_THAT(Set("forward_all.number", "4002", line), IsOk());
  EXPECT_EQ(line.forward_all().number(), "4002");
  // The other choice takes its place; a false one takes none.
  ASSERT_THAT(Set("forward_all.voicemail", "false", line), IsOk());
  EXPECT_EQ(line.forward_all().number(), "4002");
  ASSERT_THAT(Set("forward_all.voicemail", "true", line), IsOk());
  EXPECT_TRUE(line.forward_all().voicemail());
  ASSERT_THAT(Set("forward_all.number", "", line), IsOk());
  EXPECT_TRUE(line.forward_all().voicemail());
  ASSERT_THAT(Set("forward_all.voicemail", "", line), IsOk());
  EXPECT_FALSE(line.has_forward_all());
  ASSERT_THAT(Set("users", "ann", line), IsOk());
  ASSERT_THAT(Set("users", " ; ", line), IsOk());
  EXPECT_EQ(line.users_size(), 0);
  EXPECT_EQ(line.ByteSizeLong(), 0u);
}

TEST(CsvColumnTest, WhatIsNoColumn) {
  for (const char* path :
       {"", ".", "nobody", "username.x", "create_time", "create_time.seconds",
        "etag", "has_credentials", "forward_all", "forward_all.",
        "forward_all.none", "forward_all.number.x", "no_answer_duration.nanos",
        "users.x"}) {
    pb::User user;
    pb::Line line;
    EXPECT_THAT(Set(path, "1", user), HasReason("CSV_HEADER_INVALID")) << path;
    EXPECT_THAT(Set(path, "1", line), HasReason("CSV_HEADER_INVALID")) << path;
  }
}

TEST(CsvColumnTest, WhatIsNoValue) {
  pb::User user;
  pb::Line line;
  EXPECT_THAT(Set("disabled", "ja", user), HasReason("VALUE_INVALID"));
  EXPECT_THAT(Set("max_contacts", "-1", user), HasReason("VALUE_INVALID"));
  EXPECT_THAT(Set("max_contacts", "4294967296", user),
              HasReason("VALUE_INVALID"));
  EXPECT_THAT(Set("max_contacts", "1.5", user), HasReason("VALUE_INVALID"));
  const absl::Status algorithm = Set("digest_algorithm", "SHA-1", user);
  EXPECT_THAT(algorithm, HasReason("VALUE_INVALID"));
  EXPECT_THAT(std::string(algorithm.message()), HasSubstr("MD5, SHA_256"));
  EXPECT_THAT(Set("digest_algorithm", "unspecified", user),
              HasReason("VALUE_INVALID"));
  for (const char* text : {"soon", "inf", "12 s", "1h1"}) {
    EXPECT_THAT(Set("no_answer_duration", text, line),
                HasReason("VALUE_INVALID"))
        << text;
  }
}

}  // namespace
}  // namespace sallyport::dialplan
