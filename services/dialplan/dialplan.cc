#include "services/dialplan/dialplan.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/dialplan_status.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/log/log.h"
#include "services/common/random/system_random.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/common/sql/postgres_listener.h"
#include "services/common/sql/sql_database.h"
#include "services/common/sql/store_config.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/dialplan/config.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/io/audit_log.h"
#include "services/dialplan/io/edge_records.h"
#include "services/dialplan/io/neighbours.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/io/plan_writer.h"
#include "services/dialplan/io/replica_roll.h"
#include "services/dialplan/io/sql_plan_store.h"
#include "services/dialplan/rpc/access_rules.h"
#include "services/dialplan/rpc/audit_methods.h"
#include "services/dialplan/rpc/change_evaluator.h"
#include "services/dialplan/rpc/change_methods.h"
#include "services/dialplan/rpc/consumer_status.h"
#include "services/dialplan/rpc/consumer_table.h"
#include "services/dialplan/rpc/decision_methods.h"
#include "services/dialplan/rpc/dialplan_service.h"
#include "services/dialplan/rpc/finding_methods.h"
#include "services/dialplan/rpc/plan_resolver.h"
#include "services/dialplan/rpc/plan_watch.h"
#include "services/dialplan/rpc/resource_codec.h"
#include "services/dialplan/rpc/resource_methods.h"
#include "services/dialplan/rpc/route_streams.h"
#include "services/dialplan/rpc/security_methods.h"

namespace sallyport::dialplan {
namespace {

// Members are in the order in which each needs the ones before it. A thread of
// its own opens the store, if that is not there at the start; it has ended when
// the main thread touches what it makes.
// Main thread only, once it is built.
class Dialplan final : public RunningService {
 public:
  Dialplan(AccessPolicy policy, size_t history)
      : policy_(std::move(policy)), board_(history) {}
  ~Dialplan() override { StopOpening(); }

  absl::Status Start(const config::v1::DialplanConfig& config,
                     ServiceRuntime& runtime) {
    service_.emplace(
        DialplanService::Self{runtime.instance(),
                              runtime.server_config().trust_domain()},
        Clock::Real());
    SP_ASSIGN_OR_RETURN(
        neighbours_,
        Neighbours::Create(runtime.server_config(), NeighbourOptions(config)));
    SP_ASSIGN_OR_RETURN(
        edges_, EdgeRecords::Create(runtime.server_config(), config.edges()));
    decisions_.emplace(policy_, resolver_, &runtime.metrics());
    SP_RETURN_IF_ERROR(StartDecisions(config, runtime));
    const absl::Status opened = OpenStore(config, runtime);
    if (opened.ok()) return runtime.StartGrpc(policy_, {&*service_});
    if (!config.store().has_postgres() || !absl::IsUnavailable(opened)) {
      return opened;
    }
    // The orchestrator has nothing to mend here: the store will come.
    LogWarning("the store cannot be reached yet", {{"error", opened}});
    ready_ = runtime.HoldReady("the store");
    SP_RETURN_IF_ERROR(runtime.StartGrpc(policy_, {&*service_}));
    opener_ = std::thread(
        [this, &config, &runtime] { KeepOpening(config, runtime); });
    return absl::OkStatus();
  }

