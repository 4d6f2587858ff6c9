// A voicemail port's session under a list of inputs: frames of the port, whole
// or cut or of rubbish, SIP messages of the edge, which answers as the bytes
// say, time, plans. Whatever comes, calls stay few, deadlines lie ahead, what
// is said is whole and of known sizes, keys go to encrypted ports alone, and a
// session that has closed says nothing more.
#include "services/signaling_edge/core/sccp_session.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/parse_policy.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

std::string Le(uint32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> 8 * i));
  return out;
}

uint32_t ReadLe(std::string_view text, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(text[at + i]);
  }
  return value;
}

class Run : public SccpHost {
 public:
  Run(const uint8_t* data, size_t size) : data_(data), size_(size) {
    port_.device_name = "UM-VI1";
    port_.group = "tenants/t/voicemailPortGroups/um";
    port_.peer = "tenants/t/peers/um";
    port_.line = "tenants/t/lines/vm1";
    port_.number = "6001";
    port_.domain = "d.test";
    const uint8_t how = Byte();
    port_.encrypted = how & 1;
    port_.answers_calls = how & 2;
    port_.notifies = how & 4;
    port_.sends_message_waiting = how & 8;
    version_ = (how & 16) != 0 ? 17 : 11;
    session_ = std::make_unique<SccpSession>(1, *this, random_);
    // Most lists would never come that far by themselves.
    if (how & 32) Begin();
  }

  void Go() {
    while (at_ < size_ && !closed_) {
      Step();
      if (session_->calls() > SccpSession::kMaxCalls) abort();
      if (session_->deadline() <= now_) {
        Do(session_->OnDeadline(now_));
        if (!closed_ && session_->deadline() <= now_) abort();
      }
    }
    // What it still says to the port goes nowhere; then it is silent.
    session_->OnClosed(now_);
    if (session_->calls() != 0 || !session_->OnData("again", now_).empty() ||
        !session_->OnDeadline(now_ + absl::Hours(1)).empty()) {
      abort();
    }
  }

  absl::StatusOr<SccpPort> AdmitPort(ConnectionId, std::string_view) override {
    if (refused_) {
      return MakeError(absl::StatusCode::kNotFound, "PORT_UNKNOWN", "no port");
    }
    return port_;
  }
  absl::Duration WaitForDigit(const SccpPort&,
                              std::string_view digits) override {
    return digits.size() < 4 ? absl::Seconds(15) : absl::ZeroDuration();
  }
  absl::Time WallTime(MonoTime now) const override {
    return absl::UnixEpoch() + (now - MonoTime::FromOrigin(absl::Hours(0)));
  }

 private:
  uint8_t Byte() { return at_ < size_ ? data_[at_++] : 0; }
  std::string Bytes() {
    const size_t length = std::min<size_t>(Byte(), size_ - at_);
    std::string out(reinterpret_cast<const char*>(data_ + at_), length);
    at_ += length;
    return out;
  }

  void Tell(SccpId id, const std::string& body) {
    Do(session_->OnData(Cat(Le(static_cast<uint32_t>(body.size()) + 4),
                            Le(version_), Le(static_cast<uint32_t>(id)), body),
                        now_));
  }

  void Begin() {
    std::string body = "UM-VI1";
    body.resize(16);
    body += Cat(Le(0), Le(1), std::string(4, '\0'), Le(kSccpVoicemailPort),
                Le(0), Le(0));
    body.push_back(static_cast<char>(version_));
    body.resize(64);
    Tell(SccpId::kRegister, body);
    std::string capabilities = Le(1);
    capabilities += Cat(Le(4), Le(40), std::string(8, '\0'));
    Tell(SccpId::kCapabilitiesRes, capabilities);
    Tell(SccpId::kRegisterAvailableLines, Le(1));
  }

  std::string Sdp(uint8_t how) const {
    const bool srtp = (how & 1) != 0 ? port_.encrypted : (how & 2) != 0;
    return Cat(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
        "t=0 0\r\nm=audio 4000 ",
        srtp ? "RTP/SAVP" : "RTP/AVP", (how & 4) != 0 ? " 8" : " 0 8", "\r\n",
        (how & 8) != 0 ? "a=sendonly\r\n" : "",
        srtp ? Cat("a=crypto:", (how & 16) != 0 ? 2 : 1,
                   (how & 32) != 0 ? " AES_CM_128_HMAC_SHA1_32"
                                   : " AES_CM_128_HMAC_SHA1_80",
                   " inline:", kKey, "\r\n")
             : "");
  }

