#include "services/dialplan/config.h"

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/config/proto_time.h"
#include "services/common/config/server_config.h"
#include "services/common/net/socket_address.h"
#include "services/common/sql/store_config.h"

namespace sallyport::dialplan {
namespace {

constexpr uint32_t kMaxHistory = 1'000'000;
constexpr uint32_t kMaxCpu = 1024;  // CPU_SETSIZE
constexpr uint32_t kMaxConnections = 100'000;

size_t Or(uint32_t value, size_t if_zero) {
  return value == 0 ? if_zero : value;
}

}  // namespace

void ValidateConfig(const config::v1::DialplanConfig& config,
                    ConfigFaults* faults) {
  CheckStoreConfig("store", config.store(), faults);
  if (config.snapshot_history() > kMaxHistory) {
    faults->Add("snapshot_history", "must be at most 1000000");
  }
  CheckDuration("watch_heartbeat_interval", config.watch_heartbeat_interval(),
                faults);
  if (FromProto(config.watch_heartbeat_interval()) > absl::Seconds(15)) {
    // Consumers count on one message in 30 s, and a beat may be skipped.
    faults->Add("watch_heartbeat_interval", "must be at most 15 s");
  }
  CheckDuration("request_id_retention", config.request_id_retention(), faults);
  CheckDuration("audit_retention", config.audit_retention(), faults);
  CheckDuration("replica_poll_interval", config.replica_poll_interval(),
                faults);
  const config::v1::DecisionListener& decisions = config.decision_listener();
  if (!decisions.listen_address().empty() &&
      !SocketAddress::Parse(decisions.listen_address()).ok()) {
    faults->Add("decision_listener.listen_address", "must be ip:port");
  }
  CheckDuration("decision_listener.busy_poll", decisions.busy_poll(), faults);
  if (FromProto(decisions.busy_poll()) > absl::Seconds(1)) {
    faults->Add("decision_listener.busy_poll", "must be at most 1 s");
  }
  if (decisions.cpu() >= kMaxCpu) {
    faults->Add("decision_listener.cpu", "must be less than 1024");
  }
  if (decisions.max_connections() > kMaxConnections) {
    faults->Add("decision_listener.max_connections", "must be at most 100000");
  }
  for (int i = 0; i < config.edges_size(); ++i) {
    CheckClientConfig("edges[" + std::to_string(i) + "]", config.edges(i),
                      /*required=*/true, faults);
  }
  for (int i = 0; i < config.watchers_size(); ++i) {
    faults->Require("watchers[" + std::to_string(i) + "]", config.watchers(i));
  }
}

PlanEditor::Options EditorOptions(const config::v1::DialplanConfig& config) {
  PlanEditor::Options out;
  out.request_retention =
      FromProtoOr(config.request_id_retention(), absl::Hours(24));
  out.limits.tenants = Or(config.limits().max_tenants(), out.limits.tenants);
  out.limits.peers = Or(config.limits().max_peers(), out.limits.peers);
  out.limits.patterns = Or(config.limits().max_patterns(), out.limits.patterns);
  out.limits.users = Or(config.limits().max_users(), out.limits.users);
  return out;
}

std::vector<std::string> Watchers(const config::v1::DialplanConfig& config) {
  if (config.watchers().empty()) return {"signaling_edge", "capf"};
  return {config.watchers().begin(), config.watchers().end()};
}

size_t SnapshotHistory(const config::v1::DialplanConfig& config) {
  return Or(config.snapshot_history(), 20'000);
}

Neighbours::Options NeighbourOptions(const config::v1::DialplanConfig& config) {
  Neighbours::Options out;
  out.edges.assign(config.edges().begin(), config.edges().end());
  out.capf = config.capf();
  out.timeout = FromProtoOr(config.capf().timeout(), absl::Seconds(2));
  return out;
}

}  // namespace sallyport::dialplan
