// What this edge has last found out about each peer: by a check, by OPTIONS, or
// because mutual TLS with it succeeded.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_HEALTH_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_HEALTH_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/net/socket_address.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/peer_check_result.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {

// What the last check found at one address.
struct DestinationHealth {
  bool up = true;
  std::string reason;  // why not
  SocketAddress address;
  SipTransport transport = SipTransport::kUdp;
  int sip_status = 0;  // of the last OPTIONS; 0: no answer
  absl::Duration round_trip_time;
  MonoTime probe_time;
};

struct PeerHealth {
  bool probed = false;  // `last` is that of a check
  bool up = true;       // what was never probed counts as up
  std::string reason;   // why not
  DestinationHealth last;
  // Of a server group, by "host:port".
  std::map<std::string, DestinationHealth> servers;
  std::optional<MonoTime> change_time;  // of `up`
  // How much of it answers, and since when (CUC-60).
  enum class Service { kUnknown, kNone, kPartial, kFull };
  Service service = Service::kUnknown;
  std::optional<MonoTime> service_time;
  // When its certificate was last proven on a connection, its or ours.
  std::optional<MonoTime> mutual_tls_time;
};

// Holds nothing of peers that are in no plan. Thread-compatible.
class PeerHealthTable {
 public:
  // True when `up` changed by it. `peer_up`: whether the peer is, when that is
  // not for this destination alone to say.
  bool OnChecked(const PeerCheckResult& result, MonoTime now,
                 std::optional<bool> peer_up = std::nullopt);
  void OnMutualTls(std::string_view peer, MonoTime now);
  // `watched` tells whether a server is still one of a peer's.
  void OnPlan(const PlanIndex& plan,
              const std::function<bool(std::string_view peer,
                                       std::string_view server)>& watched);

  // Null: nothing was found out yet.
  const PeerHealth* Find(std::string_view peer) const;

 private:
  absl::flat_hash_map<std::string, PeerHealth> health_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PEER_HEALTH_H_
