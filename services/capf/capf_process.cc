#include "services/capf/capf_process.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "services/capf/config.h"
#include "services/capf/config_options.h"
#include "services/capf/core/authentication_string.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/fips_self_test.h"
#include "services/capf/io/audit_file.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/authority_rotation.h"
#include "services/capf/io/capf_loop.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/consumer_log.h"
#include "services/capf/io/dialplan_mode.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/enrollment_admin.h"
#include "services/capf/io/est_client.h"
#include "services/capf/io/est_upstream.h"
#include "services/capf/io/event_log.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/fips_mode.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/list_signers.h"
#include "services/capf/io/listener_certificate.h"
#include "services/capf/io/metrics_table.h"
#include "services/capf/io/own_coverage.h"
#include "services/capf/io/pkcs11_signer.h"
#include "services/capf/io/pkcs11_token.h"
#include "services/capf/io/procedure_runner.h"
#include "services/capf/io/registration_authority.h"
#include "services/capf/io/revocation_fetcher.h"
#include "services/capf/io/server_certificates.h"
#include "services/capf/io/service_certificates.h"
#include "services/capf/io/signer.h"
#include "services/capf/io/sql_store.h"
#include "services/capf/io/trust_admin.h"
#include "services/capf/io/trust_publisher.h"
#include "services/capf/io/upstream_issuer.h"
#include "services/capf/io/work_thread.h"
#include "services/capf/own_renewal.h"
#include "services/capf/phone_parts.h"
#include "services/capf/process_options.h"
#include "services/capf/rpc/capf_access.h"
#include "services/capf/rpc/capf_service.h"
#include "services/capf/rpc/service_certificate_methods.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/log/log.h"
#include "services/common/net/event_loop.h"
#include "services/common/random/system_random.h"
#include "services/common/renewal/renewal_schedule.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/sql/postgres_listener.h"
#include "services/common/sql/postgres_options.h"
#include "services/common/sql/sql_database.h"
#include "services/common/sql/store_config.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::capf {
namespace {

using ::sallyport::FromProto;

constexpr char kVersion[] = "0.1.0";
constexpr char kDefaultTenant[] = "default";
constexpr char kDefaultAuthority[] = "default";
constexpr char kDefaultCommonName[] = "Sallyport CAPF";
constexpr char kDefaultRootName[] = "Sallyport Root";
// By this name the store knows which key the strings' hashes are made with.
constexpr char kStringKey[] = "string_key";
// Two answers of the work thread for each of 20 000 phones.
constexpr size_t kWorkCapacity = 50000;
// Looks at peers that wait; each takes up to five seconds.
constexpr size_t kProbeCapacity = 16;
constexpr absl::Duration kHeartbeat = absl::Seconds(15);
// Signing takes seconds at most; whoever is slower is refused.
constexpr absl::Duration kIntentAge = absl::Minutes(5);
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
  CapfProcess(const config::v1::CapfConfig& config, ServiceRuntime& runtime)
      : config_(config), metrics_(runtime.metrics()) {}

