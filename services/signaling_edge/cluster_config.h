// What the configuration says of other edges, and of the keys that all share.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CLUSTER_CONFIG_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CLUSTER_CONFIG_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "sallyport/signaling_edge/config/v1/signaling_edge_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/dialog_token.h"
#include "services/signaling_edge/io/cluster_hub.h"

namespace sallyport::signaling_edge {

// Adds every fault of `cluster` and of what it needs. Looks at no file. Pure.
void CheckCluster(const config::v1::SignalingEdgeConfig& config,
                  ConfigFaults* faults);

std::string EdgeIdOf(const config::v1::SignalingEdgeConfig& config,
                     const std::string& instance);

// Those of token_key_file, or fresh ones; see there. An error if the file
// cannot be read, or written, or holds no key.
absl::StatusOr<std::shared_ptr<const TokenKeys>> TokenKeysOf(
    const config::v1::SignalingEdgeConfig& config, RandomSource& random);

// All but who listens to it; nullopt when there are no other edges. An error
// if a file of `server` is unusable.
absl::StatusOr<std::optional<ClusterHub::Options>> ClusterOptionsOf(
    const config::v1::SignalingEdgeConfig& config);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CLUSTER_CONFIG_H_
