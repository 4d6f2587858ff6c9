#include "services/media_relay/relay_process.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "sallyport/media_relay/config/v1/media_relay_config.pb.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "sallyport/type/v1/service_info.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/config_faults.h"
#include "services/common/config/proto_time.h"
#include "services/common/fips/fips_mode.h"
#include "services/common/log/log.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/random/system_random.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/common/rpc/own_certificate.h"
#include "services/common/rpc/server_builder.h"
#include "services/common/service/service_main.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/media_relay/config.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/prompt_set.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/tenant_limits.h"
#include "services/media_relay/io/advertised_addresses.h"
#include "services/media_relay/io/kernel_ports.h"
#include "services/media_relay/io/key_client.h"
#include "services/media_relay/io/memory_budget.h"
#include "services/media_relay/io/metrics_table.h"
#include "services/media_relay/io/prompt_directory.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/io/relay_loop.h"
#include "services/media_relay/io/turn_stream_front.h"
#include "services/media_relay/io/turn_tls_files.h"
#include "services/media_relay/rpc/access_rules.h"
#include "services/media_relay/rpc/drain_watch.h"
#include "services/media_relay/rpc/load_report.h"
#include "services/media_relay/rpc/load_watch.h"
#include "services/media_relay/rpc/media_relay_service.h"
#include "services/media_relay/rpc/session_codec.h"
#include "services/media_relay/rpc/session_listener.h"
#include "services/media_relay/rpc/session_methods.h"
#include "services/media_relay/rpc/session_watch.h"

namespace sallyport::media_relay {
namespace {

// A loop comes round every second; after this long one hangs, however busy the
// machine.
constexpr absl::Duration kLongestTurn = absl::Seconds(5);
// How often the folder with prompts is looked at.
constexpr absl::Duration kPromptRefresh = absl::Seconds(5);

using Config = config::v1::MediaRelayConfig;

size_t Processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<size_t>(std::max(1, CPU_COUNT(&set)));
}

// Main thread only, but for what the key client and gRPC call.
class MediaRelay final : public RunningService {
 public:
  static absl::StatusOr<std::unique_ptr<RunningService>> Start(
      const Config& config, ServiceRuntime& runtime) {
    SP_ASSIGN_OR_RETURN(
        AccessPolicy access,
        AccessPolicy::Create(
            runtime.server_config(),
            MediaRelayAccessRules({config.session_owners().begin(),
                                   config.session_owners().end()})));
    std::unique_ptr<MediaRelay> relay(
        new MediaRelay(config, runtime, std::move(access)));
    SP_RETURN_IF_ERROR(relay->StartAll(runtime));
    return relay;
  }

  ~MediaRelay() override { session_watch_.Stop(); }

  // What lives goes on, and so does what its owners ask of it.
  void Drain() override {
    draining_ = true;
    fleet_->PostToAll(
        [](size_t, RelayLoopContext& context) { context.core.StartDrain(); },
        [this](const absl::Status&) {
          load_watch_->Tell();
          if (key_client_ != nullptr) key_client_->ReportNow();
        });
  }

  std::string WhatHangs() override {
    return fleet_->SinceTurn() > kLongestTurn ? "a relay loop" : "";
  }

  bool IsIdle() override {
    // Asked for again until it is true: the answer to the last question.
    fleet_->PostToAll(
        [this](size_t loop, RelayLoopContext& context) {
          live_[loop] = context.report.sessions + context.report.allocations;
        },
        [this](const absl::Status& status) {
          if (!status.ok()) return;
          size_t live = 0;
          for (const std::atomic<size_t>& loop : live_) live += loop;
          idle_ = live == 0;
        });
    if (idle_) {
      load_watch_->End();
      session_watch_.End();
      if (session_listener_ != nullptr) {
        session_listener_->Drain();
        return session_listener_->open_calls() == 0;
      }
    }
    return idle_;
  }

