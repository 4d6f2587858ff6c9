#include "services/common/service/service_main.h"

#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/debugging/failure_signal_handler.h"
#include "absl/debugging/symbolize.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpc/support/log.h"
#include "services/common/config/config_loader.h"
#include "services/common/config/proto_time.h"
#include "services/common/config/server_config.h"
#include "services/common/fips/fips_mode.h"
#include "services/common/fips/fips_self_test.h"
#include "services/common/fips/power_up.h"
#include "services/common/log/log.h"
#include "services/common/metrics/metrics_http.h"
#include "services/common/metrics/process_metrics.h"
#include "services/common/random/system_random.h"
#include "services/common/renewal/certificate_renewer.h"
#include "services/common/renewal/renewal_client.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/service/config_watch.h"
#include "services/common/service/metrics_table.h"
#include "services/common/service/process_log.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/tls/tls_context.h"

ABSL_FLAG(std::string, config, "",
          "File with the configuration as JSON. Required.");
ABSL_FLAG(bool, check_config, false,
          "Check the configuration, tell every fault, and exit.");

namespace sallyport {
namespace {

namespace pb = ::sallyport::common::config::v1;

constexpr char kDefaultMetricsAddress[] = "0.0.0.0:9464";
constexpr absl::Duration kDefaultDrainTimeout = absl::Seconds(30);
// Handlers that run when the server ends; beyond it they are cancelled.
constexpr absl::Duration kLastCallsGrace = absl::Seconds(1);
// For lines of the log that wait when all else has ended.
constexpr absl::Duration kLastLinesGrace = absl::Seconds(2);
// In the environment of a process that an operator has stopped: "1".
constexpr char kStopped[] = "SALLYPORT_STOPPED";
constexpr absl::Duration kIdlePoll = absl::Milliseconds(50);
constexpr absl::Duration kConfigPoll = absl::Milliseconds(250);

// In the order of kReloadOutcomes.
enum class ReloadOutcome { kInForce, kNeedsRestart, kRefused };

LogLevel FromProto(pb::LogLevel level) {
  switch (level) {
    case pb::LOG_LEVEL_DEBUG:
      return LogLevel::kDebug;
    case pb::LOG_LEVEL_WARNING:
      return LogLevel::kWarning;
    case pb::LOG_LEVEL_ERROR:
      return LogLevel::kError;
    default:
      return LogLevel::kInfo;
  }
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "";
  return name;
}

// gRPC's own lines, which a peer can trigger, become lines of ours.
void OnGrpcLog(gpr_log_func_args* args) {
  const std::string_view message = args->message;
  // Said for every connection, as our names are URIs and not host names.
  if (message.rfind("No match found for server name", 0) == 0) return;
  if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    SALLYPORT_LOG_LIMITED(kWarning, "grpc reports",
                          {{"detail", message.substr(0, 500)}});
  } else {
    LogDebug("grpc reports", {{"detail", message.substr(0, 500)}});
  }
}

void PrepareProcess(const char* program) {
  absl::InitializeSymbolizer(program);
  absl::FailureSignalHandlerOptions failure;
  // The signal then ends the process as it would have, core file and all.
  failure.call_previous_handler = true;
  failure.writerfn = ProcessLog::OnFailure;
  absl::InstallFailureSignalHandler(failure);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  // Each connection is one; the usual soft limit of 1024 is for programs that
  // use select(), as the hard one is for everybody.
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  gpr_set_log_function(OnGrpcLog);
#ifdef NDEBUG
  // Debian's Abseil is built with its checks on: each lock, of which gRPC takes
  // dozens a call, is looked up in a graph of the order of all locks. That was
  // 6 % of a call's processor time; tests still have it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// True if a signal to end came within `timeout`.
bool WaitForEndSignal(absl::Duration timeout) {
  const sigset_t signals = EndSignals();
  const timespec wait = absl::ToTimespec(timeout);
  return sigtimedwait(&signals, nullptr, &wait) > 0;
}

absl::Status Load(const ServiceOptions& options) {
  const std::string path = absl::GetFlag(FLAGS_config);
  if (path.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "CONFIG_MISSING",
                     "--config=FILE is required");
  }
  SP_RETURN_IF_ERROR(LoadConfig(path, options.config));
  ConfigFaults faults;
  CheckServerConfig("server", options.server_config(), &faults);
  const pb::ServerConfig& server = options.server_config();
  // Only capf signs its own.
  if (server.has_certificate_renewal() && options.name != "capf") {
    faults.Require("server.certificate_renewal.capf.target",
                   server.certificate_renewal().capf().target());
  }
  options.validate(&faults);
  return faults.ToStatus();
}

void TellFaults(const absl::Status& status) {
  const auto violations = FieldViolationsOf(status);
  if (violations.empty()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  }
  for (const FieldViolation& violation : violations) {
    std::fprintf(stderr, "%s: %s\n", violation.field.c_str(),
                 violation.description.c_str());
  }
}

}  // namespace

