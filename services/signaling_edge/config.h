// The configuration of signaling_edge as its parts take it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CONFIG_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CONFIG_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sallyport/signaling_edge/config/v1/signaling_edge_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/rpc/grpc_loop_client.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/io/config_feed.h"
#include "services/signaling_edge/io/credential_client.h"
#include "services/signaling_edge/io/host_resolver.h"
#include "services/signaling_edge/io/listener_set.h"
#include "services/signaling_edge/io/media_client.h"
#include "services/signaling_edge/io/redis_client.h"
#include "services/signaling_edge/io/tls_contexts.h"
#include "services/signaling_edge/io/trust_bundle.h"

namespace sallyport::signaling_edge {

// Adds every fault of what is not `server`. Looks at no file. Pure.
void ValidateConfig(const config::v1::SignalingEdgeConfig& config,
                    ConfigFaults* faults);

// Of a valid configuration, with the defaults filled in.
size_t LoopsOf(const config::v1::SignalingEdgeConfig& config);
EdgeOptions CoreOptionsOf(const config::v1::SignalingEdgeConfig& config);
std::vector<ListenerSpec> ListenersOf(
    const config::v1::SignalingEdgeConfig& config);
HostResolver::Options HostsOf(const config::v1::SignalingEdgeConfig& config);
TlsFileSet TlsFilesOf(const config::v1::SignalingEdgeConfig& config);
bool HasTls(const config::v1::SignalingEdgeConfig& config);

// Reads the files of static_trust. NOT_FOUND, PERMISSION_DENIED or
// INVALID_ARGUMENT if one is unusable.
absl::StatusOr<StaticTrustStores> StaticTrustOf(
    const config::v1::SignalingEdgeConfig& config);

// `instance` is who we are to the relays.
MediaClient::Options MediaOptionsOf(
    const config::v1::SignalingEdgeConfig& config, const std::string& instance);
// What the relays are called by, in the same order, by the identity in
// `server`; to dialplan and to capf there are channels. INVALID_ARGUMENT if the
// files of `server` are unusable.
absl::StatusOr<std::unique_ptr<GrpcLoopClient>> MediaCallsOf(
    const config::v1::SignalingEdgeConfig& config);
absl::StatusOr<ConfigFeed::Options> FeedOptionsOf(
    const config::v1::SignalingEdgeConfig& config, const std::string& instance);
// Reads the files of `registry`; nothing when registrations are not shared.
absl::StatusOr<std::optional<RedisClient::Options>> RegistryOptionsOf(
    const config::v1::SignalingEdgeConfig& config);
// The same to credential_issuer; null without one.
absl::StatusOr<std::unique_ptr<CredentialClient>> CredentialClientOf(
    const config::v1::SignalingEdgeConfig& config);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CONFIG_H_
