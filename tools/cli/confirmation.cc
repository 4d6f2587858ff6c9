#include "tools/cli/confirmation.h"

#include <unistd.h>

#include <array>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "CLI/Option.hpp"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::cli {
namespace {

struct Effect {
  std::string_view command;
  std::string_view words;
};

constexpr Effect kEffects[] = {
    {"apply",
     "writes configuration; every edge works by it within a second, and peers "
     "and phones that it no longer lets in lose their connections"},
    {"import", "writes users or lines, which are in force within a second"},
    {"copy", "makes a new resource of the configuration"},
    {"delete",
     "deletes resources for good; what they stand for ends: a peer's "
     "connections, a user's registrations, a session's media"},
    {"end-call", "ends a call of two parties who are talking"},
    {"drain",
     "takes an instance out of work; what is live at the timeout is ended"},
    {"revoke",
     "revokes certificates for good; edges refuse them within "
     "seconds"},
    {"revoke-credential", "ends a credential and its allocations"},
    {"revoke-user", "ends all credentials of a user and their allocations"},
    {"rotate-key", "makes a new key of credentials"},
    {"revoke-key",
     "ends every credential that a key has made, and their allocations"},
    {"trust add", "has peers or phones trusted that were not"},
    {"trust remove",
     "takes trust away; connections that need it are closed at once"},
    {"ctl publish", "gives phones a new trust list"},
    {"ctl purge",
     "deletes the cached list: the port group loads it anew when it connects "
     "next"},
    {"cluster set", "tells phones of other call managers"},
    {"phones set", "changes what phones are asked to do when they come"},
    {"phones approve", "has certificates of phones signed"},
    {"phones reset",
     "ends what phones hold at the edges, and with it their calls' signaling; "
     "they register anew"},
    {"phones model", "changes how files of phones are signed"},
    {"exchange import", "has a peer trusted that was not"},
    {"exchange sip-security", "changes what a peer may do and must prove"},
    {"service restart",
     "ends a service's work and begins it anew; calls that are live after its "
     "drain timeout end"},
    {"service stop",
     "ends a service's work until somebody starts it; calls that are live "
     "after its drain timeout end"},
    {"service start", "has a stopped service work again"},
    {"service activate",
     "has a stopped service work again, or puts into force how TLS is spoken "
     "with peers"},
    {"voicemail add-ports",
     "makes lines and ports, which may register at once"},
    {"voicemail encryption enable",
     "lets port groups of voicemail be encrypted"},
    {"voicemail encryption disable",
     "forbids encrypted port groups of voicemail"},
    {"debug tls", "changes what the edges log of each TLS handshake"},
};

// The command and its subcommands, with the last one.
std::pair<std::string, const CLI::App*> CommandOf(const CLI::App& app) {
  std::string name;
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    absl::StrAppend(&name, name.empty() ? "" : " ", at->get_name());
  }
  return {name, at};
}

bool IsSet(const CLI::App& command, const char* option) {
  const CLI::Option* const found = command.get_option_no_throw(option);
  return found != nullptr && found->count() > 0;
}

}  // namespace

std::string EffectOf(const std::string& command) {
  for (const Effect& effect : kEffects) {
    if (effect.command == command) return std::string(effect.words);
  }
  return "";
}

absl::Status AskForConfirmation(const std::string& effect, std::istream& in,
                                std::ostream& out) {
  out << "This " << effect << ".\nContinue? (y/n): " << std::flush;
  std::string answer;
  std::getline(in, answer);
  if (answer == "y") return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_CONFIRMED",
                   "nothing was changed");
}

void ConfirmFirst(const CLI::App& app, CliContext& context, ConfirmUse use) {
  if (use == ConfirmUse::kNever ||
      (use == ConfirmUse::kTerminals &&
       (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0))) {
    return;
  }
  const auto [name, command] = CommandOf(app);
  const std::string effect = EffectOf(name);
  if (effect.empty() || IsSet(*command, "--dry-run") ||
      IsSet(*command, "--yes")) {
    return;
  }
  context.before_first_call =
      [&context, effect, banner = std::move(context.before_first_call)](
          ServiceClients& clients, const std::string& tenant) -> absl::Status {
    if (banner != nullptr) SP_RETURN_IF_ERROR(banner(clients, tenant));
    return AskForConfirmation(effect, std::cin, context.err());
  };
}

}  // namespace sallyport::cli
