#include "services/signaling_edge/core/sccp_writer.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "services/common/net/socket_address.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint32_t kLine = 1;  // a port has one

enum MessageId : uint32_t {
  kRegisterAck = 0x0081,
  kStartTone = 0x0082,
  kStopTone = 0x0083,
  kSetRinger = 0x0085,
  kSetLamp = 0x0086,
  kStartMediaTransmission = 0x008A,
  kStopMediaTransmission = 0x008B,
  kCallInfo = 0x008F,
  kForwardStat = 0x0090,
  kLineStat = 0x0092,
  kConfigStat = 0x0093,
  kDefineTimeDate = 0x0094,
  kButtonTemplate = 0x0097,
  kVersion = 0x0098,
  kCapabilitiesReq = 0x009B,
  kRegisterReject = 0x009D,
  kReset = 0x009F,
  kKeepAliveAck = 0x0100,
  kOpenReceiveChannel = 0x0105,
  kCloseReceiveChannel = 0x0106,
  kSoftKeyTemplateRes = 0x0108,
  kSoftKeySetRes = 0x0109,
  kCallState = 0x0111,
  kUnregisterAck = 0x0118,
  kRegisterTokenAck = 0x011A,
  kLineStatDynamic = 0x0147,
  kCallInfoDynamic = 0x014A,
  kMwiResponse = 0x0158,
};

class Frame {
 public:
  Frame(uint32_t id, uint8_t version) : version_(version) { U32(id); }

  Frame& U8(uint8_t value) {
    body_.push_back(static_cast<char>(value));
    return *this;
  }
  Frame& U16(uint32_t value) { return U8(value & 0xFF).U8(value >> 8 & 0xFF); }
  Frame& U32(uint32_t value) { return U16(value & 0xFFFF).U16(value >> 16); }
  Frame& U32s(std::initializer_list<uint32_t> values) {
    for (const uint32_t value : values) U32(value);
    return *this;
  }
  Frame& Zeros(size_t count) {
    body_.append(count, '\0');
    return *this;
  }
  // With at least one zero behind it.
  Frame& Text(std::string_view text, size_t size) {
    const std::string_view cut = text.substr(0, size - 1);
    body_.append(cut);
    return Zeros(size - cut.size());
  }
  Frame& DynamicText(std::string_view text) {
    constexpr size_t kMost = 120;
    body_.append(text.substr(0, kMost));
    return U8(0);
  }
  Frame& Octets(std::string_view octets, size_t size) {
    body_.append(octets.substr(0, size));
    return Zeros(size - std::min(size, octets.size()));
  }
  // As the version writes it.
  Frame& Address(std::string_view ip) {
    const auto address = SocketAddress::FromIp(ip, 0);
    const bool known = address.ok();
    std::string octets;
    if (known) {
      for (const uint8_t octet : address->ip_bytes()) {
        octets.push_back(static_cast<char>(octet));
      }
    }
    if (version_ < kSccpDynamic) return Octets(octets, 4);
    U32(known && !address->is_v4() ? 1 : 0);
    return Octets(octets, 16);
  }
  Frame& Encryption(const SccpEncryption& keys) {
    U32(static_cast<uint32_t>(keys.algorithm));
    const bool none = keys.algorithm == SccpEncryption::Algorithm::kNone;
    U16(none ? 0 : static_cast<uint32_t>(keys.key.size()));
    U16(none ? 0 : static_cast<uint32_t>(keys.salt.size()));
    Octets(none ? std::string_view() : keys.key, 16);
    Octets(none ? std::string_view() : keys.salt, 16);
    return U32s({0, 0});  // no MKI, no key derivation rate
  }

  std::string Take() {
    body_.append((4 - body_.size() % 4) % 4, '\0');
    const uint32_t length = static_cast<uint32_t>(body_.size());
    std::string body = std::move(body_);
    body_.clear();
    U32s({length, version_});
    return std::move(body_.append(body));
  }

 private:
  const uint8_t version_;
  std::string body_;
};

}  // namespace

uint32_t SccpToneOfDigit(char digit) {
  if (digit >= '1' && digit <= '9') return static_cast<uint32_t>(digit - '0');
  if (digit == '0') return 0x0A;
  if (digit == '*') return 0x0E;
  if (digit == '#') return 0x0F;
  if (digit >= 'A' && digit <= 'D') {
    return 0x10 + static_cast<uint32_t>(digit - 'A');
  }
  return 0;
}

std::string SccpWriter::RegisterAck(absl::Duration keepalive) const {
  const auto seconds = static_cast<uint32_t>(absl::ToInt64Seconds(keepalive));
  return Frame(kRegisterAck, version_)
      .U32(seconds)
      .Octets("D/M/Y", 6)
      .Zeros(2)
      .U32(seconds)
      .U8(version_)
      .Zeros(3)
      .Take();
}

