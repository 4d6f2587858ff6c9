#include "services/signaling_edge/core/sccp_message.h"

#include <algorithm>

#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kHeader = 8;   // length and version, before the id
constexpr size_t kNumber = 24;  // a directory number
constexpr size_t kLongNumber = 25;

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SCCP_MALFORMED", what);
}

uint32_t Load(std::string_view text, size_t offset, size_t width) {
  uint32_t value = 0;
  for (size_t i = width; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(text[offset + i]);
  }
  return value;
}

// Reads in order. A required field that is not there turns ok() false; an
// optional one is zero or empty.
class Fields {
 public:
  explicit Fields(std::string_view body) : body_(body) {}

  bool ok() const { return ok_; }
  size_t left() const { return body_.size(); }
  std::string_view Take(size_t size) {
    if (body_.size() < size) {
      ok_ = false;
      body_ = {};
      return {};
    }
    const std::string_view out = body_.substr(0, size);
    body_.remove_prefix(size);
    return out;
  }
  uint32_t U32() {
    const std::string_view field = Take(4);
    return field.empty() ? 0 : Load(field, 0, 4);
  }
  uint32_t OptionalU32() { return left() >= 4 ? U32() : 0; }
  uint8_t OptionalU8() {
    return left() >= 1 ? static_cast<uint8_t>(Take(1)[0]) : uint8_t{0};
  }
  void SkipOptional(size_t size) {
    body_.remove_prefix(std::min(size, left()));
  }
  // Up to the first zero.
  std::string_view Text(size_t size) {
    const std::string_view field = Take(size);
    return field.substr(0, field.find('\0'));
  }

 private:
  std::string_view body_;
  bool ok_ = true;
};

bool IsDeviceName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return IsAlpha(c) || IsDigit(c) || c == '.' || c == '-' || c == '_';
  });
}

bool IsNumberText(std::string_view number) {
  return std::all_of(number.begin(), number.end(), [](char c) {
    return IsDigit(c) || c == '*' || c == '#' || c == '+' ||
           (c >= 'A' && c <= 'D');
  });
}

std::optional<char> DigitOf(uint32_t button) {
  if (button <= 9) return static_cast<char>('0' + button);
  if (button >= 0xA && button <= 0xD)
    return static_cast<char>('A' + button - 0xA);
  if (button == 0xE) return '*';
  if (button == 0xF) return '#';
  return std::nullopt;
}

absl::StatusOr<SccpMessage> ReadRegister(Fields in) {
  SccpRegister out;
  out.device_name = in.Text(16);
  in.Take(4);  // user id
  in.Take(4);  // instance
  in.Take(4);  // IPv4 address: what the connection shows is what counts
  out.device_type = in.U32();
  if (!in.ok()) return Malformed("a Register that is too short");
  if (!IsDeviceName(out.device_name)) {
    return Malformed("a device name that none can be");
  }
  out.max_streams = in.OptionalU32();
  in.OptionalU32();  // active streams
  out.protocol_version = in.OptionalU8();
  // Features 3, conferences 4 + 4, MAC 12, scope 4, lines 4, IPv6 16, scope 4.
  in.SkipOptional(3 + 8 + 12 + 8 + 16 + 4);
  if (in.left() >= 32) {
    for (const char c : in.Text(32)) {
      out.load_info.push_back(c >= 0x21 && c <= 0x7E ? c : '?');
    }
  }
  return SccpMessage(std::move(out));
}

absl::StatusOr<SccpMessage> ReadKeypad(Fields in) {
  const std::optional<char> digit = DigitOf(in.U32());
  if (!in.ok() || !digit.has_value()) return Malformed("a key that none has");
  SccpKeypadButton out;
  out.digit = *digit;
  in.OptionalU32();  // line
  out.call = in.OptionalU32();
  return SccpMessage(out);
}

absl::StatusOr<SccpMessage> ReadCapabilities(Fields in) {
  const uint32_t count = in.U32();
  if (!in.ok() || count > kSccpMaxCapabilities) {
    return Malformed("too many capabilities");
  }
  SccpCapabilities out;
  for (uint32_t i = 0; i < count; ++i) {
    SccpCapability each;
    each.codec = in.U32();
    each.max_frames = in.U32();
    in.Take(8);  // parameters
    out.codecs.push_back(each);
  }
  if (!in.ok()) return Malformed("fewer capabilities than are counted");
  return SccpMessage(std::move(out));
}

