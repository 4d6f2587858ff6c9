// The least service there is, for service_main_test: one gRPC service without
// handlers, and a drain that lasts as long as a file says.

#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "sallyport/credential_issuer/config/v1/credential_issuer_config.pb.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/metrics/metrics.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/service/service_main.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

using Config = credential_issuer::config::v1::CredentialIssuerConfig;
using Api = credential_issuer::v1::CredentialIssuerService;

constexpr MetricSpec kMetrics[] = {
    {"sallyport_test_starts_total", MetricType::kCounter, "Starts."}};

class TestService final : public RunningService {
 public:
  explicit TestService(AccessPolicy policy) : policy_(std::move(policy)) {}

  const AccessPolicy& policy() const { return policy_; }
  Api::CallbackService* api() { return &api_; }

  void Drain() override { draining_ = true; }
  // `audit_file` stands for work that lives.
  bool IsIdle() override {
    return draining_ && access(busy_file_.c_str(), F_OK) != 0;
  }
  std::vector<std::string> OnConfigChanged(
      const google::protobuf::Message&) override {
    return {"realm"};
  }
  void set_busy_file(std::string path) { busy_file_ = std::move(path); }

 private:
  const AccessPolicy policy_;
  Api::CallbackService api_;
  std::string busy_file_;
  bool draining_ = false;
};

absl::StatusOr<std::unique_ptr<RunningService>> Start(const Config& config,
                                                      ServiceRuntime& runtime) {
  if (config.realm() == "crash") std::raise(SIGSEGV);
  if (config.realm() == "fail") return absl::UnavailableError("told to fail");
  std::vector<MethodRule> rules;
  const auto* const service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          Api::service_full_name());
  for (int i = 0; i < service->method_count(); ++i) {
    rules.push_back({std::string("/") + Api::service_full_name() + "/" +
                         service->method(i)->name(),
                     {"signaling_edge"},
                     OperatorRole::kAdmin});
  }
  SP_ASSIGN_OR_RETURN(AccessPolicy policy,
                      AccessPolicy::Create(runtime.server_config(), rules));
  auto out = std::make_unique<TestService>(std::move(policy));
  out->set_busy_file(config.audit_file());
  runtime.metrics().Counter("sallyport_test_starts_total").Increment();
  runtime.AddPort("extra", 4711);
  SP_RETURN_IF_ERROR(runtime.StartGrpc(out->policy(), {out->api()}));
  return out;
}

}  // namespace
}  // namespace sallyport

int main(int argc, char** argv) {
  sallyport::Config config;
  sallyport::ServiceOptions options;
  options.name = "test_service";
  options.default_grpc_address = "127.0.0.1:0";
  options.metrics = {sallyport::kMetrics};
  options.config = &config;
  options.server_config = [&]() -> const auto& { return config.server(); };
  options.validate = [&](sallyport::ConfigFaults* faults) {
    faults->Require("realm", config.realm());
  };
  options.check = [](const google::protobuf::Message& next,
                     sallyport::ConfigFaults* faults) {
    faults->Require("realm",
                    static_cast<const sallyport::Config&>(next).realm());
  };
  options.start = [&](sallyport::ServiceRuntime& runtime) {
    return sallyport::Start(config, runtime);
  };
  return sallyport::ServiceMain(argc, argv, options);
}
