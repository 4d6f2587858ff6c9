#include "tools/cli/import_cmd.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "CLI/Option.hpp"
#include "CLI/Validators.hpp"
#include "absl/strings/str_cat.h"
#include "sallyport/dialplan/v1/import.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/manifest_files.h"
#include "tools/cli/resource_calls.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

struct ImportOptions {
  std::string what;
  std::string file;
  bool dry_run = false;
};

template <typename Request, typename Response>
absl::StatusOr<pb::ImportResult> Import(const Endpoint& endpoint,
                                        const std::string& method,
                                        const std::string& tenant,
                                        const ImportOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string csv, ReadInput(options.file, std::cin));
  Request request;
  request.set_parent(tenant);
  request.set_csv(csv);
  request.set_validate_only(options.dry_run);
  auto answer = CallMethod(endpoint, method, request);
  if (answer.status().code() == absl::StatusCode::kInvalidArgument &&
      !options.dry_run) {
    // The refusal has what fits an error; the dry run has every fault.
    request.set_validate_only(true);
    auto faults = CallMethod(endpoint, method, request);
    if (faults.ok() &&
        static_cast<const Response&>(**faults).result().violations_size() > 0) {
      answer = std::move(faults);
    }
  }
  SP_RETURN_IF_ERROR(answer.status());
  return static_cast<const Response&>(**answer).result();
}

absl::Status RunImport(CliContext& context, const ImportOptions& options) {
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.TenantName());
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const Endpoint endpoint, clients->First("dialplan"));
  SP_ASSIGN_OR_RETURN(
      const pb::ImportResult result,
      options.what == "users"
          ? (Import<pb::ImportUsersRequest, pb::ImportUsersResponse>(
                endpoint, "ImportUsers", tenant, options))
          : (Import<pb::ImportNumbersRequest, pb::ImportNumbersResponse>(
                endpoint, "ImportNumbers", tenant, options)));
  if (result.violations_size() == 0) {
    context.out() << options.what << ": " << result.created() << " created, "
                  << result.updated() << " updated, " << result.unchanged()
                  << " unchanged" << (options.dry_run ? " (dry run)" : "")
                  << "\n";
    return absl::OkStatus();
  }
  std::vector<FieldViolation> violations;
  for (const auto& violation : result.violations()) {
    violations.push_back({violation.field(), violation.description()});
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "IMPORT_REFUSED",
                   absl::StrCat(options.file, ": nothing was imported"),
                   violations);
}

}  // namespace

void AddImportCommand(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<ImportOptions>();
  CLI::App* const command = app.add_subcommand(
      "import", "Creates or updates users or numbers of a CSV, all or none");
  command->add_option("what", options->what, "users or numbers")
      ->required()
      ->check(CLI::IsMember({"users", "numbers"}));
  command
      ->add_option("file", options->file,
                   "CSV in UTF-8 whose first row names fields, - for stdin")
      ->required();
  command->add_flag("--dry-run", options->dry_run,
                    "Validate at the service, store nothing");
  command->callback(
      [&context, options] { context.result = RunImport(context, *options); });
}

}  // namespace sallyport::cli
