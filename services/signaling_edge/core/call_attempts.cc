// How an INVITE goes through its targets, one after the other or at once: the
// half of CallControl that tries (attempt.h).
#include <algorithm>
#include <utility>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/gruu.h"
#include "services/signaling_edge/core/registration_desk.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

// Forwards and redirections of one INVITE.
constexpr size_t kMaxTurns = 10;
// Contacts that ring at once.
constexpr size_t kMaxBranches = 20;
// A member of a queue that did not answer is left alone for so long.
constexpr absl::Duration kAgentRest = absl::Seconds(10);

ForwardReason ReasonFor(RingOutcome outcome) {
  switch (outcome) {
    case RingOutcome::kBusy:
      return ForwardReason::kBusy;
    case RingOutcome::kNoAnswer:
      return ForwardReason::kNoAnswer;
    case RingOutcome::kNotAvailable:
      break;
  }
  return ForwardReason::kUnregistered;
}

absl::Status SipsNotAllowed(std::string_view why) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "SIPS_NOT_ALLOWED",
                   why);
}

// A URI parameter of what was dialled, empty when it has none.
std::string_view GruuParam(const SipMessage& invite, std::string_view name) {
  const auto uri = ParseSipUri(invite.request_uri());
  if (!uri.ok()) return {};
  return uri->Param(name).value_or("");
}

// Whether a bulk contact of the user is meant by what was dialled: it stands
// for numbers, not for the user itself (RFC 6140 section 5.3), and a GRUU names
// one device (section 7.1.1).
bool BulkMayTake(const Binding& binding, const UserEntry& user,
                 const Attempt& attempt) {
  const std::string_view device = GruuParam(attempt.invite, "bg");
  if (attempt.resolution.called == user.username) return false;
  return device.empty() ||
         EqualsIgnoreCase(InstanceParam(binding.instance), device);
}

}  // namespace

bool CallControl::MayTake(const std::vector<const Binding*>& flows,
                          const UserEntry& user, const Attempt& attempt) const {
  if (attempt.device.has_value()) {
    return std::any_of(flows.begin(), flows.end(), [&](const Binding* flow) {
      return gruus_.IsOf(*attempt.device, *flow);
    });
  }
  if (flows[0]->bulk) return BulkMayTake(*flows[0], user, attempt);
  return GruuParam(attempt.invite, "bg").empty();
}

void CallControl::NameDevice(Attempt& attempt) {
  const auto uri = ParseSipUri(attempt.invite.request_uri());
  if (!uri.ok()) return;
  attempt.device = gruus_.Read(*uri);
  if (attempt.device.has_value() && attempt.device->temporary()) {
    attempt.query.called = attempt.device->username;
  }
}

void CallControl::ReplaceGruu(const Party& party, SipMessage& request) const {
  if (party.kind != Party::Kind::kUser ||
      request.request_uri().find(";gr") == std::string_view::npos) {
    return;
  }
  const auto uri = ParseSipUri(request.request_uri());
  if (!uri.ok()) return;
  const auto device = gruus_.Read(*uri);
  if (!device.has_value()) return;
  for (const Binding* binding : registrar_.Of(party.resource)) {
    if (!gruus_.IsOf(*device, *binding)) continue;
    const std::string contact = binding->contact;
    request.set_request_uri(contact);
    return;
  }
}

Attempt* CallControl::FindAttempt(uint64_t id) {
  const auto it = attempts_.find(id);
  return it == attempts_.end() ? nullptr : it->second.get();
}

void CallControl::Forget(const Attempt& attempt) {
  const uint64_t id = attempt.id;
  if (!attempt.line.empty()) {
    // Who was not answered is idle for as long as before.
    hunts_.OnCallEnded(attempt.line, hunts_.IdleSince(attempt.line));
  }
  for (const uint64_t branch : attempt.branches) attempt_of_.erase(branch);
  attempt_of_invite_.erase(attempt.transaction);
  attempt_deadlines_.Erase(id);
  attempts_.erase(id);
}

