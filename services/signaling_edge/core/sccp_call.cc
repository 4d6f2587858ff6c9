#include "services/signaling_edge/core/sccp_call.h"

#include <array>
#include <utility>

#include "absl/types/span.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/invite_client_transaction.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// How long a port hears why its call failed.
constexpr absl::Duration kToneTime = absl::Seconds(15);
constexpr std::string_view kAllowed =
    "INVITE, ACK, CANCEL, BYE, UPDATE, INFO, NOTIFY";

SccpParty PartyOf(std::string_view value) {
  SccpParty out;
  const auto address = ParseNameAddr(value);
  if (!address.ok()) return out;
  for (const char c : address->DisplayName()) {
    out.name.push_back(c >= ' ' && c <= '~' ? c : '?');
  }
  const auto uri = ParseSipUri(address->uri);
  if (uri.ok()) out.number = uri->DecodedUser();
  return out;
}

SccpRedirectReason RedirectReasonOf(std::string_view diversion) {
  const auto address = ParseNameAddr(diversion);
  const auto reason = address.ok() ? address->Param("reason") : std::nullopt;
  if (reason == "user-busy") return SccpRedirectReason::kBusy;
  if (reason == "no-answer") return SccpRedirectReason::kNoAnswer;
  return SccpRedirectReason::kUnconditional;
}

// "Q.850;cause=16": the call was the message (a message waiting number).
bool IsNormalClearing(const SipMessage& response) {
  const auto reason = ParseValueWithParams(response.Value(HeaderId::kReason));
  return reason.ok() && EqualsIgnoreCase(reason->value, "Q.850") &&
         reason->Param("cause") == "16";
}

// The digit of an application/dtmf-relay body.
char DigitOfInfo(std::string_view body) {
  for (std::string_view line : Split(body, '\n')) {
    line = TrimLws(line);
    if (!ConsumePrefix(line, "Signal=")) continue;
    line = TrimLws(line.substr(0, line.find('\r')));
    return line.size() == 1 ? line[0] : '\0';
  }
  return '\0';
}

}  // namespace

SccpCall::SccpCall(uint32_t reference, const SccpLine& line,
                   RandomSource& random, SccpActions& actions)
    : reference_(reference),
      line_(line),
      random_(random),
      actions_(actions),
      local_tag_(HexOf(random.NextU64())) {
  info_.call = reference;
  info_.security =
      line.port.encrypted ? SccpSecurity::kEncrypted : SccpSecurity::kNone;
  origin_.username = "-";
  origin_.session_id = Cat(random.NextU64() >> 2);
}

// ------------------------------------------------------------------ messages

void SccpCall::Send(std::string octets) {
  actions_.push_back(SccpSendOctets{std::move(octets)});
}

void SccpCall::SendSip(const SipMessage& message) {
  actions_.push_back(SccpSendSip{WriteSipMessage(message)});
}

void SccpCall::Respond(const SipMessage& request, int code,
                       std::string_view body) {
  SipMessage response =
      MakeResponse(request, code, ReasonPhrase(code), local_tag_);
  response.Add(HeaderId::kContact,
               Cat("<sip:", line_.port.number, "@port.invalid>"));
  response.Add(HeaderId::kAllow, kAllowed);
  AddSdp(response, body);
  SendSip(response);
}

SipMessage SccpCall::Request(SipMethod method) {
  SipMessage request = dialog_->MakeRequest(method);
  request.AddFirst(
      HeaderId::kVia,
      Cat("SIP/2.0/", line_.port.encrypted ? "TLS" : "TCP",
          " port.invalid;branch=", kBranchCookie, HexOf(random_.NextU64())));
  request.Add(HeaderId::kContact,
              Cat("<sip:", line_.port.number, "@port.invalid>"));
  return request;
}

void SccpCall::AckAnswer(std::string_view body) {
  SipMessage ack = dialog_->MakeAck(ack_cseq_);
  ack.AddFirst(
      HeaderId::kVia,
      Cat("SIP/2.0/", line_.port.encrypted ? "TLS" : "TCP",
          " port.invalid;branch=", kBranchCookie, HexOf(random_.NextU64())));
  AddSdp(ack, body);
  SendSip(ack);
  ack_cseq_ = 0;
}