  ~CapfProcess() override {
    // Jobs answer into the loop's mailbox, so they end before it does.
    postgres_.reset();
    upstream_.reset();
    if (fetcher_.has_value()) fetcher_->Stop();
    if (phone_work_ != nullptr) phone_work_->Stop();
    if (probes_ != nullptr) probes_->Stop();
    if (work_ != nullptr) work_->Stop();
    if (ledger_.has_value()) ledger_->Stop();
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
    SP_RETURN_IF_ERROR(OpenStores());
    SP_RETURN_IF_ERROR(EnterFipsMode());
    SP_RETURN_IF_ERROR(OpenAuthority());
    SP_RETURN_IF_ERROR(StartPort());
    SP_RETURN_IF_ERROR(StartPhoneFiles(runtime));
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
  std::string tenant() const {
    return config_.default_tenant().empty() ? kDefaultTenant
                                            : config_.default_tenant();
  }

  absl::Status OpenStores() {
    SP_ASSIGN_OR_RETURN(database_,
                        SqlDatabase::Open(SqlOptionsOf(config_.store())));
    SP_ASSIGN_OR_RETURN(store_, SqlStore::Open(*database_));
    SP_ASSIGN_OR_RETURN(audit_, AuditFile::Open(config_.audit_file(), *store_));
    ledger_.emplace(*store_, *audit_, clock_);
    return absl::OkStatus();
  }

  // Self tests before anything else is opened, and new keys after a switch of
  // the mode (IMP-69, IMP-73 to IMP-76).
  absl::Status EnterFipsMode() {
    SP_ASSIGN_OR_RETURN(const int64_t stored, store_->FipsMode());
    fips_.on = stored != 0;
    fips_.restart = [] { kill(getpid(), SIGTERM); };
    fips_.forbidden_settings = ForbiddenSettings(config_);
    SP_ASSIGN_OR_RETURN(fips_.program_sha256, ProgramSha256());
    if (!fips_.on) {
      return RegenerateKeys(KeyFolder(), "off");
    }
    SP_RETURN_IF_ERROR(RunPowerUpTests(
        {.failed_starts_file = KeyFolder() + "/fips_failed_starts",
         .integrity_file = config_.fips().integrity_file(),
         .broken = config_.fips().break_self_test()}));
    fips_.self_tests_passed = true;
    if (!fips_.forbidden_settings.empty()) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "NOT_ALLOWED_IN_FIPS_MODE",
                       absl::StrJoin(fips_.forbidden_settings, "; "));
    }
    LogInfo("FIPS mode", {{"module", ModuleName()},
                          {"program_sha256", fips_.program_sha256}});
    return RegenerateKeys(KeyFolder(), "on");
  }

  absl::Status OpenToken() {
    if (!config_.authority().has_pkcs11()) return absl::OkStatus();
    const config::v1::Pkcs11Config& config = config_.authority().pkcs11();
    Pkcs11Options options;
    options.module_file = config.module_file();
    options.token_label = config.token_label();
    options.max_sessions = std::max(1, static_cast<int>(config.max_sessions()));
    SP_ASSIGN_OR_RETURN(options.pin,
                        FirstLine(config.pin_file(), "PIN_MISSING"));
    SP_ASSIGN_OR_RETURN(token_, Pkcs11Token::Open(std::move(options), clock_));
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Signer>> OpenSigner(
      const config::v1::AuthorityConfig& authority) {
    const int rsa_bits = static_cast<int>(authority.rsa_bits());
    if (!authority.has_pkcs11()) {
      return FileSigner::Open(
          {.key_file = authority.key_file(),
           .passphrase = Secret::CopyOf(passphrase_.DangerousBytes()),
           .create = true,
           .create_rsa_bits = rsa_bits});
    }
    return Pkcs11Signer::Open({.label = authority.pkcs11().key_label(),
                               .create = true,
                               .create_rsa_bits = rsa_bits},
                              *token_);
  }

  absl::Status OpenAuthority() {
    const config::v1::AuthorityConfig& authority = config_.authority();
    if (!authority.passphrase_file().empty()) {
      SP_ASSIGN_OR_RETURN(passphrase_, FirstLine(authority.passphrase_file(),
                                                 "PASSPHRASE_MISSING"));
    }
    SP_RETURN_IF_ERROR(OpenToken());
    Authorities::Options all;
    all.default_id = AuthorityId();
    all.key_file = authority.key_file();
    all.certificate_file = authority.certificate_file();
    SP_ASSIGN_OR_RETURN(
        all.wrapping, OpenWrappingKey(KeyFolder() + "/store.key", passphrase_));
    all.token = token_.get();
    all.token_label = authority.pkcs11().key_label();
    all.root_key_file = authority.root().key_file();
    all.root_certificate_file = authority.root().certificate_file();
    all.root_passphrase = Secret::CopyOf(passphrase_.DangerousBytes());
    all.on_issued = [issued = metrics_.Counter(kCapfIssuedTotal)](
                        ProfileId profile) { issued.Increment(profile); };
    authorities_.emplace(std::move(all), *ledger_, random_);
    SP_RETURN_IF_ERROR(
        authorities_->Open([this] { return OpenConfiguredAuthority(); }));
    authority_ = &authorities_->Default();
    // Another replica may be signing now.
    SP_RETURN_IF_ERROR(authority_->Recover(
        database_->is_postgres() ? kIntentAge : absl::ZeroDuration()));
    LogInfo("authority is open",
            {{"name", authority_->issuer().subject.common_name},
             {"expires", authority_->issuer().not_after}});
    return OpenTrust();
  }

  std::string AuthorityId() const {
    return config_.authority().id().empty() ? kDefaultAuthority
                                            : config_.authority().id();
  }

  // With the key of the configuration file.
  absl::StatusOr<std::unique_ptr<CertificateAuthority>>
  OpenConfiguredAuthority() {
    const config::v1::AuthorityConfig& authority = config_.authority();
    SP_ASSIGN_OR_RETURN(signer_, OpenSigner(authority));
    AuthorityOptions options;
    options.id = AuthorityId();
    options.certificate_file = authority.certificate_file();
    options.create = true;
    options.subject.organization = authority.organization();
    options.subject.common_name = authority.common_name().empty()
                                      ? kDefaultCommonName
                                      : authority.common_name();
    options.lifetime = FromProto(authority.lifetime());
    std::unique_ptr<FileSigner> root;
    SP_ASSIGN_OR_RETURN(const auto kept,
                        ReadSmallFile(authority.certificate_file()));
    // The root's key is not looked for once it has done its work.
    if (authority.has_root() && !kept.has_value()) {
      SP_ASSIGN_OR_RETURN(
          root,
          FileSigner::Open(
              {.key_file = authority.root().key_file(),
               .passphrase = Secret::CopyOf(passphrase_.DangerousBytes()),
               .create = true,
               .create_rsa_bits = static_cast<int>(authority.rsa_bits())}));
      options.root_signer = root.get();
      options.root_certificate_file = authority.root().certificate_file();
      options.root_subject.organization = authority.organization();
      options.root_subject.common_name = authority.root().common_name().empty()
                                             ? kDefaultRootName
                                             : authority.root().common_name();
    }
    options.on_issued = [issued = metrics_.Counter(kCapfIssuedTotal)](
                            ProfileId profile) { issued.Increment(profile); };
    return CertificateAuthority::Open(options, *signer_, *ledger_, random_);
  }

  absl::Status OpenTrust() {
    trust_.emplace(*authority_, *ledger_);
    SP_RETURN_IF_ERROR(trust_->EnsureOwn(tenant(), "capf"));
    fetcher_.emplace(FetchOptionsOf(config_, authority_->issuer().subject_der),
                     *ledger_, random_);
    SP_RETURN_IF_ERROR(PublishTrust());
    fetcher_->Start();
    ledger_->OnTrustChange([this] {
      const absl::Status published = PublishTrust();
      if (!published.ok()) {
        LogError("trust was changed but not published",
                 {{"status", published}});
      }
    });
    return OpenStrings();
  }

  // The key under which authentication strings are hashed lies beside the
  // authority's, made at the first start, and never in the store.
  absl::Status OpenStrings() {
    SP_ASSIGN_OR_RETURN(
        const auto key,
        FileSigner::Open(
            {.key_file = KeyFolder() + "/capf_strings.key",
             .passphrase = Secret::CopyOf(passphrase_.DangerousBytes()),
             .create = true}));
    SP_ASSIGN_OR_RETURN(Secret secret,
                        key->DeriveSecret("capf authentication strings"));
    strings_.emplace(std::move(secret));
    SP_ASSIGN_OR_RETURN(const int64_t of_store,
                        store_->ClaimNumber(kStringKey, strings_->KeyId()));
    if (of_store != strings_->KeyId()) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "STRING_KEY_MISMATCH",
                       "capf_strings.key is not the one that this store's "
                       "strings were hashed with");
    }
    enrollments_.emplace(*strings_, *ledger_, random_);
    if (fips_.on) enrollments_->RefuseWhatIsNotApproved();
    return absl::OkStatus();
  }

  // Of changes that come at the same time the newest is published last.
  absl::Status PublishTrust() ABSL_LOCKS_EXCLUDED(publish_mutex_) {
    const absl::MutexLock lock(&publish_mutex_);
    SP_ASSIGN_OR_RETURN(TrustBundle bundle, ReadBundle(*store_, clock_.Now()));
    bundle.hard_stores = {config_.hard_revocation_stores().begin(),
                          config_.hard_revocation_stores().end()};
    // Each revocation of ours is pushed; who has not heard of us for as long as
    // a list of ours lasts knows no better than by an old list.
    SP_RETURN_IF_ERROR(AddOwnCoverage(*authorities_, *store_,
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

  // The leaf that phones see on the CAPF port.
  absl::StatusOr<std::string> ListenerLeaf() {
    std::string file = config_.capf().certificate_file();
    if (file.empty()) file = KeyFolder() + "/capf_listener.pem";
    return FirstCertificate(file);
  }

  static absl::StatusOr<std::string> FirstCertificate(const std::string& file) {
    SP_ASSIGN_OR_RETURN(const std::optional<std::string> pem,
                        ReadSmallFile(file));
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                        CertificatesFromPem(pem.value_or("")));
    return certificates.front();
  }

  std::string KeyFolder() const {
    const std::string folder =
        std::filesystem::path(config_.authority().has_pkcs11()
                                  ? config_.authority().certificate_file()
                                  : config_.authority().key_file())
            .parent_path();
    return folder.empty() ? "." : folder;
  }

  absl::Status StartPhoneFiles(ServiceRuntime& runtime) {
    if (!config_.has_trust_lists()) return absl::OkStatus();
    SP_ASSIGN_OR_RETURN(const std::string leaf, ListenerLeaf());
    SP_ASSIGN_OR_RETURN(const auto tls, ListenerTls());
    SP_ASSIGN_OR_RETURN(
        phones_, PhoneParts::Start(
                     {config_, *loop_, *work_, *authority_, *ledger_, random_,
                      metrics_, passphrase_, tenant(), KeyFolder(), leaf,
                      capf_loop_->port(), tls, fips_.on},
                     runtime));
    return absl::OkStatus();
  }

  absl::StatusOr<ListenerCertificateOptions> ListenerOptions() {
    ListenerCertificateOptions wanted;
    wanted.folder = KeyFolder();
    wanted.tenant = tenant();
    SP_ASSIGN_OR_RETURN(wanted.names, ListenerNames(config_.capf()));
    SP_ASSIGN_OR_RETURN(const std::vector<AuthorityGeneration> all,
                        authorities_->Generations());
    const AuthorityGeneration* const issuing =
        FindGeneration(all, authority_->id(), AuthorityState::kIssuing);
    if (issuing != nullptr) wanted.prepared = issuing->listener_der;
    return wanted;
  }

  absl::StatusOr<std::shared_ptr<const TlsContext>> ListenerTls() {
    const config::v1::CapfListenerConfig& capf = config_.capf();
    TlsContextOptions options;
    options.role = TlsRole::kServer;
    options.legacy_phones = capf.allow_legacy_tls();
    options.approved_only = fips_.on;
    if (!capf.certificate_file().empty()) {
      return TlsContext::CreateFromFiles(
          capf.certificate_file(), capf.key_file(), "", std::move(options));
    }
    SP_ASSIGN_OR_RETURN(const ListenerCertificateOptions wanted,
                        ListenerOptions());
    SP_ASSIGN_OR_RETURN(
        ListenerCertificate certificate,
        LoadOrIssueListenerCertificate(wanted, *authority_, clock_.Now()));
    options.certificate_chain_pem = std::move(certificate.chain_pem);
    options.private_key_pem = std::move(certificate.key_pem);
    return TlsContext::Create(std::move(options));
  }

  absl::Status StartPort() {
    const config::v1::CapfListenerConfig& capf = config_.capf();
    registration_.emplace(RegistrationOptionsOf(config_, fips_.on), *strings_,
                          *authority_, *ledger_);
    registration_->ChooseFrom(*authorities_);

    CapfLoop::Options options = LoopOptionsOf(capf);
    SP_ASSIGN_OR_RETURN(options.address, CapfAddress(capf));
    SP_ASSIGN_OR_RETURN(options.tls, ListenerTls());
    SP_ASSIGN_OR_RETURN(loop_, EventLoop::Create(clock_));
    work_ = std::make_unique<WorkThread>(kWorkCapacity);
    phone_work_ = std::make_unique<WorkThreads>(kPhoneThreads, kWorkCapacity);
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
    const absl::Status status = authorities_->Refresh();
    if (!status.ok()) {
      LogWarning("authorities were not read", {{"status", status}});
    }
  }

  // Replicas tell each other what they have changed.
  void Listen() {
    if (!database_->is_postgres()) return;
    PostgresListener::Options options;
    options.server = std::get<PostgresOptions>(database_->options());
    options.channel = SqlStore::kChannel;
    options.on_change = [this] {
      ledger_->Wake();
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
    if (est.server_certificates()) passes_on_.emplace(*est_, *ledger_);
    upstream_.emplace(*est_, *authority_, *trust_,
                      FromProtoOr(est.retry_interval(), absl::Minutes(1)),
                      clock_);
    return absl::OkStatus();
  }

  void RenewListener() {
    const absl::StatusOr<std::string> before = ListenerLeaf();
    absl::StatusOr<std::shared_ptr<const TlsContext>> tls = ListenerTls();
    absl::Status status = tls.status();
    if (status.ok()) status = capf_loop_->SetTls(*tls);
    if (status.ok() && phones_ != nullptr) {
      const absl::StatusOr<std::string> leaf = ListenerLeaf();
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
    const absl::StatusOr<std::string> after = ListenerLeaf();
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
    SP_ASSIGN_OR_RETURN(const std::string leaf, ListenerLeaf());
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

  // Procedures go on as soon as what they wait for has happened.
  void LookAtProcedures(MonoTime now) {
    loop_->SetTimer(procedure_timer_, now + kProcedureLook);
    // One that is slow is not asked again meanwhile.
    if (procedures_look_.exchange(true)) return;
    const absl::Status posted = work_->Post([this] {
      procedures_->GoOn();
      procedures_look_ = false;
    });
    if (!posted.ok()) procedures_look_ = false;
  }

  void TellEvents(MonoTime now) {
    loop_->SetTimer(event_timer_, now + kEventTick);
    work_
        ->Post([this] {
          RefreshAuthorities();
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
                      *ledger_);
    events_.emplace(*ledger_, &*services_);
    consumers_.emplace(*ledger_);
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
    servers_.emplace(ServerCertificates::Options{.folder = KeyFolder()},
                     passphrase_, *authority_, *ledger_, random_);
    SP_ASSIGN_OR_RETURN(
        AccessPolicy policy,
        AccessPolicy::Create(config_.server(),
                             CapfMethodRules(Watchers(config_))));
    policy_.emplace(std::move(policy));
    CapfService::Options options = ServiceOptionsOf(config_);
    options.authority_id = AuthorityId();
    options.instance = runtime.instance();
    options.version = kVersion;
    options.start_time = clock_.Now();
    service_methods_.emplace(*ledger_, *authority_, *services_,
                             "certificateAuthorities/" + options.authority_id);
    SignOwnCertificates(config_.server(), *work_, *service_methods_,
                        clock_.Now(), runtime);
    options.capf_port = capf_loop_->port();
    std::optional<ListenerCertificateOptions> listener;
    if (config_.capf().certificate_file().empty()) {
      SP_ASSIGN_OR_RETURN(listener, ListenerOptions());
    }
    rotation_.emplace(AuthorityRotation::Parts{
        *authorities_, *trust_, *ledger_, phones_ ? &phones_->lists() : nullptr,
        est_.get(), std::move(listener)});
    // On the work thread, as everybody who refreshes.
    authorities_->OnSwitched([this] {
      LogInfo("the authority issues by another key",
              {{"name", authority_->issuer().subject.common_name},
               {"generation", authority_->generation()}});
      const absl::Status posted = work_->Post([this] { RenewListener(); });
      if (!posted.ok()) LogWarning("the CAPF port's certificate check waits");
    });
    SP_ASSIGN_OR_RETURN(dialplan_, OpenDialplan(config_));
    procedures_.emplace(
        ProcedureRunner::Parts{*ledger_, phones_ ? &phones_->lists() : nullptr,
                               phones_ ? &phones_->signers() : nullptr, fips_,
                               &*rotation_, dialplan_.get()});
    service_ = std::make_unique<CapfService>(
        CapfService::Parts{*policy_,
                           *work_,
                           *probes_,
                           *ledger_,
                           *authorities_,
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
                           fips_,
                           upstream_ ? &*upstream_ : nullptr,
                           passes_on_ ? &*passes_on_ : nullptr,
                           dialplan_.get()},
        options);
    ledger_->OnEvents([this] { service_->PokeEvents(); });
    if (database_->is_postgres()) {
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
  std::unique_ptr<SqlDatabase> database_;
  std::unique_ptr<SqlStore> store_;
  std::unique_ptr<AuditFile> audit_;
  std::optional<Ledger> ledger_;
  std::unique_ptr<Pkcs11Token> token_;  // if the key lies in one
  std::unique_ptr<Signer> signer_;
  std::optional<Authorities> authorities_;
  CertificateAuthority* authority_ = nullptr;  // the default one
  std::optional<TrustAdmin> trust_;
  std::optional<StringHasher> strings_;
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
  std::unique_ptr<WorkThreads> phone_work_;
  std::unique_ptr<PostgresListener> postgres_;
  std::unique_ptr<EstClient> est_;
  std::optional<EstUpstream> upstream_;  // if the authority has one
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
  Secret passphrase_;                   // of the keys, if they are encrypted
  std::unique_ptr<PhoneParts> phones_;  // if files are served
  FipsMode fips_;
  std::optional<ConsumerLog> consumers_;
  std::optional<AuthorityRotation> rotation_;
  std::unique_ptr<DialplanMode> dialplan_;  // if one is configured
  std::optional<ProcedureRunner> procedures_;
  std::optional<AccessPolicy> policy_;
  std::unique_ptr<CapfService> service_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunningService>> StartCapf(
    const config::v1::CapfConfig& config, ServiceRuntime& runtime) {
  auto process = std::make_unique<CapfProcess>(config, runtime);
  SP_RETURN_IF_ERROR(process->Start(runtime));
  return process;
}

}  // namespace sallyport::capf
