// The login banner of a tenant: legal warnings and duties, shown before the
// first command of an operator's session (IMP-01 to IMP-06).

#ifndef SALLYPORT_TOOLS_CLI_LOGIN_BANNER_H_
#define SALLYPORT_TOOLS_CLI_LOGIN_BANNER_H_

#include <istream>
#include <ostream>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/cli/cli_context.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

// Whether a command shows it.
enum class BannerUse {
  kTerminals,  // if somebody sits at a terminal
  kAlways,
  kNever,
};

// As dialplan has it for the tenant, else for the tenant "default", whose text
// stands for the installation's. Empty: there is none, or nobody tells.
absl::StatusOr<std::string> LoginBanner(ServiceClients& clients,
                                        const std::string& tenant);

// OK if dialplan takes the operator for somebody who may read the tenant, or
// has no such tenant; else what it said.
absl::Status AskWhetherKnown(ServiceClients& clients,
                             const std::string& tenant);

// `text` as it is, without any markup; control characters shown harmlessly.
void PrintBanner(const std::string& text, std::ostream& out);

// What remembers that a session has acknowledged a text: a file of mode 0600 in
// the user's runtime folder, by terminal session and text.
class BannerSeal {
 public:
  // The session that this process belongs to.
  explicit BannerSeal(const std::string& text);

  bool IsBroken() const;  // it was acknowledged
  void Break() const;

 private:
  std::string file_;  // empty: there is no folder to keep it in
};

// Shows `text` as it is, without any markup, and asks. FAILED_PRECONDITION,
// reason BANNER_NOT_ACKNOWLEDGED, unless the answer is "y".
absl::Status AskForAcknowledgement(const std::string& text, std::istream& in,
                                   std::ostream& out);

// Has `context` do that before the first call to a service.
void ShowBannerFirst(CliContext& context, BannerUse use);

// The banner that a file holds: lines end in \n, none at its end. Refused as
// INVALID_ARGUMENT, reason BANNER_NOT_TEXT: what is not UTF-8, or has control
// characters. How long it may be is dialplan's to say.
absl::StatusOr<std::string> BannerFromFile(const std::string& content);

// `sallyport banner`: the text again. `banner set FILE`, `banner remove`: of
// the tenant, or with --installation of all tenants without one.
void AddBannerCommand(CLI::App& app, CliContext& context);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_LOGIN_BANNER_H_
