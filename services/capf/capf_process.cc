#include "services/capf/capf_process.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/capf/authority_parts.h"
#include "services/capf/config.h"
#include "services/capf/config_options.h"
#include "services/capf/io/authority_admin.h"
#include "services/capf/io/authority_rotation.h"
#include "services/capf/io/capf_loop.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/consumer_log.h"
#include "services/capf/io/dialplan_mode.h"
#include "services/capf/io/enrollment_admin.h"
#include "services/capf/io/est_client.h"
#include "services/capf/io/est_upstreams.h"
#include "services/capf/io/event_log.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/metrics_table.h"
#include "services/capf/io/own_coverage.h"
#include "services/capf/io/procedure_runner.h"
#include "services/capf/io/registration_authority.h"
#include "services/capf/io/revocation_fetcher.h"
#include "services/capf/io/revocation_list_server.h"
#include "services/capf/io/server_certificates.h"
#include "services/capf/io/service_certificates.h"
#include "services/capf/io/sql_store.h"
#include "services/capf/io/trust_admin.h"
#include "services/capf/io/trust_publisher.h"
#include "services/capf/io/upstream_issuer.h"
#include "services/capf/io/work_pool.h"
#include "services/capf/io/work_thread.h"
#include "services/capf/key_vault.h"
#include "services/capf/own_renewal.h"
#include "services/capf/phone_parts.h"
#include "services/capf/port_certificate.h"
#include "services/capf/process_options.h"
#include "services/capf/rpc/capf_access.h"
#include "services/capf/rpc/capf_service.h"
#include "services/capf/rpc/service_certificate_methods.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/net/event_loop.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/random/system_random.h"
#include "services/common/renewal/renewal_schedule.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/sql/postgres_listener.h"
#include "services/common/sql/postgres_options.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::capf {
namespace {

using ::sallyport::FromProto;

constexpr char kVersion[] = "0.1.0";
// Two answers of the work thread for each of 20 000 phones.
constexpr size_t kWorkCapacity = 50000;
// Looks at peers that wait; each takes up to five seconds.
constexpr size_t kProbeCapacity = 16;
constexpr absl::Duration kHeartbeat = absl::Seconds(15);
constexpr absl::Duration kIntentCheck = absl::Minutes(1);
// Threads that wait for the disk together, so that one sync serves them all.
constexpr size_t kPhoneThreads = 48;
constexpr absl::Duration kListenerCheck = absl::Hours(12);
constexpr absl::Duration kEventTick = absl::Seconds(30);
constexpr absl::Duration kEventPoll = absl::Seconds(1);
constexpr absl::Duration kProcedureLook = absl::Seconds(2);
constexpr char kOwnPorts[] = "capf ports";

class CapfProcess final : public RunningService {
 public:
  CapfProcess(const config::v1::CapfConfig& config, KeyVault& vault,
              ServiceRuntime& runtime)
      : config_(config),
        metrics_(runtime.metrics()),
        parts_(config, vault, runtime.metrics(), random_),
        port_certificate_(config, parts_) {}

  ~CapfProcess() override {
    // Jobs answer into the loop's mailbox, so they end before it does.
    postgres_.reset();
    lists_.reset();
    if (fetcher_.has_value()) fetcher_->Stop();
    if (phone_work_ != nullptr) phone_work_->Stop();
    if (probes_ != nullptr) probes_->Stop();
    if (work_ != nullptr) work_->Stop();
    upstreams_.reset();
    parts_.StopLedger();
    if (loop_ != nullptr) loop_->Stop();
    if (thread_.joinable()) thread_.join();
    if (loop_ != nullptr) {
      loop_->RemoveTimer(heartbeat_);
      loop_->RemoveTimer(listener_check_);
      loop_->RemoveTimer(intent_check_);
      loop_->RemoveTimer(event_timer_);
      loop_->RemoveTimer(event_poll_);
      loop_->RemoveTimer(procedure_timer_);
      loop_->RemoveTimer(coverage_timer_);
    }
    phones_.reset();
    capf_loop_.reset();
  }

  absl::Status Start(ServiceRuntime& runtime) {
    SP_RETURN_IF_ERROR(parts_.Open(runtime));
    authority_ = &parts_.authority();
    SP_RETURN_IF_ERROR(OpenTrust());
    SP_RETURN_IF_ERROR(StartPort());
    SP_RETURN_IF_ERROR(StartPhoneFiles(runtime));
    SP_RETURN_IF_ERROR(StartLists(runtime));
    SP_RETURN_IF_ERROR(StartUpstream());
    return StartRpc(runtime);
  }

