#include "services/signaling_edge/core/sccp_session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/parse_policy.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using State = SccpCall::State;

constexpr absl::Duration kFirstDigit = absl::Seconds(15);
constexpr size_t kMaxDigits = 23;  // a number has 24 octets
constexpr size_t kMaxLamps = 64;   // notifications that wait for an answer
// Of devices that came before version fields did.
constexpr uint8_t kOldestVersion = 3;

// Soft keys, and the stimuli that mean the same.
constexpr uint32_t kKeyNewCall = 2;
constexpr uint32_t kKeyHold = 3;
constexpr uint32_t kKeyTransfer = 4;
constexpr uint32_t kKeyEndCall = 9;
constexpr uint32_t kKeyResume = 10;
constexpr uint32_t kKeyAnswer = 11;
constexpr uint32_t kStimulusHold = 3;
constexpr uint32_t kStimulusTransfer = 4;

// Results of an MwiResponse.
constexpr uint32_t kMwiOk = 0;
constexpr uint32_t kMwiError = 1;
constexpr uint32_t kMwiRejected = 2;

absl::Status Denied(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, what);
}

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

}  // namespace

// -------------------------------------------------------------------- inputs

SccpActions SccpSession::OnData(std::string_view octets, MonoTime now) {
  if (closed_) return {};
  framer_.Append(octets);
  while (!closed_) {
    const auto frame = framer_.Next();
    if (!frame.ok()) {
      Refuse(frame.status(), !in_service_);
      break;
    }
    if (!frame->has_value()) break;
    const auto message = ParseSccp(
        **frame, line_.has_value() ? line_->writer.version() : kOldestVersion);
    if (!message.ok()) {
      Refuse(message.status(), !in_service_);
      break;
    }
    if (line_.has_value()) silent_until_ = now + kSilence;
    OnMessage(*message, now);
    Settle(now);
  }
  return Take(now);
}

void SccpSession::OnMessage(const SccpMessage& message, MonoTime now) {
  if (const auto* request = std::get_if<SccpRegister>(&message)) {
    OnRegister(*request, now);
    return;
  }
  if (const auto* token = std::get_if<SccpRegisterToken>(&message)) {
    const auto port = host_.AdmitPort(connection_, token->device_name);
    if (port.ok()) {
      Send(SccpWriter::TokenAck());
    } else {
      Reject(port.status(), "not configured");
    }
    return;
  }
  // What devices say of themselves at any time.
  if (std::holds_alternative<SccpAlarm>(message) ||
      std::holds_alternative<SccpIpPort>(message) ||
      std::holds_alternative<SccpOther>(message)) {
    return;
  }
  if (!line_.has_value()) {
    Refuse(Denied("SCCP_NOT_REGISTERED", "the port has not registered"), true);
    return;
  }
  std::visit(Overloaded{
                 [&](const SccpKeepAlive&) {
                   Send(line_->writer.KeepAliveAck());
                   if (in_service_) actions_.push_back(SccpPortUp());
                 },
                 [&](const SccpCapabilities& each) { OnCapabilities(each); },
                 [&](const SccpQuery& each) { OnQuery(each.id, now); },
                 [&](const SccpLineRequest& each) {
                   // A port has one line.
                   if (each.id == SccpId::kForwardStatReq) {
                     Send(line_->writer.ForwardStat(each.line));
                   } else if (each.line <= 1) {
                     Send(line_->writer.LineStat(1, line_->port.number,
                                                 line_->port.device_name));
                   } else {
                     Send(line_->writer.LineStat(each.line, "", ""));
                   }
                 },
                 [&](const SccpOffHook& each) { OnOffHook(each, now); },
                 [&](const SccpOnHook& each) { OnOnHook(each, now); },
                 [&](const SccpKeypadButton& each) { OnDigit(each, now); },
                 [&](const SccpEnblocCall& each) { OnNumber(each, now); },
                 [&](const SccpSoftKeyEvent& each) {
                   OnKey(each.event, each.call, now);
                 },
                 [&](const SccpStimulus& each) {
                   if (each.stimulus == kStimulusHold ||
                       each.stimulus == kStimulusTransfer) {
                     OnKey(each.stimulus, each.call, now);
                   }
                 },
                 [&](const SccpReceiveChannelAck& each) {
                   for (const auto& [reference, call] : calls_) {
                     if (call->party() == each.party)
                       call->OnReceiveAck(each, now);
                   }
                 },
                 [&](const SccpTransmissionAck&) {},
                 [&](const SccpMwiNotification& each) { OnMwi(each); },
                 [&](const SccpUnregister&) {
                   DropCalls(now);
                   Send(line_->writer.UnregisterAck());
                   line_.reset();
                   in_service_ = false;
                   silent_until_ = MonoTime::InfiniteFuture();
                   actions_.push_back(SccpPortDown());
                 },
                 [](const auto&) {},
             },
             message);
}