std::function<void()> ServiceRuntime::HoldReady(const std::string& why) {
  SP_CHECK(hold_ == nullptr);
  hold_ = std::make_shared<ReadyHold>();
  hold_->why = why;
  return [hold = hold_] {
    absl::MutexLock lock(&hold->mutex);
    if (std::exchange(hold->released, true) || hold->act == nullptr) return;
    hold->act();
  };
}

absl::Status ServiceRuntime::EnterFipsMode(const std::string& folder) {
  SP_CHECK(!fips_.on);
  SP_ASSIGN_OR_RETURN(fips_.program_sha256, ProgramSha256());
  SP_RETURN_IF_ERROR(
      RunPowerUpTests({.failed_starts_file = folder + "/fips_failed_starts",
                       .integrity_file = config_.fips().integrity_file(),
                       .broken = config_.fips().break_self_test(),
                       .on_halt = on_halt_}));
  RequireApprovedTls();
  fips_.self_tests_passed = true;
  fips_.on = true;
  LogInfo("FIPS mode",
          {{"module", ModuleName()}, {"program_sha256", fips_.program_sha256}});
  return absl::OkStatus();
}

absl::StatusOr<std::string> ServiceRuntime::RenewCertificate(
    const std::string& use, const std::string& certificate_file,
    const std::string& key_file) {
  if (renewer_ == nullptr) return std::string();
  return renewer_->Manage(use, {certificate_file, key_file, ""},
                          /*is_identity=*/false);
}

absl::Status ServiceRuntime::StartGrpc(const AccessPolicy& policy,
                                       std::vector<grpc::Service*> services) {
  SP_CHECK(grpc_ == nullptr);
  GrpcServerOptions options;
  options.default_address = default_grpc_address_;
  options.policy = &policy;
  process_ = std::make_unique<ProcessState>(ProcessState::Options{
      instance_, absl::Now(), stopped_, &policy, check_file_, ask_waiting_});
  options.services = std::move(services);
  options.services.push_back(process_->service());
  options.metrics = &metrics_;
  SP_ASSIGN_OR_RETURN(grpc_, GrpcServer::Start(config_, options));
  AddPort("grpc", grpc_->port());
  return absl::OkStatus();
}

// What is left of a service that was stopped: its port, where it can be
// started. Thread-compatible.
class Stopped final : public RunningService {
 public:
  static absl::StatusOr<std::unique_ptr<RunningService>> Start(
      ServiceRuntime& runtime) {
    auto out = std::make_unique<Stopped>();
    SP_ASSIGN_OR_RETURN(AccessPolicy policy,
                        AccessPolicy::Create(runtime.server_config(), {}));
    out->policy_ = std::make_unique<AccessPolicy>(std::move(policy));
    runtime.HoldReady("an operator has stopped it");
    SP_RETURN_IF_ERROR(runtime.StartGrpc(*out->policy_, {}));
    return out;
  }

  void Drain() override {}
  bool IsIdle() override { return true; }

 private:
  std::unique_ptr<AccessPolicy> policy_;
};

// Begins the program anew in this process, which keeps its id: whoever watches
// over it sees none end. Returns only if that fails.
void BeginAnew(char** argv, bool stopped) {
  setenv(kStopped, stopped ? "1" : "0", /*overwrite=*/1);
  // What a library has left open without the flag.
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  execv("/proc/self/exe", argv);
  LogError("the process cannot begin anew", {{"errno", errno}});
}

// One run of a service, from its checked configuration to its end. Used by the
// main thread only; the atomics are read by the HTTP server's threads.
class ServiceRun {
 public:
  // `stopped`: an operator has stopped it, and nothing of it is begun.
  ServiceRun(const ServiceOptions& options, bool stopped, ProcessLog& log)
      : options_(options),
        stopped_(stopped),
        log_(log),
        config_(options.server_config()),
        in_force_(options.config->New()) {
    in_force_->CopyFrom(*options.config);
  }

