#include "services/capf/core/capf_message.h"

#include <initializer_list>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sallyport::capf {
namespace {

using Bytes = absl::Span<const uint8_t>;

constexpr uint8_t kLastOpcode = 23;
constexpr uint8_t kLastKnownTag = 20;
constexpr uint16_t kInnerLscType = 1;
constexpr uint16_t kInnerMicType = 2;

uint16_t ReadU16(Bytes bytes) {
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

uint32_t ReadU32(Bytes bytes) {
  return uint32_t{ReadU16(bytes)} << 16 | ReadU16(bytes.subspan(2));
}

std::vector<uint8_t> Copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// Takes one `tag u8 | length u16 | value` from the front of `rest`.
bool TakeTlv(Bytes& rest, uint8_t& tag, Bytes& value) {
  if (rest.size() < 3) return false;
  const size_t length = ReadU16(rest.subspan(1, 2));
  if (rest.size() - 3 < length) return false;
  tag = rest[0];
  value = rest.subspan(3, length);
  rest.remove_prefix(3 + length);
  return true;
}

// Text ends with one NUL; a peer that leaves it out is understood.
bool ReadText(Bytes value, std::optional<std::string>& text) {
  if (!value.empty() && value.back() == 0) value.remove_suffix(1);
  for (const uint8_t byte : value) {
    if (byte == 0) return false;
  }
  text.emplace(value.begin(), value.end());
  return true;
}

template <typename T>
bool ReadByte(Bytes value, uint8_t low, uint8_t high, std::optional<T>& field) {
  if (value.size() != 1 || value[0] < low || value[0] > high) return false;
  field = static_cast<T>(value[0]);
  return true;
}

bool ReadCertificate(Bytes value, std::optional<CapfCertificate>& field) {
  uint8_t tag = 0;
  Bytes inner;
  if (!TakeTlv(value, tag, inner) || tag != 1 || !value.empty()) return false;
  if (inner.size() < 2) return false;
  const uint16_t type = ReadU16(inner);
  if (type != kInnerLscType && type != kInnerMicType) return false;
  field = CapfCertificate{.type = static_cast<CapfCertificateType>(type),
                          .der = Copy(inner.subspan(2))};
  return true;
}

bool ReadSignature(Bytes value, std::optional<CapfSignature>& field) {
  uint8_t tag = 0;
  Bytes inner;
  if (!TakeTlv(value, tag, inner) || !value.empty()) return false;
  field = CapfSignature{.digest_type = tag, .bytes = Copy(inner)};
  return true;
}

bool ReadSudi(Bytes value, std::optional<CapfSudi>& field) {
  CapfSudi sudi;
  std::vector<uint8_t>* const parts[] = {&sudi.certificate_der,
                                         &sudi.sha1_signature, nullptr,
                                         &sudi.sha512_signature};
  bool seen[4] = {};
  while (!value.empty()) {
    uint8_t tag = 0;
    Bytes inner;
    if (!TakeTlv(value, tag, inner)) return false;
    if (tag > 3 || parts[tag] == nullptr || seen[tag]) return false;
    seen[tag] = true;
    *parts[tag] = Copy(inner);
  }
  if (!seen[0]) return false;
  field = std::move(sudi);
  return true;
}

// False if a known element has the wrong shape. Unknown tags are true.
bool ReadElement(uint8_t tag, Bytes value, CapfMessage& out) {
  switch (tag) {
    case 1:
      return ReadByte(value, 0, 255, out.reason);
    case 2:
      return ReadText(value, out.reason_info);
    case 3:
      return ReadByte(value, 1, 2, out.certificate_type);
    case 4:
      return ReadCertificate(value, out.certificate);
    case 6:
      out.sha1_signed_data = Copy(value);
      return true;
    case 7:
      return ReadByte(value, 0, 255, out.protocol_version);
    case 8:
      return ReadByte(value, 0, 4, out.auth_type);
    case 9:
      out.public_key = Copy(value);
      return true;
    case 10:
      if (value.size() != 2) return false;
      out.key_size = ReadU16(value);
      return true;
    case 11:
      return ReadText(value, out.authentication_string);
    case 13:
      return ReadText(value, out.device_name);
    case 16:
      return ReadSudi(value, out.sudi);
    case 17:
      return ReadByte(value, 0, 1, out.key_type);
    case 18:
      return ReadByte(value, 0, 2, out.curve);
    case 19:
      return ReadByte(value, 0, 255, out.digest_type);
    case 20:
      return ReadSignature(value, out.sha2_signed_data);
    default:
      return true;
  }
}

bool PayloadIsElements(CapfOpcode opcode) {
  const auto value = static_cast<uint8_t>(opcode);
  return value <= 4 || (value >= 9 && value <= 15) || value == 17;
}

void AppendU16(std::string& out, size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

std::string_view AsText(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Appends elements; remembers whether one did not fit.
class ElementWriter {
 public:
  void Add(uint8_t tag, std::initializer_list<std::string_view> parts) {
    size_t length = 0;
    for (const std::string_view part : parts) length += part.size();
    if (length > kCapfMaxPayload) {
      fits_ = false;
      return;
    }
    out_.push_back(static_cast<char>(tag));
    AppendU16(out_, length);
    for (const std::string_view part : parts) out_.append(part);
  }
  template <typename T>
  void AddByte(uint8_t tag, const std::optional<T>& field) {
    if (!field.has_value()) return;
    const char byte = static_cast<char>(*field);
    Add(tag, {std::string_view(&byte, 1)});
  }
  void AddText(uint8_t tag, const std::optional<std::string>& field) {
    if (!field.has_value()) return;
    if (field->find('\0') != std::string::npos) text_is_clean_ = false;
    Add(tag, {*field, std::string_view("\0", 1)});
  }
  void AddBytes(uint8_t tag, const std::optional<std::vector<uint8_t>>& field) {
    if (field.has_value()) Add(tag, {AsText(*field)});
  }

  bool fits() const { return fits_ && out_.size() <= kCapfMaxPayload; }
  bool text_is_clean() const { return text_is_clean_; }
  const std::string& out() const { return out_; }

 private:
  std::string out_;
  bool fits_ = true;
  bool text_is_clean_ = true;
};

void WriteCertificate(const std::optional<CapfCertificate>& field,
                      ElementWriter& writer) {
  if (!field.has_value()) return;
  std::string head(1, '\x01');
  AppendU16(head, field->der.size() + 2);
  AppendU16(head, static_cast<uint8_t>(field->type));
  writer.Add(4, {head, AsText(field->der)});
}

void WriteSudi(const std::optional<CapfSudi>& field, ElementWriter& writer) {
  if (!field.has_value()) return;
  ElementWriter inner;
  inner.Add(0, {AsText(field->certificate_der)});
  inner.Add(1, {AsText(field->sha1_signature)});
  inner.Add(3, {AsText(field->sha512_signature)});
  writer.Add(16, {inner.out()});
}

}  // namespace

std::string_view CapfOpcodeName(CapfOpcode opcode) {
  switch (opcode) {
    case CapfOpcode::kAuthRequest:
      return "AUTH_REQUEST";
    case CapfOpcode::kAuthResponse:
      return "AUTH_RESPONSE";
    case CapfOpcode::kKeyGenerateRequest:
      return "KEY_GENERATE_REQUEST";
    case CapfOpcode::kKeyGenerateResponse:
      return "KEY_GENERATE_RESPONSE";
    case CapfOpcode::kEncryptResponse:
      return "ENCRYPT_RESPONSE";
    case CapfOpcode::kEncryptRequest:
      return "ENCRYPT_REQUEST";
    case CapfOpcode::kDecryptRequest:
      return "DECRYPT_REQUEST";
    case CapfOpcode::kDecryptResponse:
      return "DECRYPT_RESPONSE";
    case CapfOpcode::kStoreCertRequest:
      return "STORE_CERT_REQUEST";
    case CapfOpcode::kStoreCertResponse:
      return "STORE_CERT_RESPONSE";
    case CapfOpcode::kFetchCertRequest:
      return "FETCH_CERT_REQUEST";
    case CapfOpcode::kFetchCertResponse:
      return "FETCH_CERT_RESPONSE";
    case CapfOpcode::kDeleteCertRequest:
      return "DELETE_CERT_REQUEST";
    case CapfOpcode::kDeleteCertResponse:
      return "DELETE_CERT_RESPONSE";
    case CapfOpcode::kEndSession:
      return "END_SESSION";
    case CapfOpcode::kRetryLater:
      return "RETRY_LATER";
    case CapfOpcode::kRequestInProgress:
      return "REQUEST_IN_PROGRESS";
    case CapfOpcode::kStatusResponse:
      return "STATUS_RESPONSE";
    case CapfOpcode::kStatusRequest:
      return "STATUS_REQUEST";
    case CapfOpcode::kAbortRequest:
      return "ABORT_REQUEST";
    case CapfOpcode::kAbortResponse:
      return "ABORT_RESPONSE";
    case CapfOpcode::kSignCertRequest:
      return "SIGN_CERT_REQUEST";
    case CapfOpcode::kSignCertResponse:
      return "SIGN_CERT_RESPONSE";
  }
  return "";
}

absl::StatusOr<std::optional<ParsedCapfMessage>> ParseCapfMessage(
    absl::Span<const uint8_t> stream, size_t max_payload) {
  if (stream.empty()) return std::nullopt;
  if (stream[0] != kCapfMagic) {
    return absl::InvalidArgumentError("not a CAPF message");
  }
  if (stream.size() >= 2 && (stream[1] == 0 || stream[1] > kLastOpcode)) {
    return absl::InvalidArgumentError("unknown CAPF opcode");
  }
  if (stream.size() < kCapfHeaderSize) return std::nullopt;
  const size_t length = ReadU16(stream.subspan(6));
  if (length > max_payload) {
    return absl::InvalidArgumentError("CAPF payload too long");
  }
  if (stream.size() - kCapfHeaderSize < length) return std::nullopt;

  ParsedCapfMessage parsed;
  parsed.consumed = kCapfHeaderSize + length;
  parsed.message.opcode = static_cast<CapfOpcode>(stream[1]);
  parsed.message.session_id = ReadU32(stream.subspan(2));
  if (!PayloadIsElements(parsed.message.opcode)) return parsed;

  uint32_t seen = 0;  // one bit per known tag
  Bytes rest = stream.subspan(kCapfHeaderSize, length);
  while (!rest.empty()) {
    uint8_t tag = 0;
    Bytes value;
    if (!TakeTlv(rest, tag, value)) {
      return absl::InvalidArgumentError("CAPF element runs past the payload");
    }
    if (tag > kLastKnownTag) continue;
    // Two answers to one question have no right reading, so none is taken.
    if ((seen & uint32_t{1} << tag) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("CAPF element ", tag, " comes twice"));
    }
    seen |= uint32_t{1} << tag;
    if (!ReadElement(tag, value, parsed.message)) {
      return absl::InvalidArgumentError(
          absl::StrCat("CAPF element ", tag, " is malformed"));
    }
  }
  return parsed;
}

absl::StatusOr<std::string> SerializeCapfMessage(const CapfMessage& message) {
  ElementWriter payload;
  payload.AddByte(1, message.reason);
  payload.AddText(2, message.reason_info);
  payload.AddByte(3, message.certificate_type);
  WriteCertificate(message.certificate, payload);
  payload.AddBytes(6, message.sha1_signed_data);
  payload.AddByte(7, message.protocol_version);
  payload.AddByte(8, message.auth_type);
  payload.AddBytes(9, message.public_key);
  if (message.key_size.has_value()) {
    std::string size;
    AppendU16(size, *message.key_size);
    payload.Add(10, {size});
  }
  payload.AddText(11, message.authentication_string);
  payload.AddText(13, message.device_name);
  WriteSudi(message.sudi, payload);
  payload.AddByte(17, message.key_type);
  payload.AddByte(18, message.curve);
  payload.AddByte(19, message.digest_type);
  if (message.sha2_signed_data.has_value()) {
    std::string head(1,
                     static_cast<char>(message.sha2_signed_data->digest_type));
    AppendU16(head, message.sha2_signed_data->bytes.size());
    payload.Add(20, {head, AsText(message.sha2_signed_data->bytes)});
  }
  if (!payload.fits()) {
    return absl::InvalidArgumentError("CAPF payload above 65535 bytes");
  }
  if (!payload.text_is_clean()) {
    return absl::InvalidArgumentError("CAPF text holds a NUL");
  }

  std::string wire;
  wire.reserve(kCapfHeaderSize + payload.out().size());
  wire.push_back(static_cast<char>(kCapfMagic));
  wire.push_back(static_cast<char>(message.opcode));
  AppendU16(wire, message.session_id >> 16);
  AppendU16(wire, message.session_id & 0xffff);
  AppendU16(wire, payload.out().size());
  wire.append(payload.out());
  return wire;
}

}  // namespace sallyport::capf