  void Drain() override {
    if (service_ != nullptr) service_->SetDraining();
    publisher_.End();
    if (!capf_loop_->StopAccepting().ok()) {
      LogWarning("the CAPF port stays open while draining");
    }
  }
  bool IsIdle() override { return capf_loop_->open_connections() == 0; }

 private:
  std::string tenant() const { return parts_.tenant(); }

  absl::Status OpenTrust() {
    trust_.emplace(*authority_, parts_.ledger());
    SP_RETURN_IF_ERROR(trust_->EnsureOwn(tenant(), "capf"));
    fetcher_.emplace(FetchOptionsOf(config_, authority_->issuer().subject_der),
                     parts_.ledger(), random_);
    SP_RETURN_IF_ERROR(PublishTrust());
    fetcher_->Start();
    parts_.ledger().OnTrustChange([this] {
      const absl::Status published = PublishTrust();
      if (!published.ok()) {
        LogError("trust was changed but not published",
                 {{"status", published}});
      }
    });
    return OpenStrings();
  }

  absl::Status OpenStrings() {
    SP_RETURN_IF_ERROR(parts_.OpenStrings());
    enrollments_.emplace(parts_.strings(), parts_.ledger(), random_);
    if (parts_.fips().on) enrollments_->RefuseWhatIsNotApproved();
    return absl::OkStatus();
  }

  // Of changes that come at the same time the newest is published last.
  absl::Status PublishTrust() ABSL_LOCKS_EXCLUDED(publish_mutex_) {
    const absl::MutexLock lock(&publish_mutex_);
    SP_ASSIGN_OR_RETURN(TrustBundle bundle,
                        ReadBundle(parts_.store(), clock_.Now()));
    bundle.hard_stores = {config_.hard_revocation_stores().begin(),
                          config_.hard_revocation_stores().end()};
    // Each revocation of ours is pushed; who has not heard of us for as long as
    // a list of ours lasts knows no better than by an old list.
    SP_RETURN_IF_ERROR(AddOwnCoverage(parts_.authorities(), parts_.store(),
                                      clock_.Now() + CrlLifetime(), bundle));
    SP_RETURN_IF_ERROR(fetcher_->AddTo(bundle));
    metrics_.Gauge(kCapfTrustVersion).Set(static_cast<double>(bundle.version));
    publisher_.Publish(std::move(bundle));
    return absl::OkStatus();
  }

  absl::Duration CrlLifetime() const {
    return FromProtoOr(config_.crl_lifetime(), absl::Hours(24));
  }

  // Tells consumers in good time that what they know still holds.
  void RefreshCoverage(MonoTime now) {
    loop_->SetTimer(coverage_timer_, now + CrlLifetime() / 4);
    work_
        ->Post([this] {
          const absl::Status published = PublishTrust();
          if (!published.ok()) {
            LogWarning("revocations were not confirmed to consumers",
                       {{"status", published}});
          }
        })
        .IgnoreError();
  }

  absl::Status StartPhoneFiles(ServiceRuntime& runtime) {
    if (!config_.has_trust_lists()) return absl::OkStatus();
    SP_ASSIGN_OR_RETURN(const std::string leaf, port_certificate_.Leaf());
    SP_ASSIGN_OR_RETURN(const auto tls, port_certificate_.Tls());
    SP_ASSIGN_OR_RETURN(
        phones_, PhoneParts::Start(
                     {config_, *loop_, *work_, *authority_,
                      parts_.authorities(), parts_.ledger(), random_, metrics_,
                      parts_.vault().wrapping(), tenant(), parts_.key_folder(),
                      leaf, capf_loop_->port(), tls, parts_.fips().on},
                     runtime));
    return absl::OkStatus();
  }

  // Where anybody fetches revocation lists.
  absl::Status StartLists(ServiceRuntime& runtime) {
    if (config_.crl_http_address().empty()) return absl::OkStatus();
    SP_ASSIGN_OR_RETURN(
        lists_, RevocationListServer::Start(ListServerOptionsOf(config_),
                                            parts_.authorities(), clock_,
                                            random_, metrics_));
    runtime.AddPort("crl_http", lists_->port());
    return absl::OkStatus();
  }

