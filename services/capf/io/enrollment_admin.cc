#include "services/capf/io/enrollment_admin.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/authentication_string.h"
#include "services/capf/core/operation_status.h"
#include "services/capf/io/enrollment_store.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr int kGeneratedDigits = 8;

absl::Status NotFound() {
  return MakeError(absl::StatusCode::kNotFound, "ENROLLMENT_NOT_FOUND",
                   "there is no such enrollment");
}

std::string Describe(const Enrollment& e) {
  return absl::StrCat("operation=\"", std::string(OperationName(e.operation)),
                      "\" mode=\"", std::string(AuthenticationModeName(e.mode)),
                      "\"");
}

}  // namespace

absl::StatusOr<Secret> EnrollmentAdmin::SetString(Enrollment& enrollment,
                                                  Secret string) {
  if (enrollment.operation == Operation::kNone ||
      enrollment.mode != AuthenticationMode::kByString) {
    return Secret();
  }
  if (string.empty()) {
    string = GenerateAuthenticationString(random_, kGeneratedDigits);
  }
  if (!IsAuthenticationString(string.DangerousText())) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "AUTHENTICATION_STRING_INVALID",
                     "an authentication string is 4 to 16 digits");
  }
  enrollment.verifier = strings_.Make(string, random_);
  return string;
}

absl::Status EnrollmentAdmin::CheckApproved(
    const Enrollment& enrollment) const {
  if (!approved_only_ || enrollment.operation == Operation::kNone ||
      enrollment.mode != AuthenticationMode::kByNullString) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "NOT_ALLOWED_IN_FIPS_MODE",
                   "a null string is not allowed in FIPS mode");
}

absl::StatusOr<EnrollmentWithString> EnrollmentAdmin::Create(
    Enrollment enrollment, Secret string, const std::string& actor,
    bool validate_only) {
  const absl::Time now = ledger_.clock().Now();
  SP_ASSIGN_OR_RETURN(Secret told, SetString(enrollment, std::move(string)));
  Arm(enrollment, enrollment.operation, now);
  enrollment.create_time = now;
  SP_RETURN_IF_ERROR(CheckEnrollment(enrollment, now));
  SP_RETURN_IF_ERROR(CheckApproved(enrollment));

  SP_ASSIGN_OR_RETURN(std::optional<Enrollment> there,
                      ledger_.store().GetEnrollment(enrollment.name));
  if (there.has_value()) {
    if (!enrollment.request_key.empty() &&
        there->request_key == enrollment.request_key) {
      return EnrollmentWithString{*std::move(there), Secret()};
    }
    return MakeError(absl::StatusCode::kAlreadyExists, "ENROLLMENT_EXISTS",
                     "there is an enrollment of that name");
  }
  enrollment.version = 1;
  if (validate_only) return EnrollmentWithString{std::move(enrollment), {}};
  StoreChange change;
  change.insert_enrollments.push_back(enrollment);
  change.audit.push_back(
      {"ENROLLMENT_CREATED", actor, enrollment.name, Describe(enrollment)});
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  return EnrollmentWithString{std::move(enrollment), std::move(told)};
}

absl::StatusOr<EnrollmentWithString> EnrollmentAdmin::Update(
    Enrollment enrollment, bool arm, Secret string, const std::string& actor,
    bool validate_only) {
  const absl::Time now = ledger_.clock().Now();
  Secret told;
  if (arm) {
    SP_ASSIGN_OR_RETURN(told, SetString(enrollment, std::move(string)));
    Arm(enrollment, enrollment.operation, now);
  }
  enrollment.update_time = now;
  SP_RETURN_IF_ERROR(CheckEnrollment(enrollment, now));
  SP_RETURN_IF_ERROR(CheckApproved(enrollment));
  if (!validate_only) {
    StoreChange change;
    change.update_enrollments.push_back(enrollment);
    change.audit.push_back(
        {"ENROLLMENT_UPDATED", actor, enrollment.name, Describe(enrollment)});
    SP_RETURN_IF_ERROR(ledger_.Apply(change));
    ++enrollment.version;
  }
  return EnrollmentWithString{std::move(enrollment), std::move(told)};
}

absl::StatusOr<Enrollment> EnrollmentAdmin::Approve(const std::string& name,
                                                    int64_t version,
                                                    const std::string& actor) {
  SP_ASSIGN_OR_RETURN(Enrollment enrollment, Get(name));
  if (version != 0 && version != enrollment.version) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "it was changed meanwhile");
  }
  if (!enrollment.approval_required ||
      enrollment.operation == Operation::kNone) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "NOTHING_TO_APPROVE",
                     "no operation of this phone waits for approval");
  }
  if (enrollment.approved) return enrollment;
  enrollment.approved = true;
  enrollment.update_time = ledger_.clock().Now();
  StoreChange change;
  change.update_enrollments.push_back(enrollment);
  change.audit.push_back({"ENROLLMENT_APPROVED", actor, name, ""});
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  return Get(name);
}

absl::Status EnrollmentAdmin::Delete(const std::string& name, int64_t version,
                                     const std::string& actor,
                                     bool validate_only) {
  SP_ASSIGN_OR_RETURN(const std::optional<Enrollment> there,
                      ledger_.store().GetEnrollment(name));
  if (!there.has_value()) return NotFound();
  if (version != 0 && version != there->version) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "it was changed meanwhile");
  }
  if (validate_only) return absl::OkStatus();
  StoreChange change;
  change.delete_enrollments.push_back({name, there->version});
  change.audit.push_back({"ENROLLMENT_DELETED", actor, name, ""});
  return ledger_.Apply(change);
}

absl::StatusOr<Enrollment> EnrollmentAdmin::Get(const std::string& name) {
  SP_ASSIGN_OR_RETURN(std::optional<Enrollment> there,
                      ledger_.store().GetEnrollment(name));
  if (!there.has_value()) return NotFound();
  Expire(*there, ledger_.clock().Now());
  return *std::move(there);
}

absl::StatusOr<CertificateRecord> EnrollmentAdmin::Revoke(
    const std::string& tenant, const std::string& serial,
    RevocationReason reason, const std::string& actor, bool validate_only) {
  SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> record,
                      ledger_.store().GetCertificate(serial));
  if (!record.has_value() || record->tenant != tenant ||
      record->state == CertificateState::kIntent ||
      record->state == CertificateState::kAbandoned) {
    return MakeError(absl::StatusCode::kNotFound, "CERTIFICATE_NOT_FOUND",
                     "there is no such certificate");
  }
  if (record->state == CertificateState::kRevoked || validate_only) {
    return *std::move(record);
  }
  const CertificateState before = record->state;
  record->state = CertificateState::kRevoked;
  record->revocation_reason = reason;
  record->revoke_time = ledger_.clock().Now();
  StoreChange change;
  change.update_certificates.push_back({*record, before});
  change.audit.push_back({"REVOKED", actor, record->Name(),
                          absl::StrCat("reason=", static_cast<int>(reason))});
  SP_RETURN_IF_ERROR(ledger_.Apply(change));
  return *std::move(record);
}

}  // namespace sallyport::capf
