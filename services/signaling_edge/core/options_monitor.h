// When which peer is asked by OPTIONS whether it is there, and what its answers
// make of it (OptionsMonitoring; CUC-59).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_OPTIONS_MONITOR_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_OPTIONS_MONITOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/random/random_source.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/peer_check_result.h"

namespace sallyport::signaling_edge {

// One entry for each monitored peer, or for each member of its server group.
// Probes of 10 000 peers are spread over their interval: the first at random
// within it, the following up to a tenth early. Thread-compatible.
class OptionsMonitor {
 public:
  // Ids of its checks have this bit.
  static constexpr uint64_t kCheckBit = uint64_t{1} << 62;

  // `random` must outlive this object.
  // `told`: asks nobody itself, as OnTold() says what another has found out.
  explicit OptionsMonitor(RandomSource& random, bool told = false)
      : random_(random), told_(told) {}

  // What is known of members that stay is kept.
  void OnPlan(const PlanIndex& plan, MonoTime now);

  MonoTime deadline() const { return deadlines_.next(); }
  // The next check that is due; call it while deadline() <= now. OnChecked
  // follows for each, or OnNotStarted.
  std::optional<PeerCheckRequest> NextDue(MonoTime now);
  // It could not be begun (too many run): asked again a little later.
  void OnNotStarted(uint64_t check, MonoTime now);

  struct Verdict {
    bool known = false;         // the check was of this monitor's
    bool decided = false;       // up, or down after all retries
    bool changed = false;       // the member was the other before
    bool peer_changed = false;  // and with it the peer: of any member one is up
    std::string member;         // that it is about, for others' OnTold()
    bool up = false;
  };
  Verdict OnChecked(const PeerCheckResult& result, MonoTime now);

  // Of a member that is known here.
  void OnTold(const std::string& member, bool up);

  // Whether calls should not go there. Never of what is not monitored.
  bool IsDown(std::string_view peer, std::string_view host,
              uint32_t port) const;
  // Of a peer with a group: none of its members is up.
  bool IsDown(std::string_view peer) const;

  // `server`: "host:port".
  bool Watches(std::string_view peer, std::string_view server) const;

  size_t size() const { return members_.size(); }

 private:
  struct Member {
    std::string peer;
    PeerCheckRequest request;
    absl::Duration interval;
    absl::Duration out_of_service_interval;
    absl::Duration retry_interval;
    uint32_t retries = 0;
    uint32_t failures = 0;  // in a row
    bool up = true;         // until it was asked
    uint64_t check = 0;     // that runs; 0: none
    uint64_t generation = 0;
  };

  static std::string KeyOf(std::string_view peer, std::string_view host,
                           uint32_t port);
  void Watch(const PeerEntry& peer, const OptionsMonitoring& monitoring,
             std::string_view host, uint32_t port, bool is_server,
             MonoTime now);
  // Up to a tenth before `wait` has passed.
  MonoTime Jittered(absl::Duration wait, MonoTime now);

  void SetUp(Member& member, bool up);

  RandomSource& random_;
  const bool told_;
  uint64_t generation_ = 0;
  uint64_t last_check_ = 0;
  absl::flat_hash_map<std::string, Member> members_;
  absl::flat_hash_map<uint64_t, std::string> checks_;  // to the key
  // Members of each peer, and how many of them are up.
  struct Count {
    size_t members = 0;
    size_t up = 0;
  };
  absl::flat_hash_map<std::string, Count> peers_;
  DeadlineQueue<std::string> deadlines_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_OPTIONS_MONITOR_H_
