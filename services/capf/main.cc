// The capf binary.

#include "sallyport/capf/config/v1/capf_config.pb.h"
#include "services/capf/capf_process.h"
#include "services/capf/config.h"
#include "services/capf/io/metrics_table.h"
#include "services/capf/key_vault.h"
#include "services/common/service/service_main.h"

int main(int argc, char** argv) {
  sallyport::capf::config::v1::CapfConfig config;
  sallyport::capf::KeyVault vault(config);
  sallyport::ServiceOptions options;
  options.name = "capf";
  options.default_grpc_address = "0.0.0.0:7005";
  options.metrics = {sallyport::capf::kCapfMetrics};
  options.config = &config;
  options.server_config = [&]() -> const auto& { return config.server(); };
  options.validate = [&](sallyport::ConfigFaults* faults) {
    sallyport::capf::ValidateConfig(config, faults);
  };
  options.sealing = [&] { return vault.Sealing(); };
  options.start = [&](sallyport::ServiceRuntime& runtime) {
    return sallyport::capf::StartCapf(config, vault, runtime);
  };
  return sallyport::ServiceMain(argc, argv, options);
}