 private:
  MediaRelay(const Config& config, ServiceRuntime& runtime, AccessPolicy access)
      : config_(config),
        told_(config),
        instance_(runtime.instance()),
        trust_domain_(runtime.server_config().trust_domain()),
        certificate_file_(runtime.server_config().tls().certificate_file()),
        access_(std::move(access)),
        metrics_(runtime.metrics()),
        keys_version_(runtime.metrics().Gauge(kKeysVersion)),
        keys_connected_(runtime.metrics().Gauge(kKeysConnected)),
        memory_used_(runtime.metrics().Gauge(kMemoryBytes)),
        memory_limit_(runtime.metrics().Gauge(kMemoryLimitBytes)),
        memory_refusals_(runtime.metrics().Counter(kMemoryRefusalsTotal)) {}

  absl::Status StartAll(ServiceRuntime& runtime) {
    SP_RETURN_IF_ERROR(LearnAddresses());
    SP_ASSIGN_OR_RETURN(srtp_, SrtpLibrary::Create());
    RelayFleetOptions options = FleetOptionsFrom(config_, Processors());
    if (runtime.fips().on) {
      if (config_.turn_dtls()) {
        return NotAllowedInFipsMode("turn_dtls: its DTLS is that of GnuTLS");
      }
      options.core.turn.authenticator.approved_only = true;
      options.core.sessions.approved_only = true;
    }
    if (config_.has_turn_tls() &&
        (!config_.disable_tcp() || config_.turn_dtls())) {
      SP_ASSIGN_OR_RETURN(
          turn_tls_,
          TurnTlsFiles::Create(
              config_.turn_tls().certificate_file(),
              config_.turn_tls().key_file(),
              FromProtoOr(runtime.server_config().tls_refresh_interval(),
                          absl::Seconds(5)),
              config_.turn_dtls()));
      options.tls = turn_tls_.get();
      options.dtls = config_.turn_dtls();
    }
    if (!config_.prompt_directory().empty()) {
      SP_ASSIGN_OR_RETURN(
          prompts_,
          PromptDirectory::Create(config_.prompt_directory(),
                                  MaxPromptBytesOf(config_), kPromptRefresh));
      options.core.sessions.prompts = prompts_->first();
    }
    memory_limit_.Set(static_cast<double>(MemoryLimitOf(config_)));
    memory_ = std::make_unique<MemoryBudget>(
        MemoryLimitOf(config_), [this, told = uint64_t{0}]() mutable {
          memory_used_.Set(static_cast<double>(memory_->used()));
          const uint64_t refusals = memory_->refusals();
          memory_refusals_.Add(static_cast<double>(refusals - told));
          told = refusals;
        });
    options.memory = memory_.get();
    options.on_notice = [this](size_t loop, const SessionNotice& notice) {
      session_watch_.OnNotice(loop, notice);
    };
    SP_RETURN_IF_ERROR(CheckKernelPorts(options.core.ports.first,
                                        options.core.ports.last,
                                        config_.require_exclusive_ports()));
    first_port_ = options.core.ports.first;
    last_port_ = options.core.ports.last;
    SP_ASSIGN_OR_RETURN(fleet_, RelayFleet::Create(options, *srtp_, random_,
                                                   metrics_, Clock::Real()));
    live_ = std::vector<std::atomic<size_t>>(fleet_->size());
    for (std::atomic<size_t>& live : live_) live = 1;
    fleet_->Start();
    session_watch_.Start(*fleet_);
    if (prompts_ != nullptr) {
      prompts_->Watch([this](std::shared_ptr<const PromptSet> prompts) {
        fleet_->PostToAll(
            [prompts](size_t, RelayLoopContext& context) {
              context.core.sessions().SetPrompts(prompts);
            },
            [](const absl::Status&) {});
      });
    }
    const RelayCapacity capacity = {options.core.sessions.max_sessions,
                                    options.core.turn.allocation_quota.all};
    sessions_ = std::make_unique<SessionMethods>(
        *fleet_, random_,
        FromProtoOr(config_.session_lease(), absl::Minutes(5)));
    std::string session_target;
    if (!config_.session_listener().listen_address().empty()) {
      SP_RETURN_IF_ERROR(StartSessionListener(runtime));
      session_target = SessionTargetOf(config_, session_listener_->port());
    }
    load_watch_ = std::make_unique<LoadWatch>(*fleet_, capacity,
                                              std::move(session_target));
    drain_watch_ = std::make_unique<DrainWatch>(
        *fleet_,
        DrainWatch::Options{FromProtoOr(runtime.server_config().drain_timeout(),
                                        absl::Seconds(30)),
                            [this] { Drain(); }});
    runtime.AddPort("stun_udp", fleet_->listeners().front().port);
    const std::vector<StreamListener>& streams = fleet_->stream_listeners();
    // Backwards: of several the first one's is told.
    for (auto it = streams.rbegin(); it != streams.rend(); ++it) {
      runtime.AddPort(it->tls ? "turn_tls" : "stun_tcp", it->local.port);
    }
    LogInfo("relay loops run",
            {{"loops", fleet_->size()},
             {"fast_path", FastPathTierName(fleet_->fast_path())},
             {"fast_path_reason", fleet_->fast_path_reason()},
             {"relay_sockets", RelaySocketsName(fleet_->sockets())},
             {"reason", fleet_->sockets_reason()}});
    SP_RETURN_IF_ERROR(StartKeys(runtime));
    if (advertised_ != nullptr) {
      advertised_->Watch([this](const AdvertisedAddresses::Learnt& learnt) {
        OnAdvertised(learnt);
      });
    }

    MediaRelayServiceOptions service;
    service.describe = [this](v1::RelayStatus& status) { Describe(status); };
    service.capacity = capacity;
    service_ = std::make_unique<MediaRelayService>(
        access_, *fleet_, *sessions_,
        RelayWatches{*load_watch_, session_watch_, *drain_watch_},
        std::move(service));
    start_time_ = absl::Now();
    return runtime.StartGrpc(access_, {service_.get()});
  }

