// The main of every service: flags, configuration, logs, metrics and health,
// signals, drain.
//
//   int main(int argc, char** argv) {
//     DialplanConfig config;
//     ServiceOptions options;
//     options.name = "dialplan";
//     options.default_grpc_address = "0.0.0.0:7001";
//     options.metrics = {kDialplanMetrics};
//     options.config = &config;
//     options.server_config = [&]() -> auto& { return config.server(); };
//     options.validate = [&](ConfigFaults* f) { ValidateConfig(config, f); };
//     options.start = [&](ServiceRuntime& runtime) {
//       return StartDialplan(config, runtime);
//     };
//     return ServiceMain(argc, argv, options);
//   }

#ifndef SALLYPORT_SERVICES_COMMON_SERVICE_SERVICE_MAIN_H_
#define SALLYPORT_SERVICES_COMMON_SERVICE_SERVICE_MAIN_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/service_type.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/config/config_faults.h"
#include "services/common/fips/fips_mode.h"
#include "services/common/metrics/metrics.h"
#include "services/common/renewal/certificate_renewer.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/server_builder.h"
#include "services/common/service/config_watch.h"
#include "services/common/service/process_state.h"

namespace sallyport {

// A service that runs. Its destructor stops what is left, after the gRPC
// server has ended. Called from the main thread only; Thread-compatible.
class RunningService {
 public:
  virtual ~RunningService() = default;

  // SIGTERM came: refuse new work in the protocol's own words, keep what
  // lives. Streams that never end by themselves are ended here.
  virtual void Drain() = 0;
  // True when nothing lives any more; asked after Drain().
  virtual bool IsIdle() = 0;
  // What no longer turns, in a few words; empty while all does. Asked for
  // /healthz on threads of the HTTP server at any time of its life, so it must
  // be thread-safe, and quick.
  virtual std::string WhatHangs() { return ""; }
  // The configuration file changed to `next`, which ServiceOptions::check
  // found valid: takes over what it can, and gives the names of the top-level
  // fields that are now in force as `next` has them. All others wait for a
  // restart.
  virtual std::vector<std::string> OnConfigChanged(
      const google::protobuf::Message& /*next*/) {
    return {};
  }
};

// Readiness that waits for something.
struct ReadyHold {
  std::string why;
  absl::Mutex mutex;
  // What makes the service ready; null while it has not started, and after its
  // end.
  std::function<void()> act ABSL_GUARDED_BY(mutex);
  bool released ABSL_GUARDED_BY(mutex) = false;
};

// What ServiceMain offers while a service starts. Thread-compatible.
class ServiceRuntime {
 public:
  ServiceRuntime(const common::config::v1::ServerConfig& config,
                 std::string default_grpc_address, std::string instance,
                 MetricsRegistry& metrics)
      : config_(config),
        default_grpc_address_(std::move(default_grpc_address)),
        instance_(std::move(instance)),
        metrics_(metrics) {}

  const common::config::v1::ServerConfig& server_config() const {
    return config_;
  }
  // instance_id of the configuration, or the host name.
  const std::string& instance() const { return instance_; }
  MetricsRegistry& metrics() { return metrics_; }

  // Starts the gRPC server with `services`; the policy and they outlive it.
  // At most once. Its port is reported as "grpc".
  absl::Status StartGrpc(const AccessPolicy& policy,
                         std::vector<grpc::Service*> services);

  // While start() runs: it is not ready when that returns, for what `why` says
  // to those who ask for readiness. The returned function makes it ready, once,
  // from any thread; after the end of the service it does nothing.
  std::function<void()> HoldReady(const std::string& why);

