// The operator's command line, a client of the public API alone.

#include <iostream>
#include <map>
#include <string>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "CLI/Validators.hpp"
#include "services/common/log/log.h"
#include "tools/cli/apply_cmd.h"
#include "tools/cli/cli_context.h"
#include "tools/cli/delete_cmd.h"
#include "tools/cli/doctor_cmd.h"
#include "tools/cli/enroll_cmd.h"
#include "tools/cli/error_text.h"
#include "tools/cli/events_cmd.h"
#include "tools/cli/explain_route_cmd.h"
#include "tools/cli/get_cmd.h"
#include "tools/cli/issue_credential_cmd.h"
#include "tools/cli/list_cmd.h"

int main(int argc, char** argv) {
  using sallyport::cli::OutputFormat;

  // Commands say themselves what went wrong; log lines would repeat it.
  sallyport::LogOptions log;
  log.service = "sallyport";
  log.writer = [](std::string_view) {};
  sallyport::InitLogging(std::move(log));

  sallyport::cli::CliContext context(std::cout, std::cerr);
  CLI::App app(
      "Sallyport's command line. Exit codes: 0 done, 1 failed, "
      "2 wrong usage.",
      "sallyport");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--config", context.config_path,
                 "Where the services are, JSON; else SALLYPORT_CONFIG");
  app.add_option("--tenant", context.tenant_option,
                 "Tenant of short names; - for all where a list allows it");
  app.add_option("-o,--output", context.format, "Form of the output")
      ->option_text("table|json|yaml")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OutputFormat>{{"table", OutputFormat::kTable},
                                              {"json", OutputFormat::kJson},
                                              {"yaml", OutputFormat::kYaml}},
          CLI::ignore_case));
  sallyport::cli::AddApplyCommand(app, context);
  sallyport::cli::AddGetCommand(app, context);
  sallyport::cli::AddDescribeCommand(app, context);
  sallyport::cli::AddDeleteCommand(app, context);
  sallyport::cli::AddExplainRouteCommand(app, context);
  sallyport::cli::AddListCommands(app, context);
  sallyport::cli::AddEventsCommand(app, context);
  sallyport::cli::AddIssueCredentialCommand(app, context);
  sallyport::cli::AddEnrollCommand(app, context);
  sallyport::cli::AddDoctorCommand(app, context);

  // CLI11 reports by exception; it ends here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? sallyport::cli::kExitOk
                                : sallyport::cli::kExitUsage;
  }
  if (!context.result.ok()) {
    std::cerr << sallyport::cli::ErrorText(context.result);
  }
  return sallyport::cli::ExitCodeOf(context.result);
}