void SccpSession::OnRegister(const SccpRegister& request, MonoTime now) {
  DropCalls(now);
  if (in_service_) actions_.push_back(SccpPortDown());
  line_.reset();
  in_service_ = false;
  if (request.device_type != kSccpVoicemailPort) {
    Reject(Denied("SCCP_DEVICE_TYPE", "it is no voicemail port"),
           "no voicemail port");
    return;
  }
  auto port = host_.AdmitPort(connection_, request.device_name);
  if (!port.ok()) {
    Reject(port.status(), "not configured");
    return;
  }
  const uint8_t version =
      std::clamp(request.protocol_version, kOldestVersion, kSccpMaxVersion);
  line_.emplace();
  line_->port = *std::move(port);
  line_->writer = SccpWriter(version);
  silent_until_ = now + kSilence;
  Send(line_->writer.RegisterAck(kKeepalive));
  Send(line_->writer.CapabilitiesReq());
}

void SccpSession::OnCapabilities(const SccpCapabilities& capabilities) {
  line_->capabilities = capabilities.codecs;
  if (in_service_) return;
  in_service_ = true;
  actions_.push_back(SccpPortUp());
}

void SccpSession::OnQuery(SccpId id, MonoTime now) {
  const SccpWriter& writer = line_->writer;
  switch (id) {
    case SccpId::kConfigStatReq:
      Send(writer.ConfigStat(line_->port.device_name));
      return;
    case SccpId::kTimeDateReq:
      Send(writer.TimeDate(host_.WallTime(now)));
      return;
    case SccpId::kButtonTemplateReq:
      Send(writer.ButtonTemplate());
      return;
    case SccpId::kVersionReq:
      Send(writer.Version());
      return;
    case SccpId::kSoftKeySetReq:
      Send(writer.SoftKeySet());
      return;
    case SccpId::kSoftKeyTemplateReq:
      Send(writer.SoftKeyTemplate());
      return;
    default:
      return;
  }
}

// --------------------------------------------------------------------- calls

SccpCall* SccpSession::NewCall() {
  if (calls_.size() >= kMaxCalls) return nullptr;
  last_reference_ = last_reference_ % 0xFFFFFF + 1;
  auto call =
      std::make_unique<SccpCall>(last_reference_, *line_, random_, actions_);
  SccpCall* const out = call.get();
  calls_[last_reference_] = std::move(call);
  return out;
}

SccpCall* SccpSession::Find(uint32_t reference) {
  if (reference != 0) {
    const auto it = calls_.find(reference);
    return it == calls_.end() ? nullptr : it->second.get();
  }
  // The latest that the port still has to do with.
  for (auto it = calls_.rbegin(); it != calls_.rend(); ++it) {
    if (it->second->state() != State::kEnding && !it->second->gone()) {
      return it->second.get();
    }
  }
  return nullptr;
}

SccpCall* SccpSession::FindCallId(std::string_view call_id) {
  for (const auto& [reference, call] : calls_) {
    if (!call->call_id().empty() && call->call_id() == call_id) {
      return call.get();
    }
  }
  return nullptr;
}

SccpCall* SccpSession::InState(State state) {
  for (const auto& [reference, call] : calls_) {
    if (call->state() == state) return call.get();
  }
  return nullptr;
}