  absl::Status StartPort() {
    const config::v1::CapfListenerConfig& capf = config_.capf();
    registration_.emplace(RegistrationOptionsOf(config_, parts_.fips().on),
                          parts_.strings(), *authority_, parts_.ledger());
    registration_->ChooseFrom(parts_.authorities());

    CapfLoop::Options options = LoopOptionsOf(capf);
    SP_ASSIGN_OR_RETURN(options.address, CapfAddress(capf));
    SP_ASSIGN_OR_RETURN(options.tls, port_certificate_.Tls());
    SP_ASSIGN_OR_RETURN(loop_, EventLoop::Create(clock_));
    work_ = std::make_unique<WorkThread>(kWorkCapacity);
    phone_work_ = std::make_unique<WorkPool>(kPhoneThreads, kWorkCapacity);
    probes_ = std::make_unique<WorkThread>(kProbeCapacity);
    const absl::Duration beat =
        FromProtoOr(config_.watch_heartbeat_interval(), kHeartbeat);
    heartbeat_ = loop_->AddTimer([this, beat](MonoTime now) {
      loop_->SetTimer(heartbeat_, now + beat);
      publisher_.Beat();
    });
    listener_check_ =
        loop_->AddTimer([this](MonoTime now) { CheckListener(now); });
    intent_check_ =
        loop_->AddTimer([this](MonoTime now) { CheckIntents(now); });
    loop_->SetTimer(intent_check_, loop_->now() + kIntentCheck);
    loop_->SetTimer(heartbeat_, loop_->now() + beat);
    loop_->SetTimer(listener_check_, loop_->now() + kListenerCheck);
    SP_ASSIGN_OR_RETURN(
        capf_loop_, CapfLoop::Create(*loop_, std::move(options), *registration_,
                                     *phone_work_, random_, metrics_));
    return absl::OkStatus();
  }

  // What processes left that died.
  void CheckIntents(MonoTime now) {
    loop_->SetTimer(intent_check_, now + kIntentCheck);
    const absl::Status posted = work_->Post([this] {
      const absl::Status status = authority_->Recover(kIntentAge);
      if (!status.ok()) {
        LogWarning("intents of before were not ended", {{"status", status}});
      }
    });
    if (!posted.ok()) LogWarning("the check of intents waits");
  }

  // Another replica may have made a key, or issue by another.
  void RefreshAuthorities() {
    absl::Status status = parts_.authorities().Refresh();
    if (status.ok() && upstreams_) status = upstreams_->Refresh();
    if (!status.ok()) {
      LogWarning("authorities were not read", {{"status", status}});
    }
  }

  // Of authorities that another replica was making as it died.
  void FinishCreations() {
    const absl::Status status = authority_admin_->FinishCreations("capf");
    if (!status.ok()) {
      LogWarning("an authority waits to issue", {{"status", status}});
    }
  }

  // Replicas tell each other what they have changed.
  void Listen() {
    if (!parts_.database().is_postgres()) return;
    PostgresListener::Options options;
    options.server = std::get<PostgresOptions>(parts_.database().options());
    options.channel = SqlStore::kChannel;
    options.on_change = [this] {
      parts_.ledger().Wake();
      const absl::Status posted = work_->Post([this] {
        RefreshAuthorities();
        if (phones_ == nullptr) return;
        const absl::Status status = phones_->lists().Refresh();
        if (!status.ok()) {
          LogWarning("trust lists were not read", {{"status", status}});
        }
      });
      if (!posted.ok()) LogWarning("reading the trust lists waits");
    };
    postgres_ = std::make_unique<PostgresListener>(std::move(options));
  }

  // Renews the certificate of our ports in good time; phones connected stay.
  // After a failure it is tried again sooner, and later each time.
  void CheckListener(MonoTime now) {
    loop_->SetTimer(listener_check_, now + kListenerCheck);
    const absl::Status posted = work_->Post([this] { RenewListener(); });
    if (!posted.ok()) LogWarning("the CAPF port's certificate check waits");
  }

