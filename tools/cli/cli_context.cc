#include "tools/cli/cli_context.h"

#include "services/common/status/status_macros.h"
#include "tools/cli/cli_config.h"

namespace sallyport::cli {

absl::StatusOr<ServiceClients*> CliContext::Clients() {
  if (clients_ == nullptr) {
    SP_ASSIGN_OR_RETURN(const config::v1::CliConfig config,
                        LoadCliConfig(config_path));
    SP_ASSIGN_OR_RETURN(clients_, ServiceClients::Create(config));
  }
  return clients_.get();
}

absl::StatusOr<std::string> CliContext::Tenant() {
  if (!tenant_option.empty()) return tenant_option;
  SP_ASSIGN_OR_RETURN(ServiceClients* const clients, Clients());
  return TenantOf(clients->config());
}

absl::StatusOr<std::string> CliContext::TenantName() {
  SP_ASSIGN_OR_RETURN(const std::string tenant, Tenant());
  return "tenants/" + tenant;
}

}  // namespace sallyport::cli
