// Hunting, of a plan_snapshot.h: line groups, hunt lists and hunt pilots.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_HUNT_ENTRIES_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_HUNT_ENTRIES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/digit_analysis/line_entries.h"
#include "services/common/digit_analysis/routing_entries.h"

namespace sallyport {

// In which order the lines of a group ring.
enum class HuntAlgorithm : uint8_t {
  kTopDown,      // from the first
  kCircular,     // from the one after the last tried, one round
  kLongestIdle,  // idle members only, the longest idle first
  kBroadcast,    // all idle members at once
};

// What hunting does when a member fails.
enum class HuntAction : uint8_t {
  kNextMemberThenNextGroup,
  kNextMemberOnly,
  kNextGroup,
  kStop,
};

struct LineGroupEntry {
  std::string name;                // tenants/{tenant}/lineGroups/{line_group}
  std::vector<std::string> lines;  // in order; none: hunting stops here
  HuntAlgorithm algorithm = HuntAlgorithm::kLongestIdle;
  absl::Duration ring_no_answer_reversion;  // of one member; 0 = unset
  HuntAction on_no_answer = HuntAction::kNextMemberThenNextGroup;
  HuntAction on_busy = HuntAction::kNextMemberThenNextGroup;
  HuntAction on_not_available = HuntAction::kNextMemberThenNextGroup;

  bool operator==(const LineGroupEntry&) const = default;
};

struct HuntListEntry {
  std::string name;                      // tenants/{tenant}/huntLists/{id}
  std::vector<std::string> line_groups;  // in order
  bool disabled = false;
  bool for_voicemail = false;

  bool operator==(const HuntListEntry&) const = default;
};

// Callers who wait at a hunt pilot (CCE-63, CCE-64).
struct CallQueueEntry {
  uint32_t max_callers = 0;  // 0 = unset
  absl::Duration max_wait;   // 0 = unset
  std::string prompt;        // empty = unset

  bool operator==(const CallQueueEntry&) const = default;
};

struct HuntPilotEntry {
  std::string name;       // tenants/{tenant}/huntPilots/{hunt_pilot}
  std::string partition;  // empty = the null partition
  std::string pattern;
  std::string hunt_list;
  CallForward forward_busy;
  CallForward forward_no_answer;
  absl::Duration maximum_hunt_time;  // 0 = unset
  bool urgent_priority = false;
  Transformation transformation;
  std::optional<CallQueueEntry> queue;

  bool operator==(const HuntPilotEntry&) const = default;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_HUNT_ENTRIES_H_
