// The messages that we send to a voicemail port by SCCP (protocols.md section
// 14.2). Each Write returns one whole frame.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_WRITER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/signaling_edge/core/sccp_message.h"

namespace sallyport::signaling_edge {

enum class SccpCallState : uint32_t {
  kOffHook = 1,
  kOnHook = 2,
  kRingOut = 3,
  kRingIn = 4,
  kConnected = 5,
  kBusy = 6,
  kCongestion = 7,
  kHold = 8,
  kTransfer = 10,
  kProceed = 12,
  kInvalidNumber = 14,
};

enum class SccpCallType : uint32_t {
  kInbound = 1,
  kOutbound = 2,
  kForward = 3
};

// Of a CallInfo; "authenticated" (NULL cipher) is no state that we have.
enum class SccpSecurity : uint32_t { kUnknown = 0, kNone = 1, kEncrypted = 3 };

enum class SccpLamp : uint32_t { kOff = 1, kOn = 2, kBlink = 5 };
inline constexpr uint32_t kSccpStimulusLine = 0x09;
inline constexpr uint32_t kSccpStimulusVoicemail = 0x0F;

enum class SccpTone : uint32_t {
  kInsideDial = 0x21,
  kLineBusy = 0x23,
  kAlerting = 0x24,
  kReorder = 0x25,
};
// The tone that stands for a key; 0 when there is none.
uint32_t SccpToneOfDigit(char digit);

// Why a call was redirected, in a CallInfo.
enum class SccpRedirectReason : uint32_t {
  kNone = 0,
  kBusy = 1,
  kNoAnswer = 2,
  kUnconditional = 15,
};

// Keys of one direction. On a clear connection there is none: whoever writes
// it asks sccp_session, which fails closed.
struct SccpEncryption {
  enum class Algorithm : uint32_t {
    kNone = 0,
    kAesCm128HmacSha1_32 = 1,
    kAesCm128HmacSha1_80 = 2,
  };
  Algorithm algorithm = Algorithm::kNone;
  std::string key;   // 16 octets; secret
  std::string salt;  // 14 octets; secret
};

struct SccpParty {
  std::string name;
  std::string number;
  std::string mailbox;
};

struct SccpCallInfo {
  SccpParty calling;
  SccpParty called;
  SccpParty original;  // first called, of a call that was redirected
  SccpParty last;      // who sent it here
  SccpRedirectReason original_reason = SccpRedirectReason::kNone;
  SccpRedirectReason last_reason = SccpRedirectReason::kNone;
  uint32_t call = 0;
  SccpCallType type = SccpCallType::kInbound;
  SccpSecurity security = SccpSecurity::kUnknown;
};

struct SccpChannel {
  uint32_t conference = 0;
  uint32_t party = 0;
  uint32_t call = 0;
  SccpCodec codec = SccpCodec::kPcmu;
  uint32_t packet_ms = 20;
  uint32_t telephone_event = 0;  // payload type; 0: none
  std::string ip;                // of StartMediaTransmission
  uint16_t port = 0;
  SccpEncryption encryption;
};

// `version` is the one agreed upon; until then 0. Texts that do not fit are
// cut. Thread-compatible.
class SccpWriter {
 public:
  explicit SccpWriter(uint8_t version = 0) : version_(version) {}
  uint8_t version() const { return version_; }

  std::string RegisterAck(absl::Duration keepalive) const;
  static std::string RegisterReject(std::string_view text);
  static std::string TokenAck();
  std::string UnregisterAck() const;
  // The port is to register again.
  std::string Reset() const;
  std::string KeepAliveAck() const;
  std::string CapabilitiesReq() const;
  // One line key.
  std::string ButtonTemplate() const;
  std::string SoftKeyTemplate() const;
  std::string SoftKeySet() const;
  std::string LineStat(uint32_t line, std::string_view number,
                       std::string_view name) const;
  std::string ForwardStat(uint32_t line) const;
  std::string ConfigStat(std::string_view device_name) const;
  std::string TimeDate(absl::Time now) const;
  std::string Version() const;

  std::string StartTone(uint32_t tone, uint32_t call) const;
  std::string StopTone(uint32_t call) const;
  std::string SetRinger(bool rings, uint32_t call) const;
  std::string SetLamp(uint32_t stimulus, uint32_t instance,
                      SccpLamp lamp) const;
  std::string CallState(SccpCallState state, uint32_t call) const;
  std::string CallInfo(const SccpCallInfo& info) const;
  std::string OpenReceiveChannel(const SccpChannel& channel) const;
  std::string CloseReceiveChannel(const SccpChannel& channel) const;
  std::string StartMediaTransmission(const SccpChannel& channel) const;
  std::string StopMediaTransmission(const SccpChannel& channel) const;
  // 0 ok, 1 to 6 errors.
  std::string MwiResponse(std::string_view target, uint32_t result) const;

 private:
  uint8_t version_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_WRITER_H_
