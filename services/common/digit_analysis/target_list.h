// The peers and servers that a call can be sent to, in order.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TARGET_LIST_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TARGET_LIST_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/number_changer.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/plan_table.h"
#include "services/common/digit_analysis/resolution.h"

namespace sallyport {

// The members of a server group that take calls, in the order of RFC 2782:
// lowest priority first, among equals by weight. `draw` is random; 0 puts the
// heaviest first.
std::vector<const ServerGroupMember*> OrderServers(
    const ServerGroupEntry& group, uint64_t draw);

// Makes the targets of one call. Thread-compatible.
class TargetList {
 public:
  // What a call that leaves knows of itself; all must outlive the list.
  struct Call {
    const RouteQuery& query;
    const PlanIndex& index;
    const PlanTable& table;
    std::string_view tenant;
    std::string_view external_mask;  // of the caller's line
  };

  TargetList(const Call& call, Resolution& out) : call_(call), out_(out) {}

  // Adds all servers of a peer, or says why it takes no call. `numbers` are
  // those to send, without the transformations of the peer; `steps` may be
  // null.
  void Add(const PeerEntry& peer, NumberChanger numbers);

 private:
  bool Takes(const PeerEntry& peer);
  void Skip(const PeerEntry& peer, std::string_view reason,
            std::string_view what);
  void Transform(const PeerEntry& peer, NumberChanger& numbers) const;

  const Call& call_;
  Resolution& out_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_TARGET_LIST_H_
