// What the configuration file says, checked and turned into the core's terms.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CONFIG_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CONFIG_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sallyport/media_relay/config/v1/media_relay_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/media_relay/io/advertised_addresses.h"
#include "services/media_relay/io/key_client.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/io/turn_stream_front.h"

namespace sallyport::media_relay {

// Every fault of what is not `server`, all at once. Pure.
void ValidateConfig(const config::v1::MediaRelayConfig& config,
                    ConfigFaults* faults);

// The same with what the environment has where addresses say "env:NAME";
// INVALID_ARGUMENT with CONFIG_INVALID when it has none.
absl::Status ExpandAddresses(config::v1::MediaRelayConfig* config);

// As if the configuration said so of the external addresses, whatever else it
// says of them; empty: changes nothing.
void AdvertiseInstead(const std::vector<std::string>& addresses,
                      config::v1::MediaRelayConfig* config);

// How it is learnt what clients are told instead of the external addresses;
// nothing when the configuration says it. Of expanded addresses, as everything
// below.
std::optional<AdvertisedAddresses::Options> AdvertisedOptionsFrom(
    const config::v1::MediaRelayConfig& config);
// As if the configuration said it.
void SetAdvertised(const AdvertisedAddresses::Learnt& learnt,
                   config::v1::MediaRelayConfig* config);

// Of a valid configuration. `processors` are those that the process may use.
RelayFleetOptions FleetOptionsFrom(const config::v1::MediaRelayConfig& config,
                                   size_t processors);

// How much memory the process may use; 0: as much as it gets. By default 85 %
// of its control group's.
size_t MemoryLimitOf(const config::v1::MediaRelayConfig& config);

// How much all prompts together may be.
size_t MaxPromptBytesOf(const config::v1::MediaRelayConfig& config);

// Of `session_listener`, whose policy, health and metrics are the caller's.
GrpcLoopServerOptions SessionListenerOptionsFrom(
    const config::v1::MediaRelayConfig& config);
// What edges are told of it (WatchLoadResponse.session_target), when it listens
// on `port`.
std::string SessionTargetOf(const config::v1::MediaRelayConfig& config,
                            int port);

std::string RealmOf(const config::v1::MediaRelayConfig& config);

// "turn:192.0.2.1:3478?transport=udp", "turns:192.0.2.1:443?transport=tcp" and
// so on, for each listener as bound, in order.
std::vector<KeyClient::Options::Address> TurnUris(
    const config::v1::MediaRelayConfig& config,
    const std::vector<Endpoint>& listeners,
    const std::vector<StreamListener>& streams);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CONFIG_H_
