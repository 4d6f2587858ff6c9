// credential_issuer: mints credentials for the media relays.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "sallyport/credential_issuer/config/v1/credential_issuer_config.pb.h"
#include "sallyport/credential_issuer/v1/issuer_status.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/config/server_config.h"
#include "services/common/crypto/secret.h"
#include "services/common/log/log.h"
#include "services/common/random/system_random.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/own_certificate.h"
#include "services/common/service/service_main.h"
#include "services/common/sql/postgres_listener.h"
#include "services/common/sql/sql_database.h"
#include "services/common/sql/store_config.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/credential_issuer/config.h"
#include "services/credential_issuer/core/key_sealer.h"
#include "services/credential_issuer/io/audit_log.h"
#include "services/credential_issuer/io/issuer_keeper.h"
#include "services/credential_issuer/io/master_key.h"
#include "services/credential_issuer/io/metrics_table.h"
#include "services/credential_issuer/io/sql_audit_sink.h"
#include "services/credential_issuer/io/sql_issuer_store.h"
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
// How often the relays' reports are kept, and others' taken over.
constexpr absl::Duration kSharedReports = absl::Seconds(1);
constexpr absl::Duration kOwnReports = absl::Seconds(5);
constexpr absl::Duration kPruneEvery = absl::Minutes(10);

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
  std::vector<std::string> OnConfigChanged(
      const google::protobuf::Message& next) override {
    const IssueLimits limits = LimitsOf(static_cast<const Config&>(next));
    keeper_->SetLimits(limits);
    service_->SetLimits(limits);
    watch_->SetMediaLimits(MediaLimitsOf(static_cast<const Config&>(next)));
    return LimitFields();
  }

 private:
  explicit Running(const Config& config)
      : consumers_(
            RelayDirectory(RelaysOf(config), config.static_relays_only())) {}

  absl::Status Build(const Config& config, ServiceRuntime& runtime) {
    MetricsRegistry& metrics = runtime.metrics();
    const Clock& clock = Clock::Real();
    SP_ASSIGN_OR_RETURN(const Secret master,
                        LoadOrMakeMasterKey(config.master_key_file(), random_));
    std::vector<Secret> accepted;
    for (const std::string& file : config.accepted_master_key_files()) {
      SP_ASSIGN_OR_RETURN(Secret key, LoadMasterKey(file));
      accepted.push_back(std::move(key));
    }
    sealer_ = std::make_unique<KeySealer>(master, accepted);
    SP_ASSIGN_OR_RETURN(database_,
                        SqlDatabase::Open(SqlOptionsOf(config.store())));
    SP_ASSIGN_OR_RETURN(store_,
                        SqlIssuerStore::Open(*database_, *sealer_, random_));
    SP_RETURN_IF_ERROR(consumers_.Restore(*store_, clock.Now()));
    SP_RETURN_IF_ERROR(OpenAudit(config));
    audit_ = std::make_unique<AuditLog>(*sink_, metrics);
    SP_ASSIGN_OR_RETURN(
        keeper_,
        IssuerKeeper::Create({LimitsOf(config), RingPolicyOf(config)},
                             {*store_, store_->subject_key(), clock, random_,
                              metrics, [this, &clock](int64_t version) {
                                return consumers_.AllHave(version, clock.Now());
                              }}));
    SP_ASSIGN_OR_RETURN(
        AccessPolicy policy,
        AccessPolicy::Create(config.server(),
                             MethodRules({config.issue_callers().begin(),
                                          config.issue_callers().end()})));
    policy_ = std::make_unique<AccessPolicy>(std::move(policy));
    watch_ = std::make_unique<KeyWatch>(RealmOf(config), keeper_->state(),
                                        consumers_, clock, metrics);
    watch_->SetMediaLimits(MediaLimitsOf(config));
    keeper_->SetListener([this](std::shared_ptr<const IssuerState> state) {
      watch_->OnState(std::move(state));
    });
    service_ = std::make_unique<CredentialIssuerService>(
        CredentialIssuerService::Options{
            RealmOf(config), runtime.instance(),
            ServiceSpiffeId(config.server().trust_domain(),
                            "credential_issuer"),
            LimitsOf(config)},
        CredentialIssuerService::Parts{
            *policy_, *keeper_, *watch_, consumers_, *audit_, *sink_, clock,
            random_, metrics, [this] { return StoreState(); },
            [file = runtime.server_config().tls().certificate_file()] {
              return SummaryOfCertificateFile(file);
            }});
    SP_RETURN_IF_ERROR(runtime.StartGrpc(*policy_, {service_.get()}));
    StartTickers(config);
    return absl::OkStatus();
  }

  absl::Status OpenAudit(const Config& config) {
    if (!config.audit_file().empty()) {
      SP_ASSIGN_OR_RETURN(sink_, FileAuditSink::Open(config.audit_file()));
      return absl::OkStatus();
    }
    SqlDatabase* database = database_.get();
    if (!database->is_postgres()) {
      SP_ASSIGN_OR_RETURN(audit_database_,
                          SqlDatabase::Open(SqliteOptions{
                              config.store().sqlite_file() + ".audit"}));
      database = audit_database_.get();
    }
    SP_ASSIGN_OR_RETURN(sink_, SqlAuditSink::Open(*database));
    return absl::OkStatus();
  }

  void StartTickers(const Config& config) {
    const bool shared = database_->is_postgres();
    if (shared) {
      PostgresListener::Options options;
      options.server = std::get<PostgresOptions>(database_->options());
      options.channel = SqlIssuerStore::kChannel;
      options.on_change = [this] { Report("follow", keeper_->Refresh()); };
      listener_ = std::make_unique<PostgresListener>(std::move(options));
    }
    schedule_ = std::make_unique<Ticker>(
        kScheduleTick, [this] { Report("schedule", keeper_->OnTimer()); });
    reports_ = std::make_unique<Ticker>(
        shared ? kSharedReports : kOwnReports, [this, shared] {
          Report("reports",
                 consumers_.Sync(*store_, shared, Clock::Real().Now()));
        });
    prune_ = std::make_unique<Ticker>(
        kPruneEvery, [this, keep = AuditRetentionOf(config)] {
          if (!keeper_->clock_settled()) return;
          Report("prune", sink_->Prune(Clock::Real().Now() - keep));
        });
    heartbeat_ = std::make_unique<Ticker>(HeartbeatOf(config),
                                          [this] { watch_->OnHeartbeat(); });
  }

  static void Report(const char* what, const absl::Status& status) {
    if (status.ok()) return;
    SALLYPORT_LOG_LIMITED(
        kError, "work in the background failed",
        {{"what", what}, {"reason", ReasonOf(status)}, {"error", status}});
  }

  v1::StoreState StoreState() const {
    v1::StoreState out;
    const absl::Status status = keeper_->store_status();
    out.set_shared(database_->is_postgres());
    out.set_available(status.ok());
    out.set_last_error(status.ok() ? "" : ReasonOf(status));
    out.set_notified(listener_ == nullptr || listener_->connected());
    return out;
  }

  SystemRandom random_;
  ConsumerRegistry consumers_;
  std::unique_ptr<KeySealer> sealer_;
  std::unique_ptr<SqlDatabase> database_;
  std::unique_ptr<SqlDatabase> audit_database_;  // with SQLite alone
  std::unique_ptr<SqlIssuerStore> store_;
  std::unique_ptr<AuditSink> sink_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<IssuerKeeper> keeper_;
  std::unique_ptr<AccessPolicy> policy_;
  std::unique_ptr<KeyWatch> watch_;
  std::unique_ptr<CredentialIssuerService> service_;
  std::unique_ptr<PostgresListener> listener_;
  std::unique_ptr<Ticker> schedule_;
  std::unique_ptr<Ticker> reports_;
  std::unique_ptr<Ticker> prune_;
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
  options.check = [](const google::protobuf::Message& next,
                     sallyport::ConfigFaults* faults) {
    const auto& changed =
        static_cast<const issuer::config::v1::CredentialIssuerConfig&>(next);
    sallyport::CheckServerConfig("server", changed.server(), faults);
    issuer::ValidateConfig(changed, faults);
  };
  options.start = [&](sallyport::ServiceRuntime& runtime) {
    return issuer::Running::Start(config, runtime);
  };
  return sallyport::ServiceMain(argc, argv, options);
}
