#include "services/capf/core/tlv_element.h"

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {

std::optional<TlvElement> ReadTlvElement(ByteReader& reader) {
  ByteReader ahead = reader;
  const size_t offset = ahead.offset();
  const std::optional<uint8_t> tag = ahead.ReadU8();
  if (!tag) return std::nullopt;
  const std::optional<ByteSpan> value = ahead.ReadU16Prefixed();
  if (!value) return std::nullopt;
  reader = ahead;
  return TlvElement{.tag = *tag, .value = *value, .offset = offset};
}

std::optional<std::string_view> ReadTlvText(ByteSpan value) {
  const std::string_view text = AsText(value);
  if (text.empty() || text.find('\0') != text.size() - 1) return std::nullopt;
  return text.substr(0, text.size() - 1);
}

void WriteTlvElement(uint8_t tag, ByteSpan value, ByteBuilder& out) {
  out.WriteU8(tag);
  out.WriteU16(static_cast<uint16_t>(value.size()));
  out.WriteBytes(value);
}

void WriteTlvText(uint8_t tag, std::string_view text, ByteBuilder& out) {
  out.WriteU8(tag);
  out.WriteU16(static_cast<uint16_t>(text.size() + 1));
  out.WriteText(text);
  out.WriteU8(0);
}

void WriteTlvU8(uint8_t tag, uint8_t value, ByteBuilder& out) {
  out.WriteU8(tag);
  out.WriteU16(1);
  out.WriteU8(value);
}

void WriteTlvU16(uint8_t tag, uint16_t value, ByteBuilder& out) {
  out.WriteU8(tag);
  out.WriteU16(2);
  out.WriteU16(value);
}

absl::Status TlvFault(std::string_view reason, std::string_view what,
                      size_t offset) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason,
                   absl::StrCat(std::string(what), ", at offset ", offset));
}

}  // namespace sallyport::capf