void SccpCall::SendBye() {
  if (!dialog_.has_value()) return;
  SendSip(Request(SipMethod::kBye));
  dialog_->Terminate();
}

// -------------------------------------------------------------- what a port
// sees of a call

void SccpCall::TellInfo(SccpCallType type) {
  info_.type = type;
  Send(line_.writer.CallInfo(info_));
}

void SccpCall::Idle() {
  CloseMedia();
  if (tone_) Send(line_.writer.StopTone(reference_));
  if (rings_) Send(line_.writer.SetRinger(false, reference_));
  tone_ = rings_ = false;
  Send(line_.writer.CallState(SccpCallState::kOnHook, reference_));
  Send(line_.writer.SetLamp(kSccpStimulusLine, 1, SccpLamp::kOff));
}

void SccpCall::End() {
  if (state_ == State::kGone) return;
  state_ = State::kGone;
  give_up_ = MonoTime::InfiniteFuture();
  Idle();
}

void SccpCall::Refused(const absl::Status& status) {
  const DialogId id = dialog_.has_value() ? dialog_->id() : DialogId();
  actions_.push_back(SccpRefused{status, false, id.call_id, id.remote_tag});
}

void SccpCall::Fail(int code, MonoTime now) {
  CloseMedia();
  state_ = State::kFailed;
  give_up_ = now + kToneTime;
  SccpCallState state = SccpCallState::kCongestion;
  SccpTone tone = SccpTone::kReorder;
  if (code == 486 || code == 600) {
    state = SccpCallState::kBusy;
    tone = SccpTone::kLineBusy;
  } else if (code == 404 || code == 410 || code == 484 || code == 604) {
    state = SccpCallState::kInvalidNumber;
  }
  if (tone_) Send(line_.writer.StopTone(reference_));
  Send(line_.writer.StartTone(static_cast<uint32_t>(tone), reference_));
  tone_ = true;
  Send(line_.writer.CallState(state, reference_));
}

void SccpCall::Connected(MonoTime /*now*/) {
  if (state_ == State::kConnected) return;
  state_ = State::kConnected;
  if (tone_) Send(line_.writer.StopTone(reference_));
  tone_ = false;
  Send(line_.writer.CallState(SccpCallState::kConnected, reference_));
  TellInfo(info_.type);
}

// ------------------------------------------------------------ what it wants

void SccpCall::Ring(const SipMessage& invite, MonoTime now) {
  call_id_ = invite.Value(HeaderId::kCallId);
  auto dialog = Dialog::AsCallee(invite, local_tag_, line_.port.encrypted);
  if (!dialog.ok()) {
    Respond(invite, 400);
    state_ = State::kGone;
    return;
  }
  dialog_ = *std::move(dialog);
  // What cannot be carried does not ring.
  if (HasSdp(invite)) {
    const auto stream = ReadSccpStream(invite.body(), line_.capabilities,
                                       line_.port.encrypted, std::nullopt);
    if (!stream.ok()) {
      Refused(stream.status());
      Respond(invite, 488);
      state_ = State::kGone;
      return;
    }
  }
  request_ = invite;
  state_ = State::kRinging;
  info_.calling = PartyOf(invite.Value(HeaderId::kFrom));
  info_.called = PartyOf(invite.Value(HeaderId::kTo));
  info_.called.number = line_.port.number;
  // protocols.md section 13: the topmost is the latest.
  const SipMessage::Values diversions = invite.Items(HeaderId::kDiversion);
  if (!diversions.empty()) {
    info_.last = PartyOf(diversions.front());
    info_.last.mailbox = info_.last.number;
    info_.last_reason = RedirectReasonOf(diversions.front());
    info_.original = PartyOf(diversions.back());
    info_.original.mailbox = info_.original.number;
    info_.original_reason = RedirectReasonOf(diversions.back());
  }
  Respond(invite, 180);
  Send(line_.writer.CallState(SccpCallState::kRingIn, reference_));
  TellInfo(diversions.empty() ? SccpCallType::kInbound
                              : SccpCallType::kForward);
  Send(line_.writer.SetLamp(kSccpStimulusLine, 1, SccpLamp::kBlink));
  Send(line_.writer.SetRinger(true, reference_));
  rings_ = true;
  (void)now;
}

