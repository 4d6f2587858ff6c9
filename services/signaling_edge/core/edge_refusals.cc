// What is refused of messages before they are anybody's call, and what is told
// of who sent them: the part of EdgeCore that says no.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/dialog.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/expected_names.h"
#include "services/signaling_edge/core/mwi.h"
#include "services/signaling_edge/core/refusal_steps.h"
#include "services/signaling_edge/core/sip_method.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/unsupported_extensions.h"
#include "services/signaling_edge/core/via_stamp.h"

namespace sallyport::signaling_edge {
namespace {

// What of it is no text of the sender's.
std::string_view NameOf(const SipMessage& request) {
  return MethodName(request.method());
}

}  // namespace

RefusalKind EdgeCore::RefusalKindOf(SipMethod method) {
  if (method == SipMethod::kRegister) return RefusalKind::kRegistration;
  if (method == SipMethod::kInvite) return RefusalKind::kCall;
  return RefusalKind::kRequest;
}

void EdgeCore::OnUnreadable(const Flow& flow, std::string_view text,
                            const absl::Status& why, MonoTime now) {
  ++stats_.malformed;
  auto salvaged = SalvageRequest(text, options_.parse);
  if (!salvaged.ok()) {
    EdgeEvent event = RefusalOf(RefusalKind::kMalformed, flow, why, 0, "", now);
    NameSenderOf(flow, "parser", event);
    Perform(Report{std::move(event)});
    return;
  }
  const std::optional<Party> sender = PeerOf(flow);
  const DialogId id = DialogIdOfRequest(*salvaged);
  if (sender.has_value() && salvaged->method() == SipMethod::kInvite &&
      id.local_tag.empty() &&
      RefuseUnreadable(flow, *salvaged, *sender, why, now)) {
    return;
  }
  const int code = SipStatusOf(why).code;
  EdgeEvent event = RefusalOf(RefusalKind::kMalformed, flow, why, code,
                              NameOf(*salvaged), now);
  NameSenderOf(flow, "parser", event);
  LegTraceId trace = 0;
  if (calls_.IsInDialog(*salvaged, flow, ProvenResource(flow))) {
    event.refusal->call = calls_.CallOf(id.call_id, id.local_tag);
    trace = calls_.LadderOf(*salvaged);
    KeepReceived(trace, flow, *salvaged, now);
    calls_.ladder().SetReason(trace, event.reason);
  }
  RespondStateless(flow, *salvaged, code, 0, trace, now);
  Perform(Report{std::move(event)});
}

bool EdgeCore::RefuseUnreadable(const Flow& flow, SipMessage invite,
                                const Party& sender, const absl::Status& why,
                                MonoTime now) {
  const SocketAddress reply_to =
      StampReceived(invite, flow.remote, FlowTimerOf(flow));
  RequestOutcome outcome = transactions_.OnRequest(
      invite, ScopeOf(flow), flow.transport != SipTransport::kUdp, now);
  if (outcome.kind == RequestOutcome::Kind::kAbsorbed) {
    DoServer(outcome.id, std::move(outcome.actions), now);
    return true;
  }
  if (outcome.kind != RequestOutcome::Kind::kNew) return false;
  ServerOf(outcome.id) = {flow, reply_to};
  KeepInvite(flow, invite, outcome.id, now);
  calls_.RefuseInvite(invite, outcome.id, flow, sender, why, now);
  return true;
}

void EdgeCore::RefuseUnknownDialog(const Flow& flow, const SipMessage& request,
                                   TransactionId transaction, MonoTime now) {
  RespondUnproven(transaction,
                  MakeResponse(request, 481, ReasonPhrase(481), PlainTag()),
                  now);
  const bool proven = ClassOf(flow, now) == LoadClass::kProven;
  if (!TakeGcra(proven ? kRefusedOfProven : kRefusedOfOthers,
                unknown_dialogs_[proven ? 1 : 0], now)) {
    ++stats_.refusals["DIALOG_NOT_FOUND"];
    return;
  }
  // Who has our tag and is not the party may be that by another way.
  const DialogId id = DialogIdOfRequest(request);
  const uint64_t call = calls_.CallOf(id.call_id, id.local_tag);
  EdgeEvent event = RefusalOf(
      RefusalKindOf(request.method()), flow,
      MakeError(absl::StatusCode::kNotFound, "DIALOG_NOT_FOUND",
                call == 0 ? "no call that lives has this dialog"
                          : "it does not come from the party of the dialog, or "
                            "not with its tag"),
      481, NameOf(request), now);
  NameSenderOf(flow, "dialog", event);
  event.refusal->call = call;
  Perform(Report{std::move(event)});
}

std::optional<Party> EdgeCore::PeerOf(const Flow& flow) const {
  if (std::optional<Party> port = PortOf(flow)) return port;
  return auth_.PeerOf(flow, IdentityOn(flow),
                      options_.listeners[flow.listener].logical_port);
}

std::optional<ConnectionIdentity> EdgeCore::IdentityOn(const Flow& flow) const {
  const Connection* const connection = connections_.Find(flow.connection);
  if (connection == nullptr) return std::nullopt;
  return connection->identity;
}

void EdgeCore::NameSenderOf(const Flow& flow, std::string_view otherwise,
                            EdgeEvent& event) const {
  if (const std::optional<Party> sender = PeerOf(flow)) {
    NameSender(*sender, otherwise, event);
  } else if (const auto identity = IdentityOn(flow)) {
    event.refusal->subject = identity->resource;  // a phone, by its certificate
  }
}

void EdgeCore::NameSender(const Party& sender, std::string_view otherwise,
                          EdgeEvent& event) const {
  Refusal& refusal = *event.refusal;
  event.resource = sender.resource;
  (sender.kind == Party::Kind::kPeer ? refusal.peer : refusal.subject) =
      sender.resource;
  refusal.dial_plan = sender.dial_plan;
  refusal.steps = PartySteps(sender, event.reason, otherwise);
  NameDevices(sender, event.reason, *plan_, refusal);
}

absl::Status EdgeCore::NothingToCancel() {
  return MakeError(absl::StatusCode::kNotFound, "TRANSACTION_NOT_FOUND",
                   "no INVITE waits for this CANCEL");
}

void EdgeCore::ReportMerged(const Flow& flow, TransactionId first,
                            MonoTime now) {
  EdgeEvent event =
      RefusalOf(RefusalKind::kCall, flow,
                MakeError(absl::StatusCode::kAlreadyExists, "MERGED_REQUEST",
                          "the INVITE has come by another way before"),
                482, "INVITE", now);
  event.refusal->call = calls_.CallOfInvite(first);
  Perform(Report{std::move(event)});
}

bool EdgeCore::MayTellRefused(const Flow& flow, const Party* sender,
                              MonoTime now) {
  const LoadClass who =
      sender != nullptr ? LoadClass::kProven : ClassOf(flow, now);
  if (who == LoadClass::kStranger) return false;
  if (who == LoadClass::kFamiliar) {
    return bool{TakeGcra(kRefusedOfOthers, refused_requests_[0], now)};
  }
  const std::string name = sender != nullptr ? sender->resource
                           : ProvenResource(flow).empty()
                               ? flow.remote.IpText()
                               : std::string(ProvenResource(flow));
  return refused_senders_.Take(AsBytes(name), now).allowed &&
         TakeGcra(kRefusedOfProven, refused_requests_[1], now).allowed;
}

void EdgeCore::TellRefused(const Flow& flow, const SipMessage& request,
                           const absl::Status& why, int code, MonoTime now,
                           const Party* sender) {
  if (!MayTellRefused(flow, sender, now)) {
    ++stats_.refusals[ReasonOf(why)];
    return;
  }
  EdgeEvent event = RefusalOf(RefusalKindOf(request.method()), flow, why, code,
                              NameOf(request), now);
  if (sender != nullptr) {
    NameSender(*sender, "request", event);
  } else {
    NameSenderOf(flow, "request", event);
  }
  Perform(Report{std::move(event)});
}

void EdgeCore::RefuseRequest(const Flow& flow, const SipMessage& request,
                             TransactionId transaction,
                             const absl::Status& status, MonoTime now,
                             const Party* sender) {
  const int code = SendRefusal(request, transaction, status, now);
  TellRefused(flow, request, status, code, now, sender);
}

int EdgeCore::SendRefusal(const SipMessage& request, TransactionId transaction,
                          const absl::Status& status, MonoTime now) {
  const SipStatus answer = SipStatusOf(status);
  SipMessage response =
      MakeResponse(request, answer.code, answer.phrase, PlainTag());
  switch (answer.code) {
    case 405:
    case 501:
      response.Add(HeaderId::kAllow, kAllow);
      break;
    case 415:
      response.Add(HeaderId::kAccept, request.method() == SipMethod::kService
                                          ? kMrasType
                                          : MessageWaiting::kBodyType);
      break;
    case 420:
      response.Add(HeaderId::kUnsupported, UnsupportedExtensions(request));
      break;
    case 489:
      response.Add(HeaderId::kAllowEvents, MessageWaiting::kPackage);
      break;
    case 503:
      response.SetUint(HeaderId::kRetryAfter,
                       static_cast<uint32_t>(gate_.RetryAfter()));
      break;
    default:
      break;
  }
  RespondUnproven(transaction, std::move(response), now);
  return answer.code;
}

void EdgeCore::Refuse(const Flow& flow, const SipMessage& request,
                      TransactionId transaction, const absl::Status& status,
                      RefusalKind kind, MonoTime now, const Party* sender) {
  const int code = SendRefusal(request, transaction, status, now);
  EdgeEvent event = RefusalOf(kind, flow, status, code, NameOf(request), now);
  if (sender != nullptr) NameSender(*sender, "request", event);
  Perform(Report{std::move(event)});
}

}  // namespace sallyport::signaling_edge