// An address as the version writes it.
std::string ReadAddress(Fields& in, uint8_t version) {
  bool v6 = false;
  std::string_view octets;
  if (version >= kSccpDynamic) {
    v6 = in.U32() == 1;
    octets = in.Take(16).substr(0, v6 ? 16 : 4);
  } else {
    octets = in.Take(4);
  }
  if (octets.empty()) return "";
  std::string text;
  for (size_t i = 0; i < octets.size(); i += v6 ? 2 : 1) {
    if (i > 0) text.push_back(v6 ? ':' : '.');
    const unsigned high = static_cast<uint8_t>(octets[i]);
    if (v6) {
      const unsigned low = static_cast<uint8_t>(octets[i + 1]);
      constexpr std::string_view kHex = "0123456789abcdef";
      for (const unsigned nibble : {high >> 4, high & 15, low >> 4, low & 15}) {
        text.push_back(kHex[nibble]);
      }
    } else {
      text += std::to_string(high);
    }
  }
  // In the usual form, whatever that was.
  const auto address = SocketAddress::FromIp(text, 0);
  return address.ok() ? address->IpText() : "";
}

absl::StatusOr<SccpMessage> ReadReceiveAck(Fields in, uint8_t version) {
  SccpReceiveChannelAck out;
  out.status = in.U32();
  out.ip = ReadAddress(in, version);
  const uint32_t port = in.U32();
  out.party = in.U32();
  if (!in.ok() || port > 65535) {
    return Malformed("an acknowledged channel without an address");
  }
  out.port = static_cast<uint16_t>(port);
  return SccpMessage(std::move(out));
}

absl::StatusOr<SccpMessage> ReadTransmissionAck(Fields in, uint8_t version) {
  SccpTransmissionAck out;
  in.Take(4);  // call
  out.party = in.U32();
  in.Take(4);  // call, again
  ReadAddress(in, version);
  in.Take(4);  // port
  out.status = in.U32();
  if (!in.ok()) return Malformed("an acknowledgement that is too short");
  return SccpMessage(out);
}

// protocols.md section 17: whether the two texts of 25 octets are followed by
// two of padding is not known, and both make a body of 88. The reading that
// makes sense wins: the flag is 0 or 1, and no count is beyond all measure.
std::optional<SccpMwiNotification> ReadCounts(std::string_view body,
                                              size_t offset) {
  constexpr uint32_t kMost = 0xFFFF;
  if (body.size() < offset + 4 + 32) return std::nullopt;
  SccpMwiNotification out;
  const uint32_t flag = Load(body, offset, 4);
  if (flag > 1) return std::nullopt;
  out.waiting = flag == 1;
  offset += 4;
  for (auto& kind : out.counts) {
    for (uint32_t& count : kind) {
      count = Load(body, offset, 4);
      if (count > kMost) return std::nullopt;
      offset += 4;
    }
  }
  return out;
}

absl::StatusOr<SccpMessage> ReadMwi(std::string_view body) {
  Fields in(body);
  const std::string_view target = in.Text(kLongNumber);
  const std::string_view control = in.Text(kLongNumber);
  if (!in.ok() || target.empty() || !IsNumberText(target) ||
      !IsNumberText(control)) {
    return Malformed("message waiting for no number");
  }
  const auto packed = ReadCounts(body, 2 * kLongNumber);
  const auto aligned = ReadCounts(body, 2 * kLongNumber + 2);
  std::optional<SccpMwiNotification> out = aligned;
  if (packed.has_value() && (!aligned.has_value() || packed->waiting)) {
    out = packed;
  }
  if (!out.has_value()) return Malformed("message waiting without a flag");
  out->target = target;
  out->control = control;
  return SccpMessage(*std::move(out));
}

absl::StatusOr<SccpMessage> ReadEnbloc(Fields in) {
  SccpEnblocCall out;
  out.called = in.Text(kNumber);
  if (!in.ok() || out.called.empty() || !IsNumberText(out.called)) {
    return Malformed("a number that none can be");
  }
  return SccpMessage(std::move(out));
}