  // Binds everything and tells that it is ready.
  absl::Status Start() {
    std::remove(config_.ready_file().c_str());
    std::vector<absl::Span<const MetricSpec>> tables = options_.metrics;
    tables.push_back(kRpcMetrics);
    tables.push_back(kServiceMetrics);
    SP_ASSIGN_OR_RETURN(metrics_, MetricsRegistry::Create(tables));
    SP_RETURN_IF_ERROR(StartHttp());
    runtime_ = std::make_unique<ServiceRuntime>(
        config_, options_.default_grpc_address,
        config_.instance_id().empty() ? HostName() : config_.instance_id(),
        *metrics_);
    runtime_->AddPort("metrics", http_->port());
    runtime_->stopped_ = stopped_;
    runtime_->check_file_ = [this] { return CheckFile(); };
    runtime_->on_halt_ = [this](const std::string& why) {
      halted_ = "a remedy: " + why;
      waits_for_ = &halted_;
    };
    SP_RETURN_IF_ERROR(PrepareRenewal());
    SP_RETURN_IF_ERROR(ChooseFipsMode());
    if (stopped_) {
      SP_ASSIGN_OR_RETURN(service_, Stopped::Start(*runtime_));
    } else {
      SP_ASSIGN_OR_RETURN(service_, options_.start(*runtime_));
    }
    if (renewer_ != nullptr) renewer_->Start();
    SetLive(service_.get());
    ReadyHold* const hold = runtime_->hold_.get();
    if (hold == nullptr) return BecomeReady();
    waits_for_ = &hold->why;
    LogWarning("service waits", {{"for", hold->why}, {"ports", PortsJson()}});
    absl::MutexLock lock(&hold->mutex);
    if (hold->released) return BecomeReady();
    hold->act = [this] {
      const absl::Status status = BecomeReady();
      if (!status.ok()) LogError("ready, but", {{"status", status}});
    };
    return absl::OkStatus();
  }

  // Returns when a signal to end came, with kNone, or an operator has asked for
  // a change; meanwhile follows the file.
  ProcessChange WaitAndFollow(ConfigWatch& watch) {
    while (!WaitForEndSignal(kConfigPoll)) {
      if (runtime_->process_ != nullptr &&
          runtime_->process_->asked() != ProcessChange::kNone) {
        return runtime_->process_->asked();
      }
      const std::optional<std::string> content = watch.Changed();
      if (!content || stopped_) continue;
      metrics_->Counter(kConfigReloadsTotal).Increment(TakeOver(*content));
    }
    return ProcessChange::kNone;
  }

  // Returns when drained, or out of time, or told a second time.
  void Drain() {
    Unhold();
    const absl::Duration timeout =
        FromProtoOr(config_.drain_timeout(), kDefaultDrainTimeout);
    LogInfo("draining", {{"timeout", timeout}});
    SetTakesNewWork(false);
    service_->Drain();
    const absl::Time give_up = absl::Now() + timeout;
    const char* how = "idle";
    while (!service_->IsIdle()) {
      if (absl::Now() >= give_up) {
        how = "timeout";
        break;
      }
      if (WaitForEndSignal(kIdlePoll)) {
        how = "second signal";
        break;
      }
    }
    LogInfo("drained", {{"how", how}});
  }

  void Stop() {
    Unhold();
    ready_ = false;
    if (renewer_ != nullptr) renewer_->Stop();
    std::remove(config_.ready_file().c_str());
    if (runtime_ != nullptr && runtime_->grpc_ != nullptr) {
      runtime_->grpc_->Shutdown(kLastCallsGrace);
    }
    if (runtime_ != nullptr) runtime_->grpc_.reset();
    SetLive(nullptr);
    service_.reset();
    http_.reset();
  }

 private:
  absl::Status BecomeReady() {
    SetReady(true);
    SetTakesNewWork(true);
    SP_RETURN_IF_ERROR(WriteReadyFile());
    LogInfo("service ready", {{"ports", PortsJson()}});
    return absl::OkStatus();
  }

