#include "services/signaling_edge/core/invite_client_transaction.h"

#include <utility>

#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

// What ACK and CANCEL repeat of their request.
SipMessage MakeCompanion(const SipMessage& request, SipMethod method) {
  SipMessage companion = SipMessage::Request(method, request.request_uri());
  const SipMessage::Values vias = request.Items(HeaderId::kVia);
  if (!vias.empty()) companion.Add(HeaderId::kVia, vias.front());
  for (std::string_view route : request.All(HeaderId::kRoute)) {
    companion.Add(HeaderId::kRoute, route);
  }
  companion.Add(HeaderId::kMaxForwards, "70");
  companion.Add(HeaderId::kFrom, request.Value(HeaderId::kFrom));
  companion.Add(HeaderId::kTo, request.Value(HeaderId::kTo));
  companion.Add(HeaderId::kCallId, request.Value(HeaderId::kCallId));
  Cseq cseq;
  const auto sent = ParseCseq(request.Value(HeaderId::kCseq));
  if (sent.ok()) cseq.number = sent->number;
  cseq.method = method;
  companion.Add(HeaderId::kCseq, cseq.ToString());
  return companion;
}

}  // namespace

SipMessage MakeAckToRefusal(const SipMessage& invite,
                            const SipMessage& response) {
  SipMessage ack = MakeCompanion(invite, SipMethod::kAck);
  ack.Set(HeaderId::kTo, response.Value(HeaderId::kTo));  // with its tag
  return ack;
}

SipMessage MakeCancel(const SipMessage& request) {
  return MakeCompanion(request, SipMethod::kCancel);
}

InviteClientTransaction::InviteClientTransaction(
    const TransactionTimers& timers, bool reliable,
    std::shared_ptr<const SipMessage> invite)
    : timers_(timers),
      reliable_(reliable),
      invite_(std::move(invite)),
      gap_(timers.t1),
      wire_(WriteSipMessage(*invite_)) {}

void InviteClientTransaction::Terminate() {
  state_ = State::kTerminated;
  retransmit_at_ = end_at_ = MonoTime::InfiniteFuture();
  Free();
}

// For half a minute there are as many that wait for timer M as calls were
// answered in it.
void InviteClientTransaction::Free() {
  invite_ = nullptr;
  std::string().swap(wire_);
}

TransactionActions InviteClientTransaction::Start(MonoTime now) {
  end_at_ = now + timers_.timeout();  // timer B
  if (reliable_) return {SendToPeer{std::move(wire_)}};
  retransmit_at_ = now + gap_;  // timer A
  return {SendToPeer{wire_}};
}

TransactionActions InviteClientTransaction::OnResponse(
    const SipMessage& response, MonoTime now) {
  const int code = response.status_code();
  switch (state_) {
    case State::kCalling:
    case State::kProceeding:
      retransmit_at_ = MonoTime::InfiniteFuture();
      if (code < 200) {
        state_ = State::kProceeding;
        end_at_ = MonoTime::InfiniteFuture();
        return {DeliverResponse{}};
      }
      if (code >= 300) return OnRefusal(response, now);
      state_ = State::kAccepted;
      end_at_ = now + timers_.timeout();  // timer M
      Free();
      return {DeliverResponse{}};
    case State::kAccepted:
      // Another 2xx: repeated, or of another branch of a fork.
      if (code < 200 || code >= 300) return {};
      return {DeliverResponse{}};
    case State::kCompleted:
      if (code < 300) return {};
      return {SendToPeer{wire_}};  // the ACK was lost
    case State::kTerminated:
      return {};
  }
  return {};
}

TransactionActions InviteClientTransaction::OnRefusal(
    const SipMessage& response, MonoTime now) {
  std::string ack = WriteSipMessage(MakeAckToRefusal(*invite_, response));
  TransactionActions actions{SendToPeer{ack}, DeliverResponse{}};
  if (reliable_) {
    Terminate();  // timer D is zero
  } else {
    state_ = State::kCompleted;
    end_at_ = now + timers_.d();
    invite_ = nullptr;
    wire_ = std::move(ack);
  }
  return actions;
}

TransactionActions InviteClientTransaction::OnTransportError() {
  // A 2xx was already given up to the dialog: RFC 6026 section 7.2.
  if (terminated() || state_ == State::kAccepted) return {};
  Terminate();
  return {ReportTransportError{}};
}

TransactionActions InviteClientTransaction::OnDeadline(MonoTime now) {
  if (now >= end_at_) {
    const bool unanswered = state_ == State::kCalling;
    Terminate();
    if (unanswered) return {ReportTimeout{}};
    return {};
  }
  if (now < retransmit_at_) return {};
  gap_ *= 2;  // without the bound T2: section 17.1.1.2
  retransmit_at_ = now + gap_;
  return {SendToPeer{wire_}};
}

}  // namespace sallyport::signaling_edge