  absl::Status StartSessionListener(ServiceRuntime& runtime) {
    GrpcLoopServerOptions options = SessionListenerOptionsFrom(config_);
    options.policy = &access_;
    options.metrics = &runtime.metrics();
    options.health = [this](std::string_view name) -> std::optional<bool> {
      if (name.empty()) return true;
      if (name == kNewWorkHealthName) return !draining_;
      return std::nullopt;
    };
    for (size_t i = 0; i < fleet_->size(); ++i) {
      options.hosts.push_back([this, i](std::function<void(EventLoop&)> task) {
        return fleet_->Post(
            i, [task = std::move(task)](RelayLoopContext& context) {
              task(context.events);
            });
      });
    }
    SP_ASSIGN_OR_RETURN(
        session_listener_,
        GrpcLoopServer::Start(options,
                              SessionListenerMethods(access_, *sessions_)));
    runtime.AddPort("sessions", session_listener_->port());
    return absl::OkStatus();
  }

  // Which addresses are ours, and what clients are told of them.
  absl::Status LearnAddresses() {
    SP_RETURN_IF_ERROR(ExpandAddresses(&config_));
    auto options = AdvertisedOptionsFrom(config_);
    if (options.has_value()) {
      SP_ASSIGN_OR_RETURN(advertised_, AdvertisedAddresses::Create(
                                           *std::move(options), random_));
      SetAdvertised(advertised_->first(), &config_);
    }
    // What was not known when the file was checked.
    ConfigFaults faults;
    ValidateConfig(config_, &faults);
    const absl::MutexLock lock(&told_mutex_);
    told_ = config_;
    return faults.ToStatus();
  }

  // On the thread of `advertised_`.
  void OnAdvertised(const AdvertisedAddresses::Learnt& learnt) {
    Config told = config_;
    SetAdvertised(learnt, &told);
    ConfigFaults faults;
    ValidateConfig(told, &faults);
    if (const absl::Status status = faults.ToStatus(); !status.ok()) {
      LogWarning("the advertised addresses have changed to what cannot be told",
                 {{"error", status}});
      return;
    }
    const RelayCoreOptions core = FleetOptionsFrom(told, 1).core;
    fleet_->PostToAll(
        [core](size_t, RelayLoopContext& context) {
          context.core.SetInterfaces(core.sessions.interfaces, core.policy);
        },
        [](const absl::Status&) {});
    if (key_client_ != nullptr) {
      key_client_->SetAddresses(
          TurnUris(told, fleet_->listeners(), fleet_->stream_listeners()));
    }
    LogInfo("the advertised addresses have changed", {});
    const absl::MutexLock lock(&told_mutex_);
    told_ = std::move(told);
  }