absl::StatusOr<SccpMessage> ReadOffHookWithNumber(Fields in) {
  SccpOffHook out;
  out.calling = in.Text(kNumber);
  if (!in.ok() || !IsNumberText(out.calling)) {
    return Malformed("a number that none can be");
  }
  return SccpMessage(std::move(out));
}

}  // namespace

void SccpFramer::Append(std::string_view octets) {
  if (used_ > 0) {
    buffer_.erase(0, used_);
    used_ = 0;
  }
  buffer_.append(octets);
}

absl::StatusOr<std::optional<SccpFrame>> SccpFramer::Next() {
  const std::string_view rest = std::string_view(buffer_).substr(used_);
  if (rest.size() < 4) return std::optional<SccpFrame>();
  const uint32_t length = Load(rest, 0, 4);
  if (length < 4 || length > kSccpMaxLength) {
    return Malformed("a length that no message has");
  }
  if (rest.size() < kHeader + length) return std::optional<SccpFrame>();
  SccpFrame frame;
  frame.version = Load(rest, 4, 4);
  frame.id = Load(rest, kHeader, 4);
  frame.body = rest.substr(kHeader + 4, length - 4);
  used_ += kHeader + length;
  return std::optional<SccpFrame>(frame);
}

absl::StatusOr<SccpMessage> ParseSccp(const SccpFrame& frame, uint8_t version) {
  Fields in(frame.body);
  const auto done = [&in](auto message) -> absl::StatusOr<SccpMessage> {
    if (!in.ok()) return Malformed("a message that is too short");
    return SccpMessage(std::move(message));
  };
  const auto id = static_cast<SccpId>(frame.id);
  switch (id) {
    case SccpId::kKeepAlive:
      return SccpMessage(SccpKeepAlive());
    case SccpId::kRegister:
      return ReadRegister(in);
    case SccpId::kIpPort: {
      const uint32_t port = in.U32();
      if (port > 65535) return Malformed("a port that none can be");
      return done(SccpIpPort{static_cast<uint16_t>(port)});
    }
    case SccpId::kKeypadButton:
      return ReadKeypad(in);
    case SccpId::kEnblocCall:
      return ReadEnbloc(in);
    case SccpId::kStimulus: {
      SccpStimulus out;
      out.stimulus = in.U32();
      out.instance = in.U32();
      out.call = in.OptionalU32();
      return done(out);
    }
    case SccpId::kOffHook: {
      SccpOffHook out;
      out.line = in.OptionalU32();
      out.call = in.OptionalU32();
      return done(out);
    }
    case SccpId::kOnHook: {
      SccpOnHook out;
      in.OptionalU32();  // line
      out.call = in.OptionalU32();
      return done(out);
    }
    case SccpId::kOffHookWithCallingNumber:
      return ReadOffHookWithNumber(in);
    case SccpId::kForwardStatReq:
    case SccpId::kLineStatReq:
      return done(SccpLineRequest{id, in.U32()});
    case SccpId::kConfigStatReq:
    case SccpId::kTimeDateReq:
    case SccpId::kButtonTemplateReq:
    case SccpId::kVersionReq:
    case SccpId::kSoftKeySetReq:
    case SccpId::kSoftKeyTemplateReq:
    case SccpId::kRegisterAvailableLines:
      return done(SccpQuery{id});
    case SccpId::kCapabilitiesRes:
      return ReadCapabilities(in);
    case SccpId::kAlarm:
      return done(SccpAlarm{in.U32()});
    case SccpId::kOpenReceiveChannelAck:
      return ReadReceiveAck(in, version);
    case SccpId::kStartMediaTransmissionAck:
      return ReadTransmissionAck(in, version);
    case SccpId::kSoftKeyEvent: {
      SccpSoftKeyEvent out;
      out.event = in.U32();
      in.OptionalU32();  // line
      out.call = in.OptionalU32();
      return done(out);
    }
    case SccpId::kUnregister:
      return SccpMessage(SccpUnregister());
    case SccpId::kRegisterTokenReq: {
      SccpRegisterToken out;
      out.device_name = in.Text(16);
      if (in.ok() && !IsDeviceName(out.device_name)) {
        return Malformed("a device name that none can be");
      }
      return done(std::move(out));
    }
    case SccpId::kMwiNotification:
      return ReadMwi(frame.body);
  }
  return SccpMessage(SccpOther{frame.id});
}

}  // namespace sallyport::signaling_edge
