#include "services/common/sql/store_config.h"

#include <string>
#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sallyport {
namespace {

using common::config::v1::StoreConfig;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

auto FaultsOf(const StoreConfig& config) {
  ConfigFaults faults;
  CheckStoreConfig("store", config, &faults);
  return faults.violations();
}

TEST(StoreConfigTest, OneKindIsNeeded) {
  StoreConfig config;
  EXPECT_THAT(FaultsOf(config),
              ElementsAre(Field(&FieldViolation::field, "store")));
  config.set_sqlite_file("");
  EXPECT_THAT(FaultsOf(config),
              ElementsAre(Field(&FieldViolation::field, "store.sqlite_file")));
  config.set_sqlite_file("state/x\".db");
  EXPECT_THAT(FaultsOf(config),
              ElementsAre(Field(&FieldViolation::field, "store.sqlite_file")));
  config.set_sqlite_file("state/x.db");
  EXPECT_THAT(FaultsOf(config), IsEmpty());
  EXPECT_EQ(std::get<SqliteOptions>(SqlOptionsOf(config)).file, "state/x.db");
}

TEST(StoreConfigTest, EveryFaultOfPostgresAtOnce) {
  StoreConfig config;
  config.mutable_postgres()->set_pool_size(65);
  config.mutable_postgres()->mutable_timeout()->set_seconds(-1);
  EXPECT_THAT(
      FaultsOf(config),
      ElementsAre(Field(&FieldViolation::field, "store.postgres.connection"),
                  Field(&FieldViolation::field, "store.postgres.pool_size"),
                  Field(&FieldViolation::field, "store.postgres.timeout")));
}

TEST(StoreConfigTest, PostgresHasItsDefaults) {
  StoreConfig config;
  config.mutable_postgres()->set_connection("dbname=d user=u");
  config.mutable_postgres()->set_password_file("f");
  EXPECT_THAT(FaultsOf(config), IsEmpty());
  const auto options = std::get<PostgresOptions>(SqlOptionsOf(config));
  EXPECT_EQ(options.connection, "dbname=d user=u");
  EXPECT_EQ(options.password_file, "f");
  EXPECT_EQ(options.pool_size, 4u);
  EXPECT_EQ(options.timeout, absl::Seconds(5));
}

}  // namespace
}  // namespace sallyport