void CallControl::Answer(const Attempt& attempt, SipMessage response,
                         MonoTime now) {
  if (attempt.transfer == 0) {
    port_.Respond(attempt.transaction, std::move(response), now);
  } else {
    OnTransferFailed(attempt.transfer, response.status_code(), now);
  }
}

void CallControl::Conclude(Attempt& attempt, MonoTime now) {
  if (attempt.failure.has_value()) {
    if (attempt.resolution.message_waiting == nullptr) {
      NoteGivenUp(attempt, now);
    }
    Answer(attempt, *std::move(attempt.failure), now);
  } else if (!attempt.refusal.ok()) {
    Refuse(attempt, attempt.refusal, now);
  } else if (attempt.ring.has_value() &&
             attempt.ring->outcome() == RingOutcome::kBusy) {
    Refuse(attempt,
           MakeError(absl::StatusCode::kUnavailable, "PEER_BUSY",
                     "every line has as many calls as it takes"),
           now);
  } else {
    Refuse(attempt,
           MakeError(absl::StatusCode::kNotFound, "USER_NOT_REGISTERED",
                     "the user has no contact"),
           now);
  }
  Forget(attempt);
}

// ---------------------------------------------------------------- ringing

void CallControl::StartRinging(Attempt& attempt, MonoTime now) {
  const HuntPilotEntry* const pilot = attempt.resolution.hunt_pilot;
  const bool queues = pilot != nullptr && pilot->queue.has_value();
  attempt.ring.emplace(
      attempt.resolution, attempt.plan->index(),
      !queues ? RingPlan::MayRing() : [this, now](const LineEntry& line) {
        return IsAgentFree(line, now);
      });
  // Who comes later waits longer.
  if (queues && hunts_.QueueLength(pilot->name) > 0 && Enqueue(attempt, now)) {
    return;
  }
  if (pilot != nullptr && pilot->maximum_hunt_time > absl::ZeroDuration()) {
    attempt.hunt_until = now + pilot->maximum_hunt_time;
  }
  Ring(attempt, attempt.ring->First(hunts_), now);
}

void CallControl::Ring(Attempt& attempt, std::optional<RingStep> step,
                       MonoTime now) {
  const uint64_t id = attempt.id;
  const HuntPilotEntry* const pilot = attempt.resolution.hunt_pilot;
  const bool queues = pilot != nullptr && pilot->queue.has_value();
  for (; step.has_value();
       step = attempt.ring->After(attempt.outcome, hunts_)) {
    if (!std::exchange(attempt.looked_up, false)) {
      for (const RingTarget& target : step->targets) {
        if (port_.LookUp(target.user->name, id, now)) ++attempt.lookups;
      }
      if (attempt.lookups > 0) {
        attempt.awaited = std::move(step);
        return;
      }
    }
    struct Place {
      RingTarget target;
      std::vector<Binding> flows;
      CallPort::Port port;  // of a line, if there is no user
    };
    std::vector<Place> places;
    for (const RingTarget& target : step->targets) {
      for (const auto& flows : registrar_.ContactsOf(target.user->name)) {
        if (!MayTake(flows, *target.user, attempt)) continue;
        if (queues && !IsAgentReady(target.user->name)) continue;
        Place& place = places.emplace_back();
        place.target = target;
        for (const Binding* flow : flows) place.flows.push_back(*flow);
      }
    }
    for (const LineEntry* line : step->lines) {
      // A voicemail port is registered for its line.
      for (CallPort::Port& port : port_.PortsOf(line->name, now)) {
        places.push_back({{nullptr, line}, {}, std::move(port)});
      }
    }
    // RFC 5393 section 5.3.3: the breadth that came is shared out.
    const size_t breadth = BreadthOf(attempt.invite);
    if (breadth == 0) {
      attempt.refusal =
          MakeError(absl::StatusCode::kResourceExhausted,
                    "MAX_BREADTH_EXCEEDED", "no more branches are allowed");
      Conclude(attempt, now);
      return;
    }
    if (places.size() > std::min(breadth, kMaxBranches)) {
      places.resize(std::min(breadth, kMaxBranches));
    }
    attempt.outcome = RingOutcome::kNotAvailable;
    attempt.ring_until = now + step->no_answer;
    attempt.starting = true;
    for (Place& place : places) {
      if (attempt.stop) break;
      if (place.target.user == nullptr) {
        RingPort(attempt, *place.target.line, std::move(place.port),
                 breadth / places.size(), now);
        continue;
      }
      const absl::Status status =
          RingContact(attempt, place.target, std::move(place.flows),
                      breadth / places.size(), now);
      if (!status.ok()) attempt.PassOver(place.target.user->name, status);
    }
    attempt.starting = false;
    if (!attempt.branches.empty()) {
      attempt_deadlines_.Set(id, attempt.deadline());
      if (attempt.stop) {
        GiveUpBranches(attempt, 480, "REFUSED", CallDisposition::kRefused, now);
      }
      return;
    }
    if (attempt.stop) {
      Conclude(attempt, now);
      return;
    }
  }
  attempt.ring_until = MonoTime::InfiniteFuture();
  Forwarded(attempt, now);
}