void SccpCall::PickUp(std::string_view calling) {
  info_.calling.number =
      calling.empty() ? std::string_view(line_.port.number) : calling;
  Send(line_.writer.SetLamp(kSccpStimulusLine, 1, SccpLamp::kOn));
  Send(line_.writer.CallState(SccpCallState::kOffHook, reference_));
  Send(line_.writer.StartTone(static_cast<uint32_t>(SccpTone::kInsideDial),
                              reference_));
  tone_ = true;
}

void SccpCall::AddDigit(char digit) {
  if (tone_) Send(line_.writer.StopTone(reference_));
  tone_ = false;
  digits_.push_back(digit);
}

void SccpCall::Dial(MonoTime now) {
  if (tone_) Send(line_.writer.StopTone(reference_));
  tone_ = false;
  call_id_ = HexOf(random_.NextU64()) + HexOf(random_.NextU64());
  info_.called.number = digits_;
  const std::string to =
      Cat("sip:", PercentEncode(digits_, "+*#"), "@", line_.port.domain);
  // The offer comes with the answer: a port's channel is opened with the key
  // that the far side has, and only then has an address.
  SipMessage invite = SipMessage::Request(SipMethod::kInvite, to);
  invite.Add(
      HeaderId::kVia,
      Cat("SIP/2.0/", line_.port.encrypted ? "TLS" : "TCP",
          " port.invalid;branch=", kBranchCookie, HexOf(random_.NextU64())));
  invite.SetUint(HeaderId::kMaxForwards, 70);
  invite.Add(HeaderId::kFrom,
             Cat("<sip:", PercentEncode(info_.calling.number, "+*#"), "@",
                 line_.port.domain, ">;tag=", local_tag_));
  invite.Add(HeaderId::kTo, Cat("<", to, ">"));
  invite.Add(HeaderId::kCallId, call_id_);
  invite.Add(HeaderId::kCseq, "1 INVITE");
  invite.Add(HeaderId::kContact,
             Cat("<sip:", line_.port.number, "@port.invalid>"));
  invite.Add(HeaderId::kAllow, kAllowed);
  SendSip(invite);
  invite_ = std::move(invite);
  state_ = State::kInviting;
  give_up_ = MonoTime::InfiniteFuture();
  Send(line_.writer.CallState(SccpCallState::kProceed, reference_));
  TellInfo(SccpCallType::kOutbound);
  (void)now;
}

void SccpCall::Answer(MonoTime now) {
  if (state_ != State::kRinging) return;
  state_ = State::kAnswering;
  if (rings_) Send(line_.writer.SetRinger(false, reference_));
  rings_ = false;
  Send(line_.writer.SetLamp(kSccpStimulusLine, 1, SccpLamp::kOn));
  Send(line_.writer.CallState(SccpCallState::kOffHook, reference_));
  OnOffer(*request_, now);
}

void SccpCall::HangUp(MonoTime now) {
  switch (state_) {
    case State::kRinging:
    case State::kAnswering:
      Respond(*request_, 486);
      request_.reset();
      End();
      return;
    case State::kInviting:
    case State::kAlerting:
      SendSip(MakeCancel(*invite_));
      Idle();
      hangs_up_ = true;
      state_ = State::kEnding;
      give_up_ = now + absl::Seconds(32);
      return;
    case State::kConnecting:
      AckAnswer("");
      SendBye();
      End();
      return;
    case State::kConnected:
      if (invite_.has_value()) {  // its answer is acknowledged first
        hangs_up_ = true;
        SendBye();
        Idle();
        state_ = State::kEnding;
        give_up_ = now + absl::Seconds(32);
        return;
      }
      if (request_.has_value()) {
        Respond(*request_, 500);
        request_.reset();
      }
      SendBye();
      End();
      return;
    case State::kCollecting:
    case State::kFailed:
      End();
      return;
    case State::kEnding:
    case State::kGone:
      return;
  }
}