std::string SccpWriter::RegisterReject(std::string_view text) {
  return Frame(kRegisterReject, 0).Text(text, 33).Take();
}

std::string SccpWriter::TokenAck() {
  return Frame(kRegisterTokenAck, 0).Take();
}

std::string SccpWriter::UnregisterAck() const {
  return Frame(kUnregisterAck, version_).U32(0).Take();
}

std::string SccpWriter::Reset() const {
  constexpr uint32_t kRestart = 2;
  return Frame(kReset, version_).U32(kRestart).Take();
}

std::string SccpWriter::KeepAliveAck() const {
  return Frame(kKeepAliveAck, version_).Take();
}

std::string SccpWriter::CapabilitiesReq() const {
  return Frame(kCapabilitiesReq, version_).Take();
}

std::string SccpWriter::ButtonTemplate() const {
  constexpr uint8_t kLineButton = 9;
  constexpr uint8_t kUndefined = 0xFF;
  constexpr int kButtons = 42;
  Frame frame(kButtonTemplate, version_);
  frame.U32s({0, 1, 1}).U8(kLine).U8(kLineButton);
  for (int i = 1; i < kButtons; ++i) frame.U8(0).U8(kUndefined);
  return frame.Take();
}

std::string SccpWriter::SoftKeyTemplate() const {
  struct Key {
    std::string_view label;
    uint32_t event;
  };
  constexpr Key kKeys[] = {{"NewCall", 2}, {"Hold", 3},    {"Trnsfer", 4},
                           {"EndCall", 9}, {"Resume", 10}, {"Answer", 11}};
  const auto count = static_cast<uint32_t>(std::size(kKeys));
  Frame frame(kSoftKeyTemplateRes, version_);
  frame.U32s({0, count, count});
  for (const Key& key : kKeys) frame.Text(key.label, 16).U32(key.event);
  return frame.Take();
}

std::string SccpWriter::SoftKeySet() const {
  // One set for every state: all of the keys of the template.
  constexpr uint8_t kKeys = 6;
  constexpr size_t kPlaces = 16;
  Frame frame(kSoftKeySetRes, version_);
  frame.U32s({0, 1, 1});
  for (uint8_t i = 1; i <= kKeys; ++i) frame.U8(i);
  frame.Zeros(kPlaces - kKeys);
  for (uint8_t i = 1; i <= kKeys; ++i) frame.U16(300U + i);
  return frame.Zeros(2 * (kPlaces - kKeys)).Take();
}

std::string SccpWriter::LineStat(uint32_t line, std::string_view number,
                                 std::string_view name) const {
  if (version_ >= kSccpDynamic) {
    return Frame(kLineStatDynamic, version_)
        .U32s({line, 0})
        .DynamicText(number)
        .DynamicText(name)
        .DynamicText(number)
        .Take();
  }
  return Frame(kLineStat, version_)
      .U32(line)
      .Text(number, 24)
      .Text(name, 40)
      .Text(number, 40)
      .U32(0)
      .Take();
}

std::string SccpWriter::ForwardStat(uint32_t line) const {
  return Frame(kForwardStat, version_)
      .U32s({0, line})
      .Zeros(3 * (4 + 24))
      .Take();
}

std::string SccpWriter::ConfigStat(std::string_view device_name) const {
  return Frame(kConfigStat, version_)
      .Text(device_name, 16)
      .U32s({0, 1})
      .Zeros(40)
      .Text("sallyport", 40)
      .U32s({1, 0})
      .Take();
}

std::string SccpWriter::TimeDate(absl::Time now) const {
  const absl::CivilSecond at = absl::ToCivilSecond(now, absl::UTCTimeZone());
  const auto weekday = absl::GetWeekday(at);
  // Sunday is 0; Abseil counts from Monday.
  const auto day = (static_cast<uint32_t>(weekday) + 1) % 7;
  return Frame(kDefineTimeDate, version_)
      .U32s({static_cast<uint32_t>(at.year()),
             static_cast<uint32_t>(at.month()), day,
             static_cast<uint32_t>(at.day()), static_cast<uint32_t>(at.hour()),
             static_cast<uint32_t>(at.minute()),
             static_cast<uint32_t>(at.second()), 0,
             static_cast<uint32_t>(absl::ToUnixSeconds(now))})
      .Take();
}

std::string SccpWriter::Version() const {
  return Frame(kVersion, version_).Text("1", 16).Take();
}

std::string SccpWriter::StartTone(uint32_t tone, uint32_t call) const {
  return Frame(kStartTone, version_).U32s({tone, 0, kLine, call}).Take();
}

