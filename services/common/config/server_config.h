// The checks of the part of the configuration that all services share.

#ifndef SALLYPORT_SERVICES_COMMON_CONFIG_SERVER_CONFIG_H_
#define SALLYPORT_SERVICES_COMMON_CONFIG_SERVER_CONFIG_H_

#include <string_view>

#include "google/protobuf/duration.pb.h"
#include "sallyport/common/config/v1/client_config.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/config/config_faults.h"

namespace sallyport {

// True for "host:port" and "[v6]:port" with a port of 0 to 65535.
bool IsListenAddress(std::string_view address);

// Adds a fault unless `duration` is well formed and at least zero.
void CheckDuration(std::string_view field,
                   const google::protobuf::Duration& duration,
                   ConfigFaults* faults);

// Adds every fault of `config`, whose path in the whole is `field` ("server").
// Looks at no file. Pure.
void CheckServerConfig(std::string_view field,
                       const common::config::v1::ServerConfig& config,
                       ConfigFaults* faults);

// The same for a client of another service. An empty target is a fault only if
// `required`.
void CheckClientConfig(std::string_view field,
                       const common::config::v1::ClientConfig& config,
                       bool required, ConfigFaults* faults);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CONFIG_SERVER_CONFIG_H_
