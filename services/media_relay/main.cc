// The media_relay service: reads its configuration, builds its objects, runs.

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "sallyport/media_relay/config/v1/media_relay_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/service/service_main.h"
#include "services/media_relay/config.h"
#include "services/media_relay/io/metrics_table.h"
#include "services/media_relay/relay_process.h"

ABSL_FLAG(std::vector<std::string>, advertised_addresses, {},
          "what clients are told instead of external.addresses, in the same "
          "order; counts before what the configuration says of it");

namespace {

using Config = sallyport::media_relay::config::v1::MediaRelayConfig;

Config WithFlags(Config config) {
  sallyport::media_relay::AdvertiseInstead(
      absl::GetFlag(FLAGS_advertised_addresses), &config);
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  Config config;
  Config started;  // with what the command line says
  sallyport::ServiceOptions options;
  options.name = "media_relay";
  options.default_grpc_address = "0.0.0.0:7003";
  options.metrics = {sallyport::media_relay::kMediaRelayMetrics,
                     sallyport::kGrpcLoopMetrics};
  options.config = &config;
  options.server_config = [&]() -> const auto& { return config.server(); };
  options.validate = [&](sallyport::ConfigFaults* faults) {
    sallyport::media_relay::ValidateConfig(WithFlags(config), faults);
  };
  options.start = [&](sallyport::ServiceRuntime& runtime) {
    started = WithFlags(config);
    return sallyport::media_relay::StartMediaRelay(started, runtime);
  };
  return sallyport::ServiceMain(argc, argv, options);
}
