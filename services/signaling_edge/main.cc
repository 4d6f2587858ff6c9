// signaling_edge: SIP at the door, over UDP, TCP and TLS.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sallyport/signaling_edge/config/v1/signaling_edge_config.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/config_faults.h"
#include "services/common/config/proto_time.h"
#include "services/common/fips/fips_mode.h"
#include "services/common/random/system_random.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/grpc_loop_client.h"
#include "services/common/service/service_main.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/cluster_config.h"
#include "services/signaling_edge/config.h"
#include "services/signaling_edge/io/call_record_file.h"
#include "services/signaling_edge/io/config_feed.h"
#include "services/signaling_edge/io/credential_client.h"
#include "services/signaling_edge/io/edge_loop.h"
#include "services/signaling_edge/io/edge_reporter.h"
#include "services/signaling_edge/io/loop_set.h"
#include "services/signaling_edge/io/media_client.h"
#include "services/signaling_edge/io/metrics_table.h"
#include "services/signaling_edge/io/tls_contexts.h"
#include "services/signaling_edge/rpc/edge_proto.h"
#include "services/signaling_edge/rpc/method_policy.h"
#include "services/signaling_edge/rpc/signaling_edge_service.h"

namespace sallyport::signaling_edge {
namespace {

using Config = config::v1::SignalingEdgeConfig;

// All objects of the service, in the order in which they need each other. The
// loops' threads begin last and end first. Thread-compatible.
class Running final : public RunningService {
 public:
  static absl::StatusOr<std::unique_ptr<RunningService>> Start(
      const Config& config, ServiceRuntime& runtime) {
    std::unique_ptr<Running> self(new Running);
    SP_RETURN_IF_ERROR(self->Build(config, runtime));
    return self;
  }

  ~Running() override {
    if (loops_ != nullptr) loops_->Stop();
    if (media_ != nullptr) media_->Stop();
  }

  void Drain() override {
    loops_->PostAll(
        [](EdgeLoop& edge) { edge.Do(edge.core().OnDrain(edge.now())); });
  }

  bool IsIdle() override {
    loops_->PostAll([this](EdgeLoop& edge) {
      drained_[edge.index()] =
          edge.core().draining() && edge.core().calls().live() == 0;
    });
    for (const std::atomic<bool>& drained : drained_) {
      if (!drained) return false;
    }
    service_->EndStreams();
    return service_->open_streams() == 0;
  }

 private:
  absl::Status Build(const Config& config, ServiceRuntime& runtime) {
    EdgeOptions core = CoreOptionsOf(config);
    core.instance = runtime.instance();
    core.approved_only = runtime.fips().on;
    if (runtime.fips().on && config.minimum_tls_version() == "1.3") {
      return NotAllowedInFipsMode("minimum_tls_version 1.3");
    }
    SP_ASSIGN_OR_RETURN(core.token_keys, TokenKeysOf(config, random_));
    SP_ASSIGN_OR_RETURN(AccessPolicy policy,
                        AccessPolicy::Create(config.server(), MethodRules()));
    policy_ = std::make_unique<AccessPolicy>(std::move(policy));
    if (const auto& file = config.call_record_file(); !file.empty()) {
      SP_ASSIGN_OR_RETURN(file_, CallRecordFile::Open(file));
    }
    SP_ASSIGN_OR_RETURN(std::unique_ptr<GrpcLoopClient> calls,
                        MediaCallsOf(config));
    media_ = std::make_unique<MediaClient>(
        MediaOptionsOf(config, runtime.instance()), std::move(calls));

    SP_ASSIGN_OR_RETURN(credentials_, CredentialClientOf(config));

    EdgeLoop::Options loop = {.core = core};
    loop.credentials = credentials_.get();
    loop.listeners = ListenersOf(config);
    loop.hosts = HostsOf(config);
    SP_ASSIGN_OR_RETURN(loop.registry, RegistryOptionsOf(config));
    loop.proxies.assign(config.proxy_protocol_prefixes().begin(),
                        config.proxy_protocol_prefixes().end());
    loop.media = media_.get();
    loop.on_event = [this](EdgeLoop& edge, EdgeEvent event) {
      reporter_->OnEvent(edge, std::move(event));
    };
    loop.on_media_deleted = [this](EdgeLoop& edge, uint64_t call) {
      reporter_->OnMediaDeleted(edge, call);
    };
    SP_ASSIGN_OR_RETURN(std::optional<ClusterHub::Options> cluster,
                        ClusterOptionsOf(config));
    SP_ASSIGN_OR_RETURN(
        loops_,
        LoopSet::Create(
            {.loops = LoopsOf(config),
             .pinned = config.has_loops(),
             .busy_poll = FromProtoOr(config.busy_poll(), absl::ZeroDuration()),
             .each = std::move(loop),
             .edge_id = EdgeIdOf(config, runtime.instance()),
             .cluster = std::move(cluster)},
            random_));
    drained_ = std::vector<std::atomic<bool>>(loops_->size());
    media_->Watch([this](MediaEvent event) {
      loops_->at(event.loop)
          .PostOwn([event = std::move(event)](EdgeLoop& edge) {
            edge.Do(edge.core().OnMediaEvent(event, edge.now()));
          });
    });
    reporter_ = std::make_unique<EdgeReporter>(EdgeReporter::Options{
        .history_entries = core.history_entries,
        .history_retention = core.history_retention,
        .file = file_.get(),
        .to_line =
            [edge = runtime.instance()](int64_t sequence,
                                        const EndedCall& ended) {
              return CallRecordLine(sequence, ended, edge);
            },
        .cluster_dropped =
            [this] {
              return loops_->cluster() == nullptr
                         ? 0
                         : loops_->cluster()->dropped();
            },
        .metrics = &runtime.metrics()});
    for (size_t i = 0; i < loops_->size(); ++i) {
      reporter_->Attach(loops_->at(i));
    }

    SP_ASSIGN_OR_RETURN(ConfigFeed::Options feed,
                        FeedOptionsOf(config, runtime.instance()));
    SP_RETURN_IF_ERROR(KeepFresh(config, runtime, feed.tls));
    feed.on_trust_active = [this](EdgeLoop& edge) {
      reporter_->OnTrustActive(edge);
    };
    feed.on_certificate = [this](EdgeLoop& edge,
                                 const CertificateNotice& notice) {
      reporter_->OnCertificate(edge, notice.reason, notice.summary);
    };
    feed.on_started = [this](EdgeLoop& edge,
                             const StartMode::Decision& decision,
                             bool has_certificate) {
      reporter_->OnStarted(edge, decision, has_certificate);
    };
    SP_ASSIGN_OR_RETURN(feed_, ConfigFeed::Start(*loops_, std::move(feed)));
    service_ = std::make_unique<SignalingEdgeService>(
        SignalingEdgeService::Options{
            runtime.instance(),
            ServiceSpiffeId(config.server().trust_domain(), "signaling_edge"),
            /*version=*/"",
            FromProtoOr(config.server().drain_timeout(), absl::Seconds(30))},
        SignalingEdgeService::Parts{*policy_, *loops_, *reporter_, *feed_,
                                    *media_});
    for (const auto& [name, port] : loops_->first().listeners().Ports()) {
      runtime.AddPort(name, port);
    }
    if (const ClusterHub* hub = loops_->cluster()) {
      runtime.AddPort("cluster", hub->port());
    }
    runtime.TellWaitingOf([this] { return feed_->start_mode().Waiting(); });
    loops_->Start();
    return runtime.StartGrpc(*policy_, {service_.get()});
  }