void CallControl::OnLookedUp(uint64_t id, MonoTime now) {
  Attempt* attempt = FindAttempt(id);
  if (attempt == nullptr || attempt->lookups == 0) return;
  if (--attempt->lookups > 0 || !attempt->awaited.has_value()) return;
  attempt->looked_up = true;
  Ring(*attempt, std::exchange(attempt->awaited, std::nullopt), now);
}

void CallControl::RingPort(Attempt& attempt, const LineEntry& line,
                           CallPort::Port port, size_t breadth, MonoTime now) {
  Call::LegSetup called;
  called.party = std::move(port.party);
  called.to = Cat("<", port.contact, ">");
  called.flow = port.flow;
  called.request_uri = std::move(port.contact);
  const absl::Status status =
      Begin(attempt, std::move(called), line.name, breadth, now);
  if (!status.ok()) attempt.PassOver(line.name, status);
}

absl::Status CallControl::RingContact(Attempt& attempt,
                                      const RingTarget& target,
                                      std::vector<Binding> flows,
                                      size_t breadth, MonoTime now) {
  const UserEntry& user = *target.user;
  // The first that still leads somewhere.
  absl::StatusOr<Flow> flow = port_.FlowOf(flows.front(), now);
  while (!flow.ok() && flows.size() > 1) {
    port_.FlowFailed(flows.front().id, false, now);
    flows.erase(flows.begin());
    flow = port_.FlowOf(flows.front(), now);
  }
  if (!flow.ok()) {
    return MakeError(absl::StatusCode::kUnavailable, "PEER_UNREACHABLE",
                     "the way to the contact is gone");
  }
  const Binding binding = std::move(flows.front());
  flows.erase(flows.begin());
  Call::LegSetup called;
  called.party.kind = Party::Kind::kUser;
  called.party.resource = user.name;
  called.party.tenant = TenantOf(user.name);
  called.party.phone = binding.phone;
  called.party.identity = user.username;
  called.party.dial_plan = user.dial_plan;
  called.party.mode = attempt.plan->index().ModeOf(user.dial_plan);
  called.flow = *flow;
  // RFC 5630 section 5.3: neither promised less than was asked for, nor more.
  if (!IsSips(attempt.invite.request_uri())) {
    called.request_uri = AsSip(binding.contact);
  } else if (IsSips(binding.contact)) {
    called.request_uri = binding.contact;
  } else {
    return SipsNotAllowed("the contact takes no calls by sips");
  }
  if (binding.bulk) {
    called.request_uri =
        BulkTarget(called.request_uri, attempt.resolution.called,
                   GruuParam(attempt.invite, "sg"));
  }
  for (const std::string& hop : binding.path) {  // RFC 3327 section 5.4
    called.headers.emplace_back(HeaderId::kRoute, hop);
  }
  called.to = Cat("<sip:", PercentEncode(user.username), "@", user.domain, ">");
  // Its first steps may already fail, and then look for it.
  attempt.spares[last_call_ + 1] = {target, binding.id, std::move(flows),
                                    breadth};
  const uint64_t branch = last_call_ + 1;
  const absl::Status status =
      Begin(attempt, std::move(called),
            target.line == nullptr ? "" : target.line->name, breadth, now);
  if (!status.ok()) attempt.spares.erase(branch);
  return status;
}

