// Reads the configuration file of the command line.

#ifndef SALLYPORT_TOOLS_CLI_CLI_CONFIG_H_
#define SALLYPORT_TOOLS_CLI_CLI_CONFIG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sallyport/cli/config/v1/cli_config.pb.h"

namespace sallyport::cli {

// The environment variable that names the file when --config does not.
inline constexpr char kConfigVariable[] = "SALLYPORT_CONFIG";

// Loads `path`, or the file that kConfigVariable names if `path` is empty.
// FAILED_PRECONDITION, CONFIG_NOT_GIVEN, if there is neither; else the errors
// of LoadConfig and CheckCliConfig.
absl::StatusOr<config::v1::CliConfig> LoadCliConfig(const std::string& path);

// All faults at once; fills in nothing. Pure.
absl::Status CheckCliConfig(const config::v1::CliConfig& config);

// The configured tenant, "default" if there is none.
std::string TenantOf(const config::v1::CliConfig& config);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CLI_CONFIG_H_
