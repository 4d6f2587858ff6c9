// One call of a voicemail port: towards the port SCCP (protocols.md section
// 14), towards the edge a SIP user agent, so that a port is called, calls,
// holds and transfers by the same rules as everybody else.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_CALL_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_CALL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/dialog.h"
#include "services/signaling_edge/core/sccp_action.h"
#include "services/signaling_edge/core/sccp_media.h"
#include "services/signaling_edge/core/sccp_message.h"
#include "services/signaling_edge/core/sdes.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Inputs append to the actions that the session collects. The link to the SIP
// core loses nothing, so that nothing is sent again. Thread-compatible.
class SccpCall {
 public:
  enum class State {
    kCollecting,  // off hook, digits come
    kInviting,    // the INVITE is out
    kAlerting,    // and somebody rings
    kRinging,     // the port does
    kAnswering,   // the port has answered, and opens its channel
    kConnecting,  // the far side has answered, and the port opens its channel
    kConnected,
    kFailed,  // a tone says why, until the port hangs up
    kEnding,  // the answer to a CANCEL is still to come
    kGone,
  };

  // How long a port may take to open a channel.
  static constexpr absl::Duration kChannelTimeout = absl::Seconds(5);

  // All must outlive this object. `reference` is not zero.
  SccpCall(uint32_t reference, const SccpLine& line, RandomSource& random,
           SccpActions& actions);

  // A call to the port: answers it, if only later.
  void Ring(const SipMessage& invite, MonoTime now);
  // The port goes off hook to dial. Not empty: on behalf of this number.
  void PickUp(std::string_view calling);
  // The session decides when the number is whole, and dials.
  void AddDigit(char digit);
  void Dial(MonoTime now);

  void Answer(MonoTime now);
  void HangUp(MonoTime now);
  void Hold(MonoTime now);
  void Resume(MonoTime now);
  // A key of a call that is connected, to the far side.
  void SendDigit(char digit);
  // The far side is to call `other`'s far side, or the number, instead.
  void Refer(const SccpCall& other);

  void OnReceiveAck(const SccpReceiveChannelAck& ack, MonoTime now);
  void OnRequest(const SipMessage& request, MonoTime now);
  void OnResponse(const SipMessage& response, MonoTime now);
  void OnDeadline(MonoTime now);
  MonoTime deadline() const { return give_up_; }

  uint32_t reference() const { return reference_; }
  State state() const { return state_; }
  bool gone() const { return state_ == State::kGone; }
  // Nothing is under way between us and the far side.
  bool settled() const {
    return !invite_.has_value() && !request_.has_value() && !awaits_ack_ &&
           purpose_ == Purpose::kNone;
  }
  // Its far side can be named in a Refer().
  bool MayBeReferredTo() const {
    return state_ == State::kInviting || state_ == State::kAlerting ||
           (state_ == State::kConnected && settled());
  }
  const std::string& digits() const { return digits_; }
  const std::string& call_id() const { return call_id_; }
  uint32_t party() const { return party_; }
  bool held() const { return held_; }
  // Set by the first Refer(), until the far side has said how it went.
  bool referring() const { return referring_; }

 private:
  // What an open channel is waited for.
  enum class Purpose {
    kNone,
    kAnswer,  // request_ had an offer
    kAck,     // the answer to our INVITE had one
    kOffer,   // request_ had none: our answer is one
    kReopen,  // nobody waits
  };

  void Send(std::string octets);
  void SendSip(const SipMessage& message);
  void Respond(const SipMessage& request, int code, std::string_view body = {});
  SipMessage Request(SipMethod method);
  void SendInvite();
  void AckAnswer(std::string_view body);
  void SendBye();

  void OnOffer(const SipMessage& request, MonoTime now);
  void OnAck(const SipMessage& ack, MonoTime now);
  void OnNotify(const SipMessage& notify, MonoTime now);
  void OnInviteAnswered(const SipMessage& response, MonoTime now);
  void OnInviteRefused(const SipMessage& response, MonoTime now);

  // The port's channel as `stream` wants it; Opened() follows.
  void Apply(SccpStream stream, Purpose purpose, MonoTime now);
  void OpenChannel(const SccpFormat& format, const SccpEncryption& keys,
                   Purpose purpose, MonoTime now);
  void Opened(Purpose purpose, MonoTime now);
  void ChannelFailed(MonoTime now);
  void CloseMedia();
  void StopSending();
  // Which way media goes, as we say it now.
  SdpDirection OurDirection() const;
  bool MaySend() const;
  void UpdateSending();
  // A new key for what the port sends: never one that was used before.
  void NewKey(uint32_t tag, SrtpSuite suite);
  SccpPortMedia OurMedia();
  void Reoffer(MonoTime now);
  SccpChannel Channel() const;

  void Connected(MonoTime now);
  void Refused(const absl::Status& status);
  void Fail(int code, MonoTime now);
  // The port is idle again, as far as this call goes.
  void Idle();
  void End();
  void TellInfo(SccpCallType type);

  const uint32_t reference_;
  const SccpLine& line_;
  RandomSource& random_;
  SccpActions& actions_;
  State state_ = State::kCollecting;
  std::string call_id_;
  std::string local_tag_;
  std::string digits_;
  SccpCallInfo info_;
  bool tone_ = false;
  bool rings_ = false;

  std::optional<Dialog> dialog_;
  // Of the far side, that is still to be answered: INVITE or UPDATE.
  std::optional<SipMessage> request_;
  bool awaits_ack_ = false;           // our 2xx had an offer
  std::optional<SipMessage> invite_;  // ours, that is still to be answered
  uint32_t ack_cseq_ = 0;  // of the 2xx that is still to be acknowledged
  bool hangs_up_ = false;  // the call is over once the INVITE is answered
  bool referring_ = false;

  std::optional<SccpStream> far_;
  std::optional<SccpStream> next_;    // what the channel is being opened for
  std::optional<SdesCrypto> crypto_;  // of what the port sends; secret
  SccpFormat format_;
  Purpose purpose_ = Purpose::kNone;
  bool open_ = false;
  bool sending_ = false;
  bool held_ = false;
  uint32_t party_ = 0;
  uint32_t last_party_ = 0;
  std::string port_ip_;
  uint16_t port_rtp_ = 0;
  SdpOrigin origin_;
  uint64_t version_ = 0;
  MonoTime give_up_ = MonoTime::InfiniteFuture();
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_CALL_H_