std::string SccpWriter::StopTone(uint32_t call) const {
  return Frame(kStopTone, version_).U32s({kLine, call, 0}).Take();
}

std::string SccpWriter::SetRinger(bool rings, uint32_t call) const {
  constexpr uint32_t kOff = 1;
  constexpr uint32_t kInside = 2;
  constexpr uint32_t kNormal = 1;
  return Frame(kSetRinger, version_)
      .U32s({rings ? kInside : kOff, kNormal, kLine, call})
      .Take();
}

std::string SccpWriter::SetLamp(uint32_t stimulus, uint32_t instance,
                                SccpLamp lamp) const {
  return Frame(kSetLamp, version_)
      .U32s({stimulus, instance, static_cast<uint32_t>(lamp)})
      .Take();
}

std::string SccpWriter::CallState(SccpCallState state, uint32_t call) const {
  constexpr uint32_t kRoutine = 4;
  return Frame(kCallState, version_)
      .U32s({static_cast<uint32_t>(state), kLine, call, 0, kRoutine, 0})
      .Take();
}

std::string SccpWriter::CallInfo(const SccpCallInfo& info) const {
  const auto type = static_cast<uint32_t>(info.type);
  const auto security = static_cast<uint32_t>(info.security);
  const auto original_reason = static_cast<uint32_t>(info.original_reason);
  const auto last_reason = static_cast<uint32_t>(info.last_reason);
  if (version_ >= kSccpDynamic) {
    Frame frame(kCallInfoDynamic, version_);
    frame.U32s(
        {kLine, info.call, type, original_reason, last_reason, 0, security, 0});
    const std::array<const SccpParty*, 4> parties = {
        &info.calling, &info.called, &info.original, &info.last};
    // Since version 16 all numbers come first, and among them the number that
    // the caller had before it was changed on the way, which nobody tells.
    frame.DynamicText(info.calling.number).DynamicText("");
    for (const SccpParty* party : {&info.called, &info.original, &info.last}) {
      frame.DynamicText(party->number);
    }
    for (const SccpParty* party : parties) frame.DynamicText(party->mailbox);
    for (const SccpParty* party : parties) frame.DynamicText(party->name);
    // Number and name of a hunt pilot.
    return frame.DynamicText("").DynamicText("").Take();
  }
  return Frame(kCallInfo, version_)
      .Text(info.calling.name, 40)
      .Text(info.calling.number, 24)
      .Text(info.called.name, 40)
      .Text(info.called.number, 24)
      .U32s({kLine, info.call, type})
      .Text(info.original.name, 40)
      .Text(info.original.number, 24)
      .Text(info.last.name, 40)
      .Text(info.last.number, 24)
      .U32s({original_reason, last_reason})
      .Text(info.calling.mailbox, 24)
      .Text(info.called.mailbox, 24)
      .Text(info.original.mailbox, 24)
      .Text(info.last.mailbox, 24)
      .U32s({0, security, 0})
      .Take();
}

std::string SccpWriter::OpenReceiveChannel(const SccpChannel& channel) const {
  Frame frame(kOpenReceiveChannel, version_);
  frame
      .U32s({channel.conference, channel.party, channel.packet_ms,
             static_cast<uint32_t>(channel.codec), 0, 0, channel.call})
      .Encryption(channel.encryption)
      .U32s({0, 0, channel.telephone_event, 0, 0, 0})
      .Address("0.0.0.0")
      .U32(0);
  if (version_ >= kSccpDynamic) frame.U32(0);  // IPv4 is asked for
  return frame.Take();
}

std::string SccpWriter::CloseReceiveChannel(const SccpChannel& channel) const {
  return Frame(kCloseReceiveChannel, version_)
      .U32s({channel.conference, channel.party, channel.call, 0})
      .Take();
}

std::string SccpWriter::StartMediaTransmission(
    const SccpChannel& channel) const {
  return Frame(kStartMediaTransmission, version_)
      .U32s({channel.conference, channel.party})
      .Address(channel.ip)
      .U32s({channel.port, channel.packet_ms,
             static_cast<uint32_t>(channel.codec), 0, 0})
      .U16(1)  // frames in a packet
      .Zeros(2)
      .U32s({0, channel.call})
      .Encryption(channel.encryption)
      .U32s({0, 0, channel.telephone_event, 0, 0, 0})
      .Take();
}

std::string SccpWriter::StopMediaTransmission(
    const SccpChannel& channel) const {
  return Frame(kStopMediaTransmission, version_)
      .U32s({channel.conference, channel.party, channel.call, 0})
      .Take();
}

std::string SccpWriter::MwiResponse(std::string_view target,
                                    uint32_t result) const {
  return Frame(kMwiResponse, version_).Text(target, 25).U32(result).Take();
}

}  // namespace sallyport::signaling_edge