  // The files that are shown to peers become those that capf renews.
  static absl::Status KeepFresh(const Config& config, ServiceRuntime& runtime,
                                TlsFileSet& files) {
    const auto keep = [&](const std::string& use, std::string& certificate,
                          std::string& key) -> absl::Status {
      if (certificate.empty()) return absl::OkStatus();
      if (!config.renew_sip_certificates()) {
        runtime.ObserveCertificate(use, certificate);
        return absl::OkStatus();
      }
      SP_ASSIGN_OR_RETURN(const std::string file,
                          runtime.RenewCertificate(use, certificate, key));
      certificate = file;
      key = file;
      return absl::OkStatus();
    };
    SP_RETURN_IF_ERROR(keep("sip", files.certificate_file, files.key_file));
    for (TlsFileSet::Named& each : files.by_server_name) {
      SP_RETURN_IF_ERROR(keep("sip-" + each.server_name, each.certificate_file,
                              each.key_file));
    }
    for (TlsFileSet::Remote& each : files.by_remote) {
      SP_RETURN_IF_ERROR(
          keep("sip-" + each.prefix, each.certificate_file, each.key_file));
    }
    return absl::OkStatus();
  }

  SystemRandom random_;
  std::vector<std::atomic<bool>> drained_;  // by loop
  std::unique_ptr<AccessPolicy> policy_;
  std::unique_ptr<CallRecordFile> file_;
  std::unique_ptr<MediaClient> media_;
  std::unique_ptr<LoopSet> loops_;
  // Its callbacks post to loops_.
  std::unique_ptr<CredentialClient> credentials_;
  std::unique_ptr<EdgeReporter> reporter_;
  std::unique_ptr<ConfigFeed> feed_;
  std::unique_ptr<SignalingEdgeService> service_;
};

}  // namespace
}  // namespace sallyport::signaling_edge

int main(int argc, char** argv) {
  namespace edge = sallyport::signaling_edge;
  edge::Config config;
  sallyport::ServiceOptions options;
  options.name = "signaling_edge";
  options.default_grpc_address = "0.0.0.0:7002";
  options.metrics = {edge::kSignalingEdgeMetrics};
  options.config = &config;
  options.server_config = [&]() -> const auto& { return config.server(); };
  options.validate = [&](sallyport::ConfigFaults* faults) {
    edge::ValidateConfig(config, faults);
  };
  options.start = [&](sallyport::ServiceRuntime& runtime) {
    return edge::Running::Start(config, runtime);
  };
  return sallyport::ServiceMain(argc, argv, options);
}
