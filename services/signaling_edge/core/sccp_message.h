// The messages that a voicemail port sends by SCCP (protocols.md section 14):
// frames, and what stands in them. All integers are little-endian, but for
// IPv4 addresses; texts have a fixed size and are filled with zeros.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_MESSAGE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport::signaling_edge {

// Message ids that a port sends.
enum class SccpId : uint32_t {
  kKeepAlive = 0x0000,
  kRegister = 0x0001,
  kIpPort = 0x0002,
  kKeypadButton = 0x0003,
  kEnblocCall = 0x0004,
  kStimulus = 0x0005,
  kOffHook = 0x0006,
  kOnHook = 0x0007,
  kForwardStatReq = 0x0009,
  kLineStatReq = 0x000B,
  kConfigStatReq = 0x000C,
  kTimeDateReq = 0x000D,
  kButtonTemplateReq = 0x000E,
  kVersionReq = 0x000F,
  kCapabilitiesRes = 0x0010,
  kAlarm = 0x0020,
  kOpenReceiveChannelAck = 0x0022,
  kOffHookWithCallingNumber = 0x0024,
  kSoftKeySetReq = 0x0025,
  kSoftKeyEvent = 0x0026,
  kUnregister = 0x0027,
  kSoftKeyTemplateReq = 0x0028,
  kRegisterTokenReq = 0x0029,
  kRegisterAvailableLines = 0x002D,
  kMwiNotification = 0x004C,
  kStartMediaTransmissionAck = 0x0154,
};

// Of a Register; 81 is voicemail administration, which has no media.
inline constexpr uint32_t kSccpVoicemailPort = 80;

// Versions whose layouts are known. From kSccpDynamic on, addresses name their
// family and some texts have no fixed size.
inline constexpr uint8_t kSccpMaxVersion = 17;
inline constexpr uint8_t kSccpDynamic = 17;

// Of a frame: message id and body. The longest message of a port is a Register
// of version 11.5 with 172 octets, or an XML alarm that nobody reads.
inline constexpr size_t kSccpMaxLength = 4096;
inline constexpr size_t kSccpMaxCapabilities = 18;

// The codecs of SCCP that SIP has static payload types for.
enum class SccpCodec : uint32_t {
  kPcma = 2,
  kPcmu = 4,
  kG722 = 6,
  kG729 = 11,
  kG729a = 12,
};

struct SccpFrame {
  uint32_t version = 0;
  uint32_t id = 0;
  std::string_view body;  // until the framer's next call
};

// Cuts a stream into frames. Holds less than one of them plus what was
// appended last. Thread-compatible.
class SccpFramer {
 public:
  void Append(std::string_view octets);
  // Nothing when more octets are needed. kInvalidArgument, SCCP_MALFORMED,
  // when the length cannot be; the stream is lost then.
  absl::StatusOr<std::optional<SccpFrame>> Next();

 private:
  std::string buffer_;
  size_t used_ = 0;
};

struct SccpKeepAlive {};
struct SccpRegister {
  std::string device_name;
  uint32_t device_type = 0;
  uint32_t max_streams = 0;
  uint8_t protocol_version = 0;
  std::string load_info;
};
struct SccpIpPort {
  uint16_t port = 0;
};
struct SccpKeypadButton {
  char digit = 0;  // 0-9, '*', '#', A-D
  uint32_t call = 0;
};
struct SccpEnblocCall {
  std::string called;
};
struct SccpStimulus {
  uint32_t stimulus = 0;
  uint32_t instance = 0;
  uint32_t call = 0;
};
struct SccpOffHook {
  uint32_t line = 0;    // 0: not said
  uint32_t call = 0;    // 0: not said
  std::string calling;  // of OffHookWithCallingNumber
};
struct SccpOnHook {
  uint32_t call = 0;  // 0: not said
};
struct SccpLineRequest {  // of a ForwardStatReq or LineStatReq
  SccpId id = SccpId::kLineStatReq;
  uint32_t line = 0;
};
struct SccpQuery {  // one that has no fields that matter
  SccpId id = SccpId::kConfigStatReq;
};
struct SccpCapability {
  uint32_t codec = 0;
  uint32_t max_frames = 0;  // milliseconds of a packet, in practice
};
struct SccpCapabilities {
  std::vector<SccpCapability> codecs;
};
struct SccpAlarm {
  uint32_t severity = 0;
};
struct SccpReceiveChannelAck {
  uint32_t status = 0;  // 0: the channel is open
  std::string ip;       // literal
  uint16_t port = 0;
  uint32_t party = 0;
};
struct SccpTransmissionAck {
  uint32_t status = 0;
  uint32_t party = 0;
};
struct SccpSoftKeyEvent {
  uint32_t event = 0;
  uint32_t call = 0;  // 0: not said
};
struct SccpUnregister {};
struct SccpRegisterToken {
  std::string device_name;
};
struct SccpMwiNotification {
  std::string target;
  std::string control;
  bool waiting = false;
  // New and old: voice, priority voice, fax, priority fax.
  std::array<std::array<uint32_t, 2>, 4> counts = {};
};
struct SccpOther {  // well formed, and nothing to us
  uint32_t id = 0;
};

using SccpMessage =
    std::variant<SccpKeepAlive, SccpRegister, SccpIpPort, SccpKeypadButton,
                 SccpEnblocCall, SccpStimulus, SccpOffHook, SccpOnHook,
                 SccpLineRequest, SccpQuery, SccpCapabilities, SccpAlarm,
                 SccpReceiveChannelAck, SccpTransmissionAck, SccpSoftKeyEvent,
                 SccpUnregister, SccpRegisterToken, SccpMwiNotification,
                 SccpOther>;

// Reads the body of a frame by the layouts of the version that was agreed
// upon. What a later version appends is not looked at. kInvalidArgument,
// SCCP_MALFORMED: a field is missing, a count is too high, a name or number
// has characters that none has. The message never repeats the input.
absl::StatusOr<SccpMessage> ParseSccp(const SccpFrame& frame, uint8_t version);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_MESSAGE_H_
