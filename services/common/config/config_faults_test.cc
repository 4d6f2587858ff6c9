#include "services/common/config/config_faults.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;

TEST(ConfigFaultsTest, NoFaultIsOk) {
  ConfigFaults faults;
  faults.Require("realm", "sallyport");
  EXPECT_TRUE(faults.empty());
  EXPECT_THAT(faults.ToStatus(), IsOk());
}

TEST(ConfigFaultsTest, TellsAllAtOnce) {
  ConfigFaults faults;
  faults.Require("realm", "");
  faults.Add("server.tls.key_file", "cannot be read");
  const absl::Status status = faults.ToStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               "realm is required; server.tls.key_file cannot "
                               "be read"));
  EXPECT_THAT(status, HasReason("CONFIG_INVALID"));
  EXPECT_THAT(
      FieldViolationsOf(status),
      ElementsAre(FieldViolation{"realm", "is required"},
                  FieldViolation{"server.tls.key_file", "cannot be read"}));
}

}  // namespace
}  // namespace sallyport
