#include "services/capf/rpc/procedure_methods.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/capf/core/procedure.h"
#include "services/capf/rpc/capf_convert.h"
#include "services/capf/rpc/list_page.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

pb::Procedure ToProto(const Procedure& in) {
  pb::Procedure out;
  out.set_name(in.name);
  // The numbers are the same on both sides.
  out.set_kind(static_cast<pb::ProcedureKind>(in.kind));
  out.set_state(static_cast<pb::ProcedureState>(in.state));
  for (const ProcedureStep& step : in.steps) {
    pb::ProcedureStep& row = *out.add_steps();
    row.set_title(step.title);
    row.set_done(step.done);
    row.set_detail(step.detail);
    if (step.done)
      *row.mutable_done_time() = ::sallyport::ToProto(step.done_time);
  }
  out.set_blocked_reason(in.blocked_reason);
  *out.mutable_create_time() = ::sallyport::ToProto(in.create_time);
  *out.mutable_update_time() = ::sallyport::ToProto(in.update_time);
  out.set_etag(absl::StrCat(in.version));
  if (!in.authority.empty()) {
    out.set_certificate_authority("certificateAuthorities/" + in.authority);
  }
  out.set_automatic(in.automatic);
  return out;
}

absl::Status CheckCaller(ProcedureKind kind, const ProcedureCaller& caller) {
  if (!IsForInstallation(kind) || caller.of_all_tenants) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kPermissionDenied,
                   "INSTALLATION_ADMIN_REQUIRED",
                   "this takes an administrator of all tenants");
}

absl::Status CheckName(const std::string& name) {
  return ParseName(name, {"tenants", "procedures"}).status();
}

}  // namespace

absl::Status ProcedureMethods::Create(const pb::CreateProcedureRequest& request,
                                      const ProcedureCaller& caller,
                                      pb::Procedure& response) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      ParseName(request.parent(), {"tenants"}));
  const auto kind = static_cast<ProcedureKind>(request.procedure().kind());
  if (request.procedure().kind() == pb::PROCEDURE_KIND_UNSPECIFIED) {
    return MakeError(absl::StatusCode::kInvalidArgument, "KIND_REQUIRED",
                     "kind is required");
  }
  if (StepsOf(kind).empty()) {
    return MakeError(absl::StatusCode::kUnimplemented, "NOT_IMPLEMENTED",
                     "this kind of procedure is not implemented");
  }
  if (!IsResourceId(request.procedure_id())) {
    return MakeError(absl::StatusCode::kInvalidArgument, "PROCEDURE_ID_INVALID",
                     "procedure_id is not 1 to 63 of a-z, 0-9, - and _");
  }
  SP_RETURN_IF_ERROR(CheckCaller(kind, caller));
  std::string authority;
  if (const std::string& name = request.procedure().certificate_authority();
      !name.empty()) {
    if (kind != ProcedureKind::kAuthorityRotation) {
      return MakeError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                       "certificate_authority goes with a rotation");
    }
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> parts,
                        ParseName(name, {"certificateAuthorities"}));
    authority = parts[0];
  }
  SP_ASSIGN_OR_RETURN(const std::string request_key,
                      RequestKey(ids[0], request.request_id()));
  SP_ASSIGN_OR_RETURN(
      const Procedure made,
      runner_.Create(absl::StrCat("tenants/", ids[0], "/procedures/",
                                  request.procedure_id()),
                     ids[0], kind, authority, request_key, caller.actor,
                     request.validate_only(), request.procedure().automatic()));
  response = ToProto(made);
  if (made.automatic && !request.validate_only()) GoOn(response);
  return absl::OkStatus();
}

absl::Status ProcedureMethods::Get(const pb::GetProcedureRequest& request,
                                   pb::Procedure& response) {
  SP_RETURN_IF_ERROR(CheckName(request.name()));
  SP_ASSIGN_OR_RETURN(const Procedure found, runner_.Get(request.name()));
  response = ToProto(found);
  if (found.automatic && runner_.last_look() != absl::InfinitePast()) {
    *response.mutable_look_time() = ::sallyport::ToProto(runner_.last_look());
  }
  return absl::OkStatus();
}

// What can be done is done at once; the answer says how far it came.
void ProcedureMethods::GoOn(pb::Procedure& response) {
  runner_.GoOn();
  const absl::StatusOr<Procedure> now = runner_.Get(response.name());
  if (now.ok()) response = ToProto(*now);
}

absl::Status ProcedureMethods::Update(const pb::UpdateProcedureRequest& request,
                                      const ProcedureCaller& caller,
                                      pb::Procedure& response) {
  const pb::Procedure& wanted = request.procedure();
  SP_RETURN_IF_ERROR(CheckName(wanted.name()));
  const auto& paths = request.update_mask().paths();
  if (!paths.empty() && (paths.size() != 1 || paths[0] != "automatic")) {
    return MakeError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                     "of a procedure only automatic can be changed");
  }
  SP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(wanted.etag()));
  SP_ASSIGN_OR_RETURN(const Procedure found, runner_.Get(wanted.name()));
  SP_RETURN_IF_ERROR(CheckCaller(found.kind, caller));
  SP_ASSIGN_OR_RETURN(const Procedure done,
                      runner_.SetAutomatic(wanted.name(), version,
                                           wanted.automatic(), caller.actor));
  response = ToProto(done);
  if (done.automatic) GoOn(response);
  return absl::OkStatus();
}

absl::Status ProcedureMethods::List(const pb::ListProceduresRequest& request,
                                    pb::ListProceduresResponse& response) {
  SP_ASSIGN_OR_RETURN(
      const Page page,
      ReadPage(request.parent(), request.page_size(), request.page_token()));
  return FillPage<pb::Procedure>(
      page, request.filter(),
      [this](const Page& part) { return ledger_.store().ListProcedures(part); },
      [](const Procedure& one) { return one.name; },
      [](const Procedure& one) {
        return absl::StatusOr<pb::Procedure>(ToProto(one));
      },
      response.mutable_procedures(), response.mutable_next_page_token());
}

absl::Status ProcedureMethods::Advance(
    const pb::AdvanceProcedureRequest& request, const ProcedureCaller& caller,
    pb::Procedure& response) {
  SP_RETURN_IF_ERROR(CheckName(request.name()));
  SP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag()));
  if (version == 0) {
    return MakeError(absl::StatusCode::kInvalidArgument, "ETAG_REQUIRED",
                     "etag is required, so that no step is taken unseen");
  }
  SP_ASSIGN_OR_RETURN(const Procedure found, runner_.Get(request.name()));
  SP_RETURN_IF_ERROR(CheckCaller(found.kind, caller));
  SP_ASSIGN_OR_RETURN(const Procedure done,
                      runner_.Advance(request.name(), version, caller.actor));
  response = ToProto(done);
  return absl::OkStatus();
}

absl::Status ProcedureMethods::Cancel(const pb::CancelProcedureRequest& request,
                                      const ProcedureCaller& caller,
                                      pb::Procedure& response) {
  SP_RETURN_IF_ERROR(CheckName(request.name()));
  SP_ASSIGN_OR_RETURN(const Procedure found, runner_.Get(request.name()));
  SP_RETURN_IF_ERROR(CheckCaller(found.kind, caller));
  SP_ASSIGN_OR_RETURN(const Procedure done,
                      runner_.Cancel(request.name(), caller.actor));
  response = ToProto(done);
  return absl::OkStatus();
}

}  // namespace sallyport::capf
