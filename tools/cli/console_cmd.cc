#include "tools/cli/console_cmd.h"

#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/command_words.h"
#include "tools/cli/error_text.h"
#include "tools/cli/line_reader.h"
#include "tools/cli/login_banner.h"

namespace sallyport::cli {
namespace {

constexpr char kPrompt[] = "sallyport> ";

// Commands and options that may follow, where `words` ends.
std::vector<std::string> Continuations(CLI::App& app,
                                       const std::vector<std::string>& words) {
  const CLI::App* at = &app;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    for (const CLI::App* sub : at->get_subcommands(nullptr)) {
      if (!sub->check_name(words[i])) continue;
      at = sub;
      break;
    }
  }
  std::vector<std::string> out;
  for (const CLI::App* sub : at->get_subcommands(nullptr)) {
    out.push_back(sub->get_name());
  }
  if (!words.empty() && !words.back().empty() && words.back()[0] == '-') {
    for (const CLI::App* of : {at, const_cast<const CLI::App*>(&app)}) {
      for (const CLI::Option* option : of->get_options()) {
        for (const std::string& name : option->get_lnames()) {
          out.push_back("--" + name);
        }
      }
    }
  }
  if (at == &app) out.insert(out.end(), {"exit", "help"});
  return out;
}

// Shows the banner before and after the operator has proved who he is. A
// dialplan that does not answer keeps nobody from the other services.
absl::Status SignIn(CliContext& context) {
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, context.Clients());
  SP_ASSIGN_OR_RETURN(const std::string tenant, context.Tenant());
  const absl::StatusOr<std::string> banner = LoginBanner(*clients, tenant);
  const bool shown = banner.ok() && !banner->empty();
  if (shown) {
    SP_RETURN_IF_ERROR(AskForAcknowledgement(*banner, std::cin, context.err()));
  }
  const absl::Status known = AskWhetherKnown(*clients, tenant);
  if (absl::IsUnauthenticated(known) || absl::IsPermissionDenied(known)) {
    return known;
  }
  if (!known.ok()) context.err() << ErrorText(known);
  if (shown) PrintBanner(*banner, context.out());
  context.out() << "Signed in for tenant " << tenant
                << ". help lists the commands, exit leaves.\n"
                << std::flush;
  return absl::OkStatus();
}

absl::Status RunConsole(CLI::App& app, CliContext& context,
                        const RunWords& run) {
  SP_RETURN_IF_ERROR(SignIn(context));
  const bool at_terminal =
      isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
  const std::unique_ptr<LineReader> lines =
      at_terminal
          ? LinesOfTerminal(kPrompt,
                            [&app](const std::vector<std::string>& words) {
                              return Continuations(app, words);
                            })
          : LinesOf(std::cin);
  while (const std::optional<std::string> line = lines->Next()) {
    absl::StatusOr<std::vector<std::string>> words = CommandWords(*line);
    if (words.ok() && words->empty()) continue;
    int code = 0;
    if (!words.ok()) {
      context.err() << ErrorText(words.status());
      code = ExitCodeOf(words.status());
    } else if (words->front() == "exit" || words->front() == "quit") {
      break;
    } else if (words->front() == "console") {
      context.err() << "sallyport: this is the console\n";
      code = kExitUsage;
    } else {
      if (words->front() == "help") {
        words->erase(words->begin());
        words->push_back("--help");
      }
      code = run(*words, context.out(), context.err());
    }
    context.out() << std::flush;
    context.err() << std::flush;
    // Of a file of commands the rest is not to be done when one has failed.
    if (code != 0 && !at_terminal) {
      context.exit_code = code;
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddConsoleCommand(CLI::App& app, CliContext& context, RunWords run) {
  CLI::App* const command = app.add_subcommand(
      "console", "All commands at one prompt, or from a file of lines");
  command->callback([&app, &context, run = std::move(run)] {
    // The console shows it itself, whoever sits there.
    context.before_first_call = nullptr;
    context.result = RunConsole(app, context, run);
  });
}

}  // namespace sallyport::cli