  // Everybody who reads the files of `server` reads the renewed ones.
  absl::Status PrepareRenewal() {
    if (!config_.has_certificate_renewal()) return absl::OkStatus();
    CertificateRenewer::Options options;
    options.folder = config_.certificate_renewal().folder();
    options.sign = [this](const RenewalOrder& order) {
      return runtime_->own_sign_ ? runtime_->own_sign_(order)
                                 : client_->Sign(order);
    };
    options.report = [this](const std::vector<CertificateUseState>& states)
        -> absl::StatusOr<std::vector<std::string>> {
      if (runtime_->own_report_) return runtime_->own_report_(states);
      SP_ASSIGN_OR_RETURN(RenewalAnswer answer,
                          client_->Report(states, runtime_->fips()));
      FollowFipsMode(answer);
      return std::move(answer.due_uses);
    };
    if (options_.sealing && !config_.certificate_renewal().only_report()) {
      SP_ASSIGN_OR_RETURN(options.sealing, options_.sealing());
    }
    options.report_interval =
        FromProtoOr(config_.certificate_renewal().report_interval(),
                    options.report_interval);
    options.on_state = [expiry = metrics_->Gauge(kCertificateExpiry),
                        next = metrics_->Gauge(kCertificateNextAttempt)](
                           const CertificateUseState& state) {
      const size_t use = UseLabel(state.use);
      expiry.Set(absl::ToDoubleSeconds(state.not_after - absl::UnixEpoch()),
                 use);
      // Nobody here renews what is only observed.
      if (state.next_attempt_time == absl::InfiniteFuture()) return;
      next.Set(
          absl::ToDoubleSeconds(state.next_attempt_time - absl::UnixEpoch()),
          use);
    };
    options.on_attempt = [attempts =
                              metrics_->Counter(kCertificateRenewalsTotal)](
                             const CertificateUseState& state, bool renewed) {
      attempts.Increment(UseLabel(state.use), size_t{renewed ? 1u : 0u});
    };
    renewer_ = std::make_unique<CertificateRenewer>(std::move(options),
                                                    Clock::Real(), random_);
    client_ = std::make_unique<RenewalClient>(config_, runtime_->instance(),
                                              absl::Now());
    runtime_->renewer_ = renewer_.get();
    if (config_.certificate_renewal().only_report()) {
      renewer_->Observe("grpc", config_.tls().certificate_file());
      return renewer_->MakeFolder();
    }
    SP_ASSIGN_OR_RETURN(
        const std::string file,
        renewer_->Manage("grpc",
                         {config_.tls().certificate_file(),
                          config_.tls().key_file(), config_.tls().ca_file()},
                         /*is_identity=*/true));
    google::protobuf::Message& whole = *options_.config;
    auto& server =
        dynamic_cast<pb::ServerConfig&>(*whole.GetReflection()->MutableMessage(
            &whole, whole.GetDescriptor()->FindFieldByName("server")));
    server.mutable_tls()->set_certificate_file(file);
    server.mutable_tls()->set_key_file(file);
    return absl::OkStatus();
  }

  std::string FipsModeFile() const {
    return config_.certificate_renewal().folder() + "/fips_mode";
  }

  // Before anything is opened: the mode that capf says, or, while it does not
  // answer, the one that it said last.
  absl::Status ChooseFipsMode() {
    // capf reads it from its store.
    if (client_ == nullptr || options_.name == "capf") return absl::OkStatus();
    SP_ASSIGN_OR_RETURN(bool on, ReadFipsMode(FipsModeFile()));
    const absl::StatusOr<RenewalAnswer> told =
        client_->Report(renewer_->states(), FipsState{.on = on});
    if (!told.ok()) {
      LogWarning(
          "capf does not say whether FIPS mode is on; it stays as it was",
          {{"fips_mode", on}, {"error", told.status()}});
    } else if (told->fips_on.has_value() && *told->fips_on != on) {
      on = *told->fips_on;
      SP_RETURN_IF_ERROR(WriteFipsMode(FipsModeFile(), on));
    }
    return on ? runtime_->EnterFipsMode(config_.certificate_renewal().folder())
              : absl::OkStatus();
  }

  // On the renewer's thread. What failed is tried again with the next report.
  void FollowFipsMode(const RenewalAnswer& answer) {
    if (!answer.fips_on.has_value() || leaving_ ||
        *answer.fips_on == runtime_->fips().on) {
      return;
    }
    const absl::Status kept = WriteFipsMode(FipsModeFile(), *answer.fips_on);
    if (!kept.ok()) {
      LogError("FIPS mode was switched and cannot be kept", {{"error", kept}});
      return;
    }
    LogWarning(
        "FIPS mode was switched: the process drains and ends, to be "
        "started again",
        {{"on", *answer.fips_on}});
    // Once: a second signal would not let it drain.
    leaving_ = true;
    kill(getpid(), SIGTERM);
  }

  static size_t UseLabel(const std::string& use) {
    const auto at =
        std::find(kCertificateUses.begin(), kCertificateUses.end(), use);
    return std::min<size_t>(at - kCertificateUses.begin(),
                            kCertificateUses.size() - 1);
  }

