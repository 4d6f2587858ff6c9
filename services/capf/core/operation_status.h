// The words of the administration: operations, modes and statuses by their
// exact names (CCE-49, CCE-53, AXL enumerations).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_OPERATION_STATUS_H_
#define SALLYPORT_SERVICES_CAPF_CORE_OPERATION_STATUS_H_

#include <string>
#include <string_view>

namespace sallyport::capf {

enum class Operation { kNone, kInstallUpgrade, kDelete, kTroubleshoot };

// "No Pending Operation", "Install/Upgrade", "Delete", "Troubleshoot".
std::string_view OperationName(Operation operation);

enum class AuthenticationMode {
  kByString,
  kByNullString,
  kByExistingLsc,
  kByExistingMic,
};

// "By Authentication String" and so on.
std::string_view AuthenticationModeName(AuthenticationMode mode);

enum class FailureReason {
  kNone,  // failed without more being known
  kInvalidLsc,
  kInvalidAuthenticationString,
  kInvalidMic,
  kInvalidCredentials,
  kPhoneCommunicationFailure,
  kKeyGenerationFailed,  // or took too long
  kCaCommunicationFailure,
  kCaRejectedConnection,
  kUserInitiatedRequestLate,
  kNoSupportForEcOnly,
};

// What became of the last operation.
struct OperationStatus {
  enum class Outcome { kNone, kPending, kSuccess, kFailed };

  Outcome outcome = Outcome::kNone;
  Operation operation = Operation::kNone;
  FailureReason reason = FailureReason::kNone;

  bool operator==(const OperationStatus&) const = default;
};

// "None", "Operation Pending", "Upgrade Success",
// "Delete Failed: Invalid Authentication String" and so on.
std::string StatusName(const OperationStatus& status);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_OPERATION_STATUS_H_