void SccpCall::Hold(MonoTime now) {
  if (state_ != State::kConnected || held_) return;
  held_ = true;
  StopSending();
  Send(line_.writer.CallState(SccpCallState::kHold, reference_));
  Reoffer(now);
}

void SccpCall::Resume(MonoTime now) {
  if (state_ != State::kConnected || !held_) return;
  held_ = false;
  Send(line_.writer.CallState(SccpCallState::kConnected, reference_));
  Reoffer(now);
}

void SccpCall::SendDigit(char digit) {
  if (state_ != State::kConnected) return;
  SipMessage info = Request(SipMethod::kInfo);
  info.Add(HeaderId::kContentType, "application/dtmf-relay");
  info.SetBody(Cat("Signal=", std::string(1, digit), "\r\nDuration=160\r\n"));
  SendSip(info);
}

void SccpCall::Refer(const SccpCall& other) {
  std::string target =
      Cat("sip:", PercentEncode(other.info_.called.number, "+*#"), "@",
          line_.port.domain);
  if (other.state_ == State::kConnected) {
    const DialogId& id = other.dialog_->id();
    CatTo(target, "?Replaces=",
          PercentEncode(Cat(id.call_id, ";to-tag=", id.remote_tag,
                            ";from-tag=", id.local_tag)));
  }
  SipMessage refer = Request(SipMethod::kRefer);
  refer.Add(HeaderId::kReferTo, Cat("<", target, ">"));
  referring_ = true;
  SendSip(refer);
}

// ---------------------------------------------------------- from the far side

void SccpCall::OnRequest(const SipMessage& request, MonoTime now) {
  if (request.method() == SipMethod::kAck) {
    OnAck(request, now);
    return;
  }
  if (request.method() == SipMethod::kCancel) {
    const bool pending =
        state_ == State::kRinging || state_ == State::kAnswering;
    Respond(request, pending ? 200 : 481);
    if (!pending) return;
    Respond(*request_, 487);
    request_.reset();
    End();
    return;
  }
  if (!dialog_.has_value() || !dialog_->OnRequest(request).ok()) {
    Respond(request, dialog_.has_value() ? 500 : 481);
    return;
  }
  switch (request.method()) {
    case SipMethod::kBye:
      Respond(request, 200);
      if (request_.has_value()) Respond(*request_, 487);
      request_.reset();
      dialog_->Terminate();
      End();
      return;
    case SipMethod::kInvite:
    case SipMethod::kUpdate:
      if (request_.has_value() || invite_.has_value() || awaits_ack_ ||
          state_ != State::kConnected) {
        Respond(request, 491);
        return;
      }
      dialog_->AcceptTarget(request);
      if (request.method() == SipMethod::kUpdate && !HasSdp(request)) {
        Respond(request, 200);
        return;
      }
      request_ = request;
      OnOffer(request, now);
      return;
    case SipMethod::kInfo: {
      const char digit = DigitOfInfo(request.body());
      const uint32_t tone = SccpToneOfDigit(digit);
      Respond(request, tone == 0 ? 415 : 200);
      if (tone != 0) Send(line_.writer.StartTone(tone, reference_));
      return;
    }
    case SipMethod::kNotify:
      Respond(request, 200);
      OnNotify(request, now);
      return;
    case SipMethod::kOptions:
      Respond(request, 200);
      return;
    default:
      Respond(request, 405);
      return;
  }
}

// request_ has an offer, or wants one.
void SccpCall::OnOffer(const SipMessage& request, MonoTime now) {
  if (HasSdp(request)) {
    auto stream = ReadSccpStream(request.body(), line_.capabilities,
                                 line_.port.encrypted, std::nullopt);
    if (!stream.ok()) {
      Refused(stream.status());
      Respond(request, 488);
      request_.reset();
      if (state_ == State::kAnswering) End();
      return;
    }
    Apply(*std::move(stream), Purpose::kAnswer, now);
    return;
  }
  if (open_) {
    Opened(Purpose::kOffer, now);
    return;
  }
  // Its address is wanted; what comes under this key is nobody's.
  format_ = PreferredFormat(line_.capabilities);
  NewKey(1, SrtpSuite::kAesCm128HmacSha1_80);
  OpenChannel(format_, EncryptionOf(crypto_), Purpose::kOffer, now);
}

