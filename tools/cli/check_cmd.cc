#include "tools/cli/check_cmd.h"

#include <string>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "sallyport/dialplan/v1/apply_changes.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/render.h"
#include "tools/cli/service_clients.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

absl::Status RunCheck(CliContext& context) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  const google::protobuf::MethodDescriptor* const method =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          "sallyport.dialplan.v1.DialplanService.ListPlanFindings");
  pb::ListPlanFindingsRequest request;
  request.set_parent(tenant);
  request.set_page_size(1000);
  pb::ListPlanFindingsResponse all;
  do {
    pb::ListPlanFindingsResponse page;
    SP_RETURN_IF_ERROR(CallUnary(endpoint, *method, request, &page));
    all.mutable_findings()->MergeFrom(page.findings());
    all.set_version(page.version());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  if (context.format != OutputFormat::kTable) {
    context.out() << RenderOne(all, context.format, "");
  } else if (all.findings().empty()) {
    context.out() << "Nothing to say of version " << all.version() << ".\n";
  } else {
    Table table({"RESOURCE", "FIELD", "REASON", "WHAT"});
    for (const pb::PlanFinding& finding : all.findings()) {
      table.AddRow({finding.resource(), finding.field(), finding.reason(),
                    finding.description()});
    }
    context.out() << table.ToString();
  }
  if (all.findings().empty()) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition, "PLAN_HAS_FINDINGS",
      absl::StrCat(all.findings_size(), " things are most likely not meant"));
}

}  // namespace

void AddCheckCommand(CLI::App& app, CliContext& context) {
  CLI::App* const command = app.add_subcommand(
      "check",
      "Lists what in the plan is most likely not meant: patterns that no call "
      "reaches, pilots whose number nothing takes");
  command->callback([&context] { context.result = RunCheck(context); });
}

}  // namespace sallyport::cli
