// INVITE with Replaces (RFC 3891): the half of CallControl that decides which.
#include <string>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/trunk_rights.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

bool IsEarlyOnly(std::string_view replaces) {
  for (const std::string_view part : Split(replaces, ';')) {
    if (EqualsIgnoreCase(TrimLws(part), "early-only")) return true;
  }
  return false;
}

absl::Status NotFound(std::string_view what) {
  return MakeError(absl::StatusCode::kNotFound, "DIALOG_NOT_FOUND", what);
}

}  // namespace

absl::StatusOr<Call*> CallControl::Replaceable(const SipMessage& invite,
                                               const Flow& flow,
                                               const Party& sender,
                                               LegSide& side) {
  if (invite.Count(HeaderId::kReplaces) != 1 || invite.Has(HeaderId::kJoin)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "REPLACES_INVALID",
                     "one dialog can be replaced, and not joined as well");
  }
  if (sender.kind == Party::Kind::kPeer &&
      !TrunkMay(TrunkRight::kReplaces, sender, plan_->index())) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "REPLACES_NOT_ALLOWED",
                     "the peer may not replace dialogs");
  }
  const std::string_view value = invite.Value(HeaderId::kReplaces);
  Call* call = CallOfReplaces(value, side, /*early=*/true);
  // Section 8: of others' dialogs not even their existence is told.
  if (call == nullptr || call->party(side).resource != sender.resource ||
      call->flow(side).is_tls() != flow.is_tls()) {
    return NotFound("no call of the sender is to be replaced");
  }
  if (call->record().ended.has_value()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "DIALOG_ENDED",
                     "the call is over");
  }
  if (!call->record().answered.has_value()) {
    // Section 3: of early dialogs only those that we have begun, or a caller
    // could be made to answer.
    if (side != LegSide::kB || sender.mode != call->party(side).mode) {
      return NotFound("the call is not answered yet");
    }
    SP_RETURN_IF_ERROR(call->MayBePickedUp());
    return call;
  }
  if (IsEarlyOnly(value)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "DIALOG_CONFIRMED",
                     "the call is answered, and early-only was asked for");
  }
  if (!call->settled() || call->alone() || transfers_.contains(call->id())) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "REQUEST_PENDING",
                     "something else is under way on the call");
  }
  return call;
}

void CallControl::OnReplaces(const SipMessage& invite,
                             TransactionId transaction, const Flow& flow,
                             const Party& sender, MonoTime now) {
  LegSide side = LegSide::kA;
  const absl::StatusOr<Call*> found = Replaceable(invite, flow, sender, side);
  if (!found.ok()) {
    RefuseInvite(invite, transaction, flow, sender, found.status(), now);
    return;
  }
  Call& call = **found;
  const std::string contact = ContactUri(port_.ListenerOf(flow));
  const bool rings = !call.record().answered.has_value();
  absl::StatusOr<CallActions> actions =
      rings ? call.PickUp(sender, invite, transaction, flow, contact, now)
            : call.Replace(side, invite, transaction, flow, contact, now);
  if (!actions.ok()) {
    RefuseInvite(invite, transaction, flow, sender, actions.status(), now);
    return;
  }
  NoteInvite(call.id(), transaction);
  if (const Dialog* dialog = rings ? call.taker() : call.dialog(side)) {
    NoteDialog(call.id(), side, dialog->id().call_id, dialog->id().local_tag);
  }
  Do(call, *std::move(actions), now);
}

}  // namespace sallyport::signaling_edge
