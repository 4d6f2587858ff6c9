#include "services/capf/rpc/enrollment_methods.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/capf/rpc/list_page.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr absl::Duration kDefaultCompletesBy = absl::Hours(24 * 30);

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

// The fields that are set, for an update without mask.
std::vector<std::string> FieldsSet(const pb::Enrollment& e) {
  std::vector<std::string> fields;
  if (e.operation() != 0) fields.emplace_back("operation");
  if (e.authentication_mode() != 0) fields.emplace_back("authentication_mode");
  if (!e.authentication_string().empty()) {
    fields.emplace_back("authentication_string");
  }
  if (e.key_order() != 0) fields.emplace_back("key_order");
  if (e.rsa_key_size() != 0) fields.emplace_back("rsa_key_size");
  if (e.ec_key_size() != 0) fields.emplace_back("ec_key_size");
  if (e.has_operation_completes_by_time()) {
    fields.emplace_back("operation_completes_by_time");
  }
  if (!e.model().empty()) fields.emplace_back("model");
  if (!e.certificate_authority().empty()) {
    fields.emplace_back("certificate_authority");
  }
  if (e.approval_required()) fields.emplace_back("approval_required");
  return fields;
}

bool Holds(const std::vector<std::string>& fields, const char* field) {
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

}  // namespace

absl::Status EnrollmentMethods::Fill(const Enrollment& enrollment,
                                     pb::Enrollment& response) {
  response = ToProto(enrollment);
  if (!enrollment.mic_der.empty()) {
    *response.mutable_mic() = Summarize(AsBytes(enrollment.mic_der));
  }
  if (enrollment.lsc_serial.empty()) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const std::optional<CertificateRecord> record,
                      ledger_.store().GetCertificate(enrollment.lsc_serial));
  if (record.has_value()) {
    response.set_certificate(record->Name());
    *response.mutable_lsc() = Summarize(AsBytes(record->der));
  }
  return absl::OkStatus();
}

absl::Status EnrollmentMethods::CheckAuthority(const Enrollment& enrollment,
                                               const std::string& tenant) {
  if (enrollment.authority.empty()) return absl::OkStatus();
  SP_RETURN_IF_ERROR(authorities_.Find(enrollment.authority).status());
  const absl::Status may =
      authorities_.For({.tenant = tenant, .named = enrollment.authority})
          .status();
  if (ReasonOf(may) != "AUTHORITY_NOT_FOUND") return may;
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "AUTHORITY_NOT_OF_TENANT",
                   "that authority does not certify for this tenant");
}

absl::Status EnrollmentMethods::Create(
    const pb::CreateEnrollmentRequest& request, const std::string& actor,
    pb::Enrollment& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  const pb::Enrollment& in = request.enrollment();
  const std::string id = request.enrollment_id().empty()
                             ? absl::AsciiStrToLower(in.device_name())
                             : request.enrollment_id();
  if (!IsResourceId(id)) {
    return Invalid("ENROLLMENT_ID_INVALID",
                   "enrollment_id is not 1 to 63 of a-z, 0-9, - and _");
  }
  Enrollment enrollment;
  enrollment.name = absl::StrCat("tenants/", ids[0], "/enrollments/", id);
  enrollment.device_name = in.device_name();
  enrollment.completes_by = Now() + kDefaultCompletesBy;
  SP_ASSIGN_OR_RETURN(enrollment.request_key,
                      RequestKey(ids[0], request.request_id()));
  SP_RETURN_IF_ERROR(ApplyProto(in, FieldsSet(in), enrollment));
  SP_RETURN_IF_ERROR(CheckAuthority(enrollment, ids[0]));
  SP_ASSIGN_OR_RETURN(
      EnrollmentWithString made,
      enrollments_.Create(std::move(enrollment),
                          Secret::CopyOf(in.authentication_string()), actor,
                          request.validate_only()));
  if (!request.validate_only()) {
    SP_RETURN_IF_ERROR(trust_.EnsureOwn(ids[0], actor));
  }
  SP_RETURN_IF_ERROR(Fill(made.enrollment, response));
  response.set_authentication_string(std::string(made.string.DangerousText()));
  return absl::OkStatus();
}