  absl::Status StartKeys(ServiceRuntime& runtime) {
    if (config_.credential_issuer().target().empty()) {
      LogWarning("no credential_issuer: TURN requests are refused", {});
      return absl::OkStatus();
    }
    KeyClient::Options options;
    SP_ASSIGN_OR_RETURN(options.channel, ConnectTo(runtime.server_config(),
                                                   config_.credential_issuer(),
                                                   "credential_issuer"));
    options.consumer = instance_;
    options.cache_file = config_.keys_cache_file();
    options.realm = RealmOf(config_);
    options.max_backoff = FromProtoOr(config_.credential_issuer().max_backoff(),
                                      absl::Seconds(5));
    options.addresses =
        TurnUris(config_, fleet_->listeners(), fleet_->stream_listeners());
    options.location = config_.location();
    options.load = [this] {
      const v1::RelayLoad load = load_watch_->latest();
      return KeyClient::Load{ShareOf(load), load.allocation_count(),
                             load.allocation_capacity(), load.draining()};
    };
    options.on_keys = [this](std::shared_ptr<const CredentialKeys> keys) {
      keys_version_.Set(static_cast<double>(keys->version()));
      LogInfo("verification keys in force", {{"version", keys->version()}});
      fleet_->PostToAll(
          [keys](size_t, RelayLoopContext& context) {
            context.core.OnKeys(keys, context.now, context.sockets);
          },
          [](const absl::Status& status) {
            if (!status.ok()) {
              LogError("a loop did not take the verification keys",
                       {{"error", status}});
            }
          });
    };
    options.on_limits = [this](std::shared_ptr<const TenantLimits> limits) {
      fleet_->SetTenantLimits(limits);
      LogInfo("limits of tenants in force", {{"tenants", limits->size()}});
    };
    options.on_state = [this](bool connected) {
      keys_connected_.Set(connected ? 1 : 0);
      if (connected_.exchange(connected) == connected) return;
      if (connected) {
        LogInfo("credential_issuer is connected", {});
      } else {
        LogWarning("credential_issuer is not connected", {});
      }
    };
    key_client_ = std::make_unique<KeyClient>(std::move(options));
    return absl::OkStatus();
  }

