// The media_relay service: reads its configuration, builds its objects, runs.

#include "sallyport/media_relay/config/v1/media_relay_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/service/service_main.h"
#include "services/media_relay/config.h"
#include "services/media_relay/io/metrics_table.h"
#include "services/media_relay/relay_process.h"

int main(int argc, char** argv) {
  sallyport::media_relay::config::v1::MediaRelayConfig config;
  sallyport::ServiceOptions options;
  options.name = "media_relay";
  options.default_grpc_address = "0.0.0.0:7003";
  options.metrics = {sallyport::media_relay::kMediaRelayMetrics,
                     sallyport::kGrpcLoopMetrics};
  options.config = &config;
  options.server_config = [&]() -> const auto& { return config.server(); };
  options.validate = [&](sallyport::ConfigFaults* faults) {
    sallyport::media_relay::ValidateConfig(config, faults);
  };
  options.start = [&](sallyport::ServiceRuntime& runtime) {
    return sallyport::media_relay::StartMediaRelay(config, runtime);
  };
  return sallyport::ServiceMain(argc, argv, options);
}