absl::Status EnrollmentMethods::Get(const pb::GetEnrollmentRequest& request,
                                    pb::Enrollment& response) {
  SP_RETURN_IF_ERROR(
      ParseName(request.name(), {"tenants", "enrollments"}).status());
  SP_ASSIGN_OR_RETURN(const Enrollment enrollment,
                      enrollments_.Get(request.name()));
  return Fill(enrollment, response);
}

absl::Status EnrollmentMethods::List(const pb::ListEnrollmentsRequest& request,
                                     pb::ListEnrollmentsResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage(request.parent(), request.page_size(), request.page_token()));
  return FillPage<pb::Enrollment>(
      page, request.filter(),
      [this](const Page& part) {
        return ledger_.store().ListEnrollments(part);
      },
      [](const Enrollment& enrollment) { return enrollment.name; },
      [this](Enrollment& enrollment) -> absl::StatusOr<pb::Enrollment> {
        Expire(enrollment, Now());
        pb::Enrollment out;
        SP_RETURN_IF_ERROR(Fill(enrollment, out));
        return out;
      },
      response.mutable_enrollments(), response.mutable_next_page_token());
}

absl::Status EnrollmentMethods::Update(
    const pb::UpdateEnrollmentRequest& request, const std::string& actor,
    pb::Enrollment& response) {
  const pb::Enrollment& in = request.enrollment();
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(in.name(), {"tenants", "enrollments"}));
  absl::StatusOr<Enrollment> found = enrollments_.Get(in.name());
  if (absl::IsNotFound(found.status()) && request.allow_missing()) {
    pb::CreateEnrollmentRequest create;
    create.set_parent(absl::StrCat("tenants/", ids[0]));
    *create.mutable_enrollment() = in;
    create.set_enrollment_id(ids[1]);
    create.set_request_id(request.request_id());
    create.set_validate_only(request.validate_only());
    return Create(create, actor, response);
  }
  SP_ASSIGN_OR_RETURN(Enrollment enrollment, std::move(found));
  SP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(in.etag()));
  if (version != 0 && version != enrollment.version) {
    return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     "it was changed meanwhile");
  }
  std::vector<std::string> fields(request.update_mask().paths().begin(),
                                  request.update_mask().paths().end());
  if (fields.empty()) fields = FieldsSet(in);
  SP_RETURN_IF_ERROR(ApplyProto(in, fields, enrollment));
  if (Holds(fields, "certificate_authority")) {
    SP_RETURN_IF_ERROR(CheckAuthority(enrollment, ids[0]));
  }
  // Any of these begins the operation afresh, and so unlocks it.
  const bool arm = Holds(fields, "operation") ||
                   Holds(fields, "authentication_mode") ||
                   Holds(fields, "authentication_string");
  if (arm && enrollment.operation != Operation::kNone &&
      !Holds(fields, "operation_completes_by_time") &&
      enrollment.mode != AuthenticationMode::kByNullString) {
    enrollment.completes_by = Now() + kDefaultCompletesBy;
  }
  SP_ASSIGN_OR_RETURN(
      const EnrollmentWithString made,
      enrollments_.Update(std::move(enrollment), arm,
                          Secret::CopyOf(in.authentication_string()), actor,
                          request.validate_only()));
  SP_RETURN_IF_ERROR(Fill(made.enrollment, response));
  response.set_authentication_string(std::string(made.string.DangerousText()));
  return absl::OkStatus();
}

absl::Status EnrollmentMethods::Approve(
    const pb::ApproveEnrollmentRequest& request, const std::string& actor,
    pb::Enrollment& response) {
  SP_RETURN_IF_ERROR(
      ParseName(request.name(), {"tenants", "enrollments"}).status());
  SP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  SP_ASSIGN_OR_RETURN(const Enrollment approved,
                      enrollments_.Approve(request.name(), version, actor));
  return Fill(approved, response);
}

absl::Status EnrollmentMethods::Delete(
    const pb::DeleteEnrollmentRequest& request, const std::string& actor) {
  SP_RETURN_IF_ERROR(
      ParseName(request.name(), {"tenants", "enrollments"}).status());
  SP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  const absl::Status status = enrollments_.Delete(
      request.name(), version, actor, request.validate_only());
  if (absl::IsNotFound(status) && request.allow_missing()) {
    return absl::OkStatus();
  }
  return status;
}

}  // namespace sallyport::capf