  void Step() {
    const uint8_t what = Byte();
    switch (what % 12) {
      case 0: {  // octets as they come
        Do(session_->OnData(Bytes(), now_));
        break;
      }
      case 1:
      case 2:
      case 3: {  // a frame of the port's
        static constexpr SccpId kIds[] = {
            SccpId::kKeepAlive,       SccpId::kKeypadButton,
            SccpId::kEnblocCall,      SccpId::kStimulus,
            SccpId::kOffHook,         SccpId::kOnHook,
            SccpId::kSoftKeyEvent,    SccpId::kOffHookWithCallingNumber,
            SccpId::kMwiNotification, SccpId::kUnregister,
            SccpId::kRegister,        SccpId::kCapabilitiesRes,
            SccpId::kTimeDateReq,     SccpId::kLineStatReq,
            SccpId::kConfigStatReq,   SccpId::kStartMediaTransmissionAck};
        Tell(kIds[Byte() % std::size(kIds)], Bytes());
        break;
      }
      case 4:  // a key, of whichever call
        Tell(SccpId::kSoftKeyEvent,
             Cat(Le(Byte() % 13), Le(1), Le(Byte() % 4)));
        break;
      case 5:
        Tell(SccpId::kKeypadButton, Cat(Le(Byte() % 16), Le(1), Le(0)));
        break;
      case 6: {  // the channel that was asked for last
        const std::string address =
            version_ >= kSccpDynamic ? Cat(Le(0), std::string("\x7f\0\0\1", 4),
                                           std::string(12, '\0'))
                                     : std::string("\x7f\0\0\1", 4);
        Tell(SccpId::kOpenReceiveChannelAck,
             Cat(Le(Byte() % 4 == 0 ? 1 : 0), address, Le(4000), Le(party_),
                 Le(0)));
        break;
      }
      case 7: {  // a call to the port
        SipMessage invite =
            SipMessage::Request(SipMethod::kInvite, "sip:6001@192.0.2.6");
        const std::string id = Cat("call", Byte() % 6);
        invite.Add(HeaderId::kVia,
                   Cat("SIP/2.0/TLS e.test;branch=z9hG4bK", id));
        invite.SetUint(HeaderId::kMaxForwards, 70);
        invite.Add(HeaderId::kFrom, "\"A\" <sip:1001@d.test>;tag=f");
        invite.Add(HeaderId::kTo, "<sip:6001@d.test>");
        invite.Add(HeaderId::kCallId, id);
        invite.Add(HeaderId::kCseq, "1 INVITE");
        invite.Add(HeaderId::kContact, "<sip:e@e.test;transport=tls>");
        const uint8_t how = Byte();
        if (how < 192) AddSdp(invite, Sdp(how));
        Do(session_->OnSip(WriteSipMessage(invite), now_));
        break;
      }
      case 8: {  // an answer to what the port's user agent asked
        if (asked_.empty()) break;
        static constexpr int kCodes[] = {100, 180, 183, 200, 200, 200,
                                         202, 302, 404, 481, 486, 487,
                                         488, 491, 503, 603};
        const SipMessage request = std::move(asked_.front());
        const int code = kCodes[Byte() % std::size(kCodes)];
        if (code >= 200) asked_.pop_front();
        SipMessage response = MakeResponse(request, code, "x", "t");
        response.Add(HeaderId::kContact, "<sip:e@e.test;transport=tls>");
        const uint8_t how = Byte();
        if (how < 192) AddSdp(response, Sdp(how));
        if (code < 200) asked_.front() = request;
        Do(session_->OnSip(WriteSipMessage(response), now_));
        break;
      }
      case 9: {  // a request within the dialog of the call that spoke last
        if (dialog_.empty()) break;
        static constexpr SipMethod kMethods[] = {
            SipMethod::kAck,    SipMethod::kBye,    SipMethod::kCancel,
            SipMethod::kInvite, SipMethod::kInfo,   SipMethod::kNotify,
            SipMethod::kUpdate, SipMethod::kOptions};
        SipMessage request = SipMessage::Request(
            kMethods[Byte() % std::size(kMethods)], "sip:6001@192.0.2.6");
        request.Add(HeaderId::kVia,
                    Cat("SIP/2.0/TLS e.test;branch=z9hG4bKr", ++cseq_));
        request.SetUint(HeaderId::kMaxForwards, 70);
        request.Add(HeaderId::kFrom, from_);
        request.Add(HeaderId::kTo, to_);
        request.Add(HeaderId::kCallId, dialog_);
        const uint8_t how = Byte();
        request.Add(HeaderId::kCseq, Cat((how & 64) != 0 ? 1 : cseq_, " ",
                                         MethodName(request.method())));
        request.Add(HeaderId::kContact, "<sip:e@e.test;transport=tls>");
        if (how < 192) AddSdp(request, Sdp(how));
        Do(session_->OnSip(WriteSipMessage(request), now_));
        break;
      }
      case 10:
        now_ += absl::Milliseconds(10 << (Byte() % 12));
        break;
      case 11: {
        const uint8_t how = Byte();
        if (how % 4 == 0) {
          refused_ = (how & 4) != 0;
          Do(session_->OnPlan(now_));
        } else if (how % 16 == 1) {
          Do(session_->OnRemoved(now_));
        } else {
          Do(session_->OnSip(Bytes(), now_));
        }
        break;
      }
    }
  }