void SccpCall::OnAck(const SipMessage& ack, MonoTime now) {
  if (!awaits_ack_) return;
  awaits_ack_ = false;
  auto stream = HasSdp(ack)
                    ? ReadSccpStream(ack.body(), line_.capabilities,
                                     line_.port.encrypted, crypto_)
                    : absl::StatusOr<SccpStream>(MakeError(
                          absl::StatusCode::kFailedPrecondition,
                          "MEDIA_NOT_SUPPORTED", "an ACK without an answer"));
  if (!stream.ok()) {
    Refused(stream.status());
    SendBye();
    End();
    return;
  }
  Apply(*std::move(stream), Purpose::kReopen, now);
}

void SccpCall::OnNotify(const SipMessage& notify, MonoTime now) {
  if (!referring_) return;
  const auto words = Words(notify.body().substr(0, notify.body().find('\r')));
  const auto code = words.size() > 1 ? ParseUint(words[1], 699) : std::nullopt;
  if (!code.has_value() || *code < 200) return;
  referring_ = false;
  if (*code < 300) {
    SendBye();
    End();
  } else {
    Send(line_.writer.StartTone(static_cast<uint32_t>(SccpTone::kReorder),
                                reference_));
    Resume(now);
  }
}

void SccpCall::OnResponse(const SipMessage& response, MonoTime now) {
  const auto cseq = ParseCseq(response.Value(HeaderId::kCseq));
  if (!cseq.ok()) return;
  const int code = response.status_code();
  if (cseq->method == SipMethod::kRefer && code >= 300) {
    referring_ = false;
    Send(line_.writer.StartTone(static_cast<uint32_t>(SccpTone::kReorder),
                                reference_));
    Resume(now);
    return;
  }
  if (cseq->method != SipMethod::kInvite || !invite_.has_value() ||
      CseqNumber(response) != CseqNumber(*invite_)) {
    return;
  }
  if (code < 200) {
    if (code >= 180 && state_ == State::kInviting) {
      state_ = State::kAlerting;
      Send(line_.writer.CallState(SccpCallState::kRingOut, reference_));
      Send(line_.writer.StartTone(static_cast<uint32_t>(SccpTone::kAlerting),
                                  reference_));
      tone_ = true;
    }
    return;
  }
  if (code < 300) {
    OnInviteAnswered(response, now);
  } else {
    OnInviteRefused(response, now);
  }
}

void SccpCall::OnInviteAnswered(const SipMessage& response, MonoTime now) {
  const bool initial = !dialog_.has_value();
  if (initial) {
    auto dialog = Dialog::AsCaller(*invite_, response, line_.port.encrypted);
    if (!dialog.ok()) {
      invite_.reset();
      Fail(500, now);
      return;
    }
    dialog_ = *std::move(dialog);
  } else {
    dialog_->OnResponse(*invite_, response);
  }
  ack_cseq_ = CseqNumber(*invite_);
  invite_.reset();
  if (hangs_up_) {
    AckAnswer("");
    if (initial) SendBye();
    state_ = State::kGone;
    return;
  }
  auto stream =
      ReadSccpStream(response.body(), line_.capabilities, line_.port.encrypted,
                     initial ? std::nullopt : crypto_);
  if (!stream.ok()) {
    Refused(stream.status());
    AckAnswer("");
    SendBye();
    Fail(488, now);
    return;
  }
  if (initial) {
    state_ = State::kConnecting;
    Apply(*std::move(stream), Purpose::kAck, now);
  } else {
    AckAnswer("");
    Apply(*std::move(stream), Purpose::kReopen, now);
  }
}