  // On gRPC threads.
  void Describe(v1::RelayStatus& status) {
    type::v1::ServiceInfo& info = *status.mutable_info();
    info.set_service("media_relay");
    info.set_instance(instance_);
    *info.mutable_start_time() = sallyport::ToProto(start_time_);
    const absl::Time now = absl::Now();
    *info.mutable_server_time() = sallyport::ToProto(now);
    *status.mutable_load()->mutable_measure_time() = sallyport::ToProto(now);
    info.set_identity(ServiceSpiffeId(trust_domain_, "media_relay"));
    *info.mutable_certificate() = SummaryOfCertificateFile(certificate_file_);
    info.set_draining(status.load().draining());
    for (const Endpoint& listener : fleet_->listeners()) {
      v1::RelayListener& out = *status.add_listeners();
      out.set_protocol("stun_udp");
      ToProto(listener, *out.mutable_address());
    }
    for (const StreamListener& listener : fleet_->stream_listeners()) {
      v1::RelayListener& out = *status.add_listeners();
      out.set_protocol(listener.tls ? "turn_tls" : "stun_tcp");
      ToProto(listener.local, *out.mutable_address());
    }
    if (config_.turn_dtls()) {
      for (const Endpoint& listener : fleet_->listeners()) {
        v1::RelayListener& out = *status.add_listeners();
        out.set_protocol("turn_dtls");
        ToProto(listener, *out.mutable_address());
      }
    }
    // In this order.
    const auto uris = [&] {
      const absl::MutexLock lock(&told_mutex_);
      return TurnUris(told_, fleet_->listeners(), fleet_->stream_listeners());
    }();
    for (size_t i = 0; i < uris.size(); ++i) {
      // Between the scheme and the port.
      const std::string& uri = uris[i].uri;
      const size_t begin = uri.find(':') + 1;
      status.mutable_listeners(static_cast<int>(i))
          ->set_advertised_address(uri.substr(begin, uri.rfind(':') - begin));
    }
    status.set_relay_port_min(first_port_);
    status.set_relay_port_max(last_port_);
    for (const config::v1::FederatedPartnerConfig& partner :
         config_.federated_partners()) {
      v1::FederatedPartner& out = *status.add_federated_partners();
      out.set_name(partner.name());
      out.set_uses_relay_ports(partner.generation() ==
                               config::v1::PARTNER_GENERATION_OCS_2007);
    }
    switch (fleet_->fast_path()) {
      case FastPathTier::kAfXdp:
        status.set_fast_path_tier(v1::FAST_PATH_TIER_AF_XDP);
        break;
      case FastPathTier::kTc:
        status.set_fast_path_tier(v1::FAST_PATH_TIER_TC);
        break;
      case FastPathTier::kXdp:
        status.set_fast_path_tier(v1::FAST_PATH_TIER_XDP);
        break;
      default:
        status.set_fast_path_tier(v1::FAST_PATH_TIER_SOCKETS);
    }
    status.set_fast_path_reason(absl::StrCat(
        "relay_sockets ", AbslView(RelaySocketsName(fleet_->sockets())),
        fleet_->sockets_reason().empty() ? "" : ": ", fleet_->sockets_reason(),
        fleet_->fast_path_reason().empty() ? "" : "; fast_path: ",
        fleet_->fast_path_reason()));
    if (key_client_ == nullptr) return;
    const KeyClient::Status keys = key_client_->status();
    for (const uint32_t id : keys.key_ids) status.add_key_ids(id);
    type::v1::SourceState& source = *info.add_sources();
    source.set_source("credential_issuer.keys");
    source.set_connected(keys.connected);
    source.set_active_version(keys.version);
    source.set_from_cache(keys.from_cache);
    if (keys.active_time != absl::InfinitePast()) {
      *source.mutable_active_time() = sallyport::ToProto(keys.active_time);
    }
    source.set_last_error(keys.last_error);
  }

  Config config_;  // its addresses known: constant once it has started
  absl::Mutex told_mutex_;
  Config told_ ABSL_GUARDED_BY(told_mutex_);  // as clients are told now
  const std::string instance_;
  const std::string trust_domain_;
  const std::string certificate_file_;  // of gRPC
  const AccessPolicy access_;
  SystemRandom random_;
  RelayMetrics metrics_;
  GaugeFamily keys_version_;
  GaugeFamily keys_connected_;
  GaugeFamily memory_used_;
  GaugeFamily memory_limit_;
  CounterFamily memory_refusals_;
  std::unique_ptr<MemoryBudget> memory_;
  absl::Time start_time_;
  uint16_t first_port_ = 0;  // of the relay ports
  uint16_t last_port_ = 0;
  std::atomic<bool> connected_ = false;
  std::atomic<bool> idle_ = false;
  std::atomic<bool> draining_ = false;
  std::vector<std::atomic<size_t>> live_;
  std::unique_ptr<SrtpLibrary> srtp_;
  std::unique_ptr<TurnTlsFiles> turn_tls_;
  SessionWatch session_watch_;  // hears from the loops until they end
  std::unique_ptr<RelayFleet> fleet_;
  std::unique_ptr<PromptDirectory> prompts_;  // tells fleet_
  std::unique_ptr<SessionMethods> sessions_;
  std::unique_ptr<LoadWatch> load_watch_;
  std::unique_ptr<DrainWatch> drain_watch_;
  // Destroyed before the fleet that it posts to.
  std::unique_ptr<KeyClient> key_client_;
  std::unique_ptr<AdvertisedAddresses> advertised_;  // tells both
  std::unique_ptr<MediaRelayService> service_;
  std::unique_ptr<GrpcLoopServer> session_listener_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunningService>> StartMediaRelay(
    const Config& config, ServiceRuntime& runtime) {
  return MediaRelay::Start(config, runtime);
}

}  // namespace sallyport::media_relay