  // Another authority is asked to certify ours.
  absl::Status StartUpstream() {
    if (!config_.authority().has_est()) return absl::OkStatus();
    const config::v1::EstConfig& est = config_.authority().est();
    SP_ASSIGN_OR_RETURN(EstOptions options, EstOptionsOf(est));
    SP_ASSIGN_OR_RETURN(est_, EstClient::Create(std::move(options)));
    if (est.server_certificates()) passes_on_.emplace(*est_, parts_.ledger());
    upstreams_.emplace(EstUpstreams::Parts{
        *est_, parts_.authorities(), *trust_,
        FromProtoOr(est.retry_interval(), absl::Minutes(1)), clock_});
    return upstreams_->Refresh();
  }

  void RenewListener() {
    const absl::StatusOr<std::string> before = port_certificate_.Leaf();
    absl::StatusOr<std::shared_ptr<const TlsContext>> tls =
        port_certificate_.Tls();
    absl::Status status = tls.status();
    if (status.ok()) status = capf_loop_->SetTls(*tls);
    if (status.ok() && phones_ != nullptr) {
      const absl::StatusOr<std::string> leaf = port_certificate_.Leaf();
      status = leaf.ok() ? phones_->SetTls(*tls, *leaf) : leaf.status();
    }
    if (!status.ok()) {
      ++renewal_.failures;
      const absl::Duration wait =
          RenewalBackoff(renewal_.failures,
                         static_cast<double>(random_.NextU64() % 1000) / 999);
      renewal_.next_attempt = clock_.Now() + wait;
      LogError("the certificate of the CAPF port was not renewed",
               {{"status", status}, {"next_attempt", renewal_.next_attempt}});
      events_
          ->RecordRenewalFailure({tenant(), kOwnPorts, before.value_or(""), {}},
                                 renewal_.next_attempt)
          .IgnoreError();
      capf_loop_
          ->Post([this, wait] {
            loop_->SetTimer(listener_check_, loop_->now() + wait);
          })
          .IgnoreError();
      return;
    }
    renewal_ = {};
    const absl::StatusOr<std::string> after = port_certificate_.Leaf();
    if (after.ok() && before.ok() && *after != *before) {
      // UM-111: each change, in full.
      const absl::Status recorded = RecordOwnCertificates();
      if (!recorded.ok()) {
        LogError("a change of certificate was not recorded",
                 {{"status", recorded}});
      }
    }
  }

  // Tells which certificates this process shows, from now on.
  absl::Status RecordOwnCertificates() {
    std::vector<CertificateUse> own;
    const auto add = [&](const std::string& used_by, const std::string& der) {
      const absl::StatusOr<CertificateInfo> info =
          ParseCertificate(AsBytes(der));
      if (!info.ok()) return;
      own.push_back({tenant(), used_by, der, info->not_after});
      LogInfo("certificate in use", {{"used_by", used_by},
                                     {"issuer", info->issuer},
                                     {"serial", info->serial_hex},
                                     {"sha1", HexEncode(info->sha1)},
                                     {"sha256", HexEncode(info->sha256)}});
    };
    add("capf authority", authority_->issuer().certificate_der);
    SP_ASSIGN_OR_RETURN(const std::string leaf, port_certificate_.Leaf());
    add(kOwnPorts, leaf);
    // One that is renewed is reported like those of other services.
    const auto server =
        FirstCertificate(config_.server().tls().certificate_file());
    if (server.ok() && !config_.server().has_certificate_renewal()) {
      add("capf grpc", *server);
    }
    events_->SetOwn(std::move(own));
    return events_->RecordStart(clock_.Now());
  }

  // Another replica may have switched FIPS mode: every process ends, to be
  // started again in it (IMP-72).
  void FollowFipsMode() {
    const absl::StatusOr<int64_t> mode = parts_.store().FipsMode();
    if (!mode.ok() || (*mode != 0) == parts_.fips().on) return;
    LogInfo("FIPS mode was switched: the process ends", {{"on", *mode != 0}});
    parts_.fips().restart();
  }

  // Procedures go on as soon as what they wait for has happened.
  void LookAtProcedures(MonoTime now) {
    loop_->SetTimer(procedure_timer_, now + kProcedureLook);
    // One that is slow is not asked again meanwhile.
    if (procedures_look_.exchange(true)) return;
    const absl::Status posted = work_->Post([this] {
      procedures_->GoOn();
      FollowFipsMode();
      procedures_look_ = false;
    });
    if (!posted.ok()) procedures_look_ = false;
  }