void SccpCall::OnInviteRefused(const SipMessage& response, MonoTime now) {
  SipMessage ack = MakeAckToRefusal(*invite_, response);
  SendSip(ack);
  invite_.reset();
  if (dialog_.has_value()) {
    // A hold that is not agreed upon is one all the same: nothing is sent.
    if (hangs_up_) state_ = State::kGone;
    return;
  }
  if (hangs_up_) {
    state_ = State::kGone;
  } else if (IsNormalClearing(response)) {
    End();
  } else {
    Fail(response.status_code(), now);
  }
}

// -------------------------------------------------------------------- media

SccpChannel SccpCall::Channel() const {
  SccpChannel channel;
  channel.conference = reference_;
  channel.party = party_;
  channel.call = reference_;
  channel.codec = format_.codec;
  channel.packet_ms = format_.packet_ms;
  channel.telephone_event = format_.telephone_event;
  return channel;
}

void SccpCall::NewKey(uint32_t tag, SrtpSuite suite) {
  crypto_.reset();
  if (!line_.port.encrypted) return;
  std::string key(KeySaltLength(suite), '\0');
  random_.Fill(
      absl::MakeSpan(reinterpret_cast<uint8_t*>(key.data()), key.size()));
  SdesCrypto crypto;
  crypto.tag = tag;
  crypto.suite_name = SrtpSuiteName(suite);
  crypto.suite = suite;
  crypto.keys.push_back({.key_salt = std::move(key)});
  crypto_ = std::move(crypto);
}

void SccpCall::OpenChannel(const SccpFormat& format, const SccpEncryption& keys,
                           Purpose purpose, MonoTime now) {
  format_ = format;
  party_ = reference_ << 8 | (++last_party_ & 0xFF);
  purpose_ = purpose;
  give_up_ = now + kChannelTimeout;
  SccpChannel channel = Channel();
  channel.encryption = keys;
  Send(line_.writer.OpenReceiveChannel(channel));
  open_ = true;
}

void SccpCall::Apply(SccpStream stream, Purpose purpose, MonoTime now) {
  const auto keys_of = [](const std::optional<SccpStream>& of) {
    return of.has_value() && of->crypto.has_value()
               ? std::make_pair(of->crypto->suite, of->crypto->keys)
               : std::make_pair(std::optional<SrtpSuite>(),
                                std::vector<SdesKey>());
  };
  next_ = std::move(stream);
  const bool same = open_ && far_.has_value() &&
                    keys_of(far_) == keys_of(next_) &&
                    far_->format == next_->format;
  if (same) {
    Opened(purpose, now);
    return;
  }
  CloseMedia();
  OpenChannel(next_->format, EncryptionOf(next_->crypto), purpose, now);
}

void SccpCall::OnReceiveAck(const SccpReceiveChannelAck& ack, MonoTime now) {
  if (purpose_ == Purpose::kNone) return;
  const Purpose purpose = std::exchange(purpose_, Purpose::kNone);
  give_up_ = MonoTime::InfiniteFuture();
  if (ack.status != 0 || ack.ip.empty() || ack.port == 0) {
    ChannelFailed(now);
    return;
  }
  const bool moved = ack.ip != port_ip_ || ack.port != port_rtp_;
  port_ip_ = ack.ip;
  port_rtp_ = ack.port;
  Opened(purpose, now);
  if (purpose == Purpose::kReopen && moved && state_ == State::kConnected) {
    Reoffer(now);
  }
}

void SccpCall::ChannelFailed(MonoTime now) {
  purpose_ = Purpose::kNone;
  give_up_ = MonoTime::InfiniteFuture();
  Refused(MakeError(absl::StatusCode::kUnavailable, "PORT_CHANNEL_FAILED",
                    "the port does not open its channel"));
  if (request_.has_value()) Respond(*request_, 500);
  request_.reset();
  if (state_ == State::kAnswering) {
    End();
    return;
  }
  if (ack_cseq_ != 0) AckAnswer("");
  SendBye();
  Fail(500, now);
}

SdpDirection SccpCall::OurDirection() const {
  SdpDirection ours =
      far_.has_value() ? Mirrored(far_->direction) : SdpDirection::kSendRecv;
  if (!held_) return ours;
  return ours == SdpDirection::kSendRecv || ours == SdpDirection::kSendOnly
             ? SdpDirection::kSendOnly
             : SdpDirection::kInactive;
}

