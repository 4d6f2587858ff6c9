#include "tools/cli/cli_context.h"

#include <utility>

#include "services/common/status/status_macros.h"
#include "tools/cli/cli_config.h"

namespace sallyport::cli {

absl::StatusOr<ServiceClients*> CliContext::Clients() {
  if (clients_ == nullptr) {
    SP_ASSIGN_OR_RETURN(const config::v1::CliConfig config,
                        LoadCliConfig(config_path));
    SP_ASSIGN_OR_RETURN(clients_, ServiceClients::Create(config));
  }
  if (before_first_call) {
    SP_RETURN_IF_ERROR(before_first_call(
        *clients_,
        tenant_option.empty() ? TenantOf(clients_->config()) : tenant_option));
    before_first_call = nullptr;
  }
  return clients_.get();
}

absl::StatusOr<std::shared_ptr<ServiceClients>> CliContext::ShareClients() {
  SP_RETURN_IF_ERROR(Clients().status());
  return clients_;
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