  void TellEvents(MonoTime now) {
    loop_->SetTimer(event_timer_, now + kEventTick);
    work_
        ->Post([this] {
          RefreshAuthorities();
          FinishCreations();
          consumers_->Tick(publisher_.consumers()).IgnoreError();
          const absl::Status told = events_->Tick();
          if (!told.ok()) {
            LogError("expiry events were not made", {{"status", told}});
          }
        })
        .IgnoreError();
  }

  absl::Status StartRpc(ServiceRuntime& runtime) {
    services_.emplace(RenewalOptionsOf(config_, tenant()), *authority_,
                      parts_.ledger());
    events_.emplace(parts_.ledger(), &*services_);
    consumers_.emplace(parts_.ledger());
    publisher_.OnConsumer([this](const TrustConsumer& consumer) {
      work_
          ->Post([this, consumer] {
            const absl::Status noted = consumers_->Note(consumer);
            if (!noted.ok()) {
              LogWarning("a consumer of trust was not noted",
                         {{"status", noted}});
            }
          })
          .IgnoreError();
    });
    SP_RETURN_IF_ERROR(RecordOwnCertificates());
    event_timer_ = loop_->AddTimer([this](MonoTime now) { TellEvents(now); });
    loop_->SetTimer(event_timer_, loop_->now());
    ServerCertificates::Options servers{.folder = parts_.key_folder()};
    if (const auto& file = config_.commercial_roots_file(); !file.empty()) {
      SP_ASSIGN_OR_RETURN(const std::string pem, ReadWholeFile(file, 8 << 20));
      SP_ASSIGN_OR_RETURN(const std::vector<std::string> roots,
                          CertificatesFromPem(pem));
      SP_ASSIGN_OR_RETURN(servers.commercial, PathVerifier::Create(roots));
    }
    servers_.emplace(std::move(servers), parts_.vault().wrapping(), *authority_,
                     parts_.ledger(), random_);
    SP_ASSIGN_OR_RETURN(
        AccessPolicy policy,
        AccessPolicy::Create(config_.server(),
                             CapfMethodRules(Watchers(config_))));
    policy_.emplace(std::move(policy));
    CapfService::Options options = ServiceOptionsOf(config_);
    options.authority_id = parts_.authority_id();
    options.instance = runtime.instance();
    options.version = kVersion;
    options.start_time = clock_.Now();
    service_methods_.emplace(parts_.ledger(), *authority_, *services_,
                             "certificateAuthorities/" + options.authority_id);
    SignOwnCertificates(config_.server(), *work_, *service_methods_,
                        clock_.Now(), parts_.fips(), runtime);
    options.capf_port = capf_loop_->port();
    SP_ASSIGN_OR_RETURN(auto listener, port_certificate_.Wanted());
    const auto port_authority = [this] {
      return port_certificate_.Authority().id();
    };
    rotation_.emplace(AuthorityRotation::Parts{
        parts_.authorities(), *trust_, parts_.ledger(),
        phones_ ? &phones_->lists() : nullptr,
        [this](const std::string& id) {
          return upstreams_ ? upstreams_->ClientOf(id) : nullptr;
        },
        std::move(listener), port_authority});
    // On the work thread, as everybody who refreshes.
    parts_.authorities().OnSwitched([this](CertificateAuthority& authority) {
      LogInfo("an authority issues by another key",
              {{"name", authority.issuer().subject.common_name},
               {"generation", authority.generation()}});
      if (&authority != &port_certificate_.Authority()) return;
      const absl::Status posted = work_->Post([this] { RenewListener(); });
      if (!posted.ok()) LogWarning("the CAPF port's certificate check waits");
    });
    authority_admin_.emplace(
        AuthorityAdmin::Parts{parts_.ledger(), parts_.authorities(), *rotation_,
                              *trust_, port_authority});
    // One that a process was making as it died.
    SP_RETURN_IF_ERROR(authority_admin_->FinishCreations("capf"));
    SP_ASSIGN_OR_RETURN(dialplan_, OpenDialplan(config_));
    procedures_.emplace(ProcedureRunner::Parts{
        parts_.ledger(), phones_ ? &phones_->lists() : nullptr,
        phones_ ? &phones_->signers() : nullptr, parts_.fips(), &*rotation_,
        dialplan_.get()});
    service_ = std::make_unique<CapfService>(
        CapfService::Parts{*policy_,
                           *work_,
                           *probes_,
                           parts_.ledger(),
                           parts_.authorities(),
                           *authority_admin_,
                           *enrollments_,
                           *trust_,
                           publisher_,
                           *fetcher_,
                           *servers_,
                           *services_,
                           *service_methods_,
                           renewal_,
                           phones_ ? &phones_->lists() : nullptr,
                           phones_ ? &phones_->files() : nullptr,
                           phones_ ? &phones_->maker() : nullptr,
                           *procedures_,
                           parts_.fips(),
                           upstreams_ ? &*upstreams_ : nullptr,
                           passes_on_ ? &*passes_on_ : nullptr,
                           dialplan_.get()},
        options);
    parts_.ledger().OnEvents([this] { service_->PokeEvents(); });
    if (parts_.database().is_postgres()) {
      // Another replica's.
      event_poll_ = loop_->AddTimer([this](MonoTime now) {
        loop_->SetTimer(event_poll_, now + kEventPoll);
        service_->PokeEvents();
      });
      loop_->SetTimer(event_poll_, loop_->now() + kEventPoll);
    }
    coverage_timer_ =
        loop_->AddTimer([this](MonoTime now) { RefreshCoverage(now); });
    loop_->SetTimer(coverage_timer_, loop_->now() + CrlLifetime() / 4);
    procedure_timer_ =
        loop_->AddTimer([this](MonoTime now) { LookAtProcedures(now); });
    loop_->SetTimer(procedure_timer_, loop_->now() + kProcedureLook);
    Listen();
    thread_ = std::thread([this] { loop_->Run(); });
    runtime.AddPort("capf", capf_loop_->port());
    return runtime.StartGrpc(*policy_, {service_.get()});
  }

