// Callers who wait at a hunt pilot until a member is free: the half of
// CallControl that answers them itself, lets them hear music, and sends each on
// as a transfer would (CCE-63, CCE-64).
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

// How often it is looked for members that have become free: who registers, is
// made ready or hangs up, at any loop.
constexpr absl::Duration kQueueCheck = absl::Milliseconds(200);
// After members that were rung did not answer.
constexpr absl::Duration kServeAgain = absl::Seconds(1);
// Transactions that nobody began.
constexpr TransactionId kOwnTransaction = TransactionId{1} << 63;

}  // namespace

void CallControl::SetAgentReady(const std::string& user, bool ready) {
  if (ready) {
    unready_agents_.erase(user);
  } else {
    unready_agents_.insert(user);
  }
}

bool CallControl::IsAgentFree(const LineEntry& line, MonoTime now) const {
  if (hunts_.CallsOf(line.name) > 0) return false;
  const auto resting = resting_lines_.find(line.name);
  if (resting != resting_lines_.end() && now < resting->second) return false;
  if (!port_.PortsOf(line.name, now).empty()) return true;
  return std::any_of(
      line.users.begin(), line.users.end(), [&](const std::string& name) {
        const UserEntry* const user = plan_->index().User(name);
        return user != nullptr && !user->disabled && IsAgentReady(name) &&
               !registrar_.ContactsOf(name).empty();
      });
}

bool CallControl::HasFreeAgent(const Resolution& resolution,
                               MonoTime now) const {
  for (const HuntStage& stage : resolution.hunt) {
    for (const LineEntry* line : stage.lines) {
      if (IsAgentFree(*line, now)) return true;
    }
  }
  return false;
}

bool CallControl::Enqueue(Attempt& attempt, MonoTime now) {
  const HuntPilotEntry* const pilot = attempt.resolution.hunt_pilot;
  if (pilot == nullptr || !pilot->queue.has_value() || attempt.transfer != 0 ||
      attempt.stop || draining_) {
    return false;
  }
  const CallQueueEntry& queue = *pilot->queue;
  if (hunts_.QueueLength(pilot->name) >= queue.max_callers || IsFull()) {
    attempt.failure.reset();
    attempt.refusal = MakeError(absl::StatusCode::kResourceExhausted,
                                "QUEUE_FULL", "as many callers wait as may");
    return false;
  }
  auto place = TakeTenantPlace(attempt);
  if (!place.ok()) {
    attempt.failure.reset();
    attempt.refusal = place.status();
    return false;
  }
  Call::LegSetup caller;
  caller.party = attempt.caller;
  caller.flow = attempt.flow;
  SetMediaRules(caller);
  caller.contact = ContactUri(port_.ListenerOf(attempt.flow));
  if (IsSips(attempt.invite.request_uri())) {
    caller.contact = AsSips(caller.contact);
  }
  caller.tag = port_.NewTag();
  caller.called = attempt.query.called;
  caller.calling = attempt.query.calling;
  // Nobody: the relay alone.
  Call::LegSetup nobody;
  nobody.party.kind = Party::Kind::kNobody;
  nobody.party.tenant = attempt.caller.tenant;
  nobody.party.dial_plan = attempt.caller.dial_plan;
  nobody.party.mode = SecurityMode::kUnsecured;
  nobody.tag = port_.NewTag();
  nobody.called = caller.called;
  nobody.calling = caller.calling;
  const uint64_t id = ++last_call_;
  const Call::Timers timers = CallTimers(caller.party, nobody.party);
  auto made = std::make_unique<Call>(id, std::move(caller), std::move(nobody),
                                     timers, random_);
  Call& call = *made;
  CallRecord& record = call.record();
  record.matched_resource = pilot->name;
  record.matched_pattern = attempt.resolution.pattern;
  record.snapshot_version = attempt.plan->index().version();
  record.queue = pilot->name;
  record.queued = now;
  calls_.emplace(id, std::move(made));
  total_.Set(calls_.size());
  traces_[id].initial = attempt.transaction;
  traces_[id].mark = attempt.mark;
  traces_[id].withheld = AsksForPrivacy(attempt.invite);
  if (!attempt.line.empty()) {
    traces_[id].lines.push_back(std::exchange(attempt.line, {}));
  }
  traces_[id].tenant = *std::move(place);
  ladder_.Attach(id, attempt.transaction);
  CountPeer(call.party(LegSide::kA), true);
  Waiting& waiting = waiting_[id];
  waiting.pilot = pilot->name;
  waiting.query = attempt.query;
  waiting.target = attempt.invite.request_uri();
  waiting.until = now + queue.max_wait;
  hunts_.Queue(HuntMemory::News::Kind::kQueued, pilot->name, id, now);
  queue_check_ = std::min(queue_check_, now + kQueueCheck);
  NoteInvite(id, attempt.transaction);
  const SipMessage invite = std::move(attempt.invite);
  const TransactionId transaction = attempt.transaction;
  const std::string prompt = queue.prompt;
  Forget(attempt);
  CallActions actions = call.StartAlone(invite, transaction, prompt, now);
  if (const Dialog* dialog = call.dialog(LegSide::kA)) {
    NoteDialog(id, LegSide::kA, dialog->id().call_id, dialog->id().local_tag);
  }
  Do(call, std::move(actions), now);
  return true;
}