bool CallControl::RingByAnotherFlow(Attempt& attempt, SpareFlows spare,
                                    bool refused, MonoTime now) {
  port_.FlowFailed(spare.registration, refused, now);
  // Those that have failed meanwhile are no longer there.
  std::erase_if(spare.flows, [&](const Binding& flow) {
    return registrar_.Find(flow.id) == nullptr;
  });
  if (spare.flows.empty() || attempt.stop) return false;
  const bool was_starting = std::exchange(attempt.starting, true);
  const size_t before = attempt.branches.size();
  const absl::Status status = RingContact(
      attempt, spare.target, std::move(spare.flows), spare.breadth, now);
  attempt.starting = was_starting;
  return status.ok() && attempt.branches.size() > before;
}

void CallControl::OnAttemptDeadline(Attempt& attempt, MonoTime now) {
  if (now < attempt.deadline()) {
    attempt_deadlines_.Set(attempt.id, attempt.deadline());
    return;
  }
  const bool hunted = now >= attempt.hunt_until;
  attempt.ring_until = attempt.hunt_until = MonoTime::InfiniteFuture();
  attempt.awaited.reset();
  attempt.lookups = 0;
  attempt.starting = true;  // what the branches say is no news
  GiveUpBranches(attempt, 480, "NO_ANSWER", CallDisposition::kNoAnswer, now);
  attempt.starting = false;
  attempt.outcome = RingOutcome::kNoAnswer;
  if (attempt.stop) {
    Conclude(attempt, now);
  } else if (hunted) {
    while (attempt.ring->After(attempt.outcome, hunts_).has_value()) {
    }
    Forwarded(attempt, now);
  } else {
    Advance(attempt, now);
  }
}

void CallControl::GiveUpBranches(Attempt& attempt, int code,
                                 std::string_view reason,
                                 CallDisposition disposition, MonoTime now) {
  const uint64_t id = attempt.id;
  const std::vector<uint64_t> branches = attempt.branches;
  for (const uint64_t branch : branches) {
    // What the first of them does may have ended the attempt.
    if (FindAttempt(id) == nullptr) return;
    const auto it = calls_.find(branch);
    if (it == calls_.end()) continue;
    Do(*it->second, it->second->GiveUp(code, reason, disposition, now), now);
  }
}

void CallControl::OnAttemptCancelled(Attempt& attempt, MonoTime now) {
  attempt.stop = true;
  attempt.failure.reset();
  attempt.starting = true;  // no branch decides anything any more
  GiveUpBranches(attempt, 487, "CANCELLED", CallDisposition::kCancelled, now);
  if (!attempt.failure.has_value()) {
    attempt.failure = MakeResponse(attempt.invite, 487, ReasonPhrase(487),
                                   Cat(random_.NextU64()));
  }
  Conclude(attempt, now);
}

// ---------------------------------------------------------------- outcomes

void CallControl::OnBranchWon(uint64_t id, uint64_t call, MonoTime now) {
  Attempt* attempt = FindAttempt(id);
  if (attempt == nullptr) return;
  std::erase(attempt->branches, call);
  attempt_of_.erase(call);
  const std::vector<uint64_t> others = attempt->branches;
  // The caller's line goes on with the call; of calls for help, and of who is
  // transferred, it has one from now on.
  if (const auto traces = traces_.find(call); traces != traces_.end()) {
    if (attempt->line.empty()) {
      if (const auto* line = LineOfCaller(*attempt, attempt->query.calling)) {
        attempt->line = line->name;
        hunts_.OnCallBegan(line->name);
      }
    }
    if (!attempt->line.empty()) {
      traces->second.lines.push_back(std::exchange(attempt->line, {}));
    }
  }
  const uint64_t transfer = attempt->transfer;
  Forget(*attempt);
  for (const uint64_t other : others) {
    const auto it = calls_.find(other);
    if (it == calls_.end()) continue;
    traces_[other].orphan = true;
    Do(*it->second,
       it->second->GiveUp(487, "ANSWERED_ELSEWHERE",
                          CallDisposition::kCancelled, now),
       now);
  }
  if (transfer != 0) CompleteTransfer(transfer, call, now);
}

