// What is asked of the resolver and what it answers.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLUTION_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLUTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// Why a call is sent on from where it was going.
enum class ForwardReason : uint8_t {
  kNone,
  kAll,
  kBusy,
  kNoAnswer,
  kUnregistered,
};

// Where a call was going before it was sent on, for Diversion and
// History-Info, oldest first (RFC 5806).
struct Redirection {
  std::string resource;  // of the line or hunt pilot
  std::string number;
  ForwardReason reason = ForwardReason::kNone;
};

// One call attempt. The caller is who it proved to be.
struct RouteQuery {
  std::string tenant;  // tenants/{tenant}
  std::string caller;  // resource name of the calling user, line, phone or
                       // peer; empty: whoever it is reaches `search_space`
  std::string search_space;  // used if there is no caller; may be empty
  std::string calling;       // user part of the calling party's address
  std::string called;        // user part of the request's target
  std::string domain;  // host part of it; empty = the tenant's own, which is
                       // also how to say "one of our own addresses"
  // The digits come one by one, and more may follow.
  bool overlap = false;
  // The call was sent on by this line or hunt pilot, for this reason; `called`
  // is then what was dialled.
  std::string forwarded_by;
  ForwardReason forward = ForwardReason::kNone;
  // How it was sent on before that, oldest first.
  std::vector<Redirection> redirected;
  // A peer's call that it diverted or referred (its rerouting search space).
  bool rerouted = false;
  // The same, of one that it referred from outside of a dialog.
  bool referred_outside = false;
  // Which call this is: circular route lists begin `turn` members on.
  uint32_t turn = 0;
  // Random, for the weights of server groups; 0: the heaviest comes first.
  uint64_t draw = 0;
};

// A pattern, or a directory number, that was looked at.
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
    kUrgentTaken,          // more digits would match, but the winner is urgent
  };
  std::string name;       // resource name of the route pattern, line, user...
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
  enum class Kind {
    kNormalize,
    kDiscard,
    kExternalMask,
    kMask,
    kPrefix,
    kRestrict,  // the number is kept from the called party
    kForward,   // another number is dialled instead
    kOverlap,   // the digits behind what was taken at once are dropped
    kRestore,   // a route list's change takes the place of the pattern's
  };
  std::string resource;  // that asks for it
  Side side = Side::kCalled;
  Kind kind = Kind::kNormalize;
  std::string rule;  // the resource's setting: "PreDot", "XXXX", "+1"
  std::string before;
  std::string after;
};

// One lookup of a number.
struct RouteLookup {
  std::string number;
  std::vector<std::string> search_spaces;  // names, line before device
  // Partitions looked in, in order; the null partition is "", and last.
  std::vector<std::string> partitions;
  std::vector<RouteCandidate> candidates;
  std::vector<TransformStep> steps;
};

// One place to send a call out of the installation.
struct RouteTarget {
  const PeerEntry* peer = nullptr;
  const ServerGroupEntry* group = nullptr;    // null: the peer itself
  const ServerGroupMember* server = nullptr;  // of the group
  SecurityMode mode = SecurityMode::kSecured;
  std::string called;  // as sent there
  std::string calling;
  bool restrict_presentation = false;

  // Where to connect: an address if there is one, else a name.
  const std::string& host() const {
    if (server != nullptr) return server->host;
    return peer->address.empty() ? peer->fqdn : peer->address;
  }
  uint32_t port() const {
    if (server == nullptr) return peer->port;
    return peer->transport == SipTransport::kTls ? server->secure_port
                                                 : server->port;
  }
  // What one of the names in its certificate must be, over TLS.
  std::vector<std::string> subjects() const {
    if (!peer->x509_subjects.empty()) return peer->x509_subjects;
    return {peer->fqdn.empty() ? host() : peer->fqdn};
  }
};

// A peer of a route list, or a server, that cannot take the call.
struct SkippedTarget {
  std::string name;    // of the peer
  std::string reason;  // as Resolution::reason
  std::string detail;
};

// A line group in the order of hunting.
struct HuntStage {
  const LineGroupEntry* group = nullptr;
  std::vector<const LineEntry*> lines;
};

struct Resolution {
  enum class Outcome {
    kPeer,            // to `targets`, in order
    kUser,            // to the contacts of `user`
    kLine,            // to the contacts of `users`, for `line`
    kHunt,            // to `hunt`, stage by stage
    kMessageWaiting,  // no call: it lights or clears a lamp
    kRefused,
  };
  Outcome outcome = Outcome::kRefused;
  // Why it was refused, stable and UPPER_SNAKE; empty if it is routed. Of the
  // caller: TENANT_UNKNOWN, CALLER_UNKNOWN, USER_DISABLED, PHONE_DISABLED,
  // PEER_DISABLED, PEER_NO_NEW_CALLS. Of the number: ROUTE_NOT_FOUND,
  // PATTERN_BLOCKED, DIALLING_RESTRICTED, NUMBER_INVALID, TRANSLATION_LOOP,
  // FORWARD_LOOP, NOT_FORWARDED, VOICEMAIL_NOT_CONFIGURED. Of the destination:
  // PEER_DISABLED, PEER_NO_NEW_CALLS, OUTCALLS_NOT_ALLOWED, USER_DISABLED,
  // ROUTE_LOOP (back to the peer that calls), ROUTE_LIST_DISABLED,
  // HUNT_LIST_DISABLED, NO_TARGET (there is nothing in the list).
  std::string reason;
  std::string detail;  // one sentence for an operator
  // Overlap: another digit could change the decision. What this says is what
  // happens if none comes within `interdigit_timeout` (T302).
  bool incomplete = false;
  absl::Duration interdigit_timeout;

  std::vector<RouteTarget> targets;  // outcome kPeer
  bool stop_on_busy = false;         // of the route list
  bool stop_on_unallocated_number = false;
  const UserEntry* user = nullptr;             // kUser; of kLine the first
  const LineEntry* line = nullptr;             // kLine
  std::vector<const UserEntry*> users;         // kLine, in order
  const HuntPilotEntry* hunt_pilot = nullptr;  // kHunt
  std::vector<HuntStage> hunt;
  const MessageWaitingNumberEntry* message_waiting = nullptr;

  std::string pattern_name;  // the winner's resource name, if any
  std::string pattern;       // and its text
  uint32_t block_cause = 0;  // Q.850; 0 unless PATTERN_BLOCKED
  TollClass toll_class = TollClass::kInternal;
  // By whose policy the call is allowed; may be null.
  const DiallingRestrictionEntry* restriction = nullptr;
  // After all changes of the pattern that won, as the caller may be shown
  // them; what a target is sent may differ.
  std::string called;
  std::string calling;
  bool restrict_presentation = false;
  // Of a SIP URI that is routed by its host: the host. Empty otherwise.
  std::string called_domain;
  // What was dialled before it was sent on, and to whose mailbox it goes.
  std::vector<Redirection> redirections;
  std::string mailbox;
  bool mailbox_of_last = false;  // of the last redirecting number
  SecurityMode caller_mode = SecurityMode::kUnsecured;
  SecurityMode destination_mode = SecurityMode::kUnsecured;

  // The first target's, or null.
  const PeerEntry* peer() const {
    return targets.empty() ? nullptr : targets[0].peer;
  }

  // Each lookup on the way, and what cannot be called: by Explain() only.
  std::vector<RouteLookup> lookups;
  std::vector<SkippedTarget> skipped;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_RESOLUTION_H_