  // They answer UNAVAILABLE until there is a plan.
  absl::Status StartDecisions(const config::v1::DialplanConfig& config,
                              ServiceRuntime& runtime) {
    const config::v1::DecisionListener& listener = config.decision_listener();
    if (listener.listen_address().empty()) return absl::OkStatus();
    GrpcLoopServerOptions options;
    options.listen_address = listener.listen_address();
    options.tls = config.server().tls();
    options.tls_refresh = FromProtoOr(config.server().tls_refresh_interval(),
                                      options.tls_refresh);
    options.policy = &policy_;
    options.metrics = &runtime.metrics();
    options.health = [this](std::string_view name) {
      return decisions_->Health(name);
    };
    options.busy_poll = FromProtoOr(listener.busy_poll(), absl::ZeroDuration());
    if (listener.has_cpu()) options.cpu = static_cast<int>(listener.cpu());
    if (listener.max_connections() != 0) {
      options.max_connections = listener.max_connections();
    }
    if (config.server().max_concurrent_streams() != 0) {
      options.connection.max_streams = config.server().max_concurrent_streams();
    }
    options.connection.longest_call = FromProtoOr(
        config.server().request_timeout(), options.connection.longest_call);
    SP_ASSIGN_OR_RETURN(listener_for_decisions_,
                        GrpcLoopServer::Start(options, decisions_->Methods()));
    runtime.AddPort("decisions", listener_for_decisions_->port());
    return absl::OkStatus();
  }

  // Makes all that needs the store, and then answers callers. What fails can be
  // tried again.
  absl::Status OpenStore(const config::v1::DialplanConfig& config,
                         ServiceRuntime& runtime) {
    store_.reset();
    SP_ASSIGN_OR_RETURN(database_,
                        SqlDatabase::Open(SqlOptionsOf(config.store())));
    SP_ASSIGN_OR_RETURN(store_, SqlPlanStore::Open(*database_, random_));
    SP_ASSIGN_OR_RETURN(StoredPlan stored,
                        store_->Load(SnapshotHistory(config)));
    PlanEditor::Options rules = EditorOptions(config);
    rules.approved_only = runtime.fips().on;
    auto editor = std::make_unique<PlanEditor>(random_, rules);
    for (const StoredResource& resource : stored.resources) {
      SP_ASSIGN_OR_RETURN(RecordPtr record, RecordOf(resource));
      editor->Load(std::move(record));
    }
    for (RememberedRequest& request : stored.requests) {
      editor->Load(std::move(request));
    }
    editor->LoadVersion(stored.version);
    for (const std::string& what : editor->OverLimits()) {
      LogWarning("the store holds more than limits allow", {{"what", what}});
    }
    board_.Start(editor->plan(), stored.version, stored.version_time,
                 stored.changes);
    LogInfo("plan loaded", {{"version", stored.version},
                            {"resources", stored.resources.size()}});

    PlanWatch::Options watch;
    watch.heartbeat =
        FromProtoOr(config.watch_heartbeat_interval(), absl::Seconds(15));
    watch.metrics = &runtime.metrics();
    watch_.emplace(board_, consumers_, watch);
    PlanWriter::Options writer;
    writer.edge_survey = [this] { return neighbours_->LastSurvey(); };
    writer.on_published = [this] { watch_->Wake(); };
    writer.decode = [](const StoredResource& stored) {
      return RecordOf(stored);
    };
    writer.audit_retention =
        FromProtoOr(config.audit_retention(), absl::InfiniteDuration());
    writer.metrics = &runtime.metrics();
    writer_.emplace(std::move(editor), *store_, board_, Clock::Real(),
                    std::move(writer));
    if (database_->is_postgres()) {
      ListenToOthers(config);
      TellOthers(runtime.instance());
    }
    methods_.emplace(board_, *writer_, stored.token_key);
    changes_.emplace(*writer_, stored.token_key);
    findings_.emplace(board_, stored.token_key);
    audit_log_.emplace(*database_);
    audit_.emplace(*audit_log_, stored.token_key);
    RouteStreams::Options routes;
    routes.metrics = &runtime.metrics();
    routes_.emplace(routes);
    evaluator_.emplace(board_, *writer_, edges_.get(),
                       ChangeEvaluator::Options());
    security_.emplace(
        board_, resolver_, *neighbours_, stored.token_key,
        config.self_signed_peers() == 0 ? 10 : config.self_signed_peers());
    service_->Begin({policy_, board_, *methods_, *changes_, *findings_, *audit_,
                     *security_, resolver_, *evaluator_, *watch_, *routes_,
                     consumers_, roll_.has_value() ? &*roll_ : nullptr});
    decisions_->Open();
    return absl::OkStatus();
  }

