// One INVITE on its way through the places where it may be answered: targets
// one after the other, users at once, forwards. Each place that is tried is a
// Call of its own; the caller sees one answer.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_ATTEMPT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_ATTEMPT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/socket_address.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/binding.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/gruu.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/ring_plan.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/transaction_table.h"

namespace sallyport::signaling_edge {

// Whom a URI names: the user part and the host in lower case. All empty when
// it is no SIP URI.
struct SipTarget {
  std::string user;
  std::string host;
  std::string display_name;
};
SipTarget TargetOf(std::string_view uri_text);
// Who calls. One who hides behind From is who its trunk says it is, or the user
// that it has proven to be (RFC 3325 sections 5, 9.2).
SipTarget CallerOf(const SipMessage& invite, const Party& caller);

// A place that was not called, by its resource name, which the plan holds.
struct PassedOver {
  std::string_view name;
  absl::Status why;
};

// A peer's redirection to itself, by another port or number.
struct PeerDetour {
  std::string user;
  uint16_t port = 0;
};

// How else a contact that rings can be reached, should its flow have failed.
struct SpareFlows {
  RingTarget target;
  uint64_t registration = 0;   // by which it is being called
  std::vector<Binding> flows;  // the others
  size_t breadth = 0;
};

struct Attempt {
  uint64_t id = 0;
  uint64_t transfer = 0;  // the call that a REFER wants to send on; 0: none
  SipMessage invite;
  MonoTime came;  // when it did
  TransactionId transaction = 0;
  std::string mark;  // by which it is known if it comes back (loop_mark.h)
  Flow flow;
  Party caller;
  std::optional<GruuDevice> device;  // of the called, which alone is meant
  RouteQuery query;                  // the last one
  Resolution resolution;
  std::shared_ptr<const Resolver> plan;  // keeps resolution's pointers
  size_t target = 0;  // of the resolution's, which is being tried
  std::optional<PeerDetour> detour;
  // Servers of the target's name that may still be tried (RFC 3263 section
  // 4.3); empty before they are known.
  std::vector<SocketAddress> servers;
  Flow server_flow;  // the way to the one that is being tried
  std::optional<SocketAddress> server;  // which that is, once it is connected
  std::string host;                     // that must be resolved first
  std::optional<RingPlan> ring;
  std::vector<uint64_t> branches;                    // calls that are under way
  uint64_t last_branch = 0;                          // 0: none was begun
  absl::flat_hash_map<uint64_t, SpareFlows> spares;  // by branch
  std::optional<RingStep> awaited;  // until its users are looked up
  size_t lookups = 0;
  bool looked_up = false;
  bool admitted = false;  // it was found to fit in
  // Of the caller, by name, which has a call for it; empty: none has.
  std::string line;
  bool for_help = false;  // it was dialled as a call for help
  bool starting = false;  // more branches are about to come
  bool stop = false;      // nothing further is tried
  RingOutcome outcome = RingOutcome::kNotAvailable;  // of the step
  MonoTime ring_until = MonoTime::InfiniteFuture();  // of the step
  MonoTime hunt_until = MonoTime::InfiniteFuture();
  size_t turns = 0;  // forwards and redirections so far
  // What the caller is told if nothing better comes.
  std::optional<SipMessage> failure;
  absl::Status refusal;
  // Why, place by place; the first few.
  absl::InlinedVector<PassedOver, 2> passed_over;

  void PassOver(std::string_view name, const absl::Status& why) {
    refusal.Update(why);
    if (passed_over.size() < 16) passed_over.push_back({name, why});
  }
  void NextTarget() {
    ++target;
    detour.reset();
    servers.clear();
  }
  MonoTime deadline() const { return std::min(ring_until, hunt_until); }
};

// The line by which a user calls from this number; null if it has none, and of
// peers. The plan's, as `plan` is.
const LineEntry* LineOfCaller(const Attempt& attempt, std::string_view number);

// Whether the caller asks not to be shown to who is called (RFC 3323 section
// 4.2, RFC 3325 section 7). What else it may ask to have hidden, its fields and
// its media, a back-to-back user agent that anchors media shows nobody.
bool AsksForPrivacy(const SipMessage& invite);

// How many branches an INVITE may still become (RFC 5393 section 5.3).
size_t BreadthOf(const SipMessage& invite);

// Whether a failure says more than one that another branch gave (RFC 3261
// section 16.7 step 6).
bool IsBetterFailure(int code, int than);

// Why a branch that failed with this status did not take the call.
RingOutcome OutcomeOf(int code, std::string_view reason);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_ATTEMPT_H_