void CallControl::LeaveQueue(uint64_t id, MonoTime now) {
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) return;
  hunts_.Queue(HuntMemory::News::Kind::kUnqueued, it->second.pilot, id, now);
  waiting_.erase(it);
  if (const auto call = calls_.find(id); call != calls_.end()) {
    call->second->record().unqueued = now;
    call->second->record().queue_position = 0;
  }
}

void CallControl::ServeQueues(MonoTime now) {
  std::vector<uint64_t> ids;
  for (const auto& [id, waiting] : waiting_) ids.push_back(id);
  for (const uint64_t id : ids) {
    const auto it = waiting_.find(id);
    if (it != waiting_.end()) ServeWaiting(id, it->second, now);
  }
  absl::erase_if(resting_lines_,
                 [&](const auto& one) { return one.second <= now; });
  queue_check_ =
      waiting_.empty() ? MonoTime::InfiniteFuture() : now + kQueueCheck;
}

void CallControl::ServeWaiting(uint64_t id, Waiting& waiting, MonoTime now) {
  Call& call = *calls_.at(id);
  call.record().queue_position = hunts_.QueuePosition(waiting.pilot, id);
  if (waiting.served || waiting.leaving || !call.settled() ||
      now < waiting.not_before) {
    return;
  }
  waiting.query.turn = last_turn_++;
  if (now >= waiting.until) {
    waiting.leaving = true;
    BeginServing(id, waiting, now);
    return;
  }
  if (!hunts_.IsNextInQueue(waiting.pilot, id)) return;
  const Resolution resolution = plan_->Resolve(waiting.query);
  if (resolution.hunt_pilot == nullptr ||
      resolution.hunt_pilot->name != waiting.pilot ||
      !resolution.hunt_pilot->queue.has_value()) {
    // The plan has another mind now.
    waiting.leaving = true;
    BeginServing(id, waiting, now);
    return;
  }
  if (!HasFreeAgent(resolution, now)) {
    // Where registrations are shared, they are brought up to date for the next
    // time.
    for (const HuntStage& stage : resolution.hunt) {
      for (const LineEntry* line : stage.lines) {
        for (const std::string& user : line->users) port_.LookUp(user, 0, now);
      }
    }
    return;
  }
  BeginServing(id, waiting, now);
}

void CallControl::BeginServing(uint64_t id, Waiting& waiting, MonoTime now) {
  Call& call = *calls_.at(id);
  const CallRecord& record = call.record();
  const std::string domain = HomeDomain(record.tenant);
  // What the caller would send, were it to dial again.
  SipMessage invite = SipMessage::Request(SipMethod::kInvite, waiting.target);
  invite.SetUint(HeaderId::kMaxForwards, 70);
  invite.Add(HeaderId::kFrom,
             Cat("<sip:", PercentEncode(record.calling, "+*#"), "@", domain,
                 ">;tag=", HexOf(random_.NextU64())));
  invite.Add(HeaderId::kTo, Cat("<", waiting.target, ">"));
  invite.Add(HeaderId::kCallId, HexOf(random_.NextU64()));
  invite.Add(HeaderId::kCseq, "1 INVITE");
  invite.Add(
      HeaderId::kContact,
      Cat("<", ContactUri(port_.ListenerOf(call.flow(LegSide::kA))), ">"));
  if (traces_[id].withheld) invite.Add(HeaderId::kPrivacy, "id");
  AddSdp(invite, call.OfferOf(LegSide::kA));

  const uint64_t attempt_id = ++last_attempt_;
  Attempt& attempt =
      *attempts_.emplace(attempt_id, std::make_unique<Attempt>()).first->second;
  attempt.id = attempt_id;
  attempt.transfer = id;
  attempt.transaction = kOwnTransaction | attempt_id;
  attempt.invite = std::move(invite);
  attempt.flow = call.flow(LegSide::kA);
  attempt.caller = call.party(LegSide::kA);
  attempt.plan = plan_;
  attempt.admitted = true;  // when it came
  attempt.query = waiting.query;
  if (waiting.leaving) {
    attempt.query.forwarded_by = waiting.pilot;
    attempt.query.forward = ForwardReason::kNoAnswer;
  } else {
    waiting.served = true;
    hunts_.Queue(HuntMemory::News::Kind::kServed, waiting.pilot, id, now);
  }
  attempt_of_invite_[attempt.transaction] = attempt_id;
  transfers_[id] = {LegSide::kB, true, false, attempt_id, 0};
  Resolve(attempt, now);
}

void CallControl::OnServingFailed(uint64_t id, MonoTime now) {
  Waiting& waiting = waiting_.at(id);
  if (waiting.leaving) {
    Call& call = *calls_.at(id);
    LeaveQueue(id, now);
    Do(call, call.Hangup("QUEUE_TIMEOUT", now), now);
    return;
  }
  waiting.served = false;
  waiting.not_before = now + kServeAgain;
  hunts_.Queue(HuntMemory::News::Kind::kWaits, waiting.pilot, id, now);
}

}  // namespace sallyport::signaling_edge
