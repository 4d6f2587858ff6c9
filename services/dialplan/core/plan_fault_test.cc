#include "services/dialplan/core/plan_fault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::dialplan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const PlanFault kFqdn = {"peer.fqdn", "PEER_FQDN_REQUIRED", "UM-66: a name"};
const PlanFault kPort = {"peer.port", "PEER_PORT_INVALID", "must be 5061"};

TEST(PlanFaultTest, TheReasonIsThatOfTheOnlyFault) {
  EXPECT_THAT(ToStatus({}), IsOk());
  EXPECT_THAT(ToStatus({kFqdn}), HasReason("PEER_FQDN_REQUIRED"));
  EXPECT_THAT(ToStatus({kFqdn, kPort}), HasReason("PLAN_INVALID"));
}

TEST(PlanFaultTest, FaultsComeBackFromTheirStatus) {
  EXPECT_THAT(FaultsOf(absl::OkStatus()), IsEmpty());
  EXPECT_THAT(FaultsOf(ToStatus({kFqdn, kPort})), ElementsAre(kFqdn, kPort));
  EXPECT_THAT(FaultsOf(MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                                 "changed since")),
              ElementsAre(PlanFault{"", "ETAG_MISMATCH", "changed since"}));
  // A violation that ToStatus() did not write.
  EXPECT_THAT(FaultsOf(MakeError(absl::StatusCode::kInvalidArgument, "NAME",
                                 "bad", {{"name", "see: the manual"}})),
              ElementsAre(PlanFault{"name", "NAME", "see: the manual"}));
}

}  // namespace
}  // namespace sallyport::dialplan