void SccpSession::OnOffHook(const SccpOffHook& message, MonoTime now) {
  SccpCall* const ringing = InState(State::kRinging);
  if (ringing != nullptr && message.calling.empty()) {
    ringing->Answer(now);
    return;
  }
  if (dialling_ != 0 || InState(State::kConnected) != nullptr) return;
  SccpCall* const call = NewCall();
  if (call == nullptr) return;
  // CUC-48: a port that sets lamps calls on behalf of the mailbox.
  call->PickUp(line_->port.sends_message_waiting ? message.calling : "");
  dialling_ = call->reference();
  digit_until_ = now + kFirstDigit;
}

void SccpSession::OnOnHook(const SccpOnHook& message, MonoTime now) {
  SccpCall* const call = Find(message.call);
  if (call == nullptr) return;
  if (transfer_from_ != 0 && call->reference() != transfer_from_ &&
      call->state() != State::kCollecting && call->state() != State::kFailed) {
    // The one who transfers hangs up: that sends the other one on.
    CompleteTransfer(now);
    return;
  }
  call->HangUp(now);
}

void SccpSession::Dial(SccpCall& call, MonoTime now) {
  dialling_ = 0;
  digit_until_ = MonoTime::InfiniteFuture();
  call.Dial(now);
}

void SccpSession::OnDigit(const SccpKeypadButton& message, MonoTime now) {
  SccpCall* const call = Find(dialling_ != 0 ? dialling_ : message.call);
  if (call == nullptr) return;
  if (call->state() == State::kConnected) {
    call->SendDigit(message.digit);
    return;
  }
  if (call->state() != State::kCollecting) return;
  if (message.digit == '#' && !call->digits().empty()) {
    Dial(*call, now);
    return;
  }
  call->AddDigit(message.digit);
  const absl::Duration wait = host_.WaitForDigit(line_->port, call->digits());
  if (wait <= absl::ZeroDuration() || call->digits().size() >= kMaxDigits) {
    Dial(*call, now);
  } else {
    digit_until_ = now + wait;
  }
}

void SccpSession::OnNumber(const SccpEnblocCall& message, MonoTime now) {
  SccpCall* call = Find(dialling_);
  if (dialling_ == 0) {
    if (InState(State::kConnected) != nullptr) return;
    call = NewCall();
    if (call == nullptr) return;
    call->PickUp("");
  }
  if (call == nullptr || call->state() != State::kCollecting) return;
  for (const char digit : message.called) call->AddDigit(digit);
  Dial(*call, now);
}

void SccpSession::OnKey(uint32_t event, uint32_t reference, MonoTime now) {
  SccpCall* const call = Find(reference);
  switch (event) {
    case kKeyNewCall:
      OnOffHook({}, now);
      return;
    case kKeyAnswer:
      if (SccpCall* ringing = InState(State::kRinging)) ringing->Answer(now);
      return;
    case kKeyHold:
      if (call != nullptr) call->Hold(now);
      return;
    case kKeyResume:
      if (call != nullptr) call->Resume(now);
      return;
    case kKeyEndCall:
      if (call != nullptr) call->HangUp(now);
      return;
    case kKeyTransfer:
      OnTransferKey(now);
      return;
    default:
      return;
  }
}

void SccpSession::OnTransferKey(MonoTime now) {
  if (transfer_from_ != 0) {
    CompleteTransfer(now);
    return;
  }
  SccpCall* const first = InState(State::kConnected);
  if (first == nullptr || first->referring()) return;
  SccpCall* const second = NewCall();
  if (second == nullptr) return;
  first->Hold(now);
  transfer_from_ = first->reference();
  second->PickUp("");
  dialling_ = second->reference();
  digit_until_ = now + kFirstDigit;
}

void SccpSession::CompleteTransfer(MonoTime now) {
  SccpCall* const first = Find(transfer_from_);
  SccpCall* second = nullptr;
  for (const auto& [reference, call] : calls_) {
    if (reference > transfer_from_ && call->state() != State::kEnding) {
      second = call.get();
    }
  }
  if (first == nullptr || second == nullptr ||
      second->state() == State::kCollecting ||
      second->state() == State::kFailed) {
    if (second != nullptr) second->HangUp(now);
    dialling_ = 0;
    digit_until_ = MonoTime::InfiniteFuture();
    transfer_from_ = 0;
    transfer_due_ = false;
    if (first != nullptr) first->Resume(now);
    return;
  }
  if (!first->settled() || !second->MayBeReferredTo()) {
    transfer_due_ = true;
    return;
  }
  transfer_from_ = 0;
  transfer_due_ = false;
  const bool answered = second->state() == State::kConnected;
  first->Refer(*second);
  // Unanswered: the far side calls there itself.
  if (!answered) second->HangUp(now);
}

