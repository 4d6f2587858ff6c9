// credential_issuer: mints credentials for the media relays.

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sallyport/credential_issuer/config/v1/credential_issuer_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/log/log.h"
#include "services/common/random/system_random.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/service/service_main.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/credential_issuer/config.h"
#include "services/credential_issuer/core/key_sealer.h"
#include "services/credential_issuer/io/audit_log.h"
#include "services/credential_issuer/io/issuer_keeper.h"
#include "services/credential_issuer/io/master_key.h"
#include "services/credential_issuer/io/metrics_table.h"
#include "services/credential_issuer/io/sqlite_issuer_store.h"
#include "services/credential_issuer/io/ticker.h"
#include "services/credential_issuer/rpc/consumer_registry.h"
#include "services/credential_issuer/rpc/credential_issuer_service.h"
#include "services/credential_issuer/rpc/key_watch.h"
#include "services/credential_issuer/rpc/method_policy.h"

namespace sallyport::credential_issuer {
namespace {

using Config = config::v1::CredentialIssuerConfig;

// How late a rotation or a purge may be.
constexpr absl::Duration kScheduleTick = absl::Milliseconds(500);

// All objects of the service, in the order in which they need each other.
// Thread-compatible.
class Running final : public RunningService {
 public:
  static absl::StatusOr<std::unique_ptr<RunningService>> Start(
      const Config& config, ServiceRuntime& runtime) {
    std::unique_ptr<Running> self(new Running(config));
    SP_RETURN_IF_ERROR(self->Build(config, runtime));
    return self;
  }

  void Drain() override {
    service_->Drain();
    watch_->Drain();
  }
  bool IsIdle() override { return watch_->stream_count() == 0; }

 private:
  explicit Running(const Config& config)
      : consumers_(
            RelayDirectory(RelaysOf(config), config.static_relays_only())) {}

  absl::Status Build(const Config& config, ServiceRuntime& runtime) {
    MetricsRegistry& metrics = runtime.metrics();
    const Clock& clock = Clock::Real();
    SP_ASSIGN_OR_RETURN(const Secret master,
                        LoadOrMakeMasterKey(config.master_key_file(), random_));
    sealer_ = std::make_unique<KeySealer>(master);
    const std::string& file = config.store().sqlite_file();
    SP_ASSIGN_OR_RETURN(store_,
                        SqliteIssuerStore::Open(file, *sealer_, random_));
    if (config.audit_file().empty()) {
      SP_ASSIGN_OR_RETURN(audit_, SqliteAuditLog::Open(file + ".audit"));
    } else {
      SP_ASSIGN_OR_RETURN(audit_, FileAuditLog::Open(config.audit_file()));
    }
    SP_ASSIGN_OR_RETURN(
        keeper_, IssuerKeeper::Create({LimitsOf(config), RingPolicyOf(config)},
                                      {*store_, sealer_->subject_key(), clock,
                                       random_, metrics}));
    SP_ASSIGN_OR_RETURN(
        AccessPolicy policy,
        AccessPolicy::Create(config.server(),
                             MethodRules({config.issue_callers().begin(),
                                          config.issue_callers().end()})));
    policy_ = std::make_unique<AccessPolicy>(std::move(policy));
    watch_ = std::make_unique<KeyWatch>(RealmOf(config), keeper_->state(),
                                        consumers_, clock, metrics);
    keeper_->SetListener([this](std::shared_ptr<const IssuerState> state) {
      watch_->OnState(std::move(state));
    });
    service_ = std::make_unique<CredentialIssuerService>(
        CredentialIssuerService::Options{
            RealmOf(config), runtime.instance(),
            ServiceSpiffeId(config.server().trust_domain(),
                            "credential_issuer"),
            LimitsOf(config)},
        CredentialIssuerService::Parts{*policy_, *keeper_, *watch_, consumers_,
                                       *audit_, clock, random_, metrics});
    SP_RETURN_IF_ERROR(runtime.StartGrpc(*policy_, {service_.get()}));
    schedule_ = std::make_unique<Ticker>(kScheduleTick, [this] {
      const absl::Status status = keeper_->OnTimer();
      if (status.ok()) return;
      SALLYPORT_LOG_LIMITED(kError, "schedule failed", {{"error", status}});
    });
    heartbeat_ = std::make_unique<Ticker>(HeartbeatOf(config),
                                          [this] { watch_->OnHeartbeat(); });
    return absl::OkStatus();
  }

  SystemRandom random_;
  ConsumerRegistry consumers_;
  std::unique_ptr<KeySealer> sealer_;
  std::unique_ptr<SqliteIssuerStore> store_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<IssuerKeeper> keeper_;
  std::unique_ptr<AccessPolicy> policy_;
  std::unique_ptr<KeyWatch> watch_;
  std::unique_ptr<CredentialIssuerService> service_;
  std::unique_ptr<Ticker> schedule_;
  std::unique_ptr<Ticker> heartbeat_;
};

}  // namespace
}  // namespace sallyport::credential_issuer

int main(int argc, char** argv) {
  namespace issuer = sallyport::credential_issuer;
  issuer::config::v1::CredentialIssuerConfig config;
  sallyport::ServiceOptions options;
  options.name = "credential_issuer";
  options.default_grpc_address = "0.0.0.0:7004";
  options.metrics = {issuer::kCredentialIssuerMetrics};
  options.config = &config;
  options.server_config = [&]() -> const auto& { return config.server(); };
  options.validate = [&](sallyport::ConfigFaults* faults) {
    issuer::ValidateConfig(config, faults);
  };
  options.start = [&](sallyport::ServiceRuntime& runtime) {
    return issuer::Running::Start(config, runtime);
  };
  return sallyport::ServiceMain(argc, argv, options);
}