  const config::v1::CapfConfig& config_;
  MetricsRegistry& metrics_;
  const Clock& clock_ = Clock::Real();
  SystemRandom random_;
  AuthorityParts parts_;
  PortCertificate port_certificate_;
  CertificateAuthority* authority_ = nullptr;  // the default one
  std::optional<TrustAdmin> trust_;
  std::optional<EnrollmentAdmin> enrollments_;
  std::optional<RegistrationAuthority> registration_;
  absl::Mutex publish_mutex_;
  TrustPublisher publisher_;
  std::optional<RevocationFetcher> fetcher_;
  std::unique_ptr<EventLoop> loop_;
  EventLoop::TimerId heartbeat_ = 0;
  EventLoop::TimerId listener_check_ = 0;
  EventLoop::TimerId intent_check_ = 0;
  std::unique_ptr<WorkThread> work_;
  std::unique_ptr<WorkPool> phone_work_;
  std::unique_ptr<PostgresListener> postgres_;
  std::unique_ptr<EstClient> est_;
  std::optional<EstUpstreams> upstreams_;  // if one is configured
  std::optional<UpstreamIssuer> passes_on_;
  EventLoop::TimerId event_timer_ = 0;
  EventLoop::TimerId event_poll_ = 0;
  EventLoop::TimerId procedure_timer_ = 0;
  EventLoop::TimerId coverage_timer_ = 0;
  std::atomic<bool> procedures_look_ = false;  // one is under way
  std::optional<ServerCertificates> servers_;
  std::optional<ServiceCertificates> services_;
  std::optional<ServiceCertificateMethods> service_methods_;
  std::optional<EventLog> events_;
  RenewalState renewal_;  // work thread
  std::unique_ptr<WorkThread> probes_;
  std::unique_ptr<CapfLoop> capf_loop_;
  std::unique_ptr<PhoneParts> phones_;           // if files are served
  std::unique_ptr<RevocationListServer> lists_;  // if it is configured
  std::optional<ConsumerLog> consumers_;
  std::optional<AuthorityRotation> rotation_;
  std::optional<AuthorityAdmin> authority_admin_;
  std::unique_ptr<DialplanMode> dialplan_;  // if one is configured
  std::optional<ProcedureRunner> procedures_;
  std::optional<AccessPolicy> policy_;
  std::unique_ptr<CapfService> service_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunningService>> StartCapf(
    const config::v1::CapfConfig& config, KeyVault& vault,
    ServiceRuntime& runtime) {
  auto process = std::make_unique<CapfProcess>(config, vault, runtime);
  SP_RETURN_IF_ERROR(process->Start(runtime));
  return process;
}

}  // namespace sallyport::capf