void CallControl::OnBranchFailed(uint64_t id, uint64_t call, BranchEnd end,
                                 MonoTime now) {
  attempt_of_.erase(call);
  Attempt* found = FindAttempt(id);
  if (found == nullptr) return;
  Attempt& attempt = *found;
  std::erase(attempt.branches, call);
  const CallRecord& record = end.record;
  const int code = record.legs[IndexOf(LegSide::kB)].sip_status;
  if (const auto it = attempt.spares.find(call); it != attempt.spares.end()) {
    SpareFlows spare = std::move(it->second);
    attempt.spares.erase(it);
    // Not the next caller of a queue at once as well.
    const HuntPilotEntry* const pilot = attempt.resolution.hunt_pilot;
    if (pilot != nullptr && pilot->queue.has_value() && !attempt.stop &&
        spare.target.line != nullptr) {
      resting_lines_[spare.target.line->name] = now + kAgentRest;
    }
    // RFC 5626 section 5.3: a flow that has failed is no answer of the phone.
    if ((code == 430 || (code == 0 && record.reason == "PEER_UNREACHABLE")) &&
        RingByAnotherFlow(attempt, std::move(spare), code == 430, now)) {
      return;
    }
  }
  const bool redirects = code >= 300 && code < 400 && !end.redirects.empty();
  if (!attempt.failure.has_value() || !attempt.ring.has_value() ||
      IsBetterFailure(end.response.status_code(),
                      attempt.failure->status_code())) {
    attempt.failure = end.response;
  }
  if (attempt.ring.has_value()) {
    const RingOutcome outcome = OutcomeOf(code, record.reason);
    // Of several, the one that came closest to an answer.
    if (attempt.outcome == RingOutcome::kNotAvailable ||
        outcome == RingOutcome::kBusy) {
      attempt.outcome = outcome;
    }
    // Nobody else would do better: the caller gave up, or broke a rule.
    attempt.stop |=
        record.reason == "CANCELLED" ||
        (code == 0 && record.reason != "PEER_UNREACHABLE" &&
         record.reason != "NO_ANSWER" && record.reason != "REFUSED_ELSEWHERE");
    // RFC 3261 section 16.7 step 5: a global failure ends what rings as well.
    if ((attempt.stop || code >= 600) && !attempt.starting &&
        !attempt.branches.empty()) {
      attempt.starting = true;
      GiveUpBranches(attempt, 480, "REFUSED_ELSEWHERE",
                     CallDisposition::kCancelled, now);
      attempt.starting = false;
    }
  } else if (!redirects) {
    if (!attempt.stop && record.disposition != CallDisposition::kCancelled &&
        NextServer(attempt, code, record.reason, now)) {
      return;
    }
    attempt.stop |= !GoesOn(attempt, record);
  }
  if (attempt.starting || !attempt.branches.empty()) return;
  if (redirects && !attempt.stop && Redirected(attempt, end, now)) return;
  if (attempt.stop) {
    Conclude(attempt, now);
    return;
  }
  Advance(attempt, now);
}

void CallControl::Advance(Attempt& attempt, MonoTime now) {
  if (attempt.ring.has_value()) {
    Ring(attempt, attempt.ring->After(attempt.outcome, hunts_), now);
    return;
  }
  attempt.NextTarget();
  if (attempt.target < attempt.resolution.targets.size()) {
    ToPeer(attempt, now);
  } else {
    Conclude(attempt, now);
  }
}

