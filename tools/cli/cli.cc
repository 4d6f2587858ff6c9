#include "tools/cli/cli.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "CLI/Validators.hpp"
#include "tools/cli/apply_cmd.h"
#include "tools/cli/audit_cmd.h"
#include "tools/cli/call_cmds.h"
#include "tools/cli/certs_cmd.h"
#include "tools/cli/check_cmd.h"
#include "tools/cli/cli_context.h"
#include "tools/cli/cluster_cmd.h"
#include "tools/cli/collect_cmd.h"
#include "tools/cli/confirmation.h"
#include "tools/cli/console_cmd.h"
#include "tools/cli/copy_cmd.h"
#include "tools/cli/credential_cmds.h"
#include "tools/cli/ctl_cmd.h"
#include "tools/cli/debug_cmd.h"
#include "tools/cli/delete_cmd.h"
#include "tools/cli/diagnose_cmd.h"
#include "tools/cli/diff_cmd.h"
#include "tools/cli/doctor_cmd.h"
#include "tools/cli/enroll_cmd.h"
#include "tools/cli/error_text.h"
#include "tools/cli/evaluate_cmd.h"
#include "tools/cli/events_cmd.h"
#include "tools/cli/exchange_cmd.h"
#include "tools/cli/explain_route_cmd.h"
#include "tools/cli/get_cmd.h"
#include "tools/cli/import_cmd.h"
#include "tools/cli/issue_credential_cmd.h"
#include "tools/cli/list_cmd.h"
#include "tools/cli/login_banner.h"
#include "tools/cli/phones_cmd.h"
#include "tools/cli/process_cmd.h"
#include "tools/cli/security_cmd.h"
#include "tools/cli/service_cmd.h"
#include "tools/cli/sessions_cmd.h"
#include "tools/cli/set_cmd.h"
#include "tools/cli/trust_cmd.h"
#include "tools/cli/verify_cmd.h"
#include "tools/cli/voicemail_cmd.h"

namespace sallyport::cli {

namespace {

bool Names(const std::vector<std::string>& words, std::string_view option) {
  for (const std::string& word : words) {
    if (word == option || word.rfind(std::string(option) + "=", 0) == 0) {
      return true;
    }
  }
  return false;
}

// With the connections of `clients`, if it is given.
int Run(int argc, const char* const* argv,
        std::shared_ptr<ServiceClients> clients, std::ostream& out,
        std::ostream& err) {
  CliContext context(out, err);
  context.UseClients(std::move(clients));
  CLI::App app(
      "Sallyport's command line. Exit codes: 0 done, 1 failed, 2 wrong usage.",
      "sallyport");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--config", context.config_path,
                 "Where the services are, JSON; else SALLYPORT_CONFIG");
  app.add_option("--tenant", context.tenant_option,
                 "Tenant of short names; - for all where a list allows it");
  app.add_option("-o,--output", context.format, "Form of the output")
      ->option_text("table|json|yaml|name")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, OutputFormat>{{"table", OutputFormat::kTable},
                                              {"json", OutputFormat::kJson},
                                              {"yaml", OutputFormat::kYaml},
                                              {"name", OutputFormat::kName}},
          CLI::ignore_case));
  BannerUse banner = BannerUse::kTerminals;
  app.add_option("--banner", banner,
                 "Show the login banner first: at terminals, or else")
      ->option_text("auto|always|never")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, BannerUse>{{"auto", BannerUse::kTerminals},
                                           {"always", BannerUse::kAlways},
                                           {"never", BannerUse::kNever}},
          CLI::ignore_case));
  ConfirmUse confirm = ConfirmUse::kTerminals;
  app.add_option("--confirm", confirm,
                 "Say what a command changes, and ask: at terminals, or else")
      ->option_text("auto|always|never")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, ConfirmUse>{{"auto", ConfirmUse::kTerminals},
                                            {"always", ConfirmUse::kAlways},
                                            {"never", ConfirmUse::kNever}},
          CLI::ignore_case));
  // Options are known before the command's own callback runs.
  app.parse_complete_callback([&] {
    ShowBannerFirst(context, banner);
    ConfirmFirst(app, context, confirm);
  });
  AddApplyCommand(app, context);
  AddDiffCommand(app, context);
  AddImportCommand(app, context);
  AddGetCommand(app, context);
  AddDescribeCommand(app, context);
  AddDeleteCommand(app, context);
  AddSetCommand(app, context);
  AddExplainRouteCommand(app, context);
  AddEvaluateCommand(app, context);
  AddCheckCommand(app, context);
  AddListCommands(app, context);
  AddEventsCommand(app, context);
  AddSessionCommands(app, context);
  AddCallCommands(app, context);
  AddAuditCommand(app, context);
  AddBannerCommand(app, context);
  AddIssueCredentialCommand(app, context);
  AddCredentialCommands(app, context);
  AddEnrollCommand(app, context);
  AddCtlCommand(app, context);
  AddTrustCommand(app, context);
  AddCertsCommand(app, context);
  AddPhonesCommand(app, context);
  AddClusterCommands(app, context);
  AddDoctorCommand(app, context);
  AddSecurityCommands(app, context);
  AddProcessCommands(app, context);
  AddServiceCommand(app, context);
  AddExchangeCommand(app, context);
  AddCopyCommand(app, context);
  AddVoicemailCommand(app, context);
  AddDiagnoseCommand(app, context);
  AddVerifyCommand(app, context);
  AddDebugCommand(app, context);
  const RunWords run = [&context](const std::vector<std::string>& words,
                                  std::ostream& to, std::ostream& faults) {
    const auto shared = context.ShareClients();
    if (!shared.ok()) {
      faults << ErrorText(shared.status());
      return ExitCodeOf(shared.status());
    }
    // What stands before the command may stand in it as well.
    std::vector<std::string> all = {"sallyport", "--banner", "never"};
    if (!context.config_path.empty()) {
      all.insert(all.end(), {"--config", context.config_path});
    }
    if (!context.tenant_option.empty() && !Names(words, "--tenant")) {
      all.insert(all.end(), {"--tenant", context.tenant_option});
    }
    all.insert(all.end(), words.begin(), words.end());
    std::vector<const char*> pointers;
    for (const std::string& word : all) pointers.push_back(word.c_str());
    return Run(static_cast<int>(pointers.size()), pointers.data(), *shared, to,
               faults);
  };
  AddCollectCommand(app, context, run);
  AddConsoleCommand(app, context, run);

  // CLI11 reports by exception; it ends here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kExitOk : kExitUsage;
  }
  if (!context.result.ok()) err << ErrorText(context.result);
  return context.exit_code.value_or(ExitCodeOf(context.result));
}

}  // namespace

int RunCli(int argc, const char* const* argv, std::ostream& out,
           std::ostream& err) {
  return Run(argc, argv, nullptr, out, err);
}

}  // namespace sallyport::cli
