#include "services/common/sql/postgres_options.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(PostgresOptionsTest, AServerElsewhereNeedsTls) {
  EXPECT_THAT(PostgresFault("dbname=d user=u"), IsEmpty());
  EXPECT_THAT(PostgresFault("host=/run/postgresql dbname=d user=u"), IsEmpty());
  EXPECT_THAT(PostgresFault("host=localhost dbname=d user=u"), IsEmpty());
  EXPECT_THAT(PostgresFault("postgresql://u@db/d?sslmode=verify-full"),
              IsEmpty());
  for (const char* mode : {"", "disable", "allow", "prefer", "require"}) {
    std::string connection = "host=db dbname=d user=u";
    if (*mode != '\0') connection += std::string(" sslmode=") + mode;
    EXPECT_THAT(PostgresFault(connection), HasSubstr("sslmode=verify-full"));
  }
  EXPECT_THAT(PostgresFault("host=localhost,db dbname=d user=u"),
              HasSubstr("sslmode=verify-full"));
  EXPECT_THAT(PostgresFault("hostaddr=192.0.2.1 dbname=d user=u"),
              HasSubstr("sslmode=verify-full"));
}

TEST(PostgresOptionsTest, APasswordIsNotForTheConfiguration) {
  for (const char* connection :
       {"dbname=d user=u password=hunter2", "postgresql://u:hunter2@/d"}) {
    EXPECT_THAT(PostgresFault(connection), HasSubstr("password_file"));
    EXPECT_THAT(PostgresFault(connection), Not(HasSubstr("hunter2")));
  }
  // Not even where the string is broken.
  EXPECT_THAT(PostgresFault("dbname=d user=u password='hunter2"),
              AllOf(HasSubstr("libpq"), Not(HasSubstr("hunter2"))));
}

TEST(PostgresOptionsTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(PostgresFault("user=u"), HasSubstr("dbname="));
  EXPECT_THAT(PostgresFault("dbname=d"), HasSubstr("user="));
  EXPECT_THAT(PostgresFault("nonsense=1"), HasSubstr("libpq"));
}

TEST(PostgresOptionsTest, ThePasswordIsTheFirstLineWhateverItHolds) {
  PostgresOptions options;
  options.connection = "dbname=d user=u options='-c geqo=off'";
  options.timeout = absl::Milliseconds(1500);
  const char* const folder = std::getenv("TEST_TMPDIR");
  options.password_file =
      std::string(folder == nullptr ? "/tmp" : folder) + "/password";
  std::ofstream(options.password_file) << "it's a&b=c%\nsecond\n";
  SP_ASSERT_OK_AND_ASSIGN(const Secret whole, PostgresConnection(options));
  const std::string text(whole.DangerousText());
  EXPECT_THAT(text, HasSubstr("&password=it%27s%20a%26b%3Dc%25"));
  EXPECT_THAT(text, Not(HasSubstr("second")));
  EXPECT_THAT(text,
              HasSubstr("geqo%3Doff%20%2Dc%20statement%5Ftimeout%3D1500"));
  EXPECT_THAT(text, Not(HasSubstr(" ")));

  options.password_file += ".none";
  EXPECT_THAT(PostgresConnection(options), HasReason("STORE_UNAVAILABLE"));
}

}  // namespace
}  // namespace sallyport
