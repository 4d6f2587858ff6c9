#include "services/capf/core/operation_status.h"

namespace sallyport::capf {
namespace {

std::string_view ShortName(Operation operation) {
  switch (operation) {
    case Operation::kInstallUpgrade:
      return "Upgrade";
    case Operation::kDelete:
      return "Delete";
    case Operation::kTroubleshoot:
      return "Troubleshoot";
    case Operation::kNone:
      break;
  }
  return "Operation";
}

std::string_view ReasonName(FailureReason reason) {
  switch (reason) {
    case FailureReason::kNone:
      return "";
    case FailureReason::kInvalidLsc:
      return "Invalid LSC";
    case FailureReason::kInvalidAuthenticationString:
      return "Invalid Authentication String";
    case FailureReason::kInvalidMic:
      return "Invalid MIC";
    case FailureReason::kInvalidCredentials:
      return "Invalid Credentials";
    case FailureReason::kPhoneCommunicationFailure:
      return "Phone Communication Failure";
    case FailureReason::kKeyGenerationFailed:
      return "Key Generation Failed/Timeout";
    case FailureReason::kCaCommunicationFailure:
      return "CA Communication Failure";
    case FailureReason::kCaRejectedConnection:
      return "CA Rejected Connection";
    case FailureReason::kUserInitiatedRequestLate:
      return "User Initiated Request Late/Timedout";
    case FailureReason::kNoSupportForEcOnly:
      return "No Support for EC only in CAPF version 3";
  }
  return "";
}

}  // namespace

std::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kNone:
      return "No Pending Operation";
    case Operation::kInstallUpgrade:
      return "Install/Upgrade";
    case Operation::kDelete:
      return "Delete";
    case Operation::kTroubleshoot:
      return "Troubleshoot";
  }
  return "";
}

std::string_view AuthenticationModeName(AuthenticationMode mode) {
  switch (mode) {
    case AuthenticationMode::kByString:
      return "By Authentication String";
    case AuthenticationMode::kByNullString:
      return "By Null String";
    case AuthenticationMode::kByExistingLsc:
      return "By Existing Certificate (precedence to LSC)";
    case AuthenticationMode::kByExistingMic:
      return "By Existing Certificate (precedence to MIC)";
  }
  return "";
}

std::string StatusName(const OperationStatus& status) {
  switch (status.outcome) {
    case OperationStatus::Outcome::kNone:
      return "None";
    case OperationStatus::Outcome::kPending:
      return "Operation Pending";
    case OperationStatus::Outcome::kSuccess:
      return std::string(ShortName(status.operation)) + " Success";
    case OperationStatus::Outcome::kFailed:
      break;
  }
  std::string name = std::string(ShortName(status.operation)) + " Failed";
  if (status.reason != FailureReason::kNone) {
    name += ": ";
    name += ReasonName(status.reason);
  }
  return name;
}

}  // namespace sallyport::capf
