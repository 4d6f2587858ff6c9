#include "tools/cli/phones_cmd.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "CLI/Option.hpp"
#include "CLI/Validators.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sallyport/capf/v1/certificate.pb.h"
#include "sallyport/capf/v1/enrollment.pb.h"
#include "sallyport/signaling_edge/v1/connection.pb.h"
#include "sallyport/signaling_edge/v1/registration.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/capf_call.h"
#include "tools/cli/field_text.h"
#include "tools/cli/resource_calls.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace edge_pb = ::sallyport::signaling_edge::v1;
namespace pb = ::sallyport::capf::v1;
using Stub = pb::CapfService::Stub;

struct PhonesOptions {
  std::vector<std::string> devices;
  std::string operation = "install";
  std::string mode = "string";
  std::string completes_by;
  std::string model;
  std::string authority;
  bool approval = false;
};

// In the documents' words, as StatusName() has them.
std::string Status(const pb::Enrollment& phone) {
  std::string text = FieldText(phone, "status");
  if (phone.approval_required() && !phone.approved()) text += ", not approved";
  if (phone.locked()) text += ", locked";
  return text;
}

// Of the LSC: when it ends, if it has not ended.
std::string Expires(const pb::Enrollment& phone,
                    const std::set<std::string>& revoked) {
  return revoked.contains(phone.lsc().serial())
             ? "revoked"
             : FieldText(phone, "lsc.not_after_time");
}

void AddRow(const pb::Enrollment& phone, Table& table,
            const std::set<std::string>& revoked = {}) {
  table.AddRow({phone.device_name(), FieldText(phone, "operation"),
                FieldText(phone, "authentication_mode"), Status(phone),
                FieldText(phone, "operation_completes_by_time"),
                phone.lsc().serial(), Expires(phone, revoked),
                phone.authentication_string()});
}

// Serials of phones' certificates that are no longer good: an operator revokes
// one without its phone, which goes on showing it.
absl::StatusOr<std::set<std::string>> RevokedSerials(
    CliContext& context, const std::string& tenant) {
  std::set<std::string> serials;
  pb::ListCertificatesRequest request;
  request.set_parent(tenant);
  request.set_page_size(1000);
  request.set_filter(
      "state = CERTIFICATE_STATE_REVOKED AND profile = "
      "CERTIFICATE_PROFILE_LSC");
  while (true) {
    SP_ASSIGN_OR_RETURN(const auto page,
                        CallCapf<pb::ListCertificatesResponse>(
                            context, &Stub::ListCertificates, request));
    for (const pb::Certificate& one : page.certificates()) {
      serials.insert(one.summary().serial());
    }
    if (page.next_page_token().empty()) return serials;
    request.set_page_token(page.next_page_token());
  }
}

Table PhoneTable() {
  return Table({"DEVICE", "OPERATION", "AUTHENTICATION", "STATUS",
                "COMPLETES BY", "LSC", "EXPIRES", "STRING"});
}