  void SetLive(RunningService* service) {
    const absl::MutexLock lock(&live_mutex_);
    live_ = service;
  }

  // From here on it does not become ready.
  void Unhold() {
    if (runtime_ == nullptr || runtime_->hold_ == nullptr) return;
    absl::MutexLock lock(&runtime_->hold_->mutex);
    runtime_->hold_->act = nullptr;
  }

  absl::Status StartHttp() {
    const auto flag_answer = [](const std::atomic<bool>& flag,
                                std::string otherwise) {
      return flag ? HttpAnswer{.body = "ok\n"}
                  : HttpAnswer{.code = 503, .body = std::move(otherwise)};
    };
    MetricsHttp::Handlers handlers;
    handlers["/metrics"] = [this] {
      log_.Count(*metrics_);
      return HttpAnswer{
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics_->Text() + ProcessMetricsText()};
    };
    handlers["/healthz"] = [this] {
      const absl::MutexLock lock(&live_mutex_);
      const std::string hangs = live_ == nullptr ? "" : live_->WhatHangs();
      return hangs.empty()
                 ? HttpAnswer{.body = "ok\n"}
                 : HttpAnswer{.code = 503, .body = hangs + " hangs\n"};
    };
    // Stays true while draining: flows on a draining instance live only as
    // long as it is (design.md section 11).
    handlers["/readyz"] = [this, flag_answer] {
      const std::string* const why = waits_for_;
      return flag_answer(
          ready_, why == nullptr ? "starting\n" : "waits for " + *why + "\n");
    };
    handlers["/readyz/new_work"] = [this, flag_answer] {
      return flag_answer(takes_new_work_, "takes no new work\n");
    };
    SP_ASSIGN_OR_RETURN(http_,
                        MetricsHttp::Start(config_.metrics_address().empty()
                                               ? kDefaultMetricsAddress
                                               : config_.metrics_address(),
                                           std::move(handlers)));
    return absl::OkStatus();
  }

  ReloadOutcome TakeOver(const std::string& content) {
    using google::protobuf::Message;
    const std::unique_ptr<Message> next(options_.config->New());
    absl::Status checked = ParseConfig(content, next.get());
    if (checked.ok() && options_.check) {
      ConfigFaults faults;
      options_.check(*next, &faults);
      checked = faults.ToStatus();
    }
    if (!checked.ok()) {
      LogError("the changed configuration is refused; the old one stays",
               {{"reason", ReasonOf(checked)}, {"error", checked}});
      if (runtime_->process_ != nullptr) {
        runtime_->process_->SetRefused(
            std::string(checked.message().data(), checked.message().size()),
            absl::Now());
      }
      return ReloadOutcome::kRefused;
    }
    std::vector<std::string> waiting = ChangedFields(*in_force_, *next);
    if (waiting.empty()) {
      TellWaiting(*next);
      return ReloadOutcome::kInForce;
    }
    std::vector<std::string> taken;
    for (const std::string& field : service_->OnConfigChanged(*next)) {
      const auto it = std::find(waiting.begin(), waiting.end(), field);
      if (it == waiting.end()) continue;
      TakeField(*next, field, in_force_.get());
      taken.push_back(field);
      waiting.erase(it);
    }
    TellWaiting(*next);
    LogInfo("the configuration changed",
            {{"in_force", absl::StrJoin(taken, ",")},
             {"needs_restart", absl::StrJoin(waiting, ",")}});
    return waiting.empty() ? ReloadOutcome::kInForce
                           : ReloadOutcome::kNeedsRestart;
  }

  void TellWaiting(const google::protobuf::Message& next) {
    if (runtime_->process_ == nullptr) return;
    runtime_->process_->SetWaiting(ChangedSettings(*in_force_, next),
                                   absl::Now());
  }

  void SetReady(bool ready) {
    ready_ = ready;
    if (runtime_->grpc_ != nullptr) runtime_->grpc_->SetReady(ready);
  }

  void SetTakesNewWork(bool takes) {
    takes_new_work_ = takes;
    if (runtime_->grpc_ != nullptr) runtime_->grpc_->SetTakesNewWork(takes);
  }

  std::string PortsJson() const {
    std::string json = "{";
    for (const auto& [name, port] : runtime_->ports_) {
      absl::StrAppend(&json, json.size() == 1 ? "" : ",", "\"", name,
                      "\":", port);
    }
    json.push_back('}');
    return json;
  }