void CallControl::Forwarded(Attempt& attempt, MonoTime now) {
  // RFC 5627 section 5.1: nobody stands in for a device.
  if (attempt.device.has_value()) {
    Conclude(attempt, now);
    return;
  }
  if (Enqueue(attempt, now)) return;
  if (IsServing(attempt) && !waiting_.at(attempt.transfer).leaving) {
    Conclude(attempt, now);  // back into the queue
    return;
  }
  const RingPlan& ring = *attempt.ring;
  RouteQuery query = attempt.query;
  query.forwarded_by = ring.forwarder();
  query.forward = ReasonFor(ring.outcome());
  query.redirected = attempt.resolution.redirections;
  query.rerouted = query.referred_outside = false;
  const bool loops =
      std::any_of(query.redirected.begin(), query.redirected.end(),
                  [&](const Redirection& one) {
                    return one.resource == query.forwarded_by &&
                           one.reason == query.forward;
                  });
  if (query.forwarded_by.empty() || loops || attempt.turns >= kMaxTurns) {
    Conclude(attempt, now);
    return;
  }
  query.turn = last_turn_++;
  Resolution next = attempt.plan->Resolve(query);
  if (next.outcome == Resolution::Outcome::kRefused) {
    Conclude(attempt, now);
    return;
  }
  ++attempt.turns;
  attempt.query = std::move(query);
  attempt.resolution = std::move(next);
  attempt.ring.reset();
  attempt.target = 0;
  attempt.servers.clear();
  attempt.hunt_until = MonoTime::InfiniteFuture();
  Proceed(attempt, now);
}

bool CallControl::Redirected(Attempt& attempt, const BranchEnd& end,
                             MonoTime now) {
  if (attempt.turns >= kMaxTurns) return false;
  ++attempt.turns;
  const Party& party = end.record.legs[IndexOf(LegSide::kB)].party;
  for (const std::string& contact : end.redirects) {
    const auto address = ParseNameAddr(contact);
    if (!address.ok()) continue;
    const auto uri = ParseSipUri(address->uri);
    if (!uri.ok() || uri->scheme == UriScheme::kTel || !uri->has_user()) {
      continue;
    }
    std::string host;
    for (const char c : uri->host) host.push_back(ToLower(c));
    if (party.kind == Party::Kind::kPeer) {
      const RouteTarget& target = attempt.resolution.targets[attempt.target];
      const PeerEntry& peer = *target.peer;
      if (host == peer.fqdn || host == peer.address || host == target.host()) {
        // The same peer, by another door: what proves it stays the same.
        attempt.detour = PeerDetour{uri->DecodedUser(), uri->port.value_or(0)};
        attempt.failure.reset();
        attempt.servers.clear();
        ToPeer(attempt, now);
        return true;
      }
    }
    // Elsewhere it goes as a call of the one that points there, by what that
    // one may call.
    RouteQuery query;
    query.tenant = attempt.query.tenant;
    query.caller = party.resource;
    query.rerouted = party.kind == Party::Kind::kPeer;
    query.calling = attempt.query.calling;
    query.called = uri->DecodedUser();
    query.domain = DomainOf(host);
    query.turn = last_turn_++;
    query.draw = random_.NextU64();
    query.redirected = attempt.resolution.redirections;
    query.redirected.push_back({party.resource,
                                end.record.legs[IndexOf(LegSide::kB)].called,
                                ForwardReason::kAll});
    Resolution next = attempt.plan->Resolve(query);
    if (next.outcome == Resolution::Outcome::kRefused ||
        next.outcome == Resolution::Outcome::kMessageWaiting) {
      continue;
    }
    // The caller's own number stays what the first plan made of it.
    next.calling = attempt.resolution.calling;
    attempt.query = std::move(query);
    attempt.resolution = std::move(next);
    attempt.ring.reset();
    attempt.detour.reset();
    attempt.target = 0;
    attempt.servers.clear();
    Proceed(attempt, now);
    return true;
  }
  return false;
}

}  // namespace sallyport::signaling_edge