void SccpSession::OnMwi(const SccpMwiNotification& message) {
  if (!line_->port.sends_message_waiting || lamps_.size() >= kMaxLamps) {
    Send(line_->writer.MwiResponse(message.target, kMwiRejected));
    return;
  }
  // The same as a NOTIFY of a voicemail server (RFC 3842).
  const std::string uri = Cat("sip:", PercentEncode(message.target, "+*#"), "@",
                              line_->port.domain);
  const std::string call_id = HexOf(random_.NextU64());
  SipMessage notify = SipMessage::Request(SipMethod::kNotify, uri);
  notify.Add(
      HeaderId::kVia,
      Cat("SIP/2.0/", line_->port.encrypted ? "TLS" : "TCP",
          " port.invalid;branch=", kBranchCookie, HexOf(random_.NextU64())));
  notify.SetUint(HeaderId::kMaxForwards, 70);
  notify.Add(HeaderId::kFrom, Cat("<sip:", line_->port.number, "@",
                                  line_->port.domain, ">;tag=", call_id));
  notify.Add(HeaderId::kTo, Cat("<", uri, ">"));
  notify.Add(HeaderId::kCallId, call_id);
  notify.Add(HeaderId::kCseq, "1 NOTIFY");
  notify.Add(HeaderId::kContact,
             Cat("<sip:", line_->port.number, "@port.invalid>"));
  notify.Add(HeaderId::kEvent, "message-summary");
  notify.Add(HeaderId::kSubscriptionState, "terminated;reason=noresource");
  notify.Add(HeaderId::kContentType, "application/simple-message-summary");
  const auto& voice = message.counts[0];
  const auto& urgent = message.counts[1];
  notify.SetBody(Cat("Messages-Waiting: ", message.waiting ? "yes" : "no",
                     "\r\nVoice-Message: ", voice[0], "/", voice[1], " (",
                     urgent[0], "/", urgent[1], ")\r\n"));
  lamps_[call_id] = message.target;
  actions_.push_back(SccpSendSip{WriteSipMessage(notify)});
}

// ------------------------------------------------------------- from the core

SccpActions SccpSession::OnSip(std::string_view text, MonoTime now) {
  if (closed_) return {};
  const auto message = ParseSipMessage(text, ParsePolicy());
  if (!message.ok()) return {};  // we wrote it
  const std::string_view call_id = message->Value(HeaderId::kCallId);
  if (message->is_response()) {
    if (const auto lamp = lamps_.find(std::string(call_id));
        lamp != lamps_.end() && message->status_code() >= 200) {
      const int code = message->status_code();
      const uint32_t result = code < 300    ? kMwiOk
                              : code == 403 ? kMwiRejected
                                            : kMwiError;
      if (line_.has_value()) {
        Send(line_->writer.MwiResponse(lamp->second, result));
      }
      lamps_.erase(lamp);
    } else if (SccpCall* call = FindCallId(call_id)) {
      call->OnResponse(*message, now);
    }
  } else if (SccpCall* call = FindCallId(call_id)) {
    call->OnRequest(*message, now);
  } else if (message->method() == SipMethod::kInvite) {
    OnNewCall(*message, now);
  } else if (message->method() != SipMethod::kAck) {
    const int code = message->method() == SipMethod::kOptions ? 200 : 481;
    actions_.push_back(SccpSendSip{WriteSipMessage(MakeResponse(
        *message, code, ReasonPhrase(code), HexOf(random_.NextU64())))});
  }
  Settle(now);
  return Take(now);
}

