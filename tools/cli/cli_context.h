// What every command is given: the global options, where to print, and the
// services.

#ifndef SALLYPORT_TOOLS_CLI_CLI_CONTEXT_H_
#define SALLYPORT_TOOLS_CLI_CLI_CONTEXT_H_

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/cli/render.h"
#include "tools/cli/service_clients.h"

namespace sallyport::cli {

// Thread-compatible.
class CliContext {
 public:
  CliContext(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

  // Global options, set before a command runs.
  std::string config_path;
  std::string tenant_option;
  OutputFormat format = OutputFormat::kTable;

  // Called with the services and the tenant when a command asks for them
  // first; an error ends the command. May be null.
  std::function<absl::Status(ServiceClients&, const std::string&)>
      before_first_call;

  // What the command came to.
  absl::Status result;
  // Where that says too little; else that of `result`.
  std::optional<int> exit_code;

  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }

  // Reads the configuration when first asked.
  absl::StatusOr<ServiceClients*> Clients();
  // The same for a command that works with another's connections.
  absl::StatusOr<std::shared_ptr<ServiceClients>> ShareClients();
  void UseClients(std::shared_ptr<ServiceClients> clients) {
    clients_ = std::move(clients);
  }
  // --tenant, else the configured one. Needs Clients().
  absl::StatusOr<std::string> Tenant();
  // "tenants/<tenant>".
  absl::StatusOr<std::string> TenantName();

 private:
  std::ostream& out_;
  std::ostream& err_;
  std::shared_ptr<ServiceClients> clients_;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CLI_CONTEXT_H_
