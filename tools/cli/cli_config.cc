#include "tools/cli/cli_config.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "services/common/config/config_faults.h"
#include "services/common/config/config_loader.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::cli {

absl::Status CheckCliConfig(const config::v1::CliConfig& config) {
  ConfigFaults faults;
  faults.Require("tls.certificate_file", config.tls().certificate_file());
  faults.Require("tls.key_file", config.tls().key_file());
  faults.Require("tls.ca_file", config.tls().ca_file());
  faults.Require("trust_domain", config.trust_domain());
  for (int i = 0; i < config.signaling_edges_size(); ++i) {
    faults.Require(absl::StrCat("signaling_edges[", i, "].target"),
                   config.signaling_edges(i).target());
  }
  for (int i = 0; i < config.media_relays_size(); ++i) {
    faults.Require(absl::StrCat("media_relays[", i, "].target"),
                   config.media_relays(i).target());
  }
  return faults.ToStatus();
}

absl::StatusOr<config::v1::CliConfig> LoadCliConfig(const std::string& path) {
  std::string file = path;
  if (file.empty()) {
    const char* const variable = std::getenv(kConfigVariable);
    if (variable != nullptr) file = variable;
  }
  if (file.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CONFIG_NOT_GIVEN",
                     absl::StrCat("say where the services are: --config=FILE "
                                  "or ",
                                  kConfigVariable, "=FILE"));
  }
  config::v1::CliConfig config;
  SP_RETURN_IF_ERROR(LoadConfig(file, &config));
  SP_RETURN_IF_ERROR(CheckCliConfig(config));
  return config;
}

std::string TenantOf(const config::v1::CliConfig& config) {
  return config.tenant().empty() ? "default" : config.tenant();
}

}  // namespace sallyport::cli