void SccpSession::OnNewCall(const SipMessage& invite, MonoTime now) {
  const bool tagged =
      invite.Value(HeaderId::kTo).find(";tag=") != std::string_view::npos;
  int code = 0;
  if (tagged) {
    code = 481;
  } else if (!in_service_ || !line_->port.answers_calls) {
    code = 480;
  } else if (!calls_.empty()) {
    code = 486;  // a port has one call at a time
  }
  if (code != 0) {
    actions_.push_back(SccpSendSip{WriteSipMessage(MakeResponse(
        invite, code, ReasonPhrase(code), HexOf(random_.NextU64())))});
    return;
  }
  NewCall()->Ring(invite, now);
}

SccpActions SccpSession::OnPlan(MonoTime now) {
  if (!line_.has_value() || closed_) return {};
  const auto port = host_.AdmitPort(connection_, line_->port.device_name);
  if (port.ok() && *port == line_->port) return {};
  if (!port.ok()) Refuse(port.status(), true);
  return OnRemoved(now);
}

SccpActions SccpSession::OnRemoved(MonoTime now) {
  if (line_.has_value()) {
    DropCalls(now);
    Send(line_->writer.Reset());
    line_.reset();
    if (in_service_) actions_.push_back(SccpPortDown());
    in_service_ = false;
    silent_until_ = MonoTime::InfiniteFuture();
  }
  return Take(now);
}

SccpActions SccpSession::OnClosed(MonoTime now) {
  DropCalls(now);
  in_service_ = false;
  closed_ = true;
  return Take(now);
}

SccpActions SccpSession::OnDeadline(MonoTime now) {
  if (closed_) return {};
  if (now >= silent_until_) {
    Refuse(MakeError(absl::StatusCode::kDeadlineExceeded, "KEEPALIVE_LOST",
                     "the port says nothing any more"),
           false);
    return Take(now);
  }
  if (now >= digit_until_) {
    digit_until_ = MonoTime::InfiniteFuture();
    SccpCall* const call = Find(dialling_);
    const bool dialled = call != nullptr && dialling_ != 0;
    dialling_ = 0;
    if (dialled && call->digits().empty()) {
      call->HangUp(now);
    } else if (dialled) {
      call->Dial(now);
    }
  }
  for (const auto& [reference, call] : calls_) call->OnDeadline(now);
  Settle(now);
  return Take(now);
}

MonoTime SccpSession::deadline() const {
  if (closed_) return MonoTime::InfiniteFuture();
  MonoTime out = std::min(digit_until_, silent_until_);
  for (const auto& [reference, call] : calls_) {
    out = std::min(out, call->deadline());
  }
  return out;
}

// -------------------------------------------------------------------- common

void SccpSession::Send(std::string octets) {
  actions_.push_back(SccpSendOctets{std::move(octets)});
}

void SccpSession::Refuse(const absl::Status& status, bool registration) {
  actions_.push_back(SccpRefused{status, registration});
  actions_.push_back(SccpClose());
  closed_ = true;
}

void SccpSession::Reject(const absl::Status& status, std::string_view text) {
  Send(SccpWriter::RegisterReject(text));
  Refuse(status, true);
}

void SccpSession::DropCalls(MonoTime now) {
  for (const auto& [reference, call] : calls_) call->HangUp(now);
  calls_.clear();
  lamps_.clear();
  dialling_ = transfer_from_ = 0;
  transfer_due_ = false;
  digit_until_ = MonoTime::InfiniteFuture();
}

void SccpSession::Settle(MonoTime now) {
  if (transfer_due_) CompleteTransfer(now);
  for (auto it = calls_.begin(); it != calls_.end();) {
    if (!it->second->gone()) {
      ++it;
      continue;
    }
    if (it->first == dialling_) {
      dialling_ = 0;
      digit_until_ = MonoTime::InfiniteFuture();
    }
    if (it->first == transfer_from_) {
      transfer_from_ = 0;
      transfer_due_ = false;
    }
    it = calls_.erase(it);
  }
  // Whom the other one was called for is talked to again.
  if (transfer_from_ != 0 && calls_.size() == 1) {
    const uint32_t first = std::exchange(transfer_from_, 0);
    transfer_due_ = false;
    if (SccpCall* call = Find(first)) call->Resume(now);
  }
}

SccpActions SccpSession::Take(MonoTime /*now*/) {
  return std::exchange(actions_, {});
}

}  // namespace sallyport::signaling_edge