bool SccpCall::MaySend() const {
  const SdpDirection ours = OurDirection();
  return !held_ &&
         (ours == SdpDirection::kSendRecv || ours == SdpDirection::kSendOnly);
}

SccpPortMedia SccpCall::OurMedia() {
  SccpPortMedia media;
  origin_.session_version = Cat(++version_);
  origin_.address = port_ip_;
  origin_.address_type =
      port_ip_.find(':') == std::string::npos ? "IP4" : "IP6";
  media.origin = origin_;
  media.ip = port_ip_;
  media.port = port_rtp_;
  media.direction = OurDirection();
  media.crypto = crypto_;
  return media;
}

void SccpCall::Opened(Purpose purpose, MonoTime now) {
  if (purpose == Purpose::kOffer) {
    // The address is known; the rest comes with the ACK.
    if (!sending_) NewKey(1, SrtpSuite::kAesCm128HmacSha1_80);
    Respond(*request_, 200, WriteSccpOffer(format_, OurMedia()));
    dialog_->Confirm();
    request_.reset();
    awaits_ack_ = true;
    Connected(now);
    return;
  }
  const bool moved =
      far_.has_value() && (far_->ip != next_->ip || far_->port != next_->port);
  far_ = std::move(next_);
  next_.reset();
  if (moved) StopSending();
  const bool answers = purpose == Purpose::kAnswer || purpose == Purpose::kAck;
  if (answers) {
    if (!sending_ && far_->crypto.has_value()) {
      NewKey(far_->crypto->tag, *far_->crypto->suite);
    } else if (crypto_.has_value() && far_->crypto.has_value()) {
      crypto_->tag = far_->crypto->tag;
    }
    const std::string body = WriteSccpAnswer(*far_, OurMedia());
    if (purpose == Purpose::kAnswer) {
      Respond(*request_, 200, body);
      dialog_->Confirm();
      request_.reset();
    } else {
      AckAnswer(body);
    }
  }
  if (!held_) Connected(now);
  UpdateSending();
}

void SccpCall::StopSending() {
  if (!sending_) return;
  Send(line_.writer.StopMediaTransmission(Channel()));
  sending_ = false;
}

void SccpCall::UpdateSending() {
  if (!far_.has_value() || !MaySend()) {
    StopSending();
    return;
  }
  if (sending_) return;
  SccpChannel channel = Channel();
  channel.ip = far_->ip;
  channel.port = far_->port;
  channel.encryption = EncryptionOf(crypto_);
  // An encrypted port sends nothing without its key.
  if (line_.port.encrypted && channel.encryption.key.empty()) return;
  Send(line_.writer.StartMediaTransmission(channel));
  sending_ = true;
}

void SccpCall::CloseMedia() {
  StopSending();
  if (open_) Send(line_.writer.CloseReceiveChannel(Channel()));
  open_ = false;
  purpose_ = Purpose::kNone;
}

void SccpCall::Reoffer(MonoTime /*now*/) {
  if (invite_.has_value() || request_.has_value() || awaits_ack_) return;
  if (!sending_) NewKey(1, SrtpSuite::kAesCm128HmacSha1_80);
  // What the other side stops is its own affair; an offer says ours.
  if (far_.has_value()) far_->direction = SdpDirection::kSendRecv;
  SipMessage invite = Request(SipMethod::kInvite);
  invite.Add(HeaderId::kAllow, kAllowed);
  AddSdp(invite, WriteSccpOffer(format_, OurMedia()));
  SendSip(invite);
  invite_ = std::move(invite);
}

void SccpCall::OnDeadline(MonoTime now) {
  if (now < give_up_) return;
  give_up_ = MonoTime::InfiniteFuture();
  if (state_ == State::kFailed) {
    End();
  } else if (state_ == State::kEnding) {
    state_ = State::kGone;
  } else if (purpose_ != Purpose::kNone) {
    ChannelFailed(now);
  }
}

}  // namespace sallyport::signaling_edge