  // Keeps a pair besides that of `server` fresh: returns the file in which
  // chain and key are from now on, or "" if nothing is renewed here. While
  // start() runs. `use` is "sip", or "sip-<server name>".
  absl::StatusOr<std::string> RenewCertificate(
      const std::string& use, const std::string& certificate_file,
      const std::string& key_file);
  // Tells capf what this file holds, where others replace it; nothing if
  // nothing is renewed here. While start() runs.
  void ObserveCertificate(const std::string& use,
                          const std::string& certificate_file) {
    if (renewer_ != nullptr) renewer_->Observe(use, certificate_file);
  }
  // For capf, which asks nobody: who signs and who takes note in place of the
  // capf of the configuration. While start() runs; called on a thread of their
  // own until the service is destroyed.
  void SignOwnCertificates(
      std::function<absl::StatusOr<std::string>(const RenewalOrder&)> sign,
      std::function<absl::StatusOr<std::vector<std::string>>(
          const std::vector<CertificateUseState>&)>
          report) {
    own_sign_ = std::move(sign);
    own_report_ = std::move(report);
  }
  // The mode that this process runs in, from before start() on. Another mode of
  // the installation ends the process, drained as by SIGTERM and with exit code
  // 0, for it to be started again (IMP-72).
  const FipsState& fips() const { return fips_; }
  // The power-up tests, and from then on TLS of approved functions only; what
  // is counted of failed starts lies in `folder`. FAILED_PRECONDITION if they
  // fail; after some failures in a row that only at the process' end (IMP-74 to
  // IMP-76). For capf, which knows the mode by itself, while start() runs; for
  // the others ServiceMain does it. At most once.
  absl::Status EnterFipsMode(const std::string& folder);
  // Settings that wait for a restart and are not of the configuration file,
  // asked for on gRPC's threads until the server ends. Before StartGrpc().
  void TellWaitingOf(std::function<std::vector<SettingDifference>()> ask) {
    ask_waiting_ = std::move(ask);
  }
  // For the ready file and the log: "sip_udp", 5060.
  void AddPort(const std::string& name, int port) { ports_[name] = port; }

 private:
  friend class ServiceRun;

  const common::config::v1::ServerConfig& config_;
  const std::string default_grpc_address_;
  const std::string instance_;
  MetricsRegistry& metrics_;
  FipsState fips_;
  std::function<void(const std::string& why)> on_halt_;
  std::function<std::vector<SettingDifference>()> ask_waiting_;
  bool stopped_ = false;
  std::function<absl::Status()> check_file_;
  std::unique_ptr<ProcessState> process_;
  std::unique_ptr<GrpcServer> grpc_;
  std::map<std::string, int> ports_;
  std::shared_ptr<ReadyHold> hold_;        // null: none
  CertificateRenewer* renewer_ = nullptr;  // null: nothing is renewed
  std::function<absl::StatusOr<std::string>(const RenewalOrder&)> own_sign_;
  std::function<absl::StatusOr<std::vector<std::string>>(
      const std::vector<CertificateUseState>&)>
      own_report_;
};

struct ServiceOptions {
  // "dialplan".
  std::string name;
  // Where gRPC listens when the configuration says nothing.
  std::string default_grpc_address;
  // The service's tables; those of common are added.
  std::vector<absl::Span<const MetricSpec>> metrics;
  // Filled from --config.
  google::protobuf::Message* config = nullptr;
  // The `server` of it.
  std::function<const common::config::v1::ServerConfig&()> server_config;
  // Adds every fault of what is not `server`; that is checked by itself. Pure.
  std::function<void(ConfigFaults*)> validate;
  // The same for a file that changed while the service runs, all of it, with
  // `server`. Absent: a change is told to wait for a restart, unchecked. Pure.
  std::function<void(const google::protobuf::Message& next, ConfigFaults*)>
      check;
  // How private keys that are made for it are kept, asked before they are read;
  // absent: as they are, mode 0600.
  std::function<absl::StatusOr<KeySealing>()> sealing;
  // Builds the objects and binds the ports.
  std::function<absl::StatusOr<std::unique_ptr<RunningService>>(
      ServiceRuntime&)>
      start;
};

// Runs until SIGTERM or SIGINT, or until capf says that FIPS mode was switched,
// then drains; a second signal ends it at once.
// SIGHUP does nothing: files are watched, the configuration among them, once a
// second. One that is no longer valid is logged with its faults and changes
// nothing. Returns the exit code: 0 after an
// orderly end and for --check_config of a good file, 1 when the start failed,
// 2 for a wrong command line or configuration. Call once, before any thread.
int ServiceMain(int argc, char** argv, const ServiceOptions& options);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SERVICE_SERVICE_MAIN_H_