  // By rename, so that a reader sees all of it or nothing.
  absl::Status WriteReadyFile() const {
    if (config_.ready_file().empty()) return absl::OkStatus();
    const std::string part = config_.ready_file() + ".part";
    {
      std::ofstream out(part, std::ios::trunc);
      out << PortsJson() << "\n";
      out.flush();
      if (!out) {
        return MakeError(absl::StatusCode::kUnavailable,
                         "READY_FILE_NOT_WRITTEN",
                         absl::StrCat("cannot write ", part));
      }
    }
    if (std::rename(part.c_str(), config_.ready_file().c_str()) != 0) {
      return MakeError(absl::StatusCode::kUnavailable, "READY_FILE_NOT_WRITTEN",
                       absl::StrCat("cannot write ", config_.ready_file()));
    }
    return absl::OkStatus();
  }

  // Whether the file, as it is, could be begun with. On any thread.
  absl::Status CheckFile() {
    const std::unique_ptr<google::protobuf::Message> next(
        options_.config->New());
    SP_RETURN_IF_ERROR(LoadConfig(absl::GetFlag(FLAGS_config), next.get()));
    if (options_.check == nullptr) return absl::OkStatus();
    ConfigFaults faults;
    options_.check(*next, &faults);
    return faults.ToStatus();
  }

  const ServiceOptions& options_;
  const bool stopped_;
  ProcessLog& log_;
  const pb::ServerConfig& config_;
  const std::unique_ptr<google::protobuf::Message> in_force_;
  std::atomic<const std::string*> waits_for_ = nullptr;
  std::string halted_;    // before waits_for_ points to it
  bool leaving_ = false;  // the renewer's thread
  std::atomic<bool> ready_ = false;
  std::atomic<bool> takes_new_work_ = false;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::unique_ptr<MetricsHttp> http_;
  std::unique_ptr<ServiceRuntime> runtime_;
  std::unique_ptr<RunningService> service_;
  SystemRandom random_;
  std::unique_ptr<RenewalClient> client_;
  std::unique_ptr<CertificateRenewer> renewer_;  // null: nothing is renewed
  absl::Mutex live_mutex_;
  // While it may be asked.
  RunningService* live_ ABSL_GUARDED_BY(live_mutex_) = nullptr;
};

int ServiceMain(int argc, char** argv, const ServiceOptions& options) {
  std::vector<char*> arguments(argv, argv + argc);
  arguments.push_back(nullptr);
  const char* const state = getenv(kStopped);
  const bool stopped = state != nullptr && std::string_view(state) == "1";
  absl::SetProgramUsageMessage(absl::StrCat("Sallyport's ", options.name,
                                            ".\n  ", options.name,
                                            " --config=FILE [--check_config]"));
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  if (rest.size() > 1) {
    std::fprintf(stderr, "unexpected argument %s\n", rest[1]);
    return 2;
  }
  PrepareProcess(argv[0]);
  // Blocked here and so in every thread; only this one takes them, in turn.
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  // Before the file is read, so that no change is missed.
  ConfigWatch watch(absl::GetFlag(FLAGS_config));
  const absl::Status loaded = Load(options);
  if (!loaded.ok()) {
    TellFaults(loaded);
    return 2;
  }
  if (absl::GetFlag(FLAGS_check_config)) {
    std::fprintf(stderr, "the configuration is valid\n");
    return 0;
  }
  const pb::ServerConfig& config = options.server_config();
  LogOptions log;
  log.service = options.name;
  log.instance = config.instance_id();
  log.level = FromProto(config.log_level());
  ProcessLog& process_log =
      ProcessLog::Begin(std::move(log), config.log_queue_bytes());
  const auto flush =
      absl::MakeCleanup([&] { process_log.Flush(kLastLinesGrace); });

  ServiceRun run(options, stopped, process_log);
  const absl::Status started = run.Start();
  if (!started.ok()) {
    LogError("start failed",
             {{"reason", ReasonOf(started)}, {"error", started}});
    run.Stop();
    return 1;
  }
  const ProcessChange change = run.WaitAndFollow(watch);
  run.Drain();
  run.Stop();
  if (change != ProcessChange::kNone) {
    LogInfo(change == ProcessChange::kStop ? "service stopped"
                                           : "service begins anew");
    process_log.Flush(kLastLinesGrace);
    BeginAnew(arguments.data(), change == ProcessChange::kStop);
    return 1;
  }
  LogInfo("service ended");
  return 0;
}

}  // namespace sallyport