  void Do(const SccpActions& actions) {
    for (const SccpAction& action : actions) {
      // Behind the end, calls are ended towards the edge, and that is all.
      if (closed_ && !std::holds_alternative<SccpSendSip>(action)) abort();
      if (const auto* send = std::get_if<SccpSendOctets>(&action)) {
        CheckOctets(send->octets);
      } else if (const auto* sip = std::get_if<SccpSendSip>(&action)) {
        Note(sip->text);
      } else if (std::holds_alternative<SccpClose>(action)) {
        closed_ = true;
      }
    }
  }

  void CheckOctets(std::string_view octets) {
    while (!octets.empty()) {
      if (octets.size() < 12) abort();
      const uint32_t length = ReadLe(octets, 0);
      if (length < 4 || length > kSccpMaxLength || length + 8 > octets.size()) {
        abort();
      }
      const std::string_view body = octets.substr(12, length - 4);
      const uint32_t id = ReadLe(octets, 8);
      if (id == 0x105) {  // OpenReceiveChannel
        party_ = ReadLe(body, 4);
        if (!port_.encrypted && ReadLe(body, 28) != 0) abort();
      }
      octets.remove_prefix(length + 8);
    }
  }

  // What the user agent says must be SIP; requests wait for their answers.
  void Note(const std::string& text) {
    const absl::StatusOr<SipMessage> message =
        ParseSipMessage(text, ParsePolicy());
    if (!message.ok()) abort();
    const bool key = message->body().find("a=crypto") != std::string_view::npos;
    if (key && !port_.encrypted) abort();
    dialog_ = message->Value(HeaderId::kCallId);
    const bool request = !message->is_response();
    from_ = message->Value(request ? HeaderId::kTo : HeaderId::kFrom);
    to_ = message->Value(request ? HeaderId::kFrom : HeaderId::kTo);
    if (!request || message->method() == SipMethod::kAck) return;
    if (asked_.size() < 16) asked_.push_back(*message);
  }

  const uint8_t* data_;
  const size_t size_;
  size_t at_ = 0;
  FakeRandom random_;
  SccpPort port_;
  uint8_t version_ = 11;
  bool refused_ = false;
  bool closed_ = false;
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  uint32_t party_ = 0;
  uint32_t cseq_ = 100;
  std::deque<SipMessage> asked_;
  std::string dialog_;
  std::string from_;
  std::string to_;
  std::unique_ptr<SccpSession> session_;
};

}  // namespace
}  // namespace sallyport::signaling_edge

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  sallyport::signaling_edge::Run(data, size).Go();
  return 0;
}
