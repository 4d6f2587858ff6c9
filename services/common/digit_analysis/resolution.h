// What is asked of the resolver and what it answers.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLUTION_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLUTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// One call attempt. The caller is who it proved to be.
struct RouteQuery {
  std::string tenant;  // tenants/{tenant}
  std::string caller;  // resource name of the calling user or peer; empty:
                       // whoever it is reaches `search_space` only
  std::string search_space;  // used if there is no caller; may be empty
  std::string calling;       // user part of the calling party's address
  std::string called;        // user part of the request's target
  std::string domain;  // host part of it; empty = the tenant's own, which is
                       // also how to say "one of our own addresses"
};

// A pattern, or a user's extension, that was looked at.
struct RouteCandidate {
  enum class Verdict {
    kWon,
    kDoesNotMatch,     // the closest of those that do not
    kNeedsMoreDigits,  // what was dialled could become a match
    kDisabled,
    kPartitionNotVisible,  // not in the caller's calling search space
    kLessSpecific,         // it matches more strings of this length
    kLaterPartition,       // equally specific, but later in the search space
    kLaterName,            // equal in both: the lower resource name wins
  };
  std::string name;       // resource name of the route pattern or user
  std::string partition;  // empty = the null partition
  std::string pattern;
  Verdict verdict = Verdict::kDoesNotMatch;
  // How many strings of the dialled length it matches, in decimal; empty if
  // it does not match.
  std::string strings_matched;
  std::string detail;  // one sentence for an operator
};

// One change of the calling or called number, in order.
struct TransformStep {
  enum class Side { kCalled, kCalling };
  enum class Kind { kNormalize, kDiscard, kMask, kPrefix };
  Side side = Side::kCalled;
  Kind kind = Kind::kNormalize;
  std::string rule;  // the pattern's setting: "PreDot", "XXXX", "+1"
  std::string before;
  std::string after;
};

struct Resolution {
  enum class Outcome { kPeer, kUser, kRefused };
  Outcome outcome = Outcome::kRefused;
  // Why it was refused, stable and UPPER_SNAKE; empty if it is routed. Of the
  // caller: TENANT_UNKNOWN, CALLER_UNKNOWN, USER_DISABLED, PEER_DISABLED,
  // PEER_NO_NEW_CALLS. Of the number: ROUTE_NOT_FOUND, PATTERN_BLOCKED,
  // DIALLING_RESTRICTED, NUMBER_INVALID. Of the destination: PEER_DISABLED,
  // PEER_NO_NEW_CALLS, OUTCALLS_NOT_ALLOWED, USER_DISABLED, ROUTE_LOOP (back
  // to the peer that calls).
  std::string reason;
  std::string detail;  // one sentence for an operator

  const PeerEntry* peer = nullptr;  // outcome kPeer
  const UserEntry* user = nullptr;  // outcome kUser
  std::string pattern_name;         // the winner's resource name, if any
  std::string pattern;              // and its text
  uint32_t block_cause = 0;         // Q.850; 0 unless PATTERN_BLOCKED
  TollClass toll_class = TollClass::kInternal;
  std::string called;  // as the next leg shall carry it
  std::string calling;
  SecurityMode caller_mode = SecurityMode::kUnsecured;
  SecurityMode destination_mode = SecurityMode::kUnsecured;

  // Partitions looked in, in order; the null partition is "", and last.
  // This and what follows is filled by Explain() only.
  std::vector<std::string> partitions;
  std::vector<RouteCandidate> candidates;
  std::vector<TransformStep> steps;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLUTION_H_
