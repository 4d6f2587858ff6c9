#include "services/capf/core/operation_status.h"

#include <set>
#include <utility>

#include "gtest/gtest.h"

namespace sallyport::capf {
namespace {

using Outcome = OperationStatus::Outcome;

// CCE-53.
// The exact strings of pki.md section 5 (AXL), which operators search for.
TEST(OperationStatusTest, ExactNames) {
  EXPECT_EQ(OperationName(Operation::kNone), "No Pending Operation");
  EXPECT_EQ(OperationName(Operation::kInstallUpgrade), "Install/Upgrade");
  EXPECT_EQ(OperationName(Operation::kDelete), "Delete");
  EXPECT_EQ(OperationName(Operation::kTroubleshoot), "Troubleshoot");
  EXPECT_EQ(AuthenticationModeName(AuthenticationMode::kByString),
            "By Authentication String");
  EXPECT_EQ(AuthenticationModeName(AuthenticationMode::kByNullString),
            "By Null String");
  EXPECT_EQ(AuthenticationModeName(AuthenticationMode::kByExistingLsc),
            "By Existing Certificate (precedence to LSC)");
  EXPECT_EQ(AuthenticationModeName(AuthenticationMode::kByExistingMic),
            "By Existing Certificate (precedence to MIC)");
  EXPECT_EQ(StatusName({}), "None");
  EXPECT_EQ(StatusName({Outcome::kPending, Operation::kDelete, {}}),
            "Operation Pending");
  EXPECT_EQ(StatusName({Outcome::kSuccess, Operation::kInstallUpgrade, {}}),
            "Upgrade Success");
  EXPECT_EQ(StatusName({Outcome::kSuccess, Operation::kDelete, {}}),
            "Delete Success");
  EXPECT_EQ(StatusName({Outcome::kSuccess, Operation::kTroubleshoot, {}}),
            "Troubleshoot Success");
  EXPECT_EQ(StatusName({Outcome::kFailed, Operation::kDelete, {}}),
            "Delete Failed");
}

TEST(OperationStatusTest, EveryFailureHasItsName) {
  const std::pair<FailureReason, const char*> names[] = {
      {FailureReason::kInvalidLsc, "Upgrade Failed: Invalid LSC"},
      {FailureReason::kInvalidAuthenticationString,
       "Upgrade Failed: Invalid Authentication String"},
      {FailureReason::kInvalidMic, "Upgrade Failed: Invalid MIC"},
      {FailureReason::kInvalidCredentials,
       "Upgrade Failed: Invalid Credentials"},
      {FailureReason::kPhoneCommunicationFailure,
       "Upgrade Failed: Phone Communication Failure"},
      {FailureReason::kKeyGenerationFailed,
       "Upgrade Failed: Key Generation Failed/Timeout"},
      {FailureReason::kCaCommunicationFailure,
       "Upgrade Failed: CA Communication Failure"},
      {FailureReason::kCaRejectedConnection,
       "Upgrade Failed: CA Rejected Connection"},
      {FailureReason::kUserInitiatedRequestLate,
       "Upgrade Failed: User Initiated Request Late/Timedout"},
      {FailureReason::kNoSupportForEcOnly,
       "Upgrade Failed: No Support for EC only in CAPF version 3"}};
  for (const auto& [reason, name] : names) {
    EXPECT_EQ(
        StatusName({Outcome::kFailed, Operation::kInstallUpgrade, reason}),
        name);
  }
}

}  // namespace
}  // namespace sallyport::capf
