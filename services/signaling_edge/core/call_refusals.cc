// What of a call is refused, and what is told and kept of it: the half of
// CallControl that says no.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/call_failure.h"
#include "services/signaling_edge/core/expected_names.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/refusal_steps.h"
#include "services/signaling_edge/core/session_timer.h"
#include "services/signaling_edge/core/sip_method.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/unsupported_extensions.h"

namespace sallyport::signaling_edge {
namespace {

EdgeEvent RefusalOf(const Party& party, const Flow& flow,
                    const absl::Status& status, int code, MonoTime now,
                    SipMethod method = SipMethod::kInvite) {
  EdgeEvent event;
  event.type = EdgeEvent::Type::kRefused;
  event.at = now;
  event.reason = ReasonOf(status);
  event.summary = "a call was refused";
  event.tenant = party.tenant;
  event.resource = party.resource;
  Refusal& refusal = event.refusal.emplace();
  refusal.kind = RefusalKind::kCall;
  refusal.transport = flow.transport;
  refusal.remote = flow.remote;
  refusal.explanation = std::string(status.message());
  (party.kind == Party::Kind::kPeer ? refusal.peer : refusal.subject) =
      party.resource;
  refusal.dial_plan = party.dial_plan;
  refusal.sip_method = MethodName(method);
  refusal.sip_status = code;
  return event;
}

}  // namespace

std::optional<CallRecord> CallControl::KeepOneLeg(const OneLeg& one, int code,
                                                  std::string_view reason,
                                                  CallDisposition disposition,
                                                  MonoTime now) {
  if (!refused_calls_.Take(AsBytes(one.caller.resource), now)) {
    ++not_kept_.of_caller;
    return std::nullopt;
  }
  if (!TakeGcra(kRefusedOfAll, refused_arrival_, now)) {
    ++not_kept_.of_all;
    return std::nullopt;
  }
  CallRecord record;
  record.id = ++last_call_;
  record.tenant = one.caller.tenant;
  record.state = CallState::kEnded;
  record.called = TargetOf(one.invite.request_uri()).user;
  record.calling = CallerOf(one.invite, one.caller).user;
  record.started = one.came;
  record.ended = now;
  record.reason = reason;
  record.disposition = disposition;
  const Resolver* const plan =
      one.attempt == nullptr ? plan_.get() : one.attempt->plan.get();
  if (plan != nullptr) record.snapshot_version = plan->index().version();
  if (one.attempt != nullptr) {
    record.matched_resource = one.attempt->resolution.pattern_name;
    record.matched_pattern = one.attempt->resolution.pattern;
  }
  LegRecord& leg = record.legs.emplace_back();
  leg.incoming = true;
  leg.party = one.caller;
  leg.flow = one.flow;
  leg.called = record.called;
  leg.calling = record.calling;
  leg.sip_call_id = one.invite.Value(HeaderId::kCallId);
  leg.state = CallState::kEnded;
  leg.sip_status = code;
  ladder_.Attach(record.id, one.transaction);
  ladder_.SetReason(ladder_.Of(record.id, LegSide::kA), reason);
  Remember(record, one_leg_history_, options_.history_entries / 4, now);
  return record;
}

void CallControl::RefuseOneLeg(const OneLeg& one, const absl::Status& status,
                               std::vector<std::string> steps, MonoTime now) {
  const SipStatus answer = SipStatusOf(status);
  SipMessage response = MakeResponse(one.invite, answer.code, answer.phrase,
                                     Cat(random_.NextU64()));
  if (answer.code == 503) response.SetUint(HeaderId::kRetryAfter, 5);
  const std::string reason = ReasonOf(status);
  if (reason == "SIPS_NOT_ALLOWED") {
    response.Add(HeaderId::kWarning, "380 sallyport \"SIPS Not Allowed\"");
  } else if (reason == "EXTENSION_UNSUPPORTED") {
    response.Add(HeaderId::kUnsupported, UnsupportedExtensions(one.invite));
  } else if (reason == "SESSION_INTERVAL_TOO_SMALL") {
    SessionTimer(options_.session).AddMinimum(response);
  }
  uint64_t call = 0;
  std::optional<CallRecord> record;
  if (one.attempt != nullptr && one.attempt->transfer != 0) {
    call = one.attempt->transfer;
  } else if (one.attempt != nullptr && one.attempt->last_branch != 0) {
    call = one.attempt->last_branch;
    ladder_.SetReason(ladder_.Of(call, LegSide::kA), reason);
  } else {
    record = KeepOneLeg(one, answer.code, reason, DispositionForRefusal(reason),
                        now);
    if (record.has_value()) call = record->id;
  }
  if (one.attempt != nullptr) {
    Answer(*one.attempt, std::move(response), now);
  } else {
    port_.Respond(one.transaction, std::move(response), now);
  }
  EdgeEvent event = RefusalOf(one.caller, one.flow, status, answer.code, now);
  if (plan_ != nullptr) {
    NameDevices(one.caller, reason, *plan_, *event.refusal);
  }
  ReportRefused(std::move(event), call, std::move(record), std::move(steps));
}

void CallControl::RefuseInvite(const SipMessage& invite,
                               TransactionId transaction, const Flow& flow,
                               const Party& caller, const absl::Status& why,
                               MonoTime now) {
  RefuseOneLeg({invite, transaction, flow, caller, now}, why,
               PartySteps(caller, ReasonOf(why), "request"), now);
}

void CallControl::Refuse(const Attempt& attempt, const absl::Status& status,
                         MonoTime now) {
  RefuseOneLeg({attempt.invite, attempt.transaction, attempt.flow,
                attempt.caller, attempt.came, &attempt},
               status, AttemptSteps(attempt, ReasonOf(status)), now);
}

void CallControl::NoteGivenUp(const Attempt& attempt, MonoTime now) {
  if (attempt.transfer != 0 || attempt.last_branch != 0) return;
  std::optional<CallRecord> record =
      KeepOneLeg({attempt.invite, attempt.transaction, attempt.flow,
                  attempt.caller, attempt.came, &attempt},
                 attempt.failure->status_code(), "CANCELLED",
                 CallDisposition::kCancelled, now);
  if (!record.has_value()) return;
  EdgeEvent event;
  event.at = now;
  event.tenant = attempt.caller.tenant;
  event.resource = attempt.caller.resource;
  event.call = record->id;
  event.type = EdgeEvent::Type::kCallStarted;
  event.summary = "a call began";
  port_.Perform(Report{event});
  event.type = EdgeEvent::Type::kCallEnded;
  event.reason = record->reason;
  event.record = std::make_shared<const CallRecord>(*std::move(record));
  event.summary = "a call ended";
  port_.Perform(Report{std::move(event)});
}

void CallControl::ReportRefused(EdgeEvent event, uint64_t call,
                                std::optional<CallRecord> record,
                                std::vector<std::string> steps) {
  event.refusal->call = call;
  event.refusal->steps = std::move(steps);
  if (record.has_value()) {
    event.call = record->id;
    event.record = std::make_shared<const CallRecord>(*std::move(record));
  }
  port_.Perform(Report{std::move(event)});
}

void CallControl::ReportCallRefused(const Call& call,
                                    const CallRefused& refused, MonoTime now) {
  const std::string reason = ReasonOf(refused.status);
  const bool request = refused.what == CallRefused::What::kRequest;
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    // Of a request nobody but its sender is told.
    if (request && side != refused.leg) continue;
    ladder_.SetReason(ladder_.Of(call.id(), side), reason);
  }
  EdgeEvent event =
      RefusalOf(call.party(refused.leg), call.flow(refused.leg), refused.status,
                refused.sip_status, now, refused.method);
  if (request) {
    event.summary = "a request within a call was refused";
    event.refusal->kind = RefusalKind::kRequest;
  } else if (refused.what == CallRefused::What::kMediaChange) {
    event.summary = "a change of media was refused";
    event.refusal->kind = RefusalKind::kMedia;
  }
  ReportRefused(std::move(event), call.id(), std::nullopt,
                CallSteps(call.record(), refused.leg, reason,
                          request ? "request" : "media"));
}

void CallControl::ReportTransferRefused(const Party& party, const Flow& flow,
                                        const absl::Status& status,
                                        uint64_t call, MonoTime now) {
  EdgeEvent event =
      RefusalOf(party, flow, status, SipStatusOf(status).code, now);
  event.summary = "a transfer was refused";
  event.refusal->kind = RefusalKind::kRequest;
  event.refusal->sip_method = "REFER";
  ReportRefused(std::move(event), call, std::nullopt,
                PartySteps(party, ReasonOf(status), "transfer"));
}

}  // namespace sallyport::signaling_edge