  void KeepOpening(const config::v1::DialplanConfig& config,
                   ServiceRuntime& runtime) {
    absl::Duration pause = absl::Milliseconds(100);
    while (!stop_opening_.WaitForNotificationWithTimeout(pause)) {
      const absl::Status opened = OpenStore(config, runtime);
      if (opened.ok()) {
        ready_();
        return;
      }
      SALLYPORT_LOG_LIMITED(kWarning, "the store cannot be reached yet",
                            {{"error", opened}});
      pause = std::min(2 * pause, absl::Duration(absl::Seconds(2)));
    }
  }

  void StopOpening() {
    if (!opener_.joinable()) return;
    stop_opening_.Notify();
    opener_.join();
  }

  void TellOthers(const std::string& instance) {
    ReplicaRoll::Options options;
    options.instance = instance;
    options.text = [this, instance] {
      ::sallyport::dialplan::v1::DialplanStatus known;
      AddConsumers(consumers_.All(), instance, known);
      return known.SerializeAsString();
    };
    roll_.emplace(*database_, std::move(options));
  }

  void ListenToOthers(const config::v1::DialplanConfig& config) {
    PostgresListener::Options options;
    options.server = std::get<PostgresOptions>(database_->options());
    options.channel = SqlPlanStore::kChannel;
    options.poll_period =
        FromProtoOr(config.replica_poll_interval(), absl::Seconds(1));
    options.on_change = [this] { writer_->Refresh(); };
    listener_.emplace(std::move(options));
  }

  void Drain() override {
    StopOpening();
    service_->SetDraining();
    decisions_->SetDraining();
    if (listener_for_decisions_ != nullptr) listener_for_decisions_->Drain();
    if (!routes_.has_value()) return;  // the store was never reached
    watch_->Drain();
    routes_->Drain();
  }
  bool IsIdle() override {
    if (listener_for_decisions_ != nullptr &&
        listener_for_decisions_->open_calls() > 0) {
      return false;
    }
    return !routes_.has_value() ||
           (watch_->open_streams() == 0 && routes_->open_streams() == 0);
  }

 private:
  const AccessPolicy policy_;
  SystemRandom random_;
  std::unique_ptr<SqlDatabase> database_;
  std::unique_ptr<SqlPlanStore> store_;
  PlanBoard board_;
  ConsumerTable consumers_;
  PlanResolver resolver_{board_};
  std::optional<PlanWatch> watch_;
  std::optional<RouteStreams> routes_;
  // Before the writer, whose last answers go to it.
  std::unique_ptr<EdgeRecords> edges_;
  std::optional<ChangeEvaluator> evaluator_;
  std::unique_ptr<Neighbours> neighbours_;
  std::optional<PlanWriter> writer_;
  std::optional<PostgresListener> listener_;
  std::optional<ReplicaRoll> roll_;
  std::optional<ResourceMethods> methods_;
  std::optional<AuditLog> audit_log_;
  std::optional<AuditMethods> audit_;
  std::optional<ChangeMethods> changes_;
  std::optional<FindingMethods> findings_;
  std::optional<SecurityMethods> security_;
  std::optional<DialplanService> service_;
  std::optional<DecisionMethods> decisions_;
  std::unique_ptr<GrpcLoopServer> listener_for_decisions_;
  // While the store cannot be reached.
  std::function<void()> ready_;
  absl::Notification stop_opening_;
  std::thread opener_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunningService>> StartDialplan(
    const config::v1::DialplanConfig& config, ServiceRuntime& runtime) {
  SP_ASSIGN_OR_RETURN(
      AccessPolicy policy,
      AccessPolicy::Create(runtime.server_config(),
                           DialplanAccessRules(Watchers(config))));
  auto out =
      std::make_unique<Dialplan>(std::move(policy), SnapshotHistory(config));
  SP_RETURN_IF_ERROR(out->Start(config, runtime));
  return out;
}

}  // namespace sallyport::dialplan