absl::Status List(CliContext& context, const PhonesOptions&) {
  SP_RETURN_IF_ERROR(context.Clients().status());
  pb::ListEnrollmentsRequest request;
  SP_ASSIGN_OR_RETURN(*request.mutable_parent(), context.TenantName());
  request.set_page_size(1000);
  Table table = PhoneTable();
  std::set<std::string> revoked;
  if (context.format == OutputFormat::kTable) {
    SP_ASSIGN_OR_RETURN(revoked, RevokedSerials(context, request.parent()));
  }
  while (true) {
    SP_ASSIGN_OR_RETURN(const auto page,
                        CallCapf<pb::ListEnrollmentsResponse>(
                            context, &Stub::ListEnrollments, request));
    for (const pb::Enrollment& phone : page.enrollments()) {
      if (context.format != OutputFormat::kTable) {
        context.out() << RenderOne(phone, context.format, "");
      } else {
        AddRow(phone, table, revoked);
      }
    }
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

// CCE-54: the same for a list of devices.
absl::Status Set(CliContext& context, const PhonesOptions& options) {
  static const auto* const operations =
      new std::map<std::string, pb::CertificateOperation>{
          {"none", pb::CERTIFICATE_OPERATION_NO_PENDING_OPERATION},
          {"install", pb::CERTIFICATE_OPERATION_INSTALL_UPGRADE},
          {"delete", pb::CERTIFICATE_OPERATION_DELETE},
          {"troubleshoot", pb::CERTIFICATE_OPERATION_TROUBLESHOOT}};
  static const auto* const modes =
      new std::map<std::string, pb::AuthenticationMode>{
          {"string", pb::AUTHENTICATION_MODE_AUTHENTICATION_STRING},
          {"null", pb::AUTHENTICATION_MODE_NULL_STRING},
          {"lsc", pb::AUTHENTICATION_MODE_EXISTING_CERTIFICATE_LSC},
          {"mic", pb::AUTHENTICATION_MODE_EXISTING_CERTIFICATE_MIC}};
  pb::Enrollment wanted;
  wanted.set_operation(operations->at(options.operation));
  wanted.set_authentication_mode(modes->at(options.mode));
  wanted.set_approval_required(options.approval);
  if (!options.authority.empty()) {
    wanted.set_certificate_authority("certificateAuthorities/" +
                                     options.authority);
  }
  if (!options.completes_by.empty()) {
    absl::Time time;
    std::string error;
    // CCE-50: the documents' form, YYYY:MM:DD:HH, is taken too.
    if (!absl::ParseTime(absl::RFC3339_full, options.completes_by, &time,
                         &error) &&
        !absl::ParseTime("%Y:%m:%d:%H", options.completes_by,
                         absl::UTCTimeZone(), &time, &error)) {
      return MakeError(absl::StatusCode::kInvalidArgument, "TIME_INVALID",
                       "--completes-by is YYYY:MM:DD:HH or RFC 3339");
    }
    *wanted.mutable_operation_completes_by_time() = ToProto(time);
  }
  Table table = PhoneTable();
  for (const std::string& device : options.devices) {
    pb::UpdateEnrollmentRequest request;
    *request.mutable_enrollment() = wanted;
    request.mutable_enrollment()->set_device_name(device);
    SP_ASSIGN_OR_RETURN(
        *request.mutable_enrollment()->mutable_name(),
        FullName(context, "enrollments", absl::AsciiStrToLower(device)));
    request.set_allow_missing(true);
    SP_ASSIGN_OR_RETURN(
        const auto phone,
        CallCapf<pb::Enrollment>(context, &Stub::UpdateEnrollment, request));
    AddRow(phone, table);
  }
  context.out() << table.ToString();
  return absl::OkStatus();
}

// Decides with which digest the phones' files are signed.
absl::Status SetModel(CliContext& context, const PhonesOptions& options) {
  for (const std::string& device : options.devices) {
    pb::UpdateEnrollmentRequest request;
    SP_ASSIGN_OR_RETURN(
        *request.mutable_enrollment()->mutable_name(),
        FullName(context, "enrollments", absl::AsciiStrToLower(device)));
    request.mutable_enrollment()->set_model(options.model);
    request.mutable_update_mask()->add_paths("model");
    SP_ASSIGN_OR_RETURN(
        const auto phone,
        CallCapf<pb::Enrollment>(context, &Stub::UpdateEnrollment, request));
    context.out() << phone.device_name() << ": " << phone.model() << "\n";
  }
  return absl::OkStatus();
}

// CCE-52: what a phone holds at the edges is ended, so that it registers anew
// with what is configured now.
absl::Status Reset(CliContext& context, const PhonesOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint dialplan, clients->First("dialplan"));
  SP_ASSIGN_OR_RETURN(const std::vector<Endpoint> edges,
                      clients->All("signaling_edge"));
  const ResourceKind& registration_kind = *FindKind("registration");
  for (const std::string& device : options.devices) {
    SP_ASSIGN_OR_RETURN(
        const ResourceList phones,
        ListResources(dialplan, *FindKind("phone"), tenant,
                      absl::StrCat("device_name = \"", device, "\""), 1));
    if (phones.empty()) {
      return MakeError(absl::StatusCode::kNotFound, "PHONE_NOT_FOUND",
                       absl::StrCat("there is no phone ", device));
    }
    const std::string& phone = NameOf(*phones[0]);
    int registrations = 0;
    int connections = 0;
    for (const Endpoint& edge : edges) {
      SP_ASSIGN_OR_RETURN(
          const ResourceList held,
          ListResources(edge, registration_kind, tenant, "", 0));
      for (const auto& one : held) {
        const auto& row = dynamic_cast<const edge_pb::Registration&>(*one);
        if (row.phone() != phone) continue;
        SP_RETURN_IF_ERROR(DeleteResource(edge, registration_kind, row.name(),
                                          /*allow_missing=*/true, false)
                               .status());
        ++registrations;
      }
      SP_ASSIGN_OR_RETURN(
          const ResourceList open,
          ListResources(edge, *FindKind("connection"), tenant, "", 0));
      for (const auto& one : open) {
        const auto& row = dynamic_cast<const edge_pb::Connection&>(*one);
        if (row.phone() != phone) continue;
        edge_pb::CloseConnectionRequest request;
        request.set_name(row.name());
        SP_RETURN_IF_ERROR(
            CallMethod(edge, "CloseConnection", request).status());
        ++connections;
      }
    }
    context.out() << device << ": " << registrations << " registrations and "
                  << connections << " connections ended\n";
  }
  return absl::OkStatus();
}

absl::Status Approve(CliContext& context, const PhonesOptions& options) {
  for (const std::string& device : options.devices) {
    pb::ApproveEnrollmentRequest request;
    SP_ASSIGN_OR_RETURN(
        *request.mutable_name(),
        FullName(context, "enrollments", absl::AsciiStrToLower(device)));
    SP_ASSIGN_OR_RETURN(
        const auto phone,
        CallCapf<pb::Enrollment>(context, &Stub::ApproveEnrollment, request));
    context.out() << "approved: " << phone.device_name() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddPhonesCommand(CLI::App& app, CliContext& context) {
  CLI::App* const phones =
      app.add_subcommand("phones", "The certificate operation of phones");
  phones->require_subcommand(1);
  const auto options = std::make_shared<PhonesOptions>();
  const auto add = [&](const char* name, const char* help,
                       absl::Status (*run)(CliContext&, const PhonesOptions&)) {
    CLI::App* const command = phones->add_subcommand(name, help);
    command->callback(
        [&context, options, run] { context.result = run(context, *options); });
    return command;
  };
  add("list", "Every phone with its operation, status and LSC", List);
  CLI::App* const set =
      add("set", "Set an operation; the strings are told once", Set);
  set->add_option("devices", options->devices, "SEP...")->required();
  set->add_option("--operation", options->operation,
                  "none, install, delete or troubleshoot")
      ->check(CLI::IsMember({"none", "install", "delete", "troubleshoot"}));
  set->add_option("--by", options->mode,
                  "How phones prove themselves: string, null, lsc or mic")
      ->check(CLI::IsMember({"string", "null", "lsc", "mic"}));
  set->add_option("--completes-by", options->completes_by,
                  "YYYY:MM:DD:HH, UTC");
  set->add_option("--authority", options->authority,
                  "Id of the authority that the LSC is to be by");
  set->add_flag("--approval", options->approval,
                "Sign only after `phones approve`");
  CLI::App* const model = add("model", "Say what model phones are", SetModel);
  model->add_option("model", options->model, "CP-8861")->required();
  model->add_option("devices", options->devices, "SEP...")->required();
  add("reset", "End what phones hold at the edges; they register anew", Reset)
      ->add_option("devices", options->devices, "SEP...")
      ->required();
  add("approve", "Say yes to the pending operation", Approve)
      ->add_option("devices", options->devices, "SEP...")
      ->required();
}

}  // namespace sallyport::cli
