#include "services/capf/core/tvs_message.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "services/capf/core/tlv_element.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr uint8_t kProtocol = 0x57;
constexpr uint8_t kVersion = 1;
constexpr uint8_t kVerifyRequest = 1;
constexpr uint8_t kVerifyResponse = 2;

enum Element : uint8_t {
  kDeviceName = 1,
  kCertificate = 2,
  kStatus = 7,
  kRoles = 8,
  kTimeToLive = 9,
};

constexpr uint8_t kValid = 0;
constexpr uint8_t kInvalid = 1;
// What stands before the text of a device name.
constexpr uint8_t kDeviceNameKind = 1;

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "TVS_MALFORMED", what);
}

// The name, with or without the final NUL that some phones send.
absl::Status TakeDeviceName(ByteSpan value, std::string& out) {
  if (value.empty() || value[0] != kDeviceNameKind) {
    return Malformed("device name of another kind");
  }
  std::string_view text = AsText(value.subspan(1));
  if (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  if (text.find('\0') != std::string_view::npos) {
    return Malformed("a device name holds a NUL");
  }
  out = std::string(text);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<ParsedTvsRequest>> ParseTvsRequest(
    ByteSpan stream) {
  ByteReader reader(stream);
  // Another protocol is told by its first octets already.
  if (!stream.empty() && stream[0] != kProtocol) {
    return Malformed("another protocol");
  }
  if (stream.size() < kTvsHeaderSize) return std::nullopt;
  reader.Skip(1);
  const uint8_t version = *reader.ReadU8();
  const uint8_t opcode = *reader.ReadU8();
  reader.Skip(1);
  ParsedTvsRequest out;
  out.request.request_id = *reader.ReadU32();
  const size_t size = *reader.ReadU16();
  if (version != kVersion) return Malformed("another version");
  if (opcode != kVerifyRequest) return Malformed("not a VERIFY request");
  if (size > kTvsMaxPayload) return Malformed("the payload is too long");
  const std::optional<ByteSpan> payload = reader.ReadBytes(size);
  if (!payload) return std::nullopt;
  out.consumed = reader.offset();

  ByteReader elements(*payload);
  bool named = false;
  while (!elements.empty()) {
    const std::optional<TlvElement> element = ReadTlvElement(elements);
    if (!element) return Malformed("an element runs past the payload");
    if (element->tag == kDeviceName) {
      if (std::exchange(named, true)) return Malformed("two device names");
      const absl::Status taken =
          TakeDeviceName(element->value, out.request.device_name);
      if (!taken.ok()) return taken;
    } else if (element->tag == kCertificate) {
      if (!out.request.certificate.empty()) {
        return Malformed("two certificates");
      }
      out.request.certificate = ToString(element->value);
    }
  }
  if (out.request.certificate.empty()) return Malformed("no certificate");
  return out;
}

std::string WriteTvsResponse(uint32_t request_id, const TvsAnswer& answer) {
  ByteBuilder elements;
  WriteTlvU8(kStatus, answer.valid ? kValid : kInvalid, elements);
  if (answer.valid) {
    std::string roles;
    for (const TrustListRole role : answer.roles) {
      const auto number = static_cast<uint16_t>(role);
      if (number < 256) roles.push_back(static_cast<char>(number));
    }
    WriteTlvElement(kRoles, AsBytes(roles), elements);
    const int64_t seconds =
        std::clamp<int64_t>(absl::ToInt64Seconds(answer.ttl), 0,
                            std::numeric_limits<uint32_t>::max());
    elements.WriteU8(kTimeToLive);
    elements.WriteU16(sizeof(uint32_t));
    elements.WriteU32(static_cast<uint32_t>(seconds));
  }
  ByteBuilder out;
  out.WriteU8(kProtocol);
  out.WriteU8(kVersion);
  out.WriteU8(kVerifyResponse);
  out.WriteU8(0);
  out.WriteU32(request_id);
  out.WriteU16(static_cast<uint16_t>(elements.size()));
  out.WriteBytes(elements.written());
  return out.Take();
}

}  // namespace sallyport::capf
