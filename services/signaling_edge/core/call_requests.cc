// What a party asks within its dialog, and what of it is refused.
#include <string_view>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Failed(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, what);
}

absl::Status Pending() {
  return Failed("REQUEST_PENDING", "something else is under way on the call");
}

}  // namespace

CallActions Call::OnRequest(LegSide from, const SipMessage& request,
                            TransactionId transaction, MonoTime now) {
  Leg& sender = leg(from);
  if (!sender.dialog.has_value() ||
      (record_.ended.has_value() && request.method() != SipMethod::kBye)) {
    RefuseRequest(from, transaction, request,
                  Failed("DIALOG_ENDED", "the call is over"), 481);
    return Take();
  }
  if (absl::Status status = sender.dialog->OnRequest(request); !status.ok()) {
    RefuseRequest(from, transaction, request, status);
    return Take();
  }
  switch (request.method()) {
    case SipMethod::kBye:
      OnBye(from, request, transaction, now);
      break;
    case SipMethod::kInvite:
    case SipMethod::kUpdate:
      OnExchangeRequest(from, request, transaction, now);
      break;
    case SipMethod::kInfo:
    case SipMethod::kMessage:
      PassOn(from, request, transaction);
      break;
    case SipMethod::kOptions:
      Respond(from, transaction, request, 200);
      break;
    case SipMethod::kPrack:
      OnPrack(from, request, transaction, now);
      break;
    default:
      RefuseRequest(
          from, transaction, request,
          MakeError(absl::StatusCode::kUnimplemented, "METHOD_NOT_ALLOWED",
                    "the method has no place within a call"));
      break;
  }
  return Take();
}

void Call::OnExchangeRequest(LegSide from, const SipMessage& request,
                             TransactionId transaction, MonoTime now) {
  Leg& sender = leg(from);
  if (absl::Status status = sender.timer.Check(request); !status.ok()) {
    RefuseRequest(from, transaction, request, status);
    return;
  }
  if (request.method() == SipMethod::kUpdate && request.body().empty()) {
    sender.dialog->AcceptTarget(request);
    SipMessage reply = MakeResponse(request, 200, ReasonPhrase(200),
                                    sender.dialog->id().local_tag);
    reply.Add(HeaderId::kContact, Cat("<", sender.contact, ">"));
    reply.Add(HeaderId::kAllow, kCallMethods);
    sender.timer.OnRequest(request, reply, now);
    actions_.push_back(CallRespond{from, transaction, std::move(reply)});
    return;
  }
  if (exchange_.has_value() && exchange_->initial && !outer_.has_value() &&
      request.method() == SipMethod::kUpdate) {
    // RFC 3311 section 5.1: in an early dialog, once the first offer has an
    // answer that both sides are known to have.
    if (!exchange_->settled || MustWait() || exchange_->refused) {
      RefuseRequest(from, transaction, request, Pending(),
                    from == exchange_->from ? 500 : 491);
      return;
    }
    outer_ = std::exchange(exchange_, std::nullopt);
  }
  // Glare, or too early (RFC 3261 section 14.2, RFC 3311 section 5.2).
  if (exchange_.has_value() || !acknowledged() || media_busy_) {
    RefuseRequest(from, transaction, request, Pending());
    return;
  }
  exchange_ = Exchange();
  exchange_->from = from;
  exchange_->method = request.method();
  exchange_->transaction = transaction;
  exchange_->request = request;
  CarryOver(now);
}

void Call::PassOn(LegSide from, const SipMessage& request,
                  TransactionId transaction) {
  const LegSide to = Other(from);
  Leg& receiver = leg(to);
  if (!receiver.dialog.has_value() || receiver.ended ||
      receiver.dialog->state() != Dialog::State::kConfirmed) {
    RefuseRequest(
        from, transaction, request,
        Failed("DIALOG_NOT_CONFIRMED", "the other party has not answered yet"));
    return;
  }
  // A description would go around the security mode.
  if (MayHoldSdp(request)) {
    RefuseRequest(
        from, transaction, request,
        MakeError(absl::StatusCode::kInvalidArgument, "BODY_TYPE_UNSUPPORTED",
                  "a description has no place in this request"));
    return;
  }
  SipMessage out = receiver.dialog->MakeRequest(request.method());
  if (const auto package = request.FirstNamed("Info-Package")) {
    out.AddNamed("Info-Package", *package);
  }
  if (!request.body().empty()) {
    out.Add(HeaderId::kContentType, request.Value(HeaderId::kContentType));
    out.SetBody(request.body());
  }
  passing_.push_back({from, transaction, request, CseqNumber(out)});
  actions_.push_back(CallSendRequest{to, std::move(out)});
}

CallActions Call::Refuse(LegSide from, const SipMessage& request,
                         TransactionId transaction, const absl::Status& why) {
  RefuseRequest(from, transaction, request, why);
  return Take();
}

void Call::RefuseRequest(LegSide from, TransactionId transaction,
                         const SipMessage& request, const absl::Status& why,
                         int code) {
  if (transaction == 0) return;  // nobody had asked
  if (code == 0) code = SipStatusOf(why).code;
  actions_.push_back(CallRefused{from, why, code, CallRefused::What::kRequest,
                                 request.method()});
  Respond(from, transaction, request, code);
}

}  // namespace sallyport::signaling_edge
