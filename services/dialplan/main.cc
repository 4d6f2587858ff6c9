// The dialplan service.

#include "sallyport/dialplan/config/v1/dialplan_config.pb.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/service/service_main.h"
#include "services/dialplan/config.h"
#include "services/dialplan/dialplan.h"
#include "services/dialplan/io/metrics_table.h"

int main(int argc, char** argv) {
  sallyport::dialplan::config::v1::DialplanConfig config;
  sallyport::ServiceOptions options;
  options.name = "dialplan";
  options.default_grpc_address = "0.0.0.0:7001";
  options.metrics = {sallyport::dialplan::kDialplanMetrics,
                     sallyport::kGrpcLoopMetrics};
  options.config = &config;
  options.server_config = [&]() -> const auto& { return config.server(); };
  options.validate = [&](sallyport::ConfigFaults* faults) {
    sallyport::dialplan::ValidateConfig(config, faults);
  };
  options.start = [&](sallyport::ServiceRuntime& runtime) {
    return sallyport::dialplan::StartDialplan(config, runtime);
  };
  return sallyport::ServiceMain(argc, argv, options);
}
